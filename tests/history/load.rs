//! Many clients at once, doing what browsers do, each request and answer recorded.

use std::{
    collections::BTreeSet,
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, UNIX_EPOCH},
};

use fastrand::Rng;

use super::record::{Answer, Cookie, Event, History, Id, Items, Moment, Operation};
use crate::demo::client::Client;

/// The keys that are set and removed at random.
const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];
/// A key that is never removed: most sessions have it, so that only a logout ends them.
const ANCHOR: &str = "anchor";

/// What to do to the servers. The seed decides what each client asks for; who is faster remains
/// a matter of chance.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) browsers: usize,
    /// How many pages of a browser ask at once, with one cookie between them.
    pub(crate) tabs: usize,
    /// A client waits up to this long before it asks again.
    pub(crate) pause: Duration,
    /// Which servers, if any, have `/login`.
    pub(crate) logins: Vec<usize>,
    /// How many of a hundred requests log in where that is possible; less than 60.
    pub(crate) login_share: u8,
}

impl Plan {
    /// Six browsers of three tabs; the seed is `HISTORY_SEED` or by chance, and is printed.
    pub(crate) fn new() -> Self {
        let by_chance = || UNIX_EPOCH.elapsed().expect("a clock").as_micros() as u64;
        let named = env::var("HISTORY_SEED").ok().map(|seed| seed.parse().expect("a number"));
        let seed = named.unwrap_or_else(by_chance);
        println!("HISTORY_SEED={seed}");
        let pause = Duration::from_millis(4);
        Self { seed, browsers: 6, tabs: 3, pause, logins: Vec::new(), login_share: 6 }
    }
}

/// How long a run takes: `HISTORY_SECONDS`, or this.
pub(crate) fn length_or(default: Duration) -> Duration {
    let named = env::var("HISTORY_SECONDS").ok();
    named.map_or(default, |text| Duration::from_secs_f64(text.parse().expect("seconds")))
}

/// Clients at work.
pub(crate) struct Load {
    start: Instant,
    ports: Vec<u16>,
    stop: Arc<AtomicBool>,
    tabs: Vec<JoinHandle<Vec<Event>>>,
    losses: Vec<Moment>,
}

impl Load {
    /// Starts the clients of a plan on servers that share a store.
    pub(crate) fn start(plan: &Plan, ports: &[u16]) -> Self {
        Self::start_on(Instant::now(), plan, ports)
    }

    /// Starts them with a clock that others use as well.
    pub(crate) fn start_on(start: Instant, plan: &Plan, ports: &[u16]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let mut tabs = Vec::new();
        for browser in 0..plan.browsers {
            let jar = Arc::<Mutex<Jar>>::default();
            for tab in 0..plan.tabs {
                let number = browser * plan.tabs + tab;
                let mut tab = Tab {
                    number,
                    plan: plan.clone(),
                    rng: Rng::with_seed(plan.seed.wrapping_add(number as u64)),
                    jar: jar.clone(),
                    values: 0,
                    asker: Asker::new(start, ports),
                };
                let stop = stop.clone();
                tabs.push(thread::spawn(move || {
                    let mut events = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        events.push(tab.act());
                        thread::sleep(tab.plan.pause.mul_f64(tab.rng.f64()));
                    }
                    events
                }));
            }
        }
        Self { start, ports: ports.to_vec(), stop, tabs, losses: Vec::new() }
    }

    /// The time on the history's clock.
    pub(crate) fn now(&self) -> Moment {
        moment(self.start)
    }

    /// From now on the store may have lost everything.
    pub(crate) fn store_may_lose_all(&mut self) {
        self.losses.push(self.now());
    }

    /// Stops the clients; then every session there ever was is read once more on every server.
    pub(crate) fn finish(self) -> History {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.tabs.into_iter().flat_map(|tab| tab.join().expect("a client goes on"));
        let mut events: Vec<Event> = ended.collect();
        let ids: BTreeSet<Id> = events
            .iter()
            .filter_map(|event| match &event.cookie {
                Cookie::Issued(id) => Some(id.clone()),
                _ => None,
            })
            .collect();
        let last_reads = |node| {
            let mut asker = Asker::new(self.start, &self.ports);
            let ask = |id: &Id| asker.ask(node, Some(id.clone()), Operation::Get);
            ids.iter().map(ask).collect::<Vec<_>>()
        };
        thread::scope(|scope| {
            let reads = (0..self.ports.len()).map(|node| scope.spawn(move || last_reads(node)));
            let reads: Vec<_> = reads.collect();
            events.extend(reads.into_iter().flat_map(|read| read.join().expect("it reads on")));
        });
        History { events, losses: self.losses }
    }
}

/// The cookie of one browser.
#[derive(Default)]
struct Jar {
    id: Option<Id>,
    /// Ids that were replaced or expired, as a thief or a forgotten tab may still send them.
    old: Vec<Id>,
}

impl Jar {
    fn put(&mut self, id: Option<Id>) {
        if let Some(old) = std::mem::replace(&mut self.id, id) {
            self.old.push(old);
        }
    }
}

