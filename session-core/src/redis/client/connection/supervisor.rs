//! The task that keeps one connection open: dials, checks, dials again.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::{
    select,
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{
    super::failure::Problem,
    dial::Dialled,
    health::{Health, is_replica, ping},
    multiplexed::Connection,
    supervised::Own,
    target::{ConnectionRole, Target},
};

/// The shortest time between two attempts to connect of one supervisor. An attempt that hangs does
/// not keep it from making another one, which a server that is back answers at once.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);
/// The most attempts that hang at the same time, however long an attempt may take.
const HANGING_ATTEMPTS: u32 = 10;
/// How often a connection is checked whose end the library does not report.
const BETWEEN_CHECKS: Duration = Duration::from_secs(1);

/// Supervises one connection until the sender of `owned` is dropped, or the thread that uses the
/// connection or its runtime ends.
pub(super) async fn supervise(
    target: Arc<Target>,
    role: ConnectionRole,
    own: watch::Sender<Own>,
    mut owned: watch::Receiver<()>,
) {
    let supervisor = Supervisor { target, role, own: own.clone() };
    select! {
        () = supervisor.run() => {}
        // Nothing is ever sent: this returns when the sender is dropped.
        _ = owned.changed() => {}
        // Ends when the using thread drops its receiver.
        () = own.closed() => {}
    }
}

struct Supervisor {
    target: Arc<Target>,
    role: ConnectionRole,
    own: watch::Sender<Own>,
}

/// Why a connection is given up.
enum End {
    /// It has ended, or nothing arrives over it.
    Lost,
    /// The server executes no commands.
    Refusing(Problem),
    /// Another server has taken the place of this one.
    Replaced,
}

impl Supervisor {
    async fn run(self) {
        loop {
            let _permit = self.permit().await;
            let dialled = self.connect().await;
            match self.serve(dialled).await {
                End::Lost => self.target.suspect(),
                End::Refusing(problem) => {
                    self.target.suspect();
                    // The others find out by themselves; the last one to do so tells.
                    if self.target.pool(self.role).is_empty() {
                        self.target.note_failure(&problem);
                    }
                }
                End::Replaced => {}
            }
        }
    }

    /// Waits until another connection may be open.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        match self.target.pool(self.role).permit() {
            Ok(permit) => permit,
            Err(permits) => {
                self.own.send_replace(Own::Missing);
                permits.acquire_owned().await.ok()
            }
        }
    }

    /// Dials until an attempt succeeds.
    async fn connect(&self) -> Dialled {
        self.own.send_replace(Own::Dialing);
        let pause = BETWEEN_ATTEMPTS.max(self.target.limits.connect_timeout / HANGING_ATTEMPTS);
        let (mut attempts, mut earliest) = (FuturesUnordered::new(), Instant::now());
        let mut condition = self.target.condition();
        loop {
            let overdue = self.target.overdue();
            if self.target.refusal().is_some() {
                self.own.send_if_modified(give_up);
            }
            select! {
                Some(dialled) = attempts.next(), if !attempts.is_empty() => match dialled {
                    Ok(dialled) => {
                        self.target.note_success();
                        return dialled;
                    }
                    Err(problem) => {
                        self.target.note_failure(&problem);
                        self.own.send_if_modified(give_up);
                        earliest = Instant::now();
                    }
                },
                () = self.turn(earliest) => {
                    earliest = Instant::now() + pause;
                    self.target.note_attempt();
                    attempts.push(self.target.dial());
                }
                () = sleep_until(overdue.unwrap_or(earliest)), if overdue.is_some() => {
                    self.target.note_failure(&Problem::unreachable("timed out"));
                    self.own.send_if_modified(give_up);
                }
                // The moment at which waiting is overdue may have changed.
                _ = condition.changed() => {}
            }
        }
    }

    /// Waits until this thread may make an attempt: at any time while the server is reachable,
    /// otherwise in turn with the other threads.
    async fn turn(&self, earliest: Instant) {
        sleep_until(earliest).await;
        if !self.target.is_reachable() {
            self.target.dials.turn().await;
        }
    }

    /// Keeps a connection until it has to be given up.
    async fn serve(&self, dialled: Dialled) -> End {
        let Dialled { connection, address } = dialled;
        let promotions = self.target.condition().borrow().promotions;
        let _pooled = self.target.pool(self.role).add(connection.clone());
        self.own.send_replace(Own::Open(connection.clone()));
        self.target.announce_connection();
        if let Some(listener) = &self.target.listener {
            // Not earlier: a reader takes its placeholder first and then the connection, so what
            // was read over the old connection is discarded too.
            listener.on_reconnect();
        }
        let end = self.keep(connection.clone(), &address, promotions).await;
        connection.watch().lose();
        // Not later: whoever waits for the next connection must not find this one.
        self.own.send_replace(Own::Dialing);
        end
    }

    async fn keep(&self, mut connection: Connection, address: &str, promotions: u64) -> End {
        let target = &*self.target;
        let mut alarm = target.alarm.subscribe();
        let (watch, has_pushes) = (connection.watch(), connection.has_pushes());
        let mut superseded = pin!(target.server.until_superseded(address, target.limits));
        let mut promoted = pin!(target.until_promoted(promotions));
        // Boxed: rarely polled far, and it holds a whole attempt to connect.
        let mut questions = self.ask_for_promotion().boxed();
        loop {
            select! {
                () = watch.until_lost() => return End::Lost,
                () = &mut superseded => return End::Replaced,
                () = &mut promoted => return End::Replaced,
                () = &mut questions => {}
                () = sleep(BETWEEN_CHECKS), if !has_pushes => {}
                _ = alarm.changed() => {}
                () = watch.until_check_requested() => {}
            }
            let limit = watch.patience(target.limits.response_timeout);
            match ping(&mut connection, limit).await {
                Health::Alive => {}
                Health::Lost => return End::Lost,
                Health::Refusing(problem) => return End::Refusing(problem),
            }
        }
    }

    /// Asks a server that takes no writes, in turn with the other threads, whether it has become a
    /// master, or another server answers at its address. Never returns.
    async fn ask_for_promotion(&self) {
        let target = &self.target;
        loop {
            target.until_demoted().await;
            target.promotions.turn().await;
            let Ok(mut dialled) = target.dial().await else { continue };
            let limit = target.limits.response_timeout;
            // Where ROLE is forbidden, the next write finds out.
            if is_replica(&mut dialled.connection, limit).await != Some(true) {
                target.promote();
            }
        }
    }
}

/// Makes requests use the connections of other threads.
fn give_up(own: &mut Own) -> bool {
    let is_new = !matches!(own, Own::Missing);
    *own = Own::Missing;
    is_new
}

/// Releases the connection: the threads' ends stay in thread-locals, where they would keep it open.
impl Drop for Supervisor {
    fn drop(&mut self) {
        self.own.send_replace(Own::Missing);
    }
}
