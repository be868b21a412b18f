//! The task that keeps one connection open: dials, checks, dials again.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool_redis::redis::{PushInfo, PushKind};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    super::failure::DEMOTED,
    health::{Health, is_replica, ping, track},
    multiplexed::Connection,
    outage::Outage,
    sentinel::Enquiry,
    state::{CheckRequest, ConnectionState},
    target::Target,
};

/// The time from the start of one attempt to connect to the start of the next.
const BETWEEN_DIALS: Duration = Duration::from_millis(100);

/// Supervises one connection until the sender of `owned` is dropped, or the thread that uses the
/// connection or its runtime ends.
pub(super) async fn supervise(
    target: Arc<Target>,
    state: watch::Sender<ConnectionState>,
    checks: watch::Receiver<CheckRequest>,
    mut owned: watch::Receiver<()>,
) {
    let mut user = checks.clone();
    let supervisor = Supervisor {
        target,
        state,
        checks,
        enquiry: Enquiry::default(),
        outage: None,
        demotion: None,
        next_dial: Instant::now(),
    };
    tokio::select! {
        () = supervisor.run() => {}
        // Nothing is ever sent: this returns when the sender is dropped.
        _ = owned.changed() => {}
        // Ends when the using thread drops its sender.
        () = async { while user.changed().await.is_ok() {} } => {}
    }
}

struct Supervisor {
    target: Arc<Target>,
    state: watch::Sender<ConnectionState>,
    checks: watch::Receiver<CheckRequest>,
    enquiry: Enquiry,
    outage: Option<Outage>,
    /// The server has refused a write as a replica, and was not seen to be a master since.
    demotion: Option<Outage>,
    next_dial: Instant,
}

impl Supervisor {
    async fn run(mut self) {
        static EPOCHS: AtomicU64 = AtomicU64::new(1);

        loop {
            let epoch = EPOCHS.fetch_add(1, Ordering::Relaxed);
            let connection = self.connect(epoch).await;
            let is_read_only = self.is_still_demoted(&connection).await;
            let open = if is_read_only { ConnectionState::ReadOnly } else { ConnectionState::Open };
            self.state.send_replace(open(connection.clone(), epoch));
            if let Some(listener) = &self.target.listener {
                // Not earlier: a reader takes its placeholder first and then the connection, so
                // what was read over the old connection is discarded too.
                listener.on_reconnect();
            }
            if let Some(outage) = self.outage.take() {
                outage.end();
            }
            if let Some(reason) = self.keep(connection, epoch, is_read_only).await {
                self.down(&reason);
            }
        }
    }

    /// Dials until an attempt succeeds. One attempt at a time, however many requests wait.
    async fn connect(&mut self, epoch: u64) -> Connection {
        loop {
            sleep_until(self.next_dial).await;
            self.next_dial = Instant::now() + BETWEEN_DIALS;
            match self.attempt(epoch).await {
                Ok(connection) => return connection,
                Err(reason) => self.down(&reason),
            }
        }
    }

    async fn attempt(&mut self, epoch: u64) -> Result<Connection, String> {
        let (state, target) = (self.state.clone(), self.target.clone());
        let on_push = move |push: PushInfo| {
            if let Some(listener) = &target.listener {
                listener.on_push(&push);
            }
            if push.kind == PushKind::Disconnection {
                state.send_if_modified(|state| state.lose(epoch));
            }
        };
        let limit = self.target.dial_timeout;
        let dial = self.target.server.dial(&mut self.enquiry, limit, on_push);
        let mut connection = match timeout(limit, dial).await {
            Ok(dialled) => dialled?,
            Err(_) => return Err("timed out".to_owned()),
        };
        // A server that loads its data accepts connections long before it accepts commands.
        match ping(&mut connection).await {
            Health::Alive if self.target.listener.is_some() => track(connection, limit).await,
            Health::Alive => Ok(connection),
            Health::Lost => Err("connection lost".to_owned()),
            Health::Unresponsive(reason) => Err(reason),
        }
    }

    /// Returns whether a server that has refused a write as a replica is still one. Where `ROLE` is
    /// forbidden, the next write finds out.
    async fn is_still_demoted(&mut self, connection: &Connection) -> bool {
        if self.demotion.is_none() {
            return false;
        }
        let is_demoted = is_replica(&mut connection.clone()).await;
        if !is_demoted && let Some(demotion) = self.demotion.take() {
            demotion.end();
        }
        is_demoted
    }

    /// Returns when `connection` has to be replaced, with the reason if the server is down.
    async fn keep(
        &mut self,
        mut connection: Connection,
        epoch: u64,
        is_read_only: bool,
    ) -> Option<String> {
        // Reconnecting to a read-only server finds out whether it has become a master again, or
        // another server answers at its address.
        let mut reconnect = pin!(sleep_until(self.next_dial));
        let mut state = self.state.subscribe();
        let mut alarm = self.target.alarm.subscribe();
        let mut superseded = pin!(self.target.server.until_superseded(&mut self.enquiry));
        loop {
            tokio::select! {
                _ = state.wait_for(|state| state.connection().is_none()) => return None,
                () = &mut reconnect, if is_read_only => return None,
                () = &mut superseded => {
                    self.state.send_if_modified(|state| state.lose(epoch));
                    return None;
                }
                _ = alarm.changed() => {}
                _ = self.checks.changed() => {
                    let check = *self.checks.borrow_and_update();
                    if check.epoch != epoch {
                        continue;
                    }
                    if check.redial {
                        let target = self.target.clone();
                        self.demotion.get_or_insert_with(|| Outage::begin(target, DEMOTED));
                        // Reads use the old connection meanwhile.
                        return None;
                    }
                }
            }
            match ping(&mut connection).await {
                Health::Alive => {}
                Health::Lost => {
                    self.state.send_if_modified(|state| state.lose(epoch));
                    return None;
                }
                Health::Unresponsive(reason) => return Some(reason),
            }
        }
    }

    fn down(&mut self, reason: &str) {
        let target = &self.target;
        let begin = || Outage::begin(target.clone(), &format!("is not reachable: {reason}"));
        let outage = self.outage.get_or_insert_with(begin);
        let reason = format!("not reachable: {reason}");
        self.state.send_replace(ConnectionState::Down(reason.into(), outage.since));
    }
}

/// Releases the connection: the threads' ends stay in thread-locals, where they would keep it open.
impl Drop for Supervisor {
    fn drop(&mut self) {
        self.state.send_replace(ConnectionState::Down("closed".into(), Instant::now()));
    }
}
