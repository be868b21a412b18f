//! Keeps one connection open: dials, doubts, dials again.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use deadpool_redis::redis::{Cmd, PushInfo, PushKind, RedisResult, Value, cmd};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    connection::Connection,
    failure::{self, Verdict},
    link::{Doubt, Link},
    near::NearCache,
    sentinel::Enquiry,
    server::Server,
};

/// From the start of one attempt to connect to the start of the next.
const BETWEEN_DIALS: Duration = Duration::from_millis(100);
/// No attempt lasts longer, so that a server that is back is noticed within a second.
const LONGEST_DIAL: Duration = Duration::from_millis(500);
/// How soon a connection in doubt has to answer.
const PROOF_OF_LIFE: Duration = Duration::from_millis(500);

/// What is said of a server that has become a replica.
pub(super) const DEMOTED: &str = "is a replica and takes no writes";

/// What all connections of one handle to one server dial.
pub(super) struct Target {
    pub(super) server: Server,
    dial_bound: Duration,
    /// What the server vouches for, over whichever connection.
    near: Option<Arc<NearCache>>,
    /// How many of the connections are down or take no writes, so that one log line tells of all of them.
    down: AtomicUsize,
    /// Sent to when one is found to be down: then the others are put to the proof as well, used
    /// or not, and no request has to find out again.
    alarm: watch::Sender<()>,
}

impl Target {
    pub(super) fn new(
        server: Server,
        connect_timeout: Duration,
        near: Option<Arc<NearCache>>,
    ) -> Self {
        let dial_bound = connect_timeout.min(LONGEST_DIAL);
        Self { server, dial_bound, near, down: AtomicUsize::new(0), alarm: watch::Sender::new(()) }
    }
}

/// Runs until the last handle is dropped, the thread has ended, or the runtime.
pub(super) async fn supervise(
    target: Arc<Target>,
    link: watch::Sender<Link>,
    doubt: watch::Receiver<Doubt>,
    mut owned: watch::Receiver<()>,
) {
    let mut of_thread = doubt.clone();
    let supervisor = Supervisor {
        target,
        link,
        doubt,
        enquiry: Enquiry::default(),
        outage: None,
        demotion: None,
        next_dial: Instant::now(),
    };
    tokio::select! {
        () = supervisor.run() => {}
        // Nothing is ever sent; this ends with the sender.
        _ = owned.changed() => {}
        // So does this.
        () = async { while of_thread.changed().await.is_ok() {} } => {}
    }
}

struct Supervisor {
    target: Arc<Target>,
    link: watch::Sender<Link>,
    doubt: watch::Receiver<Doubt>,
    enquiry: Enquiry,
    outage: Option<Outage>,
    /// The server has said that it takes no writes, and has not been found to be a master since.
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
            let open = if is_read_only { Link::ReadOnly } else { Link::Open };
            self.link.send_replace(open(connection.clone(), epoch));
            if let Some(near) = &self.target.near {
                // What came over the connection before is vouched for no longer. Not earlier: a
                // read sets its mark first and then takes the connection.
                near.clear();
            }
            if let Some(outage) = self.outage.take() {
                outage.end();
            }
            if let Some(reason) = self.keep(connection, epoch, is_read_only).await {
                self.down(&reason);
            }
        }
    }

    /// Dials until it works. One attempt at a time, whoever is waiting.
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
        let (link, target) = (self.link.clone(), self.target.clone());
        let on_push = move |push: PushInfo| {
            if let Some(near) = &target.near {
                near.hear(&push);
            }
            if push.kind == PushKind::Disconnection {
                link.send_if_modified(|link| lose(link, epoch));
            }
        };
        let bound = self.target.dial_bound;
        let dial = self.target.server.dial(&mut self.enquiry, bound, on_push);
        let mut connection = match timeout(bound, dial).await {
            Ok(dialled) => dialled?,
            Err(_) => return Err("timed out".to_owned()),
        };
        // A server that loads its data accepts connections long before it accepts commands.
        match ping(&mut connection).await {
            Life::Proven if self.target.near.is_some() => track(connection, bound).await,
            Life::Proven => Ok(connection),
            Life::Lost => Err("connection lost".to_owned()),
            Life::Doubtful(reason) => Err(reason),
        }
    }

    /// Whether a server that has refused a write as a replica is one still. Where `ROLE` is
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

    /// Returns when `connection` is to be replaced; with the reason if the server is down.
    async fn keep(
        &mut self,
        mut connection: Connection,
        epoch: u64,
        is_read_only: bool,
    ) -> Option<String> {
        // One probe at a time finds out that it is a master again, or that another server answers
        // at its address.
        let mut probe = pin!(sleep_until(self.next_dial));
        let mut link = self.link.subscribe();
        let mut alarm = self.target.alarm.subscribe();
        let mut superseded = pin!(self.target.server.until_superseded(&mut self.enquiry));
        loop {
            tokio::select! {
                _ = link.wait_for(|link| link.connection().is_none()) => return None,
                () = &mut probe, if is_read_only => return None,
                () = &mut superseded => {
                    self.link.send_if_modified(|link| lose(link, epoch));
                    return None;
                }
                _ = alarm.changed() => {}
                _ = self.doubt.changed() => {
                    let doubt = *self.doubt.borrow_and_update();
                    if doubt.epoch != epoch {
                        continue;
                    }
                    if doubt.redial {
                        let target = self.target.clone();
                        self.demotion.get_or_insert_with(|| Outage::begin(target, DEMOTED));
                        // Reads go on over the old connection meanwhile.
                        return None;
                    }
                }
            }
            match ping(&mut connection).await {
                Life::Proven => {}
                Life::Lost => {
                    self.link.send_if_modified(|link| lose(link, epoch));
                    return None;
                }
                Life::Doubtful(reason) => return Some(reason),
            }
        }
    }

    fn down(&mut self, reason: &str) {
        let target = &self.target;
        let begin = || Outage::begin(target.clone(), &format!("is not reachable: {reason}"));
        let outage = self.outage.get_or_insert_with(begin);
        let reason = format!("not reachable: {reason}");
        self.link.send_replace(Link::Down(reason.into(), outage.since));
    }
}

