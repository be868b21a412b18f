//! Checks that no response gives, rolls or takes a cookie against what a later one has established.
//!
//! An answer may be overtaken on its way to the browser, so the times of the answers alone prove
//! nothing. A cookie was wrong if it was so when the server decided on it: not before the request
//! was sent, nor before the time for which its handler waited.

use std::time::Duration;

use super::{
    checker::Checker,
    record::{Answer, Cookie, Event, Operation},
    renewals::Retired,
    rule::{Rule, micros},
    session_trace::{End, SessionTrace},
};

/// The default time for which servers remember a renewed id.
const GRACE: Duration = Duration::from_secs(30);

impl Checker<'_> {
    pub(super) fn check_cookies(
        &mut self,
        trace: &SessionTrace,
        ends: &[End],
        retired: &[Retired],
    ) {
        for &at in &trace.events {
            let event = self.event(at);
            if event.cookie_age.is_some_and(|age| age < self.expiry.ttl) {
                self.broken(Rule::CookieOutlastsSession, [at]);
            }
            let Some(claim) = event.claim.as_ref().filter(|claim| trace.ids.contains(claim)) else {
                continue;
            };
            let is_other = |end: &&End| end.event != Some(at) && end.concerns(claim);
            let others: Vec<&End> = ends.iter().filter(is_other).collect();
            let retired = retired.iter().find(|one| one.id == *claim);
            // Then the id leads to nothing, so the request begins a session.
            let is_over = retired.is_some_and(|one| one.end().is_possible_by(event.answered));
            let is_told = trace.told(event).is_some();
            let forbids =
                |end: &&&End| (is_told || !is_over) && self.forbids_cookie(end, event, is_told);
            let renewed = retired.and_then(|one| one.told);
            if let Some(reason) = others.iter().find(forbids) {
                self.broken(Rule::CookieIsNewest, reason.event.into_iter().chain([at]));
            } else if event.cookie == Cookie::Rolled
                && let Some(told) = renewed
                && self.event(told).answered < event.decided()
            {
                self.broken(Rule::CookieIsNewest, [told, at]);
            } else if event.cookie == Cookie::Expired && !may_have_ended(event, &others) {
                self.broken(Rule::CookieIsNewest, [at]);
            }
        }
    }

    /// Returns whether this end of the claimed id forbids the cookie of the response.
    fn forbids_cookie(&self, end: &End, event: &Event, is_told: bool) -> bool {
        match &event.cookie {
            Cookie::Unchanged => false,
            Cookie::Rolled => end.is_certain_before(event.decided()),
            // Still the cookie of this session. That the grace has ended meanwhile does not matter.
            Cookie::Issued(_) if is_told => {
                !end.is_of_grace && end.is_certain_before(event.decided())
            }
            // The session had ended then, and existed again when it was renewed.
            Cookie::Expired if matches!(event.answer, Answer::RolledBack(_)) => false,
            // A login begins a session, whatever has become of the one before.
            Cookie::Issued(_) | Cookie::Expired => !is_login(event) && self.is_known(end, event),
        }
    }

    /// Returns whether the end is a renewal that every server knew of when it answered.
    ///
    /// The session existed until then. So a request with the old id that found no session, or ended
    /// one, did so after the renewal, even if it was sent before.
    fn is_known(&self, end: &End, event: &Event) -> bool {
        let is_renewal = end.event.is_some_and(|at| is_login(self.event(at)));
        let is_lost = self.history.losses.iter().any(|&lost| lost <= event.answered);
        let grace = self.expiry.renewal.map_or(GRACE, |renewal| renewal.grace);
        is_renewal && end.to.is_some() && event.answered <= end.from + micros(grace) && !is_lost
    }
}

fn is_login(event: &Event) -> bool {
    matches!(event.operation, Operation::Login(_))
}

/// Returns whether the session ended in this request, or may have ended in another one.
fn may_have_ended(event: &Event, others: &[&End]) -> bool {
    let is_possible = |end: &&End| end.of.is_none() && end.is_possible_by(event.answered);
    event.operation == Operation::Logout || others.iter().any(is_possible)
}
