//! Many connections, each with sessions of its own, all on one thread.

use std::{
    cell::Cell,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use actix_rt::time::sleep_until;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::connection::{Answer, Connection};

/// How many, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) connections: usize,
    /// How many of the connections ask at the same time; the others wait, as people read.
    pub(crate) at_once: usize,
    /// How many requests a second there may be, all together.
    pub(crate) pace: f64,
    pub(crate) sessions: usize,
    pub(crate) length: Duration,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) requests: usize,
    /// The first of each connection, which then asks no more.
    pub(crate) errors: Vec<String>,
    /// Connections that had been idle for too long.
    pub(crate) reopened: usize,
    pub(crate) took: Duration,
    /// Of all sessions, the first and the last time that one was used for the last time.
    pub(crate) last_uses: Option<(Instant, Instant)>,
}

/// About as much as a small session holds.
const TEXT: &str =
    "a session of about one hundred bytes, as most of them are, says something like this";

pub(crate) struct Crowd {
    members: Vec<Member>,
    turns: Rc<Turns>,
}

/// Who may ask, and when.
struct Turns {
    at_once: Semaphore,
    every: Duration,
    next: Cell<Instant>,
}

impl Turns {
    async fn wait(&self) -> SemaphorePermit<'_> {
        let turn = self.at_once.acquire().await.expect("nobody closes it");
        let now = Instant::now();
        let mine = self.next.get().max(now);
        self.next.set(mine + self.every);
        // Shorter ones are not worth a timer.
        if mine > now + Duration::from_millis(1) {
            sleep_until(mine.into()).await;
        }
        turn
    }
}

/// One connection.
struct Member {
    connection: Connection,
    sessions: Vec<Session>,
}

#[derive(Clone)]
struct Session {
    id: String,
    count: usize,
    used: Instant,
}

impl Crowd {
    pub(crate) async fn connect(port: u16, size: Size) -> io::Result<Self> {
        let mut members = Vec::new();
        for _ in 0..size.connections {
            let connection = Connection::open(port).await?;
            let new = Session { id: String::new(), count: 0, used: Instant::now() };
            let sessions = vec![new; size.sessions / size.connections];
            members.push(Member { connection, sessions });
        }
        let turns = Turns {
            at_once: Semaphore::new(size.at_once),
            every: Duration::from_secs(1).div_f64(size.pace),
            next: Cell::new(Instant::now()),
        };
        Ok(Self { members, turns: Rc::new(turns) })
    }

    /// Every connection uses each of its sessions once; a new one is begun by its first use.
    pub(crate) async fn begin(self) -> (Self, Outcome) {
        self.work(None).await
    }

    /// Every connection uses its sessions in turn, reading four times of five, until it is over.
    pub(crate) async fn go_on(self, length: Duration) -> (Self, Outcome) {
        self.work(Some(Instant::now() + length)).await
    }

    async fn work(self, end: Option<Instant>) -> (Self, Outcome) {
        let start = Instant::now();
        let turns = self.turns;
        let set_to_work = |member: Member| actix_rt::spawn(member.work(turns.clone(), start, end));
        let tasks: Vec<_> = self.members.into_iter().map(set_to_work).collect();
        let (mut members, mut all) = (Vec::new(), Outcome::default());
        for task in tasks {
            let (member, requests, errors) = task.await.expect("no member panics");
            all.requests += requests;
            all.errors.extend(errors);
            all.reopened += member.connection.reopened;
            members.push(member);
        }
        let uses = members.iter().flat_map(|member| &member.sessions).map(|session| session.used);
        all.last_uses = uses.clone().min().zip(uses.max());
        all.took = start.elapsed();
        (Self { members, turns }, all)
    }
}

impl Member {
    async fn work(
        mut self,
        turns: Rc<Turns>,
        start: Instant,
        end: Option<Instant>,
    ) -> (Self, usize, Option<String>) {
        let mut requests = 0;
        loop {
            for session in &mut self.sessions {
                let _turn = turns.wait().await;
                if end.is_some_and(|end| Instant::now() >= end) {
                    return (self, requests, None);
                }
                let used = session.be_used(&mut self.connection).await;
                requests += 1;
                if let Err(error) = used {
                    return (
                        self,
                        requests,
                        Some(format!("after {:.1?}: {error}", start.elapsed())),
                    );
                }
            }
            if end.is_none() {
                return (self, requests, None);
            }
        }
    }
}

impl Session {
    async fn be_used(&mut self, connection: &mut Connection) -> io::Result<()> {
        self.count += 1;
        let Self { id, count, .. } = self;
        let is_new = id.is_empty();
        let answer = if is_new {
            let path = format!("/set?count=0&text={}", TEXT.replace(' ', "+"));
            connection.ask(&path, "").await?
        } else if *count % 5 == 0 {
            connection.ask(&format!("/set?count={count}"), id).await?
        } else {
            connection.ask("/get", id).await?
        };
        let expected = match *count {
            count if is_new || count % 5 == 0 => "ok".to_owned(),
            count => format!(r#"{{"count":{},"text":"{TEXT}"}}"#, count - count % 5),
        };
        let Answer { status, body, id } = answer;
        if status != 200 || body != expected || is_new && id.is_none() {
            return Err(io::Error::other(format!("{status}: {body}, not {expected}")));
        }
        if is_new {
            self.id = id.expect("just looked at");
        }
        self.used = Instant::now();
        Ok(())
    }
}
