//! What a request knows of a session.

use std::{sync::Arc, time::Duration};

/// A session's own time to live; the outer `None` if it is not known whether it has one.
pub(crate) type OwnTtl = Option<Option<Duration>>;

/// What a request knows of a session's metadata.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) own_ttl: OwnTtl,
    /// Whose session it is; the outer `None` if it is not known whether it is anybody's.
    pub(crate) user: Option<Option<&'a str>>,
}

impl Facts<'_> {
    /// Returns the user to keep.
    pub(super) fn owned_user(&self) -> Option<Arc<str>> {
        self.user.flatten().map(Into::into)
    }
}
