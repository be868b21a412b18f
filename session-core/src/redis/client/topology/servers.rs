//! The servers of one handle.

use std::{fmt, sync::Arc};

use super::{super::connection::Target, cluster::Cluster};

pub(crate) enum Servers {
    /// One server holds all keys: a fixed one, or the master of some sentinels.
    Single(Arc<Target>),
    Cluster(Arc<Cluster>),
}

/// Shows where the servers are, without a password.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(target) => target.fmt(f),
            Self::Cluster(cluster) => cluster.fmt(f),
        }
    }
}
