//! A server, as all connections of one handle to it share it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use deadpool_redis::redis::PushInfo;
use tokio::{sync::watch, time::Instant};

use super::{
    super::{
        failure::{DEMOTED, Problem},
        schedule::Schedule,
    },
    condition::{Condition, Reach},
    pool::Pool,
    server::Server,
};

/// The pauses between attempts to connect to a server that is down, and between questions to a
/// replica whether it has been promoted. The longest lets service resume within a second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// Receives what a server announces over connections that track their reads.
///
/// With a listener, each connection sends `CLIENT TRACKING ON` when it opens.
pub(crate) trait PushListener: Send + Sync {
    /// Takes in a push message. Must not block.
    fn on_push(&self, push: &PushInfo);

    /// Discards everything learned so far: a connection was replaced, so announcements may be
    /// missing.
    fn on_reconnect(&self);

    /// Takes in that one more server announces nothing (`true`), or one fewer.
    fn on_silence(&self, is_silent: bool);
}

/// Which of a thread's connections to a server a command uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionRole {
    /// The connection for everything else.
    Main,
    /// The connection for writes that replicas confirm. The server executes nothing else of a
    /// connection while it waits for them.
    ConfirmedWrites,
}

/// The settings for all connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest time that an attempt to connect may take.
    pub(crate) connect_timeout: Duration,
    /// The longest time that an operation may take.
    pub(crate) response_timeout: Duration,
    /// How many connections of each role may be open to one server.
    pub(crate) main_connections: Option<usize>,
    pub(crate) confirmed_writes_connections: Option<usize>,
}

/// A server to connect to, and what its connections have in common.
pub(crate) struct Target {
    pub(super) server: Server,
    pub(super) limits: Limits,
    pub(super) listener: Option<Arc<dyn PushListener>>,
    /// Notified when one connection is found to be dead. The others are then checked as well, so
    /// that no request has to find out again.
    pub(super) alarm: watch::Sender<()>,
    /// The attempts to connect while the server is not known to be reachable.
    pub(super) dials: Schedule,
    /// The questions whether a replica has been promoted.
    pub(super) promotions: Schedule,
    condition: watch::Sender<Condition>,
    main: Pool,
    confirmed_writes: Pool,
    /// The server does not announce changes.
    is_silent: AtomicBool,
    /// The server did not know the newer form of a command, and no connection was opened since.
    lacks_newer_forms: AtomicBool,
}

impl Target {
    pub(crate) fn new(
        server: Server,
        limits: Limits,
        listener: Option<Arc<dyn PushListener>>,
    ) -> Self {
        let schedule = || Schedule::new(PAUSES.0, PAUSES.1);
        Self {
            server,
            limits,
            listener,
            alarm: watch::Sender::new(()),
            dials: schedule(),
            promotions: schedule(),
            condition: watch::Sender::new(Condition::new()),
            main: Pool::new(limits.main_connections),
            confirmed_writes: Pool::new(limits.confirmed_writes_connections),
            is_silent: AtomicBool::new(false),
            lacks_newer_forms: AtomicBool::new(false),
        }
    }

    pub(super) fn pool(&self, role: ConnectionRole) -> &Pool {
        match role {
            ConnectionRole::Main => &self.main,
            ConnectionRole::ConfirmedWrites => &self.confirmed_writes,
        }
    }

    /// Returns a receiver that is notified of every change, among them newly opened connections.
    pub(super) fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    /// Returns why requests without a connection fail at once, and since when.
    pub(super) fn down(&self) -> Option<(Problem, Instant)> {
        match &self.condition.borrow().reach {
            Reach::Down { problem, since } => Some((problem.clone(), *since)),
            _ => None,
        }
    }

    /// Returns whether the server is known to be a replica.
    pub(super) fn is_demoted(&self) -> bool {
        self.condition.borrow().is_demoted
    }

    /// Returns whether the server is known to lack the newer forms of commands.
    pub(super) fn lacks_newer_forms(&self) -> bool {
        self.lacks_newer_forms.load(Ordering::Relaxed)
    }

    /// Notes whether the server lacks them. Another server may be behind a new connection.
    pub(super) fn set_lacks_newer_forms(&self, lacks: bool) {
        self.lacks_newer_forms.store(lacks, Ordering::Relaxed);
    }

    /// Returns whether every thread may dial at any time.
    pub(super) fn is_reachable(&self) -> bool {
        let condition = self.condition.borrow();
        matches!(condition.reach, Reach::Reachable) && condition.refusal.is_none()
    }

    /// Returns why a server that is reachable has refused another connection.
    pub(super) fn refusal(&self) -> Option<Problem> {
        let condition = self.condition.borrow();
        let refusal = condition.refusal.as_ref();
        refusal.filter(|_| matches!(condition.reach, Reach::Reachable)).cloned()
    }

