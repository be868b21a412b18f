//! Concurrent clients that behave like browsers and record each request with its answer.

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

use super::{
    cookie_jar::{CookieJar, max_age},
    login::WAIT,
    record::{Answer, Cookie, Event, History, Id, Items, Moment, Operation},
};
use crate::demo::client::Client;

/// The keys that are set and removed at random.
const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];
/// A key that is never removed. Most sessions have it, so that a read shows whether they exist.
const ANCHOR: &str = "anchor";

/// The parameters of a load. The seed determines the requests of each client, but not their
/// order.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) browsers: usize,
    /// The number of tabs in each browser, which share a cookie and send requests concurrently.
    pub(crate) tabs: usize,
    /// The longest pause of a client between two requests.
    pub(crate) pause: Duration,
    /// The servers that have `/login`, as indices.
    pub(crate) logins: Vec<usize>,
    /// The percentage of logins, if a server has `/login`. Less than 60.
    pub(crate) login_share: u8,
    /// The longest time for which a server that has `/login` waits between its first use of a
    /// session and its answer. One in two of its requests is such a slow one.
    pub(crate) longest_wait: Duration,
    /// Whether clients count and take items.
    pub(crate) counts: bool,
    /// One in so many logins and logouts is sent, and reads take the place of the others, so that
    /// sessions become older.
    pub(crate) one_end_in: u8,
}

impl Plan {
    /// Returns a plan for six browsers with three tabs. Prints the seed, which is `HISTORY_SEED` or
    /// random.
    pub(crate) fn new() -> Self {
        let random = || UNIX_EPOCH.elapsed().expect("a clock").as_micros() as u64;
        let named = env::var("HISTORY_SEED").ok().map(|seed| seed.parse().expect("a number"));
        let seed = named.unwrap_or_else(random);
        println!("HISTORY_SEED={seed}");
        let pause = Duration::from_millis(4);
        Self {
            seed,
            browsers: 6,
            tabs: 3,
            pause,
            logins: Vec::new(),
            login_share: 6,
            longest_wait: Duration::ZERO,
            counts: true,
            one_end_in: 1,
        }
    }
}

/// Returns the length of a run: `HISTORY_SECONDS` or the default.
pub(crate) fn duration_or(default: Duration) -> Duration {
    let named = env::var("HISTORY_SECONDS").ok();
    named.map_or(default, |text| Duration::from_secs_f64(text.parse().expect("seconds")))
}

/// Running clients.
pub(crate) struct Load {
    start: Instant,
    ports: Vec<u16>,
    stop: Arc<AtomicBool>,
    tabs: Vec<JoinHandle<Vec<Event>>>,
    losses: Vec<Moment>,
}

impl Load {
    /// Starts clients for servers that share a store.
    pub(crate) fn start(plan: &Plan, ports: &[u16]) -> Self {
        Self::start_on(Instant::now(), plan, ports)
    }

