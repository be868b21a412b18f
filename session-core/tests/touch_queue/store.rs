//! A store whose writes of times to live can be told to fail, to hang or to take long.
//!
//! Everything else always succeeds at once: here only those writes are tested.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use session_core::{
    Changes, Error, Result, SessionId, SetOptions, Snapshot, Storage, TtlRange, Written,
};
use tokio::time::{Instant, sleep};

/// How a store answers a write of a time to live.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Succeed,
    Fail,
    Hang,
    /// Succeed after this time.
    Late(Duration),
    Panic,
}

/// A write of a time to live that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) at: Instant,
    pub(crate) id: SessionId,
    pub(crate) succeeded: bool,
}

type Rule = Box<dyn Fn(&SessionId) -> Answer + Send>;

pub(crate) struct Store {
    content: Snapshot,
    expiries: Mutex<HashMap<SessionId, Instant>>,
    writes: Mutex<Vec<Write>>,
    rule: Mutex<Rule>,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
    sweeps: AtomicUsize,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("test store")
    }
}

impl Store {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            content: Snapshot::parse(r#"{"n":1}"#.to_owned()).unwrap().unwrap(),
            expiries: Mutex::default(),
            writes: Mutex::default(),
            rule: Mutex::new(Box::new(|_| Answer::Succeed)),
            in_flight: AtomicUsize::new(0),
            max_in_flight: AtomicUsize::new(0),
            sweeps: AtomicUsize::new(0),
        })
    }

    /// Adds sessions that have this time to live.
    pub(crate) fn add(&self, count: usize, ttl: Duration) -> Vec<SessionId> {
        let mut expiries = self.expiries.lock().unwrap();
        // Scattered, as random ids are: the clock is paused, so writes are often in their order.
        let scatter = |n: usize| (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let id = |n| SessionId::parse(&format!("session-{:016x}", scatter(n))).unwrap();
        let ids: Vec<_> = (expiries.len()..expiries.len() + count).map(id).collect();
        expiries.extend(ids.iter().map(|id| (id.clone(), Instant::now() + ttl)));
        ids
    }

    pub(crate) fn answer(&self, rule: impl Fn(&SessionId) -> Answer + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.answer(move |_| if is_down { Answer::Fail } else { Answer::Succeed });
    }

    /// Takes the writes that were asked for since the last call.
    pub(crate) fn writes(&self) -> Vec<Write> {
        std::mem::take(&mut self.writes.lock().unwrap())
    }

    pub(crate) fn expiry(&self, id: &SessionId) -> Option<Instant> {
        let expiry = self.expiries.lock().unwrap().get(id).copied();
        expiry.filter(|expiry| *expiry > Instant::now())
    }

    /// Returns the highest number of concurrent writes since the last call.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.max_in_flight.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn sweeps(&self) -> usize {
        self.sweeps.load(Ordering::Relaxed)
    }
}

/// Counts a write as long as it is not dropped.
struct InFlight<'a>(&'a Store);

impl<'a> InFlight<'a> {
    fn new(store: &'a Store) -> Self {
        let now = store.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        store.max_in_flight.fetch_max(now, Ordering::Relaxed);
        Self(store)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Storage for Store {
    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        self.expiry(id).map(|_| self.content.clone())
    }

    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        Ok(self.cached(id))
    }

    async fn set_session(
        &self,
        id: &SessionId,
        _: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        self.expiries.lock().unwrap().insert(id.clone(), Instant::now() + options.lifetime.ttl);
        Ok(Written::Saved)
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        let _in_flight = InFlight::new(self);
        let answer = self.rule.lock().unwrap()(id);
        let succeeded = matches!(answer, Answer::Succeed | Answer::Late(_));
        let at = Instant::now();
        self.writes.lock().unwrap().push(Write { at, id: id.clone(), succeeded });
        match answer {
            Answer::Succeed => {}
            Answer::Fail => return Err(Error::storage("store", "told to fail")),
            Answer::Hang => std::future::pending().await,
            Answer::Late(delay) => sleep(delay).await,
            Answer::Panic => panic!("told to panic"),
        }
        let Some(expiry) = self.expiry(id) else { return Ok(false) };
        let now = Instant::now();
        let expiry = expiry.clamp(now + ttl.at_least, now + ttl.at_most);
        self.expiries.lock().unwrap().insert(id.clone(), expiry);
        Ok(true)
    }

    async fn remove_all(&self, id: &SessionId, _: Option<&Snapshot>) -> Result<bool> {
        Ok(self.expiries.lock().unwrap().remove(id).is_some())
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        Ok(self.expiry(id).map(|expiry| expiry - Instant::now()))
    }

    async fn sweep(&self) -> Result<()> {
        self.sweeps.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
