//! Requests that overlap, in every order in which they can, not only in one that happens.
//!
//! Each request is a short script over the public API. Each call of the storage is a scheduling
//! point, before it takes effect and while its answer is under way. The schedules are explored one
//! after the other, without threads and without real time, and after each of them the rules are
//! checked.
//!
//! Arrows: `cases` -> `explore` (every schedule) -> `run` (one schedule) -> `first_session`,
//! `store` and `request` -> `turns`; `explore` -> `rules` -> `browser`, `items` and `lifetimes` ->
//! `facts` -> `history`. `real_storages` runs cases in random orders.

mod browser;
mod case;
mod cases;
mod cases_of_renewals;
mod explore;
mod facts;
mod first_session;
mod history;
mod items;
mod lifetimes;
mod real_storages;
#[path = "../support/renames_by_copying.rs"]
mod renames_by_copying;
mod request;
mod rules;
mod run;
mod schedule;
mod store;
#[cfg(feature = "redis")]
#[path = "../../../tests/support/mod.rs"]
mod support;
mod turns;
