//! Where a connection leads: to an address, or to the master that sentinels name.

use std::{fmt, future::pending};

use super::{super::failure::Problem, endpoint::Endpoint, sentinel::Sentinels, target::Limits};

pub(crate) enum Server {
    /// A fixed address.
    At(Box<Endpoint>),
    /// The current master of a name.
    Master(Box<Sentinels>),
}

impl Server {
    /// Returns where to connect to now, or why that is not known.
    pub(super) async fn endpoint(&self, limits: Limits) -> Result<Endpoint, Problem> {
        match self {
            Self::At(endpoint) => Ok((**endpoint).clone()),
            Self::Master(sentinels) => sentinels.master(limits).await,
        }
    }

    /// Returns whether another server may be elected in its place.
    pub(super) fn is_elected(&self) -> bool {
        matches!(self, Self::Master(_))
    }

    /// Returns once another server has replaced the one at `address`. Never returns for a fixed
    /// address.
    pub(super) async fn until_superseded(&self, address: &str, limits: Limits) {
        match self {
            Self::At(_) => pending().await,
            Self::Master(sentinels) => sentinels.until_superseded(address, limits).await,
        }
    }
}

/// Shows the address, without a password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(endpoint) => endpoint.fmt(f),
            Self::Master(sentinels) => sentinels.fmt(f),
        }
    }
}
