//! Query strings, read strictly: what would have to be guessed is refused.

use actix_web::HttpResponse;

/// Pairs of key and value, decoded, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

/// Why a query string is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    Encoding,
    OtherThanKey,
}

impl Query {
    /// Reads `a=1&b=x`; `+` is a space, a key without `=` has an empty value.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(key)?, decode(value)?))
        });
        decoded.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `key=a&key=b`, the items that a request is about; none is about the session.
    pub(super) fn keys(text: &str) -> Result<Vec<String>, Malformed> {
        // Nothing else, lest a slip in `/del?key=a` ends the session.
        let key = |(name, key)| if name == "key" { Ok(key) } else { Err(Malformed::OtherThanKey) };
        Self::parse(text)?.into_iter().map(key).collect()
    }
}

impl IntoIterator for Query {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Malformed {
    pub(super) fn answer(&self) -> HttpResponse {
        HttpResponse::BadRequest().body(match self {
            Self::Encoding => "The query string is not percent-encoded UTF-8.\n",
            Self::OtherThanKey => "Only ?key=… is understood here.\n",
        })
    }
}

fn decode(text: &str) -> Result<String, Malformed> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(Malformed::Encoding);
                };
                (high << 4 | low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| Malformed::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, String)>, Malformed> {
        Query::parse(text).map(|query| query.0)
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn pairs_are_decoded() {
        assert_eq!(parse(""), Ok(vec![]));
        assert_eq!(parse("a=1&b=x"), Ok(vec![pair("a", "1"), pair("b", "x")]));
        assert_eq!(parse("&a&=1&"), Ok(vec![pair("a", ""), pair("", "1")]));
        assert_eq!(parse("a%3D=%22%C3%A9+%2B%22"), Ok(vec![pair("a=", "\"é +\"")]));
        assert_eq!(parse("a=b=c"), Ok(vec![pair("a", "b=c")]));
    }

    #[test]
    fn what_is_not_percent_encoded_utf_8_is_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "%f", "a=%ff", "a=%+1", "a=%c3"] {
            assert_eq!(parse(text), Err(Malformed::Encoding), "{text}");
        }
    }

    #[test]
    fn the_items_of_a_request_are_named_by_key() {
        assert_eq!(Query::keys("key=a&key=%20"), Ok(vec!["a".to_owned(), " ".to_owned()]));
        assert_eq!(Query::keys(""), Ok(vec![]));
        assert_eq!(Query::keys("kye=a"), Err(Malformed::OtherThanKey));
    }
}
