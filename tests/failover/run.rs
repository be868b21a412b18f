//! Servers under load while their store changes, and what came of it.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use session_core::{RedisHashTableStorage, RedisKeyValueStorage, Storage};

use super::{
    figures::Figures,
    group::Group,
    health::Health,
    rollback::{self, Deaf},
};
use crate::{
    demo::{
        client::Client,
        server::{Server, eventually},
    },
    history::{
        load::{Load, Plan},
        login::Application,
        record::{Answer, Cookie, Event, History, Moment, Operation},
    },
};

/// How long a request may wait for the store: the default.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What a request may take beyond that.
const GRACE: Duration = Duration::from_millis(100);
/// How soon after a promotion all is well again.
const RETURN: Duration = Duration::from_secs(1);
/// Before anything happens, so that every server has served.
const CALM: Duration = Duration::from_millis(500);
/// How far a replica that hears is behind its master, at most, on a busy machine; and how long an
/// answer is under way.
const LAG: Duration = Duration::from_millis(200);

/// Servers under load on one group of Redis servers.
pub(super) struct Run {
    name: String,
    pub(super) group: Group,
    pub(super) load_clock: Instant,
    plan: Plan,
    sides: Vec<Side>,
    health: Health,
    times: usize,
}

/// Three servers and an application that share their sessions.
struct Side {
    servers: Vec<Server>,
    load: Load,
    login: Application,
}

/// One master's death, on the clock of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Its replicas no longer heard of it.
    pub(super) began: Duration,
    pub(super) killed: Duration,
    /// Another one had taken its place.
    pub(super) promoted: Duration,
    /// That one could have writes confirmed.
    pub(super) writes_back: Duration,
}

impl Run {
    pub(super) fn begin(name: &str, group: Group, wait_replicas: usize, logins: bool) -> Self {
        let pause = Duration::from_millis(10);
        let logins = if logins { vec![3] } else { Vec::new() };
        let plan = Plan { browsers: 4, pause, logins, ..Plan::new() };
        let sides = ["redis-key-value", "redis-hash-table"].map(|backend| {
            let servers = servers(&group, backend, wait_replicas);
            let login = login(&group, backend, wait_replicas);
            (servers, login)
        });
        let ports = |(servers, login): &(Vec<Server>, Application)| {
            let ports = servers.iter().map(Server::port).chain([login.port()]);
            ports.collect::<Vec<_>>()
        };
        let all: Vec<u16> = sides.iter().flat_map(ports).collect();
        all.iter().for_each(|&port| until_connected(port));
        let load_clock = Instant::now();
        let health = Health::watch(load_clock, &all);
        let sides = sides.into_iter().map(|side| {
            let load = Load::start_on(load_clock, &plan, &ports(&side));
            Side { servers: side.0, load, login: side.1 }
        });
        let sides = sides.collect();
        thread::sleep(CALM);
        Self { name: name.to_owned(), group, load_clock, plan, sides, health, times: 0 }
    }

    /// Counts one more round.
    pub(super) fn count(&mut self) {
        self.times += 1;
    }

    /// Ends it without looking at what was recorded.
    pub(super) fn give_up(self) {
        self.sides.into_iter().for_each(|side| drop(side.load.finish()));
        self.health.finish();
    }

    /// Checks the histories and tells the figures.
    pub(super) fn end(self, windows: &[Window]) -> Figures {
        let mut figures = Figures::of(self.name, self.times);
        thread::sleep(CALM);
        let (mut servers, mut logins, mut histories) = (Vec::new(), Vec::new(), Vec::new());
        for side in self.sides {
            histories.push(side.load.finish());
            servers.extend(side.servers);
            logins.push(side.login);
        }
        let beats = self.health.finish();
        let noise = beats.iter().map(|beat| beat.took).max().unwrap_or_default();
        let has_peers = matches!(self.group, Group::Cluster(_));
        let deaf: Vec<Deaf> = windows.iter().map(|window| deaf(window, has_peers)).collect();
        for history in &histories {
            let lost = rollback::lost(history, &deaf);
            figures.lost +=
                lost.unwrap_or_else(|wrong| panic!("seed {}: {wrong:?}", self.plan.seed));
            figures.add(history, windows);
        }
        figures.tell();
        for server in &servers {
            assert!(!server.log().contains("panicked"), "{}", server.log());
        }
        assert!(beats.iter().all(|beat| beat.is_well), "/healthz does not need the store");
        drop(logins);
        for history in &histories {
            only_within(history, windows, noise);
            let moved = history.events.iter().any(|event| event.answer == Answer::Moved);
            assert_eq!(moved, !self.plan.logins.is_empty(), "somebody has logged in");
        }
        let longest = figures.longest;
        assert!(longest <= TIMEOUT + GRACE + noise, "longest {longest:?}, noise {noise:?}");
        figures
    }
}

/// Has every thread of a server connect before the load begins: on a busy machine a sentinel may
/// not answer a first question in time.
fn until_connected(port: u16) {
    for _ in 0..4 {
        let is_served = || Client::new(port).ask("/set?warm=up").status == 200;
        eventually("it is connected", is_served);
    }
}

fn servers(group: &Group, backend: &str, wait_replicas: usize) -> Vec<Server> {
    let (prefix, replicas) = (format!("{backend}:"), wait_replicas.to_string());
    let group = group.settings();
    let mut settings = vec![
        ("DEMO__SESSION__BACKEND", backend),
        ("DEMO__REDIS__PREFIX", &prefix),
        ("DEMO__REDIS__WAIT_REPLICAS", &replicas),
        ("RUST_LOG", "info"),
    ];
    settings.extend(group.iter().map(|(name, value)| (*name, value.as_str())));
    (0..3).map(|_| Server::start(&settings)).collect()
}

fn login(group: &Group, backend: &str, wait_replicas: usize) -> Application {
    let redis = group.redis().prefix(format!("{backend}:")).wait_replicas(wait_replicas);
    let redis = redis.build().expect("good addresses");
    let is_text = backend == "redis-key-value";
    Application::start(move || -> Arc<dyn Storage> {
        if is_text {
            Arc::new(RedisKeyValueStorage::new(redis))
        } else {
            Arc::new(RedisHashTableStorage::new(redis))
        }
    })
}

fn deaf(window: &Window, has_peers: bool) -> Deaf {
    let moment = |time: Duration| time.as_micros() as Moment;
    Deaf {
        from: moment(window.began.saturating_sub(LAG)),
        died: moment(window.killed),
        has_peers,
        to: moment(window.killed + LAG),
    }
}

/// Errors come only from a master's death to the promotion of the next one, and a second more.
fn only_within(history: &History, windows: &[Window], noise: Duration) {
    let time = |moment| Duration::from_micros(moment);
    let is_excused = |event: &Event| {
        let is_read = matches!(event.operation, Operation::Get | Operation::GetItem(_));
        windows.iter().any(|window| {
            let back = if is_read { window.promoted } else { window.writes_back };
            time(event.answered) >= window.began && time(event.sent) <= back + RETURN + noise
        })
    };
    let errors = history.events.iter().filter(|event| event.is_unsure());
    let other = errors.filter(|event| !is_excused(event)).map(ToString::to_string).next();
    assert_eq!(other, None, "{windows:?}, noise {noise:?}");
    let issued = history.events.iter().filter(|event| matches!(event.cookie, Cookie::Issued(_)));
    assert!(issued.count() > 10, "a history worth checking");
}
