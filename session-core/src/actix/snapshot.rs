//! Whole sessions as responses.

use std::ops::Range;

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::{BoxBody, SizedStream},
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderValue},
    },
    web::Bytes,
};
use futures_util::stream;
use tokio::task::yield_now;

use crate::{Error, Snapshot};

/// What is handed to the connection in one piece, for which a worker has 0.2 ms to do; then others
/// have their turn. Smaller pieces make TCP wait for acknowledgements: with 64 KiB a session of
/// 1 MB took four times as long.
const PIECE: usize = 512 * 1024;

// Made once; `ContentType::json()` is written anew for every response.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// All items as one JSON object with sorted keys: the text as it is stored, if it has that form
/// already. 200 with `application/json`; no cookie or cache header is added.
///
/// A long text is sent in pieces between which the worker serves others.
impl Responder for Snapshot {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::with_body(StatusCode::OK, BoxBody::from(self));
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        response
    }
}

/// The same as the body of a response of your own.
impl From<Snapshot> for BoxBody {
    fn from(session: Snapshot) -> Self {
        let session = session.into_canonical();
        let length = session.stored().len();
        if length <= PIECE {
            return Self::new(Bytes::copy_from_slice(session.stored().as_bytes()));
        }
        Self::new(SizedStream::new(
            length as u64,
            stream::unfold(0, move |sent| {
                let session = session.clone();
                async move {
                    let piece = piece(sent, session.stored().len())?;
                    if sent > 0 {
                        yield_now().await;
                    }
                    let end = piece.end;
                    let text = &session.stored().as_bytes()[piece];
                    Some((Ok::<_, Error>(Bytes::copy_from_slice(text)), end))
                }
            }),
        ))
    }
}

/// What comes after so many bytes, if anything.
fn piece(sent: usize, length: usize) -> Option<Range<usize>> {
    (sent < length).then(|| sent..length.min(sent + PIECE))
}

#[cfg(test)]
mod tests {
    use actix_web::body::{MessageBody as _, to_bytes};

    use super::*;

    fn body(text: &str) -> BoxBody {
        Snapshot::parse(text).unwrap().expect("it has items").into()
    }

    #[tokio::test]
    async fn a_session_is_answered_as_it_is_stored_and_sorted_if_it_is_not() {
        for (stored, sent) in [
            (r#"{"a":2.50,"b":[ 1 ]}"#, r#"{"a":2.50,"b":[ 1 ]}"#),
            ("{ \"b\": 1,\n \"a\": 2 }", r#"{"a":2,"b":1}"#),
        ] {
            assert_eq!(to_bytes(body(stored)).await.unwrap(), sent);
        }
    }

    #[tokio::test]
    async fn while_a_long_one_is_sent_others_have_their_turns() {
        let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(10 * PIECE));
        let mut turns = 0;
        let others = async {
            loop {
                turns += 1;
                yield_now().await;
            }
        };
        tokio::select! {
            () = others => {}
            sent = to_bytes(body(&text)) => assert!(sent.unwrap() == text),
        }
        assert!(turns >= 10, "{turns}");
    }

    #[tokio::test]
    async fn a_long_one_comes_whole_and_says_how_long_it_is() {
        for length in [PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1, 10 * PIECE] {
            let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8));
            let body = body(&text);
            assert_eq!(body.size(), actix_web::body::BodySize::Sized(length as u64));
            assert!(to_bytes(body).await.unwrap() == text, "{length}");
        }
    }
}
