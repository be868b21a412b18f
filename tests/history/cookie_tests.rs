//! Tests of the check of cookies with small histories, and of the browsers' jar.

use std::time::Duration;

use super::{
    check_tests::{A0, NONE, born, broken, broken_with, event, got, logout, moved, removed, set},
    history::{
        cookie_jar::{CookieJar, max_age},
        record::{Answer, Cookie, Event, Moment, Operation},
        rule::{Expiry, Rule},
    },
};

impl Event {
    fn rolling(self) -> Self {
        Self { cookie: Cookie::Rolled, ..self }.aging(Expiry::DEFAULT.ttl)
    }

    fn removing(self) -> Self {
        Self { cookie: Cookie::Expired, ..self }
    }

    fn aging(self, age: Duration) -> Self {
        Self { cookie_age: Some(age), ..self }
    }

    fn waiting(self, wait: Moment) -> Self {
        Self { wait: Duration::from_micros(wait), ..self }
    }
}

fn login() -> Event {
    moved(10, 20, "s", "u", "t")
}

#[test]
fn a_cookie_that_is_rolled_after_its_id_was_renewed_is_detected() {
    // The handler waits until 21, when the login has been answered.
    let slow = |wait| got(5, 30, "s", &[A0]).rolling().waiting(wait);
    assert_eq!(broken(&[born(), login(), slow(16)]), [Rule::CookieIsNewest]);
    assert_eq!(broken(&[born(), login(), slow(15)]), NONE, "decided at the same moment");
    let without = Event { cookie: Cookie::Unchanged, ..slow(16) };
    assert_eq!(broken(&[born(), login(), without]), NONE);
    let failed = Event { answer: Answer::Unavailable, ..slow(16) };
    assert_eq!(broken(&[born(), login(), failed]), NONE, "perhaps before it waited");
    let lost = Event { answer: Answer::Unavailable, cookie: Cookie::Unchanged, ..login() };
    assert_eq!(broken(&[born(), lost, slow(16)]), NONE, "an uncertain login");
    let new = got(21, 22, "t", &[A0, ("user", "u")]).rolling();
    assert_eq!(broken(&[born(), login(), new]), NONE, "the cookie of the login itself");
}

#[test]
fn a_cookie_that_is_rolled_after_a_logout_is_detected() {
    let slow = |wait| got(5, 30, "s", &[A0]).rolling().waiting(wait);
    assert_eq!(broken(&[born(), logout(10, 20, "s"), slow(16)]), [Rule::CookieIsNewest]);
    assert_eq!(broken(&[born(), logout(10, 20, "s"), slow(15)]), NONE);
}

#[test]
fn a_new_session_for_a_request_with_a_renewed_id_is_detected() {
    let write = |from, to| set(from, to, "s", &[("a", "1")]);
    assert_eq!(
        broken(&[born(), login(), write(5, 30).issuing("n")]),
        [Rule::CookieIsNewest],
        "sent before the login was answered"
    );
    assert_eq!(
        broken(&[born(), login(), write(21, 30).issuing("n")]),
        [Rule::CookieIsNewest],
        "sent with the old id afterwards"
    );
    assert_eq!(broken(&[born(), login(), write(21, 30).refused()]), NONE);
    let again = event(21, 30, "s", Operation::Login([].into()), Answer::Done).issuing("n");
    assert_eq!(broken(&[born(), login(), again]), NONE, "another login begins anew");
    let after_logout = [born(), logout(10, 20, "s"), write(5, 30).issuing("n")];
    assert_eq!(broken(&after_logout), NONE, "a logout leaves no cookie to replace");
    let grace = 30_000_000;
    assert_eq!(broken(&[born(), login(), write(21, grace + 11).issuing("n")]), NONE, "too late");
    let lost = broken_with(&[born(), login(), write(21, 30).issuing("n")], &[25], Expiry::DEFAULT);
    assert_eq!(lost, NONE, "the store has lost everything");
}

#[test]
fn a_cookie_that_is_removed_although_its_id_was_renewed_is_detected() {
    let write = set(5, 30, "s", &[("a", "1")]);
    assert_eq!(broken(&[born(), login(), logout(5, 30, "s")]), [Rule::CookieIsNewest]);
    let quiet = Event { cookie: Cookie::Unchanged, ..logout(5, 30, "s") };
    assert_eq!(broken(&[born(), login(), quiet]), NONE);
    assert_eq!(broken(&[born(), login(), write.refused()]), NONE);
    assert_eq!(broken(&[born(), login(), logout(21, 22, "t")]), NONE, "the newest id");
}

#[test]
fn a_cookie_that_is_removed_although_its_session_has_not_ended_is_detected() {
    let read = got(2, 6, "s", &[A0]).removing();
    assert!(broken(&[born(), read.clone()]).contains(&Rule::CookieIsNewest));
    assert_eq!(broken(&[born(), logout(3, 5, "s"), read]), NONE);
    // Removing the last item ends no session.
    let last = removed(2, 3, "anchor").removing();
    let ends = [Rule::OnlyEndedSessionsEnd, Rule::CookieIsNewest];
    assert_eq!(broken(&[born(), last]), ends);
}

#[test]
fn a_cookie_that_ends_before_its_session_is_detected() {
    let for_ttl = born().aging(Expiry::DEFAULT.ttl);
    assert_eq!(broken(&[for_ttl]), NONE);
    let short = born().aging(Expiry::DEFAULT.ttl - Duration::from_secs(1));
    assert_eq!(broken(&[short]), [Rule::CookieOutlastsSession]);
}

#[test]
fn a_browser_obeys_every_cookie_in_the_order_of_the_answers() {
    let mut jar = CookieJar::default();
    assert_eq!(jar.id(), None);
    jar.obey(&born());
    assert_eq!(jar.id().as_deref(), Some("s"));
    jar.obey(&login());
    assert_eq!(jar.id().as_deref(), Some("t"));
    // Whether it is right or wrong.
    jar.obey(&got(5, 30, "s", &[]).rolling());
    assert_eq!(jar.id().as_deref(), Some("s"));
    jar.obey(&got(5, 30, "s", &[]));
    assert_eq!(jar.id().as_deref(), Some("s"));
    jar.obey(&logout(5, 30, "t"));
    assert_eq!(jar.id(), None);
    assert_eq!(jar.old().iter().map(|id| &**id).collect::<Vec<_>>(), ["s", "t", "s"]);
}

#[test]
fn a_browser_drops_a_cookie_when_its_age_is_over() {
    let mut jar = CookieJar::default();
    jar.obey(&born().aging(Duration::ZERO));
    assert_eq!(jar.id(), None);
    jar.obey(&born().aging(Duration::from_secs(60)));
    assert_eq!(jar.id().as_deref(), Some("s"));
    assert_eq!(max_age("id=s; Path=/; Max-Age=66"), Some(Duration::from_secs(66)));
    assert_eq!(max_age("id=s; Path=/"), None);
}
