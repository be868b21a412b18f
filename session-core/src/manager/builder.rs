//! The builder of a manager.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    background::Background,
    failure_log::FailureLog,
    handle::{IdFn, Manager, OfWorker, Shared},
    touch_queue::TouchQueue,
    touch_writer::TouchWriter,
    turns::Turns,
    users::WhenFull,
};
#[cfg(feature = "metrics")]
use crate::meters;
use crate::{
    Error, IntoStorage, Lifetime, Listener, Result, SessionId, Storage,
    events::Events,
    lifetime::{self, MIN_TTL},
};

const DEFAULT_GRACE: Duration = Duration::from_secs(30);
const DEFAULT_TTL: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_TOUCH_INTERVAL: Duration = Duration::from_secs(10);
/// The default timeout for a storage without a maximum latency.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

impl Manager {
    /// Returns a builder of a manager for this storage.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # Ok(()) }
    /// ```
    pub fn builder(storage: impl IntoStorage) -> ManagerBuilder {
        ManagerBuilder::new(storage.into_storage())
    }
}

/// Builds a [`Manager`].
#[must_use = "nothing is set up before `build`"]
pub struct ManagerBuilder {
    storage: Arc<dyn Storage>,
    ttl: Duration,
    touch_interval: Duration,
    grace: Duration,
    absolute_ttl: Option<Duration>,
    renew_after: Option<Duration>,
    /// `None` uses the storage's maximum latency, or else [`DEFAULT_TIMEOUT`].
    timeout: Option<Duration>,
    id_fn: IdFn,
    max_per_user: Option<(usize, WhenFull)>,
    events: Events,
}

