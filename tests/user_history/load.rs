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
use crate::demo::client::Client;

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const BROWSERS: u64 = 6;
/// The tabs of each browser, which share its cookie.
const TABS: u64 = 2;

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
    pub(crate) fn start(ports: &[u16]) -> Self {
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
                tabs.push(thread::spawn(move || use_tab(&log, &cookie, &ports, rng, user)));
            }
        }
        Self { seed, log, tabs }
    }

    /// Stops the browsers, ends all sessions of all users, and asks each server for ids once more.
    pub(crate) fn finish(self, ports: &[u16]) -> Vec<Event> {
        self.log.stopped.store(true, Ordering::Relaxed);
        for tab in self.tabs {
            tab.join().expect("no tab panics");
        }
        let told = |event: &Event| event.told.clone();
        let ids: BTreeSet<String> =
            self.log.events.lock().unwrap().iter().filter_map(told).collect();
        let mut clients: Vec<Client> = ports.iter().map(|&port| Client::new(port)).collect();
        let mut ask = |operation: Operation| {
            for (number, id) in ids.iter().enumerate() {
                let client = &mut clients[number % ports.len()];
                self.log.send(client, Some(id.clone()), operation.clone());
            }
        };
        ask(Operation::List);
        let mut client = Client::new(ports[0]);
        for user in USERS {
            self.log.send(&mut client, None, Operation::Login(user.to_owned()));
            let id = client.id.clone();
            let ended = self.log.send(&mut client, id, Operation::EndAll);
            assert!(ended.contains("ended"), "in the end all sessions are ended: {ended}");
        }
        ask(Operation::Get);
        std::mem::take(&mut *self.log.events.lock().unwrap())
    }
}

fn use_tab(log: &Log, cookie: &Mutex<Option<String>>, ports: &[u16], mut rng: Rng, user: &str) {
    let mut clients: Vec<Client> = ports.iter().map(|&port| Client::new(port)).collect();
    let mut listed: Vec<String> = Vec::new();
    while !log.stopped.load(Ordering::Relaxed) {
        let claim = cookie.lock().unwrap().clone();
        let operation = match rng.u32(0..100) {
            0..3 => Operation::Login(USERS[rng.usize(0..USERS.len())].to_owned()),
            _ if claim.is_none() => Operation::Login(user.to_owned()),
            3..6 => Operation::Login(user.to_owned()),
            6..30 => Operation::Set(log.number.fetch_add(1, Ordering::Relaxed)),
            30..60 => Operation::Get,
            60..90 => Operation::List,
            90..94 => Operation::Logout,
            94..97 if !listed.is_empty() => {
                Operation::EndOne(listed[rng.usize(0..listed.len())].clone())
            }
            97..99 => Operation::EndOthers,
            99 => Operation::EndAll,
            _ => Operation::Get,
        };
        let client = &mut clients[rng.usize(0..ports.len())];
        let before = claim.clone();
        let body = log.send(client, claim, operation.clone());
        if client.id != before {
            cookie.lock().unwrap().clone_from(&client.id);
        }
        if operation == Operation::List {
            listed = fingerprints(&body).into_iter().map(|(fingerprint, _)| fingerprint).collect();
        }
        thread::sleep(Duration::from_millis(rng.u64(0..20)));
    }
}

impl Log {
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
