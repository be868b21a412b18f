//! Names of sessions.

use std::any::{TypeId, type_name};

/// A type of the app, which names a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    id: TypeId,
    /// For log lines. Not compared, because two types may have the same.
    pub(crate) text: &'static str,
}

impl Name {
    pub(crate) fn of<N: 'static>() -> Self {
        Self { id: TypeId::of::<N>(), text: type_name::<N>() }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
