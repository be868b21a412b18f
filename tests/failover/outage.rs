//! The outage of one master.

use std::time::Duration;

/// The moments of one outage, since the start of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    /// The replicas were disconnected from the master.
    pub(super) began: Duration,
    pub(super) killed: Duration,
    /// A replica had become the new master.
    pub(super) promoted: Duration,
    /// The new master could confirm writes.
    pub(super) writes_back: Duration,
}
