//! A strict parser for query strings: anything ambiguous is refused.

use actix_web::HttpResponse;

/// The decoded pairs of key and value, in their original order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

/// The reason why a query string is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    Encoding,
    UnknownParameter,
}

impl Query {
    /// Parses `a=1&b=x`. `+` is a space, and a key without `=` has an empty value.
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

    /// Parses `key=a&key=b`, the keys of the items that a request names. Without any, the request
    /// is about the whole session.
    pub(super) fn keys(text: &str) -> Result<Vec<String>, Malformed> {
        // Any other parameter is refused: a typo in `/del?key=a` must not end the session.
        let key = |(name, value): (String, String)| match name.as_str() {
            "key" => Ok(value),
            _ => Err(Malformed::UnknownParameter),
        };
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
    pub(super) fn response(&self) -> HttpResponse {
        HttpResponse::BadRequest().body(match self {
            Self::Encoding => "The query string is not percent-encoded UTF-8.\n",
            Self::UnknownParameter => "The only query parameter allowed here is key.\n",
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
    fn text_that_is_not_percent_encoded_utf_8_is_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "%f", "a=%ff", "a=%+1", "a=%c3"] {
            assert_eq!(parse(text), Err(Malformed::Encoding), "{text}");
        }
    }

    #[test]
    fn key_is_the_only_parameter_that_names_items() {
        assert_eq!(Query::keys("key=a&key=%20"), Ok(vec!["a".to_owned(), " ".to_owned()]));
        assert_eq!(Query::keys(""), Ok(vec![]));
        assert_eq!(Query::keys("kye=a"), Err(Malformed::UnknownParameter));
    }
}
