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

/// The size of one chunk of a body. Writing a chunk takes a worker 0.2 ms, then other tasks run.
/// Smaller chunks make TCP wait for acknowledgements: with 64 KiB, a session of 1 MB took four
/// times as long.
const CHUNK_SIZE: usize = 512 * 1024;

// A constant, because `ContentType::json()` is formatted anew for every response.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Responds with all items as one JSON object with sorted keys.
///
/// The status is 200 and the type `application/json`; no cookie or cache header is added. The body
/// is the stored text if that already has this form. A long text is sent in chunks, between which
/// the worker serves other requests.
impl Responder for Snapshot {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::with_body(StatusCode::OK, BoxBody::from(self));
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        response
    }
}

/// Converts into the same body, for a response of your own.
impl From<Snapshot> for BoxBody {
    fn from(session: Snapshot) -> Self {
        let session = session.into_canonical();
        let length = session.stored().len();
        if length <= CHUNK_SIZE {
            return Self::new(Bytes::copy_from_slice(session.stored().as_bytes()));
        }
        Self::new(SizedStream::new(
            length as u64,
            stream::unfold(0, move |sent| {
                let session = session.clone();
                async move {
                    let chunk = next_chunk(sent, session.stored().len())?;
                    if sent > 0 {
                        yield_now().await;
                    }
                    let end = chunk.end;
                    let text = &session.stored().as_bytes()[chunk];
                    Some((Ok::<_, Error>(Bytes::copy_from_slice(text)), end))
                }
            }),
        ))
    }
}

/// Returns the chunk after the first `sent` bytes, or `None` if all are sent.
fn next_chunk(sent: usize, length: usize) -> Option<Range<usize>> {
    (sent < length).then(|| sent..length.min(sent + CHUNK_SIZE))
}

#[cfg(test)]
mod tests {
    use actix_web::body::{MessageBody as _, to_bytes};

    use super::*;

    fn body(text: &str) -> BoxBody {
        Snapshot::parse(text).unwrap().expect("it has items").into()
    }

    #[tokio::test]
    async fn a_canonical_session_is_sent_as_stored_and_any_other_sorted() {
        for (stored, sent) in [
            (r#"{"a":2.50,"b":[ 1 ]}"#, r#"{"a":2.50,"b":[ 1 ]}"#),
            ("{ \"b\": 1,\n \"a\": 2 }", r#"{"a":2,"b":1}"#),
        ] {
            assert_eq!(to_bytes(body(stored)).await.unwrap(), sent);
        }
    }

    #[tokio::test]
    async fn sending_a_large_session_yields_to_other_tasks() {
        let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(10 * CHUNK_SIZE));
        let mut polls = 0;
        let others = async {
            loop {
                polls += 1;
                yield_now().await;
            }
        };
        tokio::select! {
            () = others => {}
            sent = to_bytes(body(&text)) => assert!(sent.unwrap() == text),
        }
        assert!(polls >= 10, "{polls}");
    }

    #[tokio::test]
    async fn a_large_session_is_sent_whole_with_its_length() {
        for length in
            [CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, 2 * CHUNK_SIZE + 1, 10 * CHUNK_SIZE]
        {
            let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8));
            let body = body(&text);
            assert_eq!(body.size(), actix_web::body::BodySize::Sized(length as u64));
            assert!(to_bytes(body).await.unwrap() == text, "{length}");
        }
    }
}
