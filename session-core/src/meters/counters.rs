//! Counting events.

use metrics::counter;

use super::names::{CREATED, ENDED, LOGINS, LOGOUTS, REFUSED, RENEWED, UNKNOWN};
use crate::Event;

/// Counts an event. Failures of the store are counted where they are timed.
pub(crate) fn count(event: &Event<'_>) {
    let counter = match event {
        Event::Created { .. } => counter!(CREATED),
        Event::Renewed { renewal, .. } => counter!(RENEWED, "kind" => renewal.as_str()),
        Event::LoggedIn { .. } => counter!(LOGINS),
        Event::LoggedOut { .. } => counter!(LOGOUTS),
        Event::Ended { by, .. } => counter!(ENDED, "by" => by.as_str()),
        Event::UnknownClaim { .. } => counter!(UNKNOWN),
        Event::RefusedClaim { reason } => counter!(REFUSED, "reason" => reason.as_str()),
        Event::StoreFailed { .. } | Event::StoreRecovered { .. } => return,
    };
    counter.increment(1);
}