struct Tab {
    number: usize,
    plan: Plan,
    rng: Rng,
    jar: Arc<Mutex<Jar>>,
    /// How many values it has set.
    values: usize,
    asker: Asker,
}

impl Tab {
    /// Asks for something and keeps the cookie that comes with the answer.
    fn act(&mut self) -> Event {
        let (claim, is_own) = self.claim();
        let mut node = self.rng.usize(..self.asker.clients.len());
        let operation = self.operation(claim.is_none());
        if matches!(operation, Operation::Login(_)) {
            node = self.plan.logins[self.rng.usize(..self.plan.logins.len())];
        }
        let event = self.asker.ask(node, claim, operation);
        if is_own {
            match &event.cookie {
                Cookie::Kept => {}
                Cookie::Issued(id) => self.jar.lock().unwrap().put(Some(id.clone())),
                Cookie::Expired => self.jar.lock().unwrap().put(None),
            }
        }
        event
    }

    /// The browser's own id, mostly.
    fn claim(&mut self) -> (Option<Id>, bool) {
        let jar = self.jar.lock().unwrap();
        match self.rng.u8(..100) {
            0 => (Some("an-id-that-no-server-has-ever-made".into()), false),
            1..=3 if !jar.old.is_empty() => (self.rng.choice(&jar.old).cloned(), false),
            _ => (jar.id.clone(), true),
        }
    }

    fn operation(&mut self, is_new: bool) -> Operation {
        let key = |rng: &mut Rng| KEYS[rng.usize(..KEYS.len())].to_owned();
        let can_login = !self.plan.logins.is_empty();
        match self.rng.u8(..100) {
            what if can_login && (98 - self.plan.login_share..98).contains(&what) => {
                Operation::Login(Items::from([("user".to_owned(), self.value())]))
            }
            0..30 => {
                let mut items = Items::from([(key(&mut self.rng), self.value())]);
                if is_new && self.rng.u8(..100) < 85 {
                    items.insert(ANCHOR.to_owned(), self.value());
                }
                Operation::Set(items)
            }
            30..40 => {
                let few = 2 + self.rng.usize(..2);
                let keys: BTreeSet<String> = (0..few).map(|_| key(&mut self.rng)).collect();
                Operation::Set(keys.into_iter().map(|key| (key, self.value())).collect())
            }
            40..65 => Operation::Get,
            65..80 => Operation::GetItem(key(&mut self.rng)),
            80..92 => Operation::Remove(key(&mut self.rng)),
            98.. => Operation::Logout,
            _ => Operation::Get,
        }
    }

    /// JSON that nobody else writes: numbers beyond what a float holds, texts short and long.
    fn value(&mut self) -> String {
        self.values += 1;
        let (tab, count) = (self.number, self.values);
        match self.rng.u8(..20) {
            0..5 => format!("90071992547409{tab:03}{count:07}"),
            5 => format!("\"v{tab}x{count}{}\"", "y".repeat(2000)),
            _ => format!("\"v{tab}x{count}\""),
        }
    }
}

/// Asks each server over a connection of its own.
struct Asker {
    start: Instant,
    clients: Vec<Client>,
}

impl Asker {
    fn new(start: Instant, ports: &[u16]) -> Self {
        Self { start, clients: ports.iter().map(|&port| Client::new(port)).collect() }
    }

    fn ask(&mut self, node: usize, claim: Option<Id>, operation: Operation) -> Event {
        let client = &mut self.clients[node];
        client.id = claim.as_deref().map(str::to_owned);
        let path = path(&operation);
        let sent = moment(self.start);
        let response = client.try_ask(&path);
        let answered = moment(self.start);
        let cookie = match (&response, &client.id) {
            (Ok(response), _) if response.set_cookie.is_none() => Cookie::Kept,
            (Err(_), _) => Cookie::Kept,
            (Ok(_), None) => Cookie::Expired,
            (Ok(_), Some(id)) if Some(id.as_str()) == claim.as_deref() => Cookie::Kept,
            (Ok(_), Some(id)) => Cookie::Issued(id.as_str().into()),
        };
        let answer = match response {
            Ok(response) => super::answer::understand(&operation, &response),
            Err(error) => Answer::Cut(error.to_string()),
        };
        Event { node, claim, operation, sent, answered, answer, cookie }
    }
}

fn path(operation: &Operation) -> String {
    // Texts go without their quotes, as somebody would type them.
    let query = |items: &Items| {
        let pairs = items.iter().map(|(key, item)| format!("{key}={}", item.trim_matches('"')));
        pairs.collect::<Vec<_>>().join("&")
    };
    match operation {
        Operation::Set(items) => format!("/set?{}", query(items)),
        Operation::Get => "/get".to_owned(),
        Operation::GetItem(key) => format!("/get?key={key}"),
        Operation::Remove(key) => format!("/del?key={key}"),
        Operation::Logout => "/del".to_owned(),
        Operation::Login(items) => format!("/login?{}", query(items)),
    }
}

fn moment(start: Instant) -> Moment {
    start.elapsed().as_micros() as Moment
}
