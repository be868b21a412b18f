//! A server that is kept connected to: at an address, or wherever sentinels say.

use std::{fmt, future::pending, time::Duration};

use deadpool_redis::redis::{ConnectionInfo, PushInfo};

use super::{
    connection::Connection,
    failure,
    sentinel::{Enquiry, Sentinels},
};

pub(super) enum Server {
    At(Box<ConnectionInfo>),
    Named(Box<Sentinels>),
}

impl Server {
    /// Connects, or says why not. `enquiry` is of whoever connects, and is kept for the next time.
    pub(super) async fn dial(
        &self,
        enquiry: &mut Enquiry,
        bound: Duration,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connection, String> {
        match self {
            Self::At(info) => {
                let connection = Connection::dial(info, bound, on_push).await;
                connection.map_err(|error| failure::reason(&error))
            }
            Self::Named(sentinels) => sentinels.dial(enquiry, bound, on_push).await,
        }
    }

    /// Returns once another server has taken the place of the one dialled.
    pub(super) async fn until_superseded(&self, enquiry: &mut Enquiry) {
        match self {
            Self::At(_) => pending().await,
            Self::Named(sentinels) => sentinels.until_superseded(enquiry).await,
        }
    }
}

/// The address, without a password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(info) => info.addr().fmt(f),
            Self::Named(sentinels) => sentinels.fmt(f),
        }
    }
}