    /// Starts clients whose moments count from `start`.
    pub(crate) fn start_on(start: Instant, plan: &Plan, ports: &[u16]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let mut tabs = Vec::new();
        for browser in 0..plan.browsers {
            let jar = Arc::<Mutex<CookieJar>>::default();
            for tab in 0..plan.tabs {
                let number = browser * plan.tabs + tab;
                let mut tab = Tab {
                    number,
                    plan: plan.clone(),
                    rng: Rng::with_seed(plan.seed.wrapping_add(number as u64)),
                    jar: jar.clone(),
                    values: 0,
                    flash: None,
                    requester: Requester::new(start, ports),
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

    /// Notes that the store may have lost everything from now on.
    pub(crate) fn store_may_lose_all(&mut self) {
        self.losses.push(self.now());
    }

    /// Stops the clients, then reads every session of the run once more on every server.
    pub(crate) fn finish(self) -> History {
        self.stop.store(true, Ordering::Relaxed);
        let recorded = self.tabs.into_iter().flat_map(|tab| tab.join().expect("no client panics"));
        let mut events: Vec<Event> = recorded.collect();
        let ids: BTreeSet<Id> = events
            .iter()
            .filter_map(|event| match &event.cookie {
                Cookie::Issued(id) => Some(id.clone()),
                _ => None,
            })
            .collect();
        let last_reads = |node| {
            let mut requester = Requester::new(self.start, &self.ports);
            let read =
                |id: &Id| requester.send(node, Some(id.clone()), Operation::Get, Duration::ZERO);
            ids.iter().map(read).collect::<Vec<_>>()
        };
        thread::scope(|scope| {
            let reads = (0..self.ports.len()).map(|node| scope.spawn(move || last_reads(node)));
            let reads: Vec<_> = reads.collect();
            events
                .extend(reads.into_iter().flat_map(|read| read.join().expect("no reader panics")));
        });
        History { events, losses: self.losses }
    }
}

struct Tab {
    number: usize,
    plan: Plan,
    rng: Rng,
    jar: Arc<Mutex<CookieJar>>,
    /// The number of values set so far.
    values: usize,
    /// The only item of a new session, which the next request removes like a flash message.
    flash: Option<String>,
    requester: Requester,
}

impl Tab {
    /// Sends a random request and keeps the cookie of the answer.
    fn act(&mut self) -> Event {
        let (claim, is_own) = self.claim();
        let mut node = self.rng.usize(..self.requester.clients.len());
        let operation = self.operation(claim.is_none());
        if matches!(operation, Operation::Login(_)) {
            node = self.plan.logins[self.rng.usize(..self.plan.logins.len())];
        }
        let wait = self.wait(node, &operation);
        let event = self.requester.send(node, claim, operation, wait);
        if is_own {
            self.jar.lock().unwrap().obey(&event);
        }
        event
    }

    /// Chooses how long the handler waits.
    fn wait(&mut self, node: usize, operation: &Operation) -> Duration {
        let longest = self.plan.longest_wait.as_millis() as u64;
        let can_wait =
            self.plan.logins.contains(&node) && !matches!(operation, Operation::Login(_));
        if longest == 0 || !can_wait || self.rng.bool() {
            return Duration::ZERO;
        }
        Duration::from_millis(self.rng.u64(1..=longest))
    }

    /// Chooses an id to send: usually the browser's own. Returns whether it is.
    fn claim(&mut self) -> (Option<Id>, bool) {
        let mut jar = self.jar.lock().unwrap();
        match self.rng.u8(..100) {
            0 => (Some("an-id-that-no-server-has-ever-made".into()), false),
            1..=3 if !jar.old().is_empty() => (self.rng.choice(jar.old()).cloned(), false),
            _ => (jar.id(), true),
        }
    }

    fn operation(&mut self, is_new: bool) -> Operation {
        let key = |rng: &mut Rng| KEYS[rng.usize(..KEYS.len())].to_owned();
        if let Some(flash) = self.flash.take() {
            return Operation::Remove(flash);
        }
        let (can_login, last) = (!self.plan.logins.is_empty(), 98 - self.plan.login_share);
        match self.rng.u8(..100) {
            what if what >= last && self.plan.one_end_in > 1 && self.is_left_out() => {
                Operation::Get
            }
            what if can_login && (last..98).contains(&what) => {
                Operation::Login(Items::from([("user".to_owned(), self.value())]))
            }
            0..30 => {
                let key = key(&mut self.rng);
                let mut items = Items::from([(key.clone(), self.value())]);
                if is_new && self.rng.u8(..100) < 75 {
                    items.insert(ANCHOR.to_owned(), self.value());
                } else if is_new {
                    self.flash = Some(key);
                }
                Operation::Set(items)
            }
            30..40 => {
                let count = 2 + self.rng.usize(..2);
                let keys: BTreeSet<String> = (0..count).map(|_| key(&mut self.rng)).collect();
                Operation::Set(keys.into_iter().map(|key| (key, self.value())).collect())
            }
            // A session that begins with an increment has no item that is never removed.
            55..60 if self.plan.counts && !is_new => Operation::Count,
            60..65 if self.plan.counts => Operation::Take(key(&mut self.rng)),
            40..65 => Operation::Get,
            65..80 => Operation::GetItem(key(&mut self.rng)),
            80..92 => Operation::Remove(key(&mut self.rng)),
            98.. => Operation::Logout,
            _ => Operation::Get,
        }
    }

    fn is_left_out(&mut self) -> bool {
        self.rng.u8(..self.plan.one_end_in) > 0
    }

    /// Returns a JSON value that is written nowhere else: a number too precise for a float, or a
    /// short or long string.
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

/// Sends requests, with one connection for each server.
struct Requester {
    start: Instant,
    clients: Vec<Client>,
}

impl Requester {
    fn new(start: Instant, ports: &[u16]) -> Self {
        Self { start, clients: ports.iter().map(|&port| Client::new(port)).collect() }
    }

    fn send(
        &mut self,
        node: usize,
        claim: Option<Id>,
        operation: Operation,
        wait: Duration,
    ) -> Event {
        let client = &mut self.clients[node];
        client.id = claim.as_deref().map(str::to_owned);
        let path = path(&operation, wait);
        let sent = moment(self.start);
        let response = client.try_get(&path);
        let answered = moment(self.start);
        let cookie = match (&response, &client.id) {
            (Ok(response), _) if response.set_cookie.is_none() => Cookie::Unchanged,
            (Err(_), _) => Cookie::Unchanged,
            (Ok(_), None) => Cookie::Expired,
            (Ok(_), Some(id)) if Some(id.as_str()) == claim.as_deref() => Cookie::Rolled,
            (Ok(_), Some(id)) => Cookie::Issued(id.as_str().into()),
        };
        let set_cookie = response.as_ref().ok().and_then(|response| response.set_cookie.as_deref());
        let cookie_age = set_cookie.filter(|_| cookie != Cookie::Expired).and_then(max_age);
        let answer = match response {
            Ok(response) => super::response::interpret(&operation, &response),
            Err(error) => Answer::Cut(error.to_string()),
        };
        Event { node, claim, operation, wait, sent, answered, answer, cookie, cookie_age }
    }
}

fn path(operation: &Operation, wait: Duration) -> String {
    // Strings are sent without their quotes, as a user would type them.
    let query = |items: &Items| {
        let pairs = items.iter().map(|(key, item)| format!("{key}={}", item.trim_matches('"')));
        pairs.collect::<Vec<_>>().join("&")
    };
    let path = match operation {
        Operation::Set(items) => format!("/set?{}", query(items)),
        Operation::Get => "/get".to_owned(),
        Operation::GetItem(key) => format!("/get?key={key}"),
        Operation::Remove(key) => format!("/del?key={key}"),
        Operation::Count => "/count".to_owned(),
        Operation::Take(key) => format!("/take?key={key}"),
        Operation::Logout => "/del".to_owned(),
        Operation::Login(items) => format!("/login?{}", query(items)),
    };
    if wait.is_zero() {
        return path;
    }
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{WAIT}={}", wait.as_millis())
}

fn moment(start: Instant) -> Moment {
    start.elapsed().as_micros() as Moment
}
