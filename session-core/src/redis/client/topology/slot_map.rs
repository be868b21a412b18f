//! Which node of a cluster serves which slot, as one thread knows it.

use std::sync::Arc;

use tokio::time::Instant;

use super::{node::Node, slot_range::SlotRange};
use crate::{Error, Result};

/// All masters, each with its first slot.
pub(super) type Masters = Vec<(u16, Arc<Node>)>;

pub(super) enum SlotMap {
    /// The first map is on its way. Requests wait, within their time.
    Loading,
    /// The ranges in the order of their slots, as of the moment the cluster was last asked. The
    /// moment advances even if no node answers.
    Loaded(Vec<(SlotRange, Arc<Node>)>, Instant),
    /// No node answers, for this reason. Requests fail at once; the refresher keeps asking.
    Unavailable(Arc<str>),
}

impl SlotMap {
    /// Returns the node that serves a slot, or `None` while the first map is loading.
    pub(super) fn node(&self, slot: u16) -> Option<Result<Arc<Node>>> {
        match self {
            Self::Loading => None,
            Self::Loaded(ranges, _) => {
                let index = ranges.partition_point(|(range, _)| range.last < slot);
                // No node serves this slot: ask any, it answers CLUSTERDOWN or MOVED.
                let range = ranges.get(index).or(ranges.first());
                Some(range.map_or_else(|| Err(closed()), |(_, node)| Ok(node.clone())))
            }
            Self::Unavailable(reason) => Some(Err(unavailable(reason))),
        }
    }

    /// Returns all masters in the order of their first slots, with these, or `None` while the first
    /// map is loading.
    pub(super) fn masters(&self) -> Option<Result<Masters>> {
        match self {
            Self::Loading => None,
            Self::Loaded(ranges, _) => {
                let mut masters: Masters = Vec::new();
                for (range, node) in ranges {
                    if !masters.iter().any(|(_, known)| Arc::ptr_eq(known, node)) {
                        masters.push((range.first, node.clone()));
                    }
                }
                Some(Ok(masters))
            }
            Self::Unavailable(reason) => Some(Err(unavailable(reason))),
        }
    }
}

fn unavailable(reason: &str) -> Error {
    Error::storage("redis", reason)
}

/// The error of requests on a handle whose last clone is gone.
pub(super) fn closed() -> Error {
    Error::storage("redis", "closed")
}