/// The threads' ends live on in thread-locals; what they hold must not.
impl Drop for Supervisor {
    fn drop(&mut self) {
        self.link.send_replace(Link::Down("closed".into(), Instant::now()));
    }
}

/// Has requests wait for the next connection if this was the one in use.
fn lose(link: &mut Link, epoch: u64) -> bool {
    let lost = link.connection().is_some_and(|(_, open)| open == epoch);
    if lost {
        *link = Link::Dialing;
    }
    lost
}

enum Life {
    Proven,
    /// The connection has ended.
    Lost,
    /// No answer, or one that says that the server answers nothing else either.
    Doubtful(String),
}

async fn ping(connection: &mut Connection) -> Life {
    let ping: Cmd = cmd("PING");
    let answer: Result<RedisResult<Value>, _> =
        timeout(PROOF_OF_LIFE, ping.query_async(connection)).await;
    match answer {
        Ok(Ok(_)) => Life::Proven,
        Ok(Err(error)) => match failure::judge(&error) {
            Verdict::Lost => Life::Lost,
            Verdict::Refused => Life::Doubtful(failure::reason(&error)),
            // Not allowed to ask, but answered.
            _ => Life::Proven,
        },
        Err(_) => Life::Doubtful("timed out".to_owned()),
    }
}

async fn is_replica(connection: &mut Connection) -> bool {
    let role: Cmd = cmd("ROLE");
    let answer = timeout(PROOF_OF_LIFE, role.query_async::<Vec<Value>>(connection)).await;
    let role = answer.ok().and_then(Result::ok).and_then(|role| role.into_iter().next());
    matches!(role, Some(Value::BulkString(role)) if role == b"slave")
}

/// Has the server announce from now on what changes of that which is read over this connection,
/// by whomever it is changed, by this connection too.
async fn track(mut connection: Connection, bound: Duration) -> Result<Connection, String> {
    let mut tracking: Cmd = cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON");
    match timeout(bound, tracking.exec_async(&mut connection)).await {
        Ok(answer) => answer.map(|()| connection).map_err(|error| failure::reason(&error)),
        Err(_) => Err("timed out".to_owned()),
    }
}

/// One connection's share in the server being away, or taking no writes.
struct Outage {
    target: Arc<Target>,
    since: Instant,
}

impl Outage {
    fn begin(target: Arc<Target>, what: &str) -> Self {
        if target.down.fetch_add(1, Ordering::Relaxed) == 0 {
            log::warn!("redis {} {what}", target.server);
        }
        target.alarm.send_replace(());
        Self { target, since: Instant::now() }
    }

    fn end(self) {
        if self.target.down.load(Ordering::Relaxed) == 1 {
            log::info!("redis {} is back", self.target.server);
        }
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.target.down.fetch_sub(1, Ordering::Relaxed);
    }
}