impl ManagerBuilder {
    fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            ttl: DEFAULT_TTL,
            touch_interval: DEFAULT_TOUCH_INTERVAL,
            grace: DEFAULT_GRACE,
            absolute_ttl: None,
            renew_after: None,
            timeout: None,
            id_fn: Arc::new(SessionId::random),
            max_per_user: None,
            events: Events::default(),
        }
    }

    /// Sets how long a session lives after its last use, reads included.
    ///
    /// Counted in whole milliseconds, from 1 ms to [`MAX_TTL`](crate::MAX_TTL). Default: 24 hours,
    /// as in GoFrame.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let builder = Manager::builder(MemoryStorage::new());
    /// let manager = builder.ttl(Duration::from_secs(30 * 60)).build()?;
    /// assert_eq!(manager.ttl().as_secs(), 1800);
    /// # Ok(()) }
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets how long a session lives from its creation, however much it is used. Default: no limit.
    ///
    /// OWASP calls it the absolute timeout. The store ends the session: neither a use nor a
    /// renewal, a write or a time to live edited by hand prolongs it. It is counted from the first
    /// item; for a session from before it was set, and one that another program has created, from
    /// its first use here. A lowered limit reaches living sessions with their next use. Nodes that
    /// share a store need clocks that agree to a second.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let builder = Manager::builder(MemoryStorage::new()).ttl(Duration::from_secs(30 * 60));
    /// let manager = builder.absolute_ttl(Duration::from_secs(12 * 60 * 60)).build()?;
    /// assert_eq!(manager.absolute_ttl().map(|ttl| ttl.as_secs()), Some(43_200));
    /// # Ok(()) }
    /// ```
    pub fn absolute_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.absolute_ttl = ttl.into();
        self
    }

    /// Sets after which time a session's id is renewed by itself. Default: never.
    ///
    /// OWASP calls it the renewal timeout: a stolen id is of use for no longer. A request that uses
    /// the session under an id that is older gives it a new one at its end. For the
    /// [grace](Self::grace) the old id leads to the session, so that requests in flight go on, on
    /// any node, and are told the new id. It must be longer than the grace. All nodes that share a
    /// store need the setting.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let builder = Manager::builder(MemoryStorage::new());
    /// let manager = builder.renew_after(Duration::from_secs(15 * 60)).build()?;
    /// assert_eq!(manager.renew_after().map(|time| time.as_secs()), Some(900));
    /// # Ok(()) }
    /// ```
    pub fn renew_after(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.renew_after = time.into();
        self
    }

    /// Sets the minimum time between two TTL writes for a session that is only read.
    ///
    /// A tenth of the time to live is the upper limit. If a node is killed, its sessions may expire
    /// early by up to this interval; nothing else shortens them. Default: 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let builder = Manager::builder(MemoryStorage::new());
    /// let manager = builder.touch_interval(Duration::from_secs(60)).build()?;
    /// assert_eq!(manager.touch_interval().as_secs(), 60);
    /// # Ok(()) }
    /// ```
    pub fn touch_interval(mut self, interval: Duration) -> Self {
        self.touch_interval = interval;
        self
    }

    /// Sets how long one open session may wait for the store, over all its operations together.
    ///
    /// Default: the [maximum latency](Storage::max_latency) that the storage enforces itself, which
    /// for Redis is its response timeout, or else 1 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let builder = Manager::builder(MemoryStorage::new());
    /// let manager = builder.timeout(Duration::from_millis(300)).build()?;
    /// assert_eq!(manager.timeout().as_millis(), 300);
    /// # Ok(()) }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how long a renewed id is remembered, so that requests sent with it before cannot
    /// replace the renewed session's cookie.
    ///
    /// After [`regenerate_id`](crate::Session::regenerate_id), reads under the old id find no
    /// session, and a write is answered 409. After a [renewal by itself](Self::renew_after) the old
    /// id leads to the session. Zero turns this off. Default: 30 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let builder = Manager::builder(MemoryStorage::new());
    /// let manager = builder.grace(Duration::from_secs(60)).build()?;
    /// assert_eq!(manager.grace().as_secs(), 60);
    /// # Ok(()) }
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the function that generates session ids. Default: [`SessionId::random`].
    ///
    /// Two sessions never share an id: if the function returns an id that is in use, the new
    /// session fails with [`Error::IdTaken`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// // Ids with the name of the node that generated them.
    /// let id_fn = || {
    ///     let id = format!("node7-{}", SessionId::random().as_str());
    ///     SessionId::parse(&id).expect("letters, digits and - are allowed")
    /// };
    /// let manager = Manager::builder(MemoryStorage::new()).id_fn(id_fn).build()?;
    /// let session = manager.open(None);
    /// session.set("name", "bob").await?;
    /// assert!(session.id().await?.is_some_and(|id| id.as_str().starts_with("node7-")));
    /// # Ok(()) }
    /// ```
    pub fn id_fn(mut self, id_fn: impl Fn() -> SessionId + Send + Sync + 'static) -> Self {
        self.id_fn = Arc::new(id_fn);
        self
    }

    /// Limits how many sessions a user has at the same time. Default: no limit.
    ///
    /// [`Session::login`](crate::Session::login) keeps the limit. Costs it one more round trip with
    /// [`WhenFull::EndOldest`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let builder = Manager::builder(MemoryStorage::new());
    /// let manager = builder.max_sessions_per_user(1, WhenFull::Refuse).build()?;
    /// let [phone, laptop] = [manager.open(None), manager.open(None)];
    /// phone.login("bob").await?;
    /// assert!(matches!(laptop.login("bob").await, Err(Error::TooManySessions)));
    /// # Ok(()) }
    /// ```
    pub fn max_sessions_per_user(mut self, max: usize, when_full: WhenFull) -> Self {
        self.max_per_user = Some((max, when_full));
        self
    }

    /// Sets the listener that is told what happens, instead of the [log](crate::LogListener).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let audit = |event: &Event<'_>| println!("{event:?}");
    /// // Beside the log lines that operators know.
    /// let builder = Manager::builder(MemoryStorage::new()).listener((LogListener, audit));
    /// let manager = builder.build()?;
    /// # Ok(()) }
    /// ```
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.events = Events::new(listener);
        self
    }

    /// Builds the manager and starts its background tasks.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a duration is out of range, the sessions of users are limited to none
    /// or the storage has no [index of users](Storage::users) for a limit, or there is no Tokio
    /// runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let builder = Manager::builder(MemoryStorage::new());
    /// assert!(matches!(builder.ttl(Duration::ZERO).build(), Err(Error::Config(_))));
    /// # Ok(()) }
    /// ```
    pub fn build(self) -> Result<Manager> {
        self.check_lifetimes()?;
        self.check_users()?;
        let timeout = self.timeout.or(self.storage.max_latency()).unwrap_or(DEFAULT_TIMEOUT);
        for (name, value) in [("touch interval", self.touch_interval), ("timeout", timeout)] {
            if value < MIN_TTL {
                return Err(Error::Config(format!("{name} {value:?} is shorter than 1 ms")));
            }
        }
        let Ok(runtime) = Handle::try_current() else {
            return Err(Error::Config("a manager must be built inside a Tokio runtime".to_owned()));
        };
        let touch_interval = self.touch_interval.min(self.ttl / 10);
        let lifetime = Lifetime::idle(self.ttl).absolute(self.absolute_ttl);
        let (storage, events) = (instrument(self.storage), self.events);
        let touches = Arc::new(TouchQueue::new(lifetime, touch_interval));
        let writer =
            TouchWriter::new(touches.clone(), storage.clone(), timeout).events(events.clone());
        let background =
            Background::start(&runtime, writer, storage.clone(), self.ttl, events.clone());
        Ok(Manager(Arc::new(OfWorker(Arc::new(Shared {
            storage,
            lifetime,
            touch_interval,
            grace: self.grace,
            renew_after: self.renew_after,
            timeout,
            id_fn: self.id_fn,
            touches,
            background,
            events,
            has_own_ttls: AtomicBool::new(false),
            unknown_claims: AtomicU64::new(0),
            failures: FailureLog::default(),
            turns: Turns::default(),
            max_per_user: self.max_per_user,
        })))))
    }

    fn check_users(&self) -> Result<()> {
        match self.max_per_user {
            Some((0, _)) => Err(Error::Config("a user needs at least one session".to_owned())),
            Some(_) if self.storage.users().is_none() => Err(Error::Config(
                "a limit of sessions per user needs a storage with an index of users".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    fn check_lifetimes(&self) -> Result<()> {
        lifetime::check("ttl", self.ttl)?;
        self.absolute_ttl.map_or(Ok(()), |ttl| lifetime::check("absolute ttl", ttl))?;
        self.renew_after.map_or(Ok(()), |time| lifetime::check("renew after", time))?;
        match self.renew_after {
            Some(time) if self.grace.is_zero() => Err(Error::Config(format!(
                "renew after {time:?} needs a grace, or requests in flight lose the session"
            ))),
            Some(time) if time <= self.grace => Err(Error::Config(format!(
                "renew after {time:?} is not longer than the grace of {:?}",
                self.grace
            ))),
            _ => Ok(()),
        }
    }
}

/// Adds the metrics of the storage, if there are any.
#[cfg(feature = "metrics")]
fn instrument(storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
    meters::describe();
    meters::measured(storage)
}

#[cfg(not(feature = "metrics"))]
fn instrument(storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
    storage
}

impl fmt::Debug for ManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerBuilder")
            .field("storage", &self.storage)
            .field("ttl", &self.ttl)
            .field("touch_interval", &self.touch_interval)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
