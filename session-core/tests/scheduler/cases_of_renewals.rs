//! The cases in which ids are renewed by themselves, in which items are changed in one step, and in
//! which the absolute end of a session comes.

use crate::{
    case::Case,
    cases::{careful_writer, case, login, logout, reader, writer},
    explore::{
        Depth::{AtomicCalls, AtomicCallsAndAnswers, Calls, CallsAndAnswers},
        explore,
    },
    request::{
        Claim,
        Op::{Count, Get, Login, Set, Take},
        Request,
    },
};

fn renewing(requests: impl Into<Vec<Request>>) -> Case {
    Case { renews: true, ..case(requests) }
}

fn renewing_on_two_nodes(requests: impl Into<Vec<Request>>) -> Case {
    Case { has_two_nodes: true, ..renewing(requests) }
}

/// Lets a reader renew the id first.
fn renewed(requests: impl Into<Vec<Request>>) -> Case {
    let mut case = renewing_on_two_nodes([reader()]);
    case.requests.extend(requests.into());
    Case { is_first_alone: true, ..case }
}

fn ending(requests: impl Into<Vec<Request>>) -> Case {
    Case { has_end: true, ..case(requests) }
}

fn late(request: Request) -> Request {
    request.claims(Claim::First)
}

fn only_login() -> Request {
    Request::new("login", [Login])
}

fn other_writer() -> Request {
    Request::new("other writer", [Get("n"), Set("b", 3)])
}

fn counter() -> Request {
    Request::new("counter", [Count("count")])
}

fn other_counter() -> Request {
    Request::new("other counter", [Count("count")])
}

fn taker() -> Request {
    Request::new("taker", [Take("n")])
}

fn other_taker() -> Request {
    Request::new("other taker", [Take("n")])
}

/// Returns a case of each kind, for random schedules.
pub(crate) fn all() -> Vec<Case> {
    vec![
        renewing([reader().may_drop(), writer(), late(other_writer())]),
        renewing([reader(), login(), late(careful_writer())]),
        renewing([reader(), logout(), late(writer())]),
        renewing([counter(), other_counter(), reader()]),
        renewing([taker(), other_taker(), login()]),
        case([counter(), other_counter(), login()]),
    ]
}

#[test]
fn g14_a_renewal_by_itself_loses_no_request_with_the_old_id() {
    explore(&renewing([reader(), late(reader())]), Calls, 400);
    explore(&renewing([reader(), late(reader())]), AtomicCallsAndAnswers, 2_800);
    explore(&renewing([reader(), late(careful_writer())]), Calls, 1_500);
}

#[test]
fn g14_a_renewal_by_itself_that_is_dropped_costs_nothing() {
    explore(&renewing([reader().may_drop()]), CallsAndAnswers, 30);
    explore(&renewing([reader().may_drop(), writer()]), Calls, 3_500);
}

#[test]
fn g14_a_login_beside_a_renewal_by_itself_is_the_newest() {
    explore(&renewing([reader(), only_login()]), AtomicCalls, 60);
    explore(&renewing([careful_writer(), login()]), AtomicCalls, 200);
    explore(&renewed([late(only_login()), late(reader())]), Calls, 1_500);
}

#[test]
fn g14_a_login_after_a_renewal_by_itself_leaves_no_way_from_the_older_ids() {
    explore(&renewed([only_login(), late(reader())]), Calls, 450);
    explore(&renewed([only_login(), late(reader())]), AtomicCallsAndAnswers, 1_100);
    explore(&renewed([login(), late(careful_writer())]), Calls, 2_600);
    explore(&renewed([login().may_drop(), late(writer())]), AtomicCalls, 900);
}

#[test]
fn g2_a_logout_with_the_id_before_a_renewal_by_itself_is_final() {
    explore(&renewing_on_two_nodes([reader(), late(logout())]), CallsAndAnswers, 1_700);
    explore(&renewed([late(logout()), late(careful_writer())]), Calls, 500);
    explore(&renewed([late(logout()), only_login()]), Calls, 500);
}

#[test]
fn g13_increments_are_all_counted() {
    explore(&case([counter(), other_counter()]), Calls, 450);
    explore(&case([counter().may_drop(), only_login()]), Calls, 700);
    explore(&renewing([counter(), other_counter()]), AtomicCalls, 500);
    explore(&renewed([late(counter()), other_counter()]), Calls, 1_100);
    explore(&renewed([late(counter()), only_login()]), Calls, 2_400);
}

#[test]
fn g13_an_item_is_given_to_one_request() {
    explore(&case([taker(), other_taker()]), Calls, 450);
    explore(&case([taker(), other_taker()]), AtomicCallsAndAnswers, 3_800);
    explore(&renewing([taker(), other_taker()]), AtomicCalls, 450);
    explore(&renewed([late(taker()), other_taker()]), AtomicCalls, 250);
    explore(&renewed([late(taker()), logout()]), Calls, 90);
}

#[test]
fn g15_no_request_prolongs_a_session_past_its_absolute_end() {
    explore(&ending([reader(), writer()]), Calls, 300);
    explore(&ending([careful_writer(), only_login()]), AtomicCalls, 800);
    explore(&ending([counter(), reader()]), AtomicCalls, 300);
    explore(&ending([taker().may_drop(), logout()]), AtomicCalls, 100);
}

#[test]
fn g15_a_renewal_by_itself_keeps_the_absolute_end() {
    explore(&Case { has_end: true, ..renewing([reader(), writer()]) }, AtomicCalls, 1_200);
    explore(&Case { has_end: true, ..renewed([late(writer())]) }, CallsAndAnswers, 80);
}
