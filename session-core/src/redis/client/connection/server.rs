//! Where a connection leads: to an address, or to the master that sentinels name.

use std::{fmt, future::pending, time::Duration};

use deadpool_redis::redis::{ConnectionInfo, PushInfo};

use super::{
    super::failure,
    multiplexed::Connection,
    sentinel::{Enquiry, Sentinels},
};

pub(crate) enum Server {
    /// A fixed address.
    At(Box<ConnectionInfo>),
    /// The current master of a name.
    Master(Box<Sentinels>),
}

impl Server {
    /// Connects, or says why not. `enquiry` belongs to the caller, who keeps it for the next call.
    pub(super) async fn dial(
        &self,
        enquiry: &mut Enquiry,
        timeout: Duration,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connection, String> {
        match self {
            Self::At(info) => {
                let connection = Connection::dial(info, timeout, on_push).await;
                connection.map_err(|error| failure::reason(&error))
            }
            Self::Master(sentinels) => sentinels.dial(enquiry, timeout, on_push).await,
        }
    }

    /// Returns once another server has replaced the one dialled. Never returns for an address.
    pub(super) async fn until_superseded(&self, enquiry: &mut Enquiry) {
        match self {
            Self::At(_) => pending().await,
            Self::Master(sentinels) => sentinels.until_superseded(enquiry).await,
        }
    }
}

/// Shows the address, without a password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(info) => info.addr().fmt(f),
            Self::Master(sentinels) => sentinels.fmt(f),
        }
    }
}
