//! Browsers that send random requests to random servers.

use std::{
    collections::BTreeSet,
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use fastrand::Rng;

use super::record::{Event, Operation, fingerprints};
use crate::demo::{client::Client, server::eventually};

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const BROWSERS: u64 = 6;
/// The tabs of each browser, which share its cookie.
const TABS: u64 = 2;

/// The percentage of requests with an old id, which is one of the latest.
const STOLEN: u8 = 10;
const STOLEN_IDS: usize = 8;

/// The events of all browsers so far.
struct Log {
    start: Instant,
    stopped: AtomicBool,
    number: AtomicU64,
    events: Mutex<Vec<Event>>,
}

/// Browsers at work.
pub(crate) struct Load {
    /// What fixes all random choices of a run.
    pub(crate) seed: u64,
    log: Arc<Log>,
    tabs: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts browsers. `ends` is the percentage of requests that log in or end sessions.
    pub(crate) fn start(ports: &[u16], ends: u8) -> Self {
        let seed = env::var("HISTORY_SEED").map_or_else(
            |_| fastrand::u64(..),
            |seed| seed.parse().expect("HISTORY_SEED is a number"),
        );
        let log = Arc::new(Log {
            start: Instant::now(),
            stopped: AtomicBool::new(false),
            number: AtomicU64::new(0),
            events: Mutex::default(),
        });
        let mut tabs = Vec::new();
        for browser in 0..BROWSERS {
            let cookie = Arc::new(Mutex::new(None));
            for tab in 0..TABS {
                let (log, cookie, ports) = (log.clone(), cookie.clone(), ports.to_vec());
                let rng = Rng::with_seed(seed.wrapping_add(browser * TABS + tab));
                let user = USERS[usize::try_from(browser).unwrap() % USERS.len()];
                let mut tab = Tab { log, cookie, ports, rng, user, ends };
                tabs.push(thread::spawn(move || tab.use_it()));
            }
        }
        Self { seed, log, tabs }
    }

    /// Returns the number of requests so far that are counted.
    pub(crate) fn count(&self, is_counted: impl Fn(&Event) -> bool) -> usize {
        self.log.events.lock().unwrap().iter().filter(|event| is_counted(event)).count()
    }

    /// Stops the browsers, ends all sessions of all users, and asks each server for ids once more.
    pub(crate) fn finish(mut self, ports: &[u16]) -> Vec<Event> {
        self.stop();
        self.log.ask_for_all(ports, Operation::List);
        let mut client = Client::new(ports[0]);
        for user in USERS {
            // After a fault the server may have to connect again.
            eventually("all sessions are ended", || {
                self.log.send(&mut client, None, Operation::Login(user.to_owned()));
                let id = client.id.clone();
                self.log.send(&mut client, id, Operation::EndAll).contains("ended")
            });
        }
        self.log.ask_for_all(ports, Operation::Get);
        std::mem::take(&mut *self.log.events.lock().unwrap())
    }

    /// Stops the browsers.
    pub(crate) fn stop(&mut self) {
        self.log.stopped.store(true, Ordering::Relaxed);
        for tab in self.tabs.drain(..) {
            tab.join().expect("no tab panics");
        }
    }
}

/// A tab of a browser.
struct Tab {
    log: Arc<Log>,
    cookie: Arc<Mutex<Option<String>>>,
    ports: Vec<u16>,
    rng: Rng,
    user: &'static str,
    ends: u8,
}

impl Tab {
    /// Sends requests until the load is stopped.
    fn use_it(&mut self) {
        let mut clients: Vec<Client> = self.ports.iter().map(|&port| Client::new(port)).collect();
        let mut listed: Vec<String> = Vec::new();
        // Ids that were replaced or ended, which a thief may still send.
        let mut old: Vec<String> = Vec::new();
        while !self.log.stopped.load(Ordering::Relaxed) {
            let client = &mut clients[self.rng.usize(0..self.ports.len())];
            thread::sleep(Duration::from_millis(self.rng.u64(0..20)));
            if !old.is_empty() && self.rng.u8(0..100) < STOLEN {
                let recent = &old[old.len().saturating_sub(STOLEN_IDS)..];
                let claim = self.rng.choice(recent).cloned();
                let operation = if self.rng.bool() { Operation::Get } else { Operation::List };
                self.log.send(client, claim, operation);
                continue;
            }
            let claim = self.cookie.lock().unwrap().clone();
            let operation = self.operation(claim.is_some(), &listed);
            let before = claim.clone();
            let body = self.log.send(client, claim, operation.clone());
            if client.id != before {
                self.cookie.lock().unwrap().clone_from(&client.id);
                old.extend(before);
            }
            if operation == Operation::List {
                listed =
                    fingerprints(&body).into_iter().map(|(fingerprint, _)| fingerprint).collect();
            }
        }
    }

    fn operation(&mut self, has_cookie: bool, listed: &[String]) -> Operation {
        let rng = &mut self.rng;
        if !has_cookie {
            let is_own = rng.u8(0..10) > 0;
            let user = if is_own { self.user } else { USERS[rng.usize(0..USERS.len())] };
            return Operation::Login(user.to_owned());
        }
        if rng.u8(0..100) >= self.ends {
            return match rng.u8(0..7) {
                0..2 => Operation::Set(self.log.number.fetch_add(1, Ordering::Relaxed)),
                2..4 => Operation::Get,
                _ => Operation::List,
            };
        }
        match rng.u8(0..16) {
            0..3 => Operation::Login(USERS[rng.usize(0..USERS.len())].to_owned()),
            3..6 => Operation::Login(self.user.to_owned()),
            6..10 => Operation::Logout,
            10..13 if !listed.is_empty() => {
                Operation::EndOne(listed[rng.usize(0..listed.len())].clone())
            }
            13..15 => Operation::EndOthers,
            15 => Operation::EndAll,
            _ => Operation::Get,
        }
    }
}

impl Log {
    /// Sends a request with each id that was told so far.
    fn ask_for_all(&self, ports: &[u16], operation: Operation) {
        let told = |event: &Event| event.told.clone();
        let ids: BTreeSet<String> = self.events.lock().unwrap().iter().filter_map(told).collect();
        let mut clients: Vec<Client> = ports.iter().map(|&port| Client::new(port)).collect();
        for (number, id) in ids.into_iter().enumerate() {
            self.send(&mut clients[number % ports.len()], Some(id), operation.clone());
        }
    }

    fn send(&self, client: &mut Client, claim: Option<String>, operation: Operation) -> String {
        client.id.clone_from(&claim);
        let method = if operation.is_end() { "POST" } else { "GET" };
        let start = self.start.elapsed();
        let answer = client.send(method, &operation.path(), &[("Accept", "application/json")]);
        let end = self.start.elapsed();
        let told = client.id.clone().filter(|id| Some(id) != claim.as_ref());
        let (status, body) = answer.map_or((0, String::new()), |it| (it.status, it.body));
        let event = Event { operation, claim, told, status, body: body.clone(), start, end };
        self.events.lock().unwrap().push(event);
        body
    }
}
