//! A steady load of clients that verify every response.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use session_core::{Error, SessionId, SetOptions, Snapshot, Storage, Written};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{CREATE, TTL, UPDATE, changes};

/// The pause between two requests of a client.
const PAUSE: Duration = Duration::from_millis(10);

/// Clients, each of which writes and reads its own session through all handles in turn.
pub struct Load {
    ended: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Report>>,
}

/// The results of the requests of one or more clients.
#[derive(Default)]
pub struct Report {
    pub requests: usize,
    /// The duration of each request.
    pub times: Vec<Duration>,
    /// The time and the text of each error.
    pub errors: Vec<(Instant, String)>,
    /// The number of acknowledged writes that are gone.
    pub lost: u64,
    /// Responses that no failure of a server can explain.
    pub wrong: Vec<String>,
}

impl Load {
    /// Creates the sessions and starts a client for each id.
    pub async fn start(handles: &[Arc<dyn Storage>], ids: &[SessionId]) -> Self {
        for id in ids {
            let written = handles[0].set_session(id, &numbered(id, 0), CREATE).await;
            assert_eq!(written.unwrap(), Written::Saved);
        }
        let ended = Arc::new(AtomicBool::new(false));
        let client = |id: &SessionId| {
            let client = Client {
                id: id.clone(),
                handles: handles.to_vec(),
                written: 0,
                acknowledged: 0,
                report: Report::default(),
            };
            tokio::spawn(client.run(ended.clone()))
        };
        Self { clients: ids.iter().map(client).collect(), ended }
    }

    /// Stops the clients and returns a report for each, in the order of the ids.
    pub async fn end(self) -> Vec<Report> {
        self.ended.store(true, Ordering::SeqCst);
        let mut reports = Vec::new();
        for client in self.clients {
            reports.push(client.await.unwrap());
        }
        reports
    }
}

struct Client {
    id: SessionId,
    handles: Vec<Arc<dyn Storage>>,
    /// The last number written, which may be stored.
    written: u64,
    /// The last number acknowledged, which must be stored.
    acknowledged: u64,
    report: Report,
}

impl Client {
    async fn run(mut self, ended: Arc<AtomicBool>) -> Report {
        while !ended.load(Ordering::SeqCst) {
            self.write().await;
            sleep(PAUSE).await;
            self.read().await;
            sleep(PAUSE).await;
        }
        // Verifies the last acknowledged write too.
        self.read().await;
        self.report
    }

    fn handle(&self) -> Arc<dyn Storage> {
        self.handles[self.report.requests % self.handles.len()].clone()
    }

    async fn write(&mut self) {
        self.written += 1;
        self.write_as(UPDATE).await;
    }

    async fn write_as(&mut self, options: SetOptions<'_>) {
        let (handle, begin) = (self.handle(), Instant::now());
        let changes = numbered(&self.id, self.written);
        match self.record(begin, handle.set_session(&self.id, &changes, options).await) {
            Some(Written::Saved) => self.acknowledged = self.written,
            Some(Written::Refused) => self.record_missing().await,
            Some(written) => self.report.wrong.push(format!("a write returned {written:?}")),
            None => {}
        }
    }

    async fn read(&mut self) {
        let (handle, begin) = (self.handle(), Instant::now());
        match self.record(begin, handle.get_session(&self.id).await) {
            Some(Some(session)) => self.check(&session).await,
            Some(None) => self.record_missing().await,
            None => {}
        }
    }

    async fn check(&mut self, session: &Snapshot) {
        if session.get::<String>("owner").unwrap().as_deref() != Some(self.id.as_str()) {
            self.report.wrong.push("the session of another client".to_owned());
        }
        let number: u64 = session.get("number").unwrap().unwrap();
        if number > self.written {
            self.report.wrong.push(format!("{number} was never written"));
        }
        if number < self.acknowledged {
            // If any handle finds the acknowledged number, this read was stale; if none does, the
            // write is lost.
            for handle in self.handles.clone() {
                if let Ok(Some(session)) = handle.get_session(&self.id).await
                    && session.get("number").unwrap() >= Some(self.acknowledged)
                {
                    let stale = format!("{number} was read after {}", self.acknowledged);
                    return self.report.wrong.push(stale);
                }
            }
            self.report.lost += self.acknowledged - number;
            self.acknowledged = number;
        }
    }

    /// Records a missing session as a loss and creates it again.
    async fn record_missing(&mut self) {
        self.report.lost += self.acknowledged.max(1);
        self.acknowledged = 0;
        let handle = self.handle();
        let changes = numbered(&self.id, self.written);
        let _ = handle.set_session(&self.id, &changes, CREATE).await;
    }

    /// Records a response. Returns its value, or `None` for an error.
    fn record<T>(&mut self, begin: Instant, response: Result<T, Error>) -> Option<T> {
        self.report.requests += 1;
        self.report.times.push(begin.elapsed());
        let error = match response {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        if !error.is_unavailable() {
            self.report.wrong.push(format!("{error:?}"));
        }
        let cause = std::error::Error::source(&error);
        let text = cause.map_or_else(|| error.to_string(), ToString::to_string);
        self.report.errors.push((Instant::now(), text));
        None
    }
}

fn numbered(id: &SessionId, number: u64) -> session_core::Changes {
    changes(&format!(r#"{{"number":{number},"owner":"{}"}}"#, id.as_str()), &[])
}

impl Report {
    /// Combines several reports.
    pub fn of(reports: impl IntoIterator<Item = Report>) -> Self {
        let mut all = Self::default();
        for report in reports {
            all.requests += report.requests;
            all.times.extend(report.times);
            all.errors.extend(report.errors);
            all.lost += report.lost;
            all.wrong.extend(report.wrong);
        }
        all.errors.sort();
        all.times.sort();
        all
    }

    /// Returns the duration at a percentile, given as a fraction: 1.0 returns the longest.
    pub fn percentile(&self, fraction: f64) -> Duration {
        self.times[((self.times.len() - 1) as f64 * fraction) as usize]
    }

    /// Returns the time from a moment to the last error after it.
    pub fn last_error_after(&self, moment: Instant) -> Duration {
        let last = self.errors.last().map_or(moment, |(at, _)| *at);
        last.saturating_duration_since(moment)
    }

    /// Asserts that no response was wrong and all errors fell between these moments.
    #[track_caller]
    pub fn assert_errors_only_within(&self, begin: Instant, end: Instant) {
        assert!(self.wrong.is_empty(), "{self}: {:?}", self.wrong);
        if let [(first, _), .., (last, error)] = &self.errors[..] {
            assert!(*first >= begin, "{:?} too early; {self}", begin - *first);
            assert!(*last <= end, "{error} {:?} too late; {self}", *last - end);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut texts = std::collections::BTreeMap::<&str, usize>::new();
        self.errors.iter().for_each(|(_, text)| *texts.entry(text).or_default() += 1);
        write!(
            f,
            "{} requests (95 % within {:?}, all within {:?}), {} errors {texts:?}, {} acknowledged \
             writes lost",
            self.requests,
            self.percentile(0.95),
            self.percentile(1.0),
            self.errors.len(),
            self.lost
        )
    }
}
