//! Histories of many clients on real servers, and the check of these histories against the rules.
//!
//! [`load`] records a history: each request with its server, its times and its answer. [`check`]
//! checks it without any I/O.

#![allow(dead_code, reason = "each test uses only some of them")]

pub(crate) mod check;
mod checker;
pub(crate) mod cookie_jar;
mod cookies;
mod counts;
mod items;
pub(crate) mod load;
pub(crate) mod login;
pub(crate) mod near_cache;
mod presence;
pub(crate) mod record;
mod register;
pub(crate) mod renewals;
mod response;
pub(crate) mod rule;
mod session_trace;
