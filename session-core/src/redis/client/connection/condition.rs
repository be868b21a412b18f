//! What all threads know about a server.

use tokio::time::Instant;

use super::super::failure::Problem;

/// Whether a server can be reached and takes writes.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) reach: Reach,
    /// Why the server has refused another connection while others were open.
    pub(super) refusal: Option<Problem>,
    /// The server has refused a write as a replica, and was not seen to be a master since.
    pub(super) is_demoted: bool,
    /// Counts the promotions. Connections from before are replaced: another server may answer at
    /// the address now.
    pub(super) promotions: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// A connection was lost, or none was ever opened: the next attempt decides. Requests wait,
    /// since the loss or the first attempt.
    Untested { since: Option<Instant> },
    /// The last attempt to connect has succeeded.
    Reachable,
    /// No thread has a connection. Requests fail at once, for this reason and since this moment.
    Down { problem: Problem, since: Instant },
}

impl Condition {
    pub(super) fn new() -> Self {
        Self {
            reach: Reach::Untested { since: None },
            refusal: None,
            is_demoted: false,
            promotions: 0,
        }
    }
}
