//! A connection of a thread, as its requests see it.

use std::sync::Arc;

use tokio::{runtime::Handle, sync::watch, time::Instant};

use super::{
    connection::Connection,
    supervisor::{self, Target},
};
use crate::{Error, Result};

/// How things stand with a connection.
pub(super) enum Link {
    /// Requests wait, within their time: this is decided in a moment.
    Dialing,
    /// Requests go out. The number tells this connection from all others, and is higher than
    /// those of the connections it replaces.
    Open(Connection, u64),
    /// The server is known to be a replica: reads go out, writes fail at once, and the supervisor
    /// goes on dialling.
    ReadOnly(Connection, u64),
    /// Requests fail at once, for this reason and since this moment; the supervisor goes on
    /// dialling.
    Down(Arc<str>, Instant),
}

/// A suspicion that a connection no longer works.
#[derive(Clone, Copy, Default)]
pub(super) struct Doubt {
    pub(super) epoch: u64,
    /// The server at the other end is not the right one any more: asking it proves nothing.
    pub(super) redial: bool,
}

/// A thread's end of a supervised connection.
pub(super) struct Line {
    link: watch::Receiver<Link>,
    /// A watch, not a queue: many doubts about one connection are one question.
    doubt: watch::Sender<Doubt>,
}

impl Line {
    /// Opens a connection that is supervised until the last handle is gone.
    pub(super) fn open(target: &Arc<Target>, runtime: &Handle, owned: watch::Receiver<()>) -> Self {
        let link = watch::Sender::new(Link::Dialing);
        let doubt = watch::Sender::new(Doubt::default());
        let line = Self { link: link.subscribe(), doubt: doubt.clone() };
        let doubt = doubt.subscribe();
        runtime.spawn(supervisor::supervise(target.clone(), link, doubt, owned));
        line
    }

    pub(super) fn is_supervised(&self) -> bool {
        !self.doubt.is_closed()
    }

    /// Returns the connection and its number, or why there is none; `None` while it is being
    /// dialled or is `broken`.
    pub(super) fn settled(&self, broken: u64) -> Option<Result<(Connection, u64)>> {
        settled(&self.link.borrow(), broken)
    }

    /// The same once it is settled.
    pub(super) async fn connection(&self, broken: u64) -> Result<(Connection, u64)> {
        // A receiver of its own: waiting marks what it has seen.
        let mut link = self.link.clone();
        let link = link.wait_for(|link| settled(link, broken).is_some()).await;
        match link {
            Ok(link) => settled(&link, broken).expect("just waited for"),
            Err(_) => Err(Error::storage("redis", "the connection's runtime has ended")),
        }
    }

    /// Whether the server is known to take no writes.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(*self.link.borrow(), Link::ReadOnly(..))
    }

    /// Since when it is down, if it is.
    pub(super) fn down_since(&self) -> Option<Instant> {
        match *self.link.borrow() {
            Link::Down(_, since) => Some(since),
            _ => None,
        }
    }

    /// Returns when the connection is down, for good perhaps.
    pub(super) async fn until_down(&self) {
        let mut link = self.link.clone();
        let _ = link.wait_for(|link| matches!(link, Link::Down(..))).await;
    }

    /// Has the supervisor look after connection number `epoch`.
    pub(super) fn doubt(&self, epoch: u64, redial: bool) {
        self.doubt.send_if_modified(|doubt| {
            if epoch > doubt.epoch {
                *doubt = Doubt { epoch, redial };
            } else if epoch == doubt.epoch {
                doubt.redial |= redial;
            }
            epoch == doubt.epoch
        });
    }
}

impl Link {
    /// The connection over which requests go out, if they do, and its number.
    pub(super) fn connection(&self) -> Option<(&Connection, u64)> {
        match self {
            Self::Open(connection, epoch) | Self::ReadOnly(connection, epoch) => {
                Some((connection, *epoch))
            }
            Self::Dialing | Self::Down(..) => None,
        }
    }
}

fn settled(link: &Link, broken: u64) -> Option<Result<(Connection, u64)>> {
    if let Link::Down(reason, _) = link {
        return Some(Err(Error::storage("redis", reason.as_ref())));
    }
    let usable = link.connection().filter(|(_, epoch)| *epoch != broken);
    usable.map(|(connection, epoch)| Ok((connection.clone(), epoch)))
}

/// A command on its way; one that gets no answer leaves a doubt behind, whether it ran out of
/// time, was dropped by its request, or saw the connection break.
pub(super) struct InFlight<'a> {
    line: &'a Line,
    epoch: u64,
    answered: bool,
}

impl<'a> InFlight<'a> {
    pub(super) fn new(line: &'a Line, epoch: u64) -> Self {
        Self { line, epoch, answered: false }
    }

    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.line.doubt(self.epoch, false);
        }
    }
}
