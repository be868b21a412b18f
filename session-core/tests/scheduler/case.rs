//! What is explored, and on which store.

use std::{sync::Arc, time::Duration};

use session_core::Storage;

use crate::{request::Request, store::Form};

/// What is explored.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) requests: Vec<Request>,
    /// Whether all sessions may end at any moment, once, as by expiry.
    pub(crate) may_expire: bool,
    /// Whether the requests meet different servers with one store.
    pub(crate) has_two_nodes: bool,
    /// Whether the browser has a session with the item `n` at first.
    pub(crate) has_session: bool,
    /// Whether the first request ends before the others begin.
    pub(crate) is_first_alone: bool,
    /// Whether ids are renewed by themselves. That of the first session is due.
    pub(crate) renews: bool,
    /// Whether the sessions have an absolute end. That of the first one may come at any moment, and
    /// has come in the end.
    pub(crate) has_end: bool,
}

/// The store that a case runs on.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) form: Form,
    pub(crate) inner: Arc<dyn Storage>,
    pub(crate) timeout: Duration,
    /// The end of every id, so that runs can share a store.
    pub(crate) suffix: String,
}
