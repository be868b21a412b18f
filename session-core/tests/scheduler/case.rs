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
