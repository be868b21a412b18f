//! The cases that are explored.

use crate::{
    explore::{Depth, explore},
    request::{
        Claim,
        Op::{Data, Get, Login, Logout, Remove, Set, TryClose},
        Request,
    },
    run::Case,
};

fn case(requests: impl Into<Vec<Request>>) -> Case {
    Case { requests: requests.into(), may_expire: false, has_two_nodes: false, has_session: true }
}

fn login() -> Request {
    Request::new("login", [Login, Set("user", 7)])
}

fn logout() -> Request {
    Request::new("logout", [Logout])
}

#[test]
fn g1_writers_of_different_items_lose_nothing() {
    let writers = || [Request::new("a", [Set("a", 2)]), Request::new("b", [Get("n"), Set("b", 3)])];
    explore(&case(writers()), Depth::CallsAndAnswers, 1);
    explore(&Case { has_two_nodes: true, may_expire: true, ..case(writers()) }, Depth::Calls, 1);
}

#[test]
fn g4_a_login_beside_a_writer_loses_nothing() {
    let writer = Request::new("writer", [Set("a", 2)]);
    explore(&case([login(), writer.clone()]), Depth::CallsAndAnswers, 1);
    explore(&Case { may_expire: true, ..case([login(), writer]) }, Depth::Calls, 1);
}

#[test]
fn g14_a_slow_reader_beside_a_login_does_not_bring_back_its_cookie() {
    for has_two_nodes in [false, true] {
        let reader = Request::new("reader", [Get("n")]);
        explore(&Case { has_two_nodes, ..case([login(), reader]) }, Depth::CallsAndAnswers, 1);
    }
}

#[test]
fn g4_a_late_request_with_the_id_before_a_login_begins_no_session() {
    let late = Request::new("late", [Get("n"), Set("a", 2)]).claims(Claim::First);
    explore(&Case { has_two_nodes: true, ..case([login(), late]) }, Depth::Calls, 1);
}

#[test]
fn g2_a_logout_is_final_for_a_writer_and_a_reader() {
    let writer = Request::new("writer", [Get("n"), Set("a", 2)]);
    let reader = Request::new("reader", [Data]).claims(Claim::First);
    explore(&case([logout(), writer.clone()]), Depth::CallsAndAnswers, 1);
    explore(&case([logout(), writer, reader]), Depth::Calls, 1);
}

#[test]
fn g2_a_login_beside_a_logout_restores_nothing() {
    explore(&case([logout(), login()]), Depth::CallsAndAnswers, 1);
}

#[test]
fn g14_the_last_item_that_is_removed_ends_nothing() {
    let flash = Request::new("flash", [Remove("n")]);
    let cart = Request::new("cart", [Set("cart", 2)]);
    explore(&case([flash, cart]), Depth::CallsAndAnswers, 1);
}

#[test]
fn g4_a_request_may_renew_its_id_beside_its_own_write() {
    let busy = Request::new("busy", [Get("n"), Set("a", 2)]).beside([Login]);
    explore(&case([busy]), Depth::CallsAndAnswers, 1);
}

#[test]
fn an_answer_after_the_close_reopens_nothing() {
    let busy = Request::new("busy", [Get("n"), Set("a", 2)]).beside([TryClose]);
    explore(&case([busy]), Depth::CallsAndAnswers, 1);
}

#[test]
fn g8_a_future_that_is_kept_delays_its_request_only_for_a_time() {
    let keeper = Request::new("keeper", [Get("n")]).keeps(Data);
    explore(&case([keeper]), Depth::CallsAndAnswers, 1);
}
