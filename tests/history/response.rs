//! Interprets HTTP responses and checks their documented form.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::record::{Answer, Operation};
use crate::demo::client::Answer as Response;

pub(crate) fn interpret(operation: &Operation, response: &Response) -> Answer {
    let answer = match response.status {
        200 => success(operation, &response.body),
        409 if is_plain(response) && response.set_cookie.is_none() => Some(Answer::Refused),
        503 if is_plain(response) && response.retry_after.is_some() => Some(Answer::Unavailable),
        _ => None,
    };
    answer.unwrap_or_else(|| Answer::Unexpected(format!("{response:?}")))
}

fn success(operation: &Operation, body: &str) -> Option<Answer> {
    match (operation, body) {
        (Operation::Get, _) => {
            let items: BTreeMap<String, Box<RawValue>> = serde_json::from_str(body).ok()?;
            let items = items.into_iter().map(|(key, item)| (key, item.get().to_owned()));
            Some(Answer::Items(items.collect()))
        }
        (Operation::GetItem(_) | Operation::Take(_), "null") => Some(Answer::Item(None)),
        (Operation::GetItem(_) | Operation::Take(_), _) => {
            Some(Answer::Item(Some(body.to_owned())))
        }
        (Operation::Count, _) => body.parse().ok().map(Answer::Counted),
        (Operation::Login(_), "moved") => Some(Answer::Renewed),
        (Operation::Login(_), "new") => Some(Answer::Done),
        (_, "ok") => Some(Answer::Done),
        _ => None,
    }
}

/// Returns whether the body is plain sentences without internal details.
fn is_plain(response: &Response) -> bool {
    let is_text =
        response.content_type.as_deref().is_some_and(|content| content.starts_with("text/plain"));
    let body = response.body.to_lowercase();
    let internal = ["redis", "127.0.0.1", "timeout", "error", "os ", "::", "/"];
    is_text && body.trim_end().ends_with('.') && !internal.iter().any(|word| body.contains(word))
}
