//! Histories of many clients against real servers, and the check that they are true.
//!
//! [`load`] makes a history: who asked what of which server, and what was answered, when.
//! [`check`] is pure code over it.

#![allow(dead_code, reason = "each test uses a part")]

mod answer;
pub(crate) mod check;
mod items;
mod life;
pub(crate) mod load;
pub(crate) mod login;
pub(crate) mod near;
mod presence;
pub(crate) mod record;
mod register;
