//! One open connection, and the only place that dials.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool_redis::{
    Manager, Pool, PoolError,
    redis::{
        AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, ProtocolVersion, PushInfo, PushKind,
        RedisError, RedisFuture, RedisResult, Value,
        aio::{ConnectionLike, MultiplexedConnection},
        cmd,
    },
};
use tokio::{sync::Notify, time::Instant};

use super::{
    super::failure::{self, Verdict},
    confirmations::Confirmations,
    endpoint::Endpoint,
    health::{self, Health},
    in_flight::InFlight,
};

/// An open connection that many requests share. Clones are the same connection.
#[derive(Clone)]
pub(crate) struct Connection {
    redis: MultiplexedConnection,
    /// Whether the server can push messages, and the end of the connection is reported.
    has_pushes: bool,
    shared: Arc<ConnectionWatch>,
}

/// What the users of a connection and its supervisor tell each other.
pub(crate) struct ConnectionWatch {
    /// The connection's number, unique in the process.
    epoch: u64,
    confirmations: Confirmations,
    is_lost: AtomicBool,
    lost: Notify,
    check: Notify,
    /// How long the server took to answer the first `PING`, in microseconds.
    round_trip: AtomicU64,
    /// When the last command was sent, in milliseconds of this process.
    sent: AtomicU64,
    /// The number of answers that have arrived.
    answers: AtomicU64,
}

/// Receives the push messages of one connection.
pub(super) type OnPush = Arc<dyn Fn(&PushInfo) + Send + Sync>;

impl Connection {
    /// Connects, within `timeout`.
    ///
    /// `on_push` is called with every push message of the server and, as a push of its own kind,
    /// when the connection ends. It must not block. Without RESP3 it is never called, and nobody
    /// is told that the connection has ended.
    ///
    /// # Errors
    ///
    /// The outer error says why there is no password.
    pub(super) async fn dial(
        endpoint: &Endpoint,
        protocol: ProtocolVersion,
        timeout: Duration,
        on_push: Option<OnPush>,
    ) -> Result<RedisResult<Self>, String> {
        let (info, resolver) = endpoint.dialled(protocol)?;
        let shared = Arc::new(ConnectionWatch::new());
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            // Operations have deadlines of their own.
            .set_response_timeout(None);
        if let Some(resolver) = resolver {
            config = config.set_dns_resolver(resolver);
        }
        let has_pushes = protocol == ProtocolVersion::RESP3;
        if has_pushes {
            let shared = shared.clone();
            config = config.set_push_sender(move |push: PushInfo| {
                if let Some(on_push) = &on_push {
                    on_push(&push);
                }
                if push.kind == PushKind::Disconnection {
                    shared.lose();
                }
                Ok::<(), ()>(())
            });
        }
        Ok(open(info, config).await.map(|redis| Self { redis, has_pushes, shared }))
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// Returns whether the server can push messages over it, and its end is noticed without sending
    /// anything. RESP2 has neither.
    pub(super) fn has_pushes(&self) -> bool {
        self.has_pushes
    }

    /// Returns whether the connection is known to have ended or to answer no longer.
    pub(crate) fn is_lost(&self) -> bool {
        self.shared.is_lost.load(Ordering::Relaxed)
    }

    /// Returns what outlives a command's use of the connection.
    pub(crate) fn watch(&self) -> Arc<ConnectionWatch> {
        self.shared.clone()
    }

    /// Returns whether the server answers a `PING` in time. If not, requests use another connection
    /// from now on.
    pub(crate) async fn proves_alive(mut self, response_timeout: Duration) -> bool {
        let limit = self.shared.patience(response_timeout);
        let is_alive = !matches!(health::ping(&mut self, limit).await, Health::Lost);
        if !is_alive {
            self.shared.lose();
        }
        is_alive
    }

    /// Notes that a command is sent at `now`. Returns how long none was sent before.
    pub(crate) fn note_use(&self, now: Instant) -> Duration {
        let now = millis_of_process(now);
        let before = self.shared.sent.swap(now, Ordering::Relaxed);
        Duration::from_millis(now.saturating_sub(before))
    }

    pub(super) fn set_round_trip(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.shared.round_trip.store(micros, Ordering::Relaxed);
    }

    /// Sends a command. Dropping the future does not keep the command from being sent, and has the
    /// connection checked.
    pub(crate) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        let in_flight = InFlight::new(&self.shared);
        let answer = match self.redis.req_packed_command(command).await {
            Ok(answer) => answer.extract_error(),
            Err(error) => Err(error),
        };
        in_flight.end(&answer);
        answer
    }

