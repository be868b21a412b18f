//! Servers under load while something goes wrong, and what came of it.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use super::{figures::Figures, health::Health};
use crate::{
    demo::server::Server,
    history::{
        check::{Report, check},
        load::{Load, Plan},
        near::check_near,
        record::{Event, History},
    },
};

/// How long a request may wait for the store in these tests.
pub(super) const TIMEOUT: Duration = Duration::from_millis(500);
/// What a request may take beyond that.
const GRACE: Duration = Duration::from_millis(100);
/// How soon after the store is back there must be a good answer, on every server.
const RETURN: Duration = Duration::from_secs(1);

/// Before the fault, so that every server has served.
const CALM: Duration = Duration::from_millis(500);
/// After the fault, so that a server that does not recover is seen.
const AFTERWARDS: Duration = Duration::from_millis(1200);

/// Starts the servers of one side: `FAULT_PROCESSES`, or two.
pub(super) fn servers(start: impl Fn() -> Server) -> Vec<Server> {
    let named = env::var("FAULT_PROCESSES").ok();
    let processes = named.map_or(2, |text| text.parse().expect("a number"));
    (0..processes).map(|_| start()).collect()
}

/// Servers under load. Those of one side share their sessions.
pub(super) struct Ordeal {
    fault: &'static str,
    clock: Instant,
    plan: Plan,
    sides: Vec<Side>,
    health: Health,
    /// How much later than others a server may know, if it keeps what it has read.
    lag: Option<Duration>,
    began: Duration,
    back: Duration,
}

struct Side {
    servers: Vec<Server>,
    load: Load,
}

/// What a fault may cost the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// Nothing: every request is served.
    Nothing,
    /// 503 while it lasts.
    Unavailable,
    /// Connections, because servers are killed.
    Connections,
}

impl Ordeal {
    pub(super) fn begin(fault: &'static str, sides: Vec<Vec<Server>>) -> Self {
        Self::begin_with(Plan { browsers: 4, ..Plan::new() }, fault, sides)
    }

    pub(super) fn begin_with(plan: Plan, fault: &'static str, sides: Vec<Vec<Server>>) -> Self {
        let clock = Instant::now();
        let ports = |servers: &[Server]| servers.iter().map(Server::port).collect::<Vec<_>>();
        let all: Vec<u16> = sides.iter().flat_map(|servers| ports(servers)).collect();
        let health = Health::watch(clock, &all);
        let start = |servers: Vec<Server>| {
            let load = Load::start_on(clock, &plan, &ports(&servers));
            Side { servers, load }
        };
        let sides = sides.into_iter().map(start).collect();
        thread::sleep(CALM);
        let zero = Duration::ZERO;
        Self { fault, clock, plan, sides, health, lag: None, began: zero, back: zero }
    }

    /// What all that is left to chance here begins with.
    pub(super) fn seed(&self) -> u64 {
        self.plan.seed
    }

    /// The servers keep what they have read, for as long as this.
    pub(super) fn kept_near(mut self, lag: Duration) -> Self {
        self.lag = Some(lag);
        self
    }

    /// The store forgets everything in the fault to come.
    pub(super) fn everything_will_be_lost(mut self) -> Self {
        self.sides.iter_mut().for_each(|side| side.load.store_may_lose_all());
        self
    }

    /// Lets the fault happen; the store must be back when `fault` returns.
    pub(super) fn strike(mut self, fault: impl FnOnce(&mut [&mut Server])) -> Self {
        self.began = self.clock.elapsed();
        let servers = self.sides.iter_mut().flat_map(|side| &mut side.servers);
        fault(&mut servers.collect::<Vec<_>>());
        self.back = self.clock.elapsed();
        self
    }

    /// Checks the histories and the promises of a sick store, and tells the figures.
    pub(super) fn end(self, cost: Cost) -> Figures {
        self.end_and_look(cost, |_| {})
    }

    /// Ends it; `look` sees the histories, which are true.
    pub(super) fn end_and_look(self, cost: Cost, look: impl Fn(&History)) -> Figures {
        thread::sleep(AFTERWARDS);
        let mut figures = Figures::of(self.fault, self.back - self.began);
        let (mut servers, mut histories) = (Vec::new(), Vec::new());
        for side in self.sides {
            histories.push((side.load.finish(), side.servers.len()));
            servers.extend(side.servers);
        }
        let beats = self.health.finish();
        for (history, servers) in &histories {
            let violations = match self.lag {
                None => check(history, None),
                Some(lag) => check_near(history, lag),
            };
            let seed = self.plan.seed;
            assert!(violations.is_empty(), "seed {seed}: {}", Report(history, &violations));
            figures.add(history, *servers, self.began, self.back);
            look(history);
        }
        figures.health(&beats, self.began, self.back);
        figures.tell();
        for server in &servers {
            assert!(!server.log().contains("panicked"), "{}", server.log());
        }
        let noise = beats.iter().map(|beat| beat.took).max().unwrap_or_default();
        for (history, _) in &histories {
            only_within(history, self.began, self.back + RETURN, noise);
        }
        match cost {
            Cost::Nothing => assert_eq!(figures.unavailable, 0, "requests answered 503"),
            Cost::Unavailable => assert_eq!(figures.cut, 0, "requests without an answer"),
            Cost::Connections => return figures,
        }
        assert!(beats.iter().all(|beat| beat.is_well), "{beats:?}");
        is_bounded(&figures, noise);
        figures
    }
}

/// Errors come only while there is a reason.
fn only_within(history: &History, began: Duration, end: Duration, noise: Duration) {
    let time = |moment| Duration::from_micros(moment);
    let outside = |event: &&Event| {
        event.is_unsure() && (time(event.answered) < began || time(event.sent) > end + noise)
    };
    let error = history.events.iter().find(outside).map(ToString::to_string);
    assert_eq!(error, None, "the fault: {began:?} to {end:?}, noise {noise:?}");
}

/// Nobody waits longer than the timeout, and who does not need the store does not wait.
///
/// What the machine itself holds up, it holds up for `/healthz` as well: that is the noise.
fn is_bounded(figures: &Figures, noise: Duration) {
    let Figures { longest, back_after, healthz, typical_healthz, .. } = *figures;
    assert!(longest <= TIMEOUT + GRACE + noise, "longest {longest:?}, noise {noise:?}");
    assert!(back_after <= RETURN + noise, "back after {back_after:?}, noise {noise:?}");
    assert!(healthz < TIMEOUT, "/healthz took {healthz:?} while the store was sick");
    let before = figures.typical_healthz_before;
    assert!(
        typical_healthz <= before * 2 + Duration::from_millis(10),
        "/healthz took {typical_healthz:?} while the store was sick, {before:?} before"
    );
}