    /// Returns when requests that wait for the first attempt have waited long enough.
    pub(super) fn overdue(&self) -> Option<Instant> {
        match self.condition.borrow().reach {
            Reach::Untested { since } => Some(since? + self.limits.response_timeout),
            _ => None,
        }
    }

    /// Notes that an attempt to connect begins.
    pub(super) fn note_attempt(&self) {
        self.condition.send_if_modified(|condition| match &mut condition.reach {
            Reach::Untested { since: since @ None } => {
                *since = Some(Instant::now());
                true
            }
            _ => false,
        });
    }

    /// Notes that a connection was lost: whether the server is still there decides the next
    /// attempt to connect, and the other connections are checked.
    pub(super) fn suspect(&self) {
        let is_new = self.condition.send_if_modified(|condition| {
            let is_new = matches!(condition.reach, Reach::Reachable);
            if is_new {
                condition.reach = Reach::Untested { since: Some(Instant::now()) };
            }
            is_new
        });
        if is_new {
            self.dials.reset();
            self.alarm.send_replace(());
        }
    }

    /// Notes that an attempt to connect has failed, or takes longer than requests can wait.
    pub(super) fn note_failure(&self, problem: &Problem) {
        if !self.main.is_empty() || !self.confirmed_writes.is_empty() {
            let is_new = self
                .condition
                .send_if_modified(|condition| condition.refusal.replace(problem.clone()).is_none());
            if is_new {
                log::warn!("redis {self} {problem}: requests share the connections there are");
            }
            return;
        }
        self.condition.send_if_modified(|condition| {
            let since = match &condition.reach {
                Reach::Down { problem: known, .. } if known == problem => return false,
                Reach::Down { problem: known, since } => {
                    // A server that is back with another fault needs another remedy.
                    if !known.is_like(problem) {
                        log::warn!("redis {self} {problem}");
                    }
                    *since
                }
                _ => {
                    log::warn!("redis {self} {problem}");
                    Instant::now()
                }
            };
            condition.reach = Reach::Down { problem: problem.clone(), since };
            true
        });
    }

    /// Notes that an attempt to connect has succeeded.
    pub(super) fn note_success(&self) {
        let is_new = self.condition.send_if_modified(|condition| {
            condition.refusal = None;
            let before = std::mem::replace(&mut condition.reach, Reach::Reachable);
            if matches!(before, Reach::Down { .. }) {
                log::info!("redis {self} is back");
            }
            !matches!(before, Reach::Reachable)
        });
        if is_new {
            // Wakes the threads that wait for their turn.
            self.dials.reset();
        }
    }

    /// Wakes requests that wait for a connection.
    pub(super) fn announce_connection(&self) {
        self.condition.send_modify(|_| {});
    }

    /// Notes that the server has refused a write as a replica: writes fail at once from now on, and
    /// it is asked from time to time whether it has been promoted.
    pub(super) fn demote(&self) {
        let is_new = self
            .condition
            .send_if_modified(|condition| !std::mem::replace(&mut condition.is_demoted, true));
        if is_new {
            log::warn!("redis {self} {DEMOTED}");
            self.promotions.reset();
        }
    }

    /// Notes that the server, or the one at its address now, is a master. All connections are
    /// replaced.
    pub(super) fn promote(&self) {
        self.condition.send_if_modified(|condition| {
            let is_new = std::mem::replace(&mut condition.is_demoted, false);
            if is_new {
                condition.promotions += 1;
                log::info!("redis {self} is back");
            }
            is_new
        });
    }

    /// Returns once the server takes no writes.
    pub(super) async fn until_demoted(&self) {
        let _ = self.condition().wait_for(|condition| condition.is_demoted).await;
    }

    /// Returns once the server has been promoted since it had been so this many times.
    pub(super) async fn until_promoted(&self, promotions: u64) {
        let _ = self.condition().wait_for(|condition| condition.promotions > promotions).await;
    }

    /// Returns once requests fail at once.
    pub(super) async fn until_down(&self) {
        let is_down = |condition: &Condition| matches!(condition.reach, Reach::Down { .. });
        let _ = self.condition().wait_for(is_down).await;
    }

    /// Notes whether the server announces changes, and why not.
    pub(super) fn set_silent(&self, refusal: Option<&str>) {
        if self.is_silent.swap(refusal.is_some(), Ordering::Relaxed) == refusal.is_some() {
            return;
        }
        if let Some(listener) = &self.listener {
            listener.on_silence(refusal.is_some());
            match refusal {
                Some(refusal) => log::warn!("redis {self} {refusal}: works without the near cache"),
                None => log::info!("redis {self} announces changes again: uses the near cache"),
            }
        }
    }
}

/// Takes back what it has told the listener.
impl Drop for Target {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.as_ref().filter(|_| *self.is_silent.get_mut()) {
            listener.on_silence(false);
        }
    }
}

/// Shows where the server is, without a password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}
