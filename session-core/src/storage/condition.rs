//! What a layer asks of a session that a storage changes.

use std::fmt::Debug;

use crate::Snapshot;

/// What a layer around a storage expects of a session that the storage changes.
///
/// It is asked in the atomic step of the write, by [`SetOptions::apply`](crate::SetOptions::apply), so that the layer need
/// not read the session before. A storage that writes again because others were faster asks again.
pub trait Condition: Debug + Send + Sync {
    /// Returns whether changes may be applied to the session that is stored; otherwise the write
    /// is refused. Must not block for long, nor use the storage.
    fn is_met_by(&self, stored: &Snapshot) -> bool;
}