    /// Sends a command behind `ASKING`, for a cluster node that is importing the slot.
    pub(crate) async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        let in_flight = InFlight::new(&self.shared);
        let mut both = Pipeline::with_capacity(2);
        both.add_command(cmd("ASKING")).add_command(command.clone());
        let answer = match self.redis.req_packed_commands(&both, 1, 1).await {
            Ok(mut answers) => answers.pop().unwrap_or(Value::Nil).extract_error(),
            Err(error) => Err(error),
        };
        in_flight.end(&answer);
        answer
    }

    /// Waits until `replicas` have every write answered over this connection so far. Has no time
    /// limit of its own.
    pub(crate) async fn confirm(&mut self, replicas: usize) -> RedisResult<()> {
        let in_flight = InFlight::new(&self.shared);
        let confirmed = self.shared.confirmations.await_all(&mut self.redis, replicas).await;
        in_flight.end(&confirmed);
        confirmed
    }
}

impl ConnectionWatch {
    fn new() -> Self {
        static EPOCHS: AtomicU64 = AtomicU64::new(1);

        Self {
            epoch: EPOCHS.fetch_add(1, Ordering::Relaxed),
            confirmations: Confirmations::default(),
            is_lost: AtomicBool::new(false),
            lost: Notify::new(),
            check: Notify::new(),
            round_trip: AtomicU64::new(0),
            sent: AtomicU64::new(millis_of_process(Instant::now())),
            answers: AtomicU64::new(0),
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Notes that an answer has arrived.
    pub(super) fn note_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of answers that have arrived.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Makes requests use another connection.
    pub(super) fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
        self.lost.notify_waiters();
    }

    /// Returns once the connection is lost.
    pub(crate) async fn until_lost(&self) {
        loop {
            // Created before the check, so that no loss in between is missed.
            let lost = self.lost.notified();
            if self.is_lost.load(Ordering::Relaxed) {
                return;
            }
            lost.await;
        }
    }

    /// Returns how long a simple command may take before the connection is suspected to be dead:
    /// a quarter of the response timeout, or more if the server is far away.
    pub(crate) fn patience(&self, response_timeout: Duration) -> Duration {
        let round_trip = Duration::from_micros(self.round_trip.load(Ordering::Relaxed));
        (response_timeout / 4).max(round_trip.saturating_mul(4)).min(response_timeout)
    }

    /// Returns once somebody has asked for a check.
    pub(super) async fn until_check_requested(&self) {
        self.check.notified().await;
    }

    /// Asks the supervisor to check whether the server still answers over this connection.
    pub(crate) fn request_check(&self) {
        // Keeps one permit: many requests to check one connection are one check.
        self.check.notify_one();
    }
}

/// Returns whether an answer means that the connection has ended.
pub(super) fn is_loss<T>(answer: &RedisResult<T>) -> bool {
    answer.as_ref().is_err_and(|error| failure::judge(error) == Verdict::Lost)
}

/// Returns whether a server has refused to speak RESP3.
pub(super) fn is_resp3_refusal(error: &RedisError) -> bool {
    let is_unknown = |error: &RedisError| {
        error.detail().is_some_and(|detail| detail.to_ascii_lowercase().contains("unknown command"))
    };
    match (error.kind(), error.code()) {
        (ErrorKind::RESP3NotSupported, _) | (_, Some("NOPROTO")) => true,
        (_, Some("NOPERM")) => failure::denied_command(error).is_some_and(|name| name == "hello"),
        (_, Some("ERR")) => is_unknown(error),
        _ => false,
    }
}

async fn open(
    info: deadpool_redis::redis::ConnectionInfo,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    // Taken out of the pool for good: a checkout for each request would send PING and UNWATCH
    // every time, and a connection that is not shared cannot pipeline.
    let manager = Manager::new_with_config(info, config)?;
    let pool = Pool::builder(manager)
        .max_size(1)
        .build()
        .expect("a pool without timeouts needs no runtime");
    let connection = pool.get().await.map_err(from_pool)?;
    Ok(deadpool_redis::Connection::take(connection))
}

fn from_pool(error: PoolError) -> RedisError {
    match error {
        PoolError::Backend(error) => error,
        _ => unreachable!("a new pool without hooks and timeouts only ever connects"),
    }
}

fn millis_of_process(now: Instant) -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    u64::try_from(now.saturating_duration_since(*START).as_millis()).unwrap_or(u64::MAX)
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.redis.req_packed_command(cmd)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.redis.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.redis.get_db()
    }
}
