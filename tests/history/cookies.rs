//! Checks that no response gives, rolls or takes a cookie against what a later one has established.
//!
//! An answer may be overtaken on its way to the browser, so the times of the answers alone prove
//! nothing. A cookie was wrong if it was so when the server decided on it: not before the request
//! was sent, nor before the time for which its handler waited.

use std::time::Duration;

use super::{
    checker::Checker,
    record::{Cookie, Event, Id, Operation},
    rule::{Rule, micros},
    session_trace::{End, SessionTrace},
};

/// The time for which servers remember a renewed id.
const GRACE: Duration = Duration::from_secs(30);

impl Checker<'_> {
    pub(super) fn check_cookies(&mut self, trace: &SessionTrace, ends: &[End]) {
        for &at in &trace.events {
            let event = self.event(at);
            if event.cookie_age.is_some_and(|age| age < self.expiry.ttl) {
                self.broken(Rule::CookieOutlastsSession, [at]);
            }
            let Some(claim) = event.claim.as_ref().filter(|claim| trace.ids.contains(claim)) else {
                continue;
            };
            let others: Vec<&End> =
                ends.iter().filter(|end| end.event != Some(at) && end.concerns(claim)).collect();
            if let Some(reason) = self.reason_against(event, claim, &others) {
                self.broken(Rule::CookieIsNewest, reason.event.into_iter().chain([at]));
            } else if !may_be_removed(event, &others) {
                self.broken(Rule::CookieIsNewest, [at]);
            }
        }
    }

    /// Returns the end of the claimed id that forbids the cookie of this response.
    fn reason_against<'e>(&self, event: &Event, claim: &Id, others: &[&'e End]) -> Option<&'e End> {
        let is_login = matches!(event.operation, Operation::Login(_));
        let forbids = |end: &&&End| match &event.cookie {
            Cookie::Unchanged => false,
            Cookie::Rolled => end.is_certain_before(event.decided()),
            // A login begins a session, whatever has become of the one before.
            Cookie::Issued(_) | Cookie::Expired => {
                !is_login && self.is_remembered(end, event, claim)
            }
        };
        others.iter().find(forbids).copied()
    }

    /// Returns whether `end` is the renewal of the claimed id, and servers remember it.
    ///
    /// The session existed until then, so a request that found none, or that ended one, came later.
    fn is_remembered(&self, end: &End, event: &Event, claim: &Id) -> bool {
        let is_lost = self.history.losses.iter().any(|&lost| lost <= event.answered);
        let is_renewal = |at| matches!(self.event(at).operation, Operation::Login(_));
        end.event.is_some_and(is_renewal)
            && end.of.as_ref() == Some(claim)
            && end.to.is_some()
            && event.answered <= end.from + micros(GRACE)
            && !is_lost
    }
}

/// Returns whether the response may remove the cookie, if it does: it ends the session itself, or
/// another request may have ended it.
fn may_be_removed(event: &Event, others: &[&End]) -> bool {
    event.cookie != Cookie::Expired
        || event.operation == Operation::Logout
        || others.iter().any(|end| end.of.is_none() && end.is_possible_by(event.answered))
}
