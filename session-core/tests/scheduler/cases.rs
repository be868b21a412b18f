//! The cases that are explored.

use crate::{
    case::Case,
    cases_of_renewals,
    explore::{Depth::Calls, Depth::CallsAndAnswers, explore},
    request::{
        Claim,
        Op::{Data, Get, Login, Logout, Remove, Save, Set, TryClose},
        Request,
    },
};

pub(crate) fn case(requests: impl Into<Vec<Request>>) -> Case {
    Case {
        requests: requests.into(),
        may_expire: false,
        has_two_nodes: false,
        has_session: true,
        is_first_alone: false,
        renews: false,
        has_end: false,
    }
}

fn with_expiry(requests: impl Into<Vec<Request>>) -> Case {
    Case { may_expire: true, ..case(requests) }
}

fn on_two_nodes(requests: impl Into<Vec<Request>>) -> Case {
    Case { has_two_nodes: true, ..case(requests) }
}

pub(crate) fn login() -> Request {
    Request::new("login", [Login, Set("user", 7)])
}

pub(crate) fn logout() -> Request {
    Request::new("logout", [Logout])
}

pub(crate) fn reader() -> Request {
    Request::new("reader", [Get("n")])
}

pub(crate) fn writer() -> Request {
    Request::new("writer", [Set("a", 2)])
}

/// Finds out first whether the session exists.
pub(crate) fn careful_writer() -> Request {
    Request::new("careful writer", [Get("n"), Set("a", 2)])
}

/// Returns a case of each kind, for random schedules.
pub(crate) fn all() -> Vec<Case> {
    let indecisive = Request::new("indecisive", [Set("b", 3), Logout]).may_repeat();
    let both = Request::new("both", [Set("b", 3)]).claims(Claim::InventedThenFirst);
    let late = careful_writer().claims(Claim::First);
    let flash = Request::new("flash", [Get("n"), Remove("n")]);
    let busy = Request::new("busy", [Get("n"), Set("b", 3)]);
    let mut cases = vec![
        case([login().may_drop(), writer(), reader()]),
        case([login(), Request::new("second", [Login, Set("second", 8)]), late]),
        case([logout().may_drop(), careful_writer(), login()]),
        case([indecisive, writer(), reader()]),
        case([both, writer(), login()]),
        case([flash, writer(), reader()]),
        case([busy.clone().beside([Login]), writer(), reader()]),
        case([busy.clone().beside([Logout]), writer(), reader()]),
        case([busy.beside([TryClose]), writer(), login()]),
    ];
    cases.extend(cases_of_renewals::all());
    cases
}

#[test]
fn g1_writers_of_different_items_lose_nothing() {
    let other = || Request::new("other", [Get("n"), Set("b", 3), Remove("c")]);
    explore(&case([writer(), other()]), CallsAndAnswers, 600);
    explore(&with_expiry([writer(), other()]), Calls, 900);
    explore(&on_two_nodes([writer().may_drop(), other(), reader()]), Calls, 11_000);
}

#[test]
fn g1_the_first_requests_of_a_browser_lose_nothing() {
    let first = Request::new("first", [Set("a", 2), Save, Set("b", 3)]);
    let invented = Request::new("invented", [Get("n"), Set("c", 4)]).claims(Claim::Invented);
    let case = Case { has_session: false, ..case([first, invented]) };
    explore(&case, CallsAndAnswers, 2_000);
}

#[test]
fn g3_an_invented_id_beside_the_good_one_is_passed_over() {
    for ops in [vec![Set("b", 3)], vec![Get("n"), Set("b", 3)], vec![Login], vec![Logout]] {
        let both = Request::new("both", ops).claims(Claim::InventedThenFirst);
        explore(&on_two_nodes([both, writer()]), Calls, 40);
    }
}

#[test]
fn g4_a_login_beside_a_writer_loses_nothing() {
    explore(&case([login(), writer()]), Calls, 200);
    explore(&with_expiry([login(), careful_writer()]), Calls, 8_000);
}

#[test]
fn g4_every_answer_of_a_login_beside_a_writer_may_be_late() {
    explore(&case([Request::new("login", [Login]), writer()]), CallsAndAnswers, 17_000);
}

#[test]
fn g4_a_login_that_is_dropped_loses_nothing() {
    explore(&case([login().may_drop(), writer()]), Calls, 1_000);
    explore(&case([login().may_drop(), reader()]), Calls, 600);
    explore(&case([login().may_drop()]), CallsAndAnswers, 30);
}

#[test]
fn g4_two_logins_leave_one_session() {
    explore(&case([login(), Request::new("second", [Login, Set("second", 8)])]), Calls, 6_000);
}

#[test]
fn g4_a_late_request_with_the_id_before_a_login_begins_no_session() {
    let late = |request: Request| request.claims(Claim::First);
    explore(&case([login(), late(writer())]), Calls, 200);
    explore(&on_two_nodes([login(), late(careful_writer())]), Calls, 800);
}

#[test]
fn g4_a_request_may_renew_its_id_beside_its_own_write() {
    explore(&case([careful_writer().beside([Login])]), CallsAndAnswers, 1_600);
    explore(&case([careful_writer().beside([Login]), reader()]), Calls, 3_600);
}

#[test]
fn g14_a_slow_reader_beside_a_login_does_not_bring_back_its_cookie() {
    explore(&case([Request::new("login", [Login]), reader()]), CallsAndAnswers, 3_000);
    explore(&on_two_nodes([login(), reader()]), Calls, 200);
}

#[test]
fn g14_the_last_item_that_is_removed_ends_nothing() {
    let flash = || Request::new("flash", [Remove("n")]);
    let cart = || Request::new("cart", [Set("cart", 2)]);
    explore(&case([flash(), cart()]), CallsAndAnswers, 150);
    explore(&with_expiry([flash(), cart(), reader()]), Calls, 8_000);
}

#[test]
fn g2_a_logout_is_final_for_writers_and_readers() {
    let late = reader().claims(Claim::First);
    explore(&case([logout(), careful_writer()]), CallsAndAnswers, 200);
    explore(&on_two_nodes([logout(), careful_writer(), late]), Calls, 2_000);
    explore(&with_expiry([logout().may_drop(), writer()]), Calls, 250);
}

#[test]
fn g2_a_logout_beside_a_login_restores_nothing() {
    explore(&case([logout(), Request::new("login", [Login])]), CallsAndAnswers, 900);
    explore(&on_two_nodes([logout(), login(), reader()]), Calls, 11_000);
}

#[test]
fn g2_a_logout_that_is_repeated_restores_nothing() {
    let indecisive = || Request::new("indecisive", [Set("a", 2), Logout]).may_repeat();
    explore(&case([indecisive()]), CallsAndAnswers, 8);
    explore(&with_expiry([indecisive(), reader()]), Calls, 900);
}

#[test]
fn g2_a_request_may_log_out_beside_its_own_write() {
    explore(&case([careful_writer().beside([Logout])]), CallsAndAnswers, 36);
}

#[test]
fn an_answer_after_the_close_reopens_nothing() {
    explore(&case([careful_writer().beside([TryClose])]), CallsAndAnswers, 15);
}

#[test]
fn g8_a_future_that_is_kept_delays_its_request_only_for_a_time() {
    explore(&case([reader().keeps(Data), writer()]), CallsAndAnswers, 60);
}
