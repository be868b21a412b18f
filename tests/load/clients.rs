//! Many clients on one thread, each with a connection and several sessions.

use std::{
    cell::Cell,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use actix_rt::time::sleep_until;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::connection::{Answer, Connection};

/// The size of a load.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) connections: usize,
    /// The largest number of concurrent requests. The other clients wait.
    pub(crate) at_once: usize,
    /// The largest number of requests per second of all clients.
    pub(crate) rate: f64,
    pub(crate) sessions: usize,
    pub(crate) length: Duration,
}

/// The result of a load.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) requests: usize,
    /// The first error of each client, which then sends no more requests.
    pub(crate) errors: Vec<String>,
    /// The number of connections that the server had closed because they were idle.
    pub(crate) reopened: usize,
    pub(crate) took: Duration,
    /// The number of answers 503, if they are allowed.
    pub(crate) unavailable: usize,
    pub(crate) longest: Duration,
    /// The earliest and the latest of the last uses of all sessions.
    pub(crate) last_uses: Option<(Instant, Instant)>,
}

/// What the clients do.
#[derive(Clone, Copy)]
enum Task {
    /// Use each session once.
    Once,
    /// Use the sessions in turn until then.
    Until(Instant),
    /// Read the sessions in turn until then, although the store may be away.
    ReadUntil(Instant),
}

/// About as long as a small session.
const TEXT: &str =
    "a session of about one hundred bytes, as most of them are, says something like this";

pub(crate) struct Clients {
    clients: Vec<Client>,
    pacer: Rc<Pacer>,
}

/// Limits the concurrency and the rate of requests.
struct Pacer {
    at_once: Semaphore,
    interval: Cell<Duration>,
    next: Cell<Instant>,
}

impl Pacer {
    async fn wait(&self) -> SemaphorePermit<'_> {
        let permit = self.at_once.acquire().await.expect("the semaphore is never closed");
        let now = Instant::now();
        let start = self.next.get().max(now);
        self.next.set(start + self.interval.get());
        // A timer is not worth its cost for a shorter pause.
        if start > now + Duration::from_millis(1) {
            sleep_until(start.into()).await;
        }
        permit
    }
}

struct Client {
    connection: Connection,
    sessions: Vec<Session>,
}

#[derive(Clone)]
struct Session {
    id: String,
    count: usize,
    used: Instant,
}

impl Clients {
    pub(crate) async fn connect(port: u16, size: Size) -> io::Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..size.connections {
            let connection = Connection::open(port).await?;
            let new = Session { id: String::new(), count: 0, used: Instant::now() };
            let sessions = vec![new; size.sessions / size.connections];
            clients.push(Client { connection, sessions });
        }
        let pacer = Pacer {
            at_once: Semaphore::new(size.at_once),
            interval: Cell::new(interval(size.rate)),
            next: Cell::new(Instant::now()),
        };
        Ok(Self { clients, pacer: Rc::new(pacer) })
    }

    /// Uses every session once. The first use starts it, the second one reads it.
    pub(crate) async fn use_once(self) -> (Self, Outcome) {
        self.run(Task::Once).await
    }

    /// Uses the sessions for this time: every client uses its sessions in turn, with four reads to
    /// one write.
    pub(crate) async fn use_sessions(self, length: Duration) -> (Self, Outcome) {
        self.run(Task::Until(Instant::now() + length)).await
    }

    /// Reads the sessions in turn for this time, at this rate at most. Answers 503 are no errors.
    pub(crate) async fn read_sessions(self, length: Duration, rate: f64) -> (Self, Outcome) {
        self.pacer.interval.set(interval(rate));
        self.run(Task::ReadUntil(Instant::now() + length)).await
    }

    async fn run(self, task: Task) -> (Self, Outcome) {
        let start = Instant::now();
        let pacer = self.pacer;
        let spawn = |client: Client| actix_rt::spawn(client.run(pacer.clone(), start, task));
        let tasks: Vec<_> = self.clients.into_iter().map(spawn).collect();
        let (mut clients, mut all) = (Vec::new(), Outcome::default());
        for task in tasks {
            let (client, one) = task.await.expect("no client panics");
            all.requests += one.requests;
            all.errors.extend(one.errors);
            all.unavailable += one.unavailable;
            all.longest = all.longest.max(one.longest);
            all.reopened += client.connection.reopened;
            clients.push(client);
        }
        let uses = clients.iter().flat_map(|client| &client.sessions).map(|session| session.used);
        all.last_uses = uses.clone().min().zip(uses.max());
        all.took = start.elapsed();
        (Self { clients, pacer }, all)
    }
}

/// Returns the time between two requests at this rate per second.
fn interval(rate: f64) -> Duration {
    Duration::from_secs(1).div_f64(rate)
}

impl Client {
    async fn run(mut self, pacer: Rc<Pacer>, start: Instant, task: Task) -> (Self, Outcome) {
        let mut outcome = Outcome::default();
        loop {
            for session in &mut self.sessions {
                let _permit = pacer.wait().await;
                let sent = Instant::now();
                if matches!(task, Task::Until(end) | Task::ReadUntil(end) if sent >= end) {
                    return (self, outcome);
                }
                let result = match task {
                    Task::ReadUntil(_) => session.read(&mut self.connection).await,
                    _ => session.use_once(&mut self.connection).await.map(|()| true),
                };
                outcome.requests += 1;
                outcome.longest = outcome.longest.max(sent.elapsed());
                match result {
                    Ok(is_available) => outcome.unavailable += usize::from(!is_available),
                    Err(error) => {
                        outcome.errors.push(format!("after {:.1?}: {error}", start.elapsed()));
                        return (self, outcome);
                    }
                }
            }
            if matches!(task, Task::Once) {
                return (self, outcome);
            }
        }
    }
}

impl Session {
    async fn use_once(&mut self, connection: &mut Connection) -> io::Result<()> {
        self.count += 1;
        let Self { id, count, .. } = self;
        let is_new = id.is_empty();
        let answer = if is_new {
            let path = format!("/set?count=0&text={}", TEXT.replace(' ', "+"));
            connection.get(&path, "").await?
        } else if *count % 5 == 0 {
            connection.get(&format!("/set?count={count}"), id).await?
        } else {
            connection.get("/get", id).await?
        };
        let expected = if is_new || *count % 5 == 0 { "ok".to_owned() } else { self.stored() };
        let Answer { status, body, id } = answer;
        if status != 200 || body != expected || is_new && id.is_none() {
            return Err(io::Error::other(format!("{status}: {body}, not {expected}")));
        }
        if is_new {
            self.id = id.expect("a new session has an id, as checked above");
        }
        self.used = Instant::now();
        Ok(())
    }

    /// Reads the session. Returns whether the store was available.
    async fn read(&mut self, connection: &mut Connection) -> io::Result<bool> {
        let Answer { status, body, .. } = connection.get("/get", &self.id).await?;
        let expected = self.stored();
        match status {
            200 if body == expected => {
                self.used = Instant::now();
                Ok(true)
            }
            503 => Ok(false),
            _ => Err(io::Error::other(format!("{status}: {body}, not {expected}"))),
        }
    }

    /// The stored items, as the server answers them.
    fn stored(&self) -> String {
        format!(r#"{{"count":{},"text":"{TEXT}"}}"#, self.count - self.count % 5)
    }
}
