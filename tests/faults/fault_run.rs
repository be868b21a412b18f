//! Servers under load during a fault, and the checks afterwards.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use super::{figures::Figures, health_probe::HealthProbe};
use crate::{
    demo::server::Server,
    history::{
        check::check,
        load::{Load, Plan},
        near_cache::check_near_cache,
        record::{Event, History},
        rule::{Expiry, Renewal, Report},
    },
};

/// The response timeout of the servers in these tests.
pub(super) const TIMEOUT: Duration = Duration::from_millis(500);
/// The time that a request may take beyond the timeout.
pub(super) const GRACE: Duration = Duration::from_millis(100);
/// The time in which every server must answer successfully after the store is back.
pub(super) const RECOVERY: Duration = Duration::from_secs(1);

/// The time before the fault, in which every server serves requests.
const BEFORE: Duration = Duration::from_millis(500);
/// The time after the fault, in which a server that does not recover is noticed.
const AFTER: Duration = Duration::from_millis(1200);

/// Starts the servers of one group: `FAULT_PROCESSES` or two.
pub(super) fn servers(start: impl Fn() -> Server) -> Vec<Server> {
    let named = env::var("FAULT_PROCESSES").ok();
    let processes = named.map_or(2, |text| text.parse().expect("a number"));
    (0..processes).map(|_| start()).collect()
}

/// Servers under load, in groups that share a store.
pub(super) struct FaultRun {
    fault: &'static str,
    clock: Instant,
    plan: Plan,
    groups: Vec<ServerGroup>,
    health: HealthProbe,
    /// With near caches, the time after which a server knows of the writes of others.
    lag: Option<Duration>,
    /// When the servers renew ids by themselves.
    renewal: Option<Renewal>,
    /// The beginning and the end of the fault since the start of the run.
    began: Duration,
    back: Duration,
}

struct ServerGroup {
    servers: Vec<Server>,
    load: Load,
}

/// The errors that a fault may cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AllowedErrors {
    /// No errors.
    None,
    /// Answers 503 during the fault.
    Unavailable,
    /// Lost connections, because the servers are killed.
    Connections,
}

impl FaultRun {
    pub(super) fn begin(fault: &'static str, groups: Vec<Vec<Server>>) -> Self {
        Self::begin_with(Plan { browsers: 4, ..Plan::new() }, fault, groups)
    }

    pub(super) fn begin_with(plan: Plan, fault: &'static str, groups: Vec<Vec<Server>>) -> Self {
        let clock = Instant::now();
        let ports = |servers: &[Server]| servers.iter().map(Server::port).collect::<Vec<_>>();
        let all: Vec<u16> = groups.iter().flat_map(|servers| ports(servers)).collect();
        let health = HealthProbe::start(clock, &all);
        let start = |servers: Vec<Server>| {
            let load = Load::start_on(clock, &plan, &ports(&servers));
            ServerGroup { servers, load }
        };
        let groups = groups.into_iter().map(start).collect();
        thread::sleep(BEFORE);
        let zero = Duration::ZERO;
        let (lag, renewal) = (None, None);
        Self { fault, clock, plan, groups, health, lag, renewal, began: zero, back: zero }
    }

    /// The seed for all random choices of the run.
    pub(super) fn seed(&self) -> u64 {
        self.plan.seed
    }

    /// Sets how long servers may use a cached session after a write by another server.
    pub(super) fn with_near_cache(mut self, lag: Duration) -> Self {
        self.lag = Some(lag);
        self
    }

    /// Sets when the servers renew ids by themselves.
    pub(super) fn with_renewal(mut self, renewal: Renewal) -> Self {
        self.renewal = Some(renewal);
        self
    }

    /// Allows the store to lose everything from now on.
    pub(super) fn expecting_data_loss(mut self) -> Self {
        self.groups.iter_mut().for_each(|group| group.load.store_may_lose_all());
        self
    }

    /// Runs a fault. The store must be available again when `fault` returns.
    pub(super) fn inject(mut self, fault: impl FnOnce(&mut [&mut Server])) -> Self {
        self.began = self.clock.elapsed();
        let servers = self.groups.iter_mut().flat_map(|group| &mut group.servers);
        fault(&mut servers.collect::<Vec<_>>());
        self.back = self.clock.elapsed();
        self
    }

    /// Checks the histories and the promises for an unavailable store, and reports the figures.
    pub(super) fn end(self, allowed: AllowedErrors) -> Figures {
        self.end_with(allowed, |_| {})
    }

    /// Does the same and passes each correct history to `inspect`.
    pub(super) fn end_with(self, allowed: AllowedErrors, inspect: impl Fn(&History)) -> Figures {
        thread::sleep(AFTER);
        let mut figures = Figures::new(self.fault, self.back - self.began);
        let (mut servers, mut histories) = (Vec::new(), Vec::new());
        for group in self.groups {
            histories.push((group.load.finish(), group.servers.len()));
            servers.extend(group.servers);
        }
        let samples = self.health.finish();
        let expiry = Expiry { renewal: self.renewal, ..Expiry::WITH_KILLS };
        for (history, servers) in &histories {
            let violations = match self.lag {
                None => check(history, expiry),
                Some(lag) => check_near_cache(history, lag, expiry),
            };
            let seed = self.plan.seed;
            assert!(violations.is_empty(), "seed {seed}: {}", Report(history, &violations));
            figures.add(history, *servers, self.began, self.back);
            inspect(history);
        }
        figures.health(&samples, self.began, self.back);
        figures.report();
        for server in &servers {
            assert!(!server.log().contains("panicked"), "{}", server.log());
        }
        let noise = samples.iter().map(|sample| sample.latency).max().unwrap_or_default();
        for (history, _) in &histories {
            assert_errors_only_within(history, self.began, self.back + RECOVERY, noise);
        }
        match allowed {
            AllowedErrors::None => assert_eq!(figures.unavailable, 0, "requests answered 503"),
            AllowedErrors::Unavailable => assert_eq!(figures.cut, 0, "requests without an answer"),
            AllowedErrors::Connections => return figures,
        }
        assert!(samples.iter().all(|sample| sample.is_ok), "{samples:?}");
        assert_bounded(&figures, noise);
        figures
    }
}

/// Panics if there are errors outside the fault.
fn assert_errors_only_within(history: &History, began: Duration, end: Duration, noise: Duration) {
    let time = |moment| Duration::from_micros(moment);
    let outside = |event: &&Event| {
        event.is_uncertain() && (time(event.answered) < began || time(event.sent) > end + noise)
    };
    let error = history.events.iter().find(outside).map(ToString::to_string);
    assert_eq!(error, None, "the fault: {began:?} to {end:?}, noise {noise:?}");
}

/// Panics if a request took longer than the timeout, or if requests that do not need the store were
/// slow.
///
/// `noise` is the longest request to `/healthz`: the delay that the machine itself causes.
fn assert_bounded(figures: &Figures, noise: Duration) {
    let Figures { longest, back_after, healthz, typical_healthz, .. } = *figures;
    assert!(longest <= TIMEOUT + GRACE + noise, "longest {longest:?}, noise {noise:?}");
    assert!(back_after <= RECOVERY + noise, "back after {back_after:?}, noise {noise:?}");
    assert!(healthz < TIMEOUT, "/healthz took {healthz:?} during the fault");
    let before = figures.typical_healthz_before;
    assert!(
        typical_healthz <= before * 2 + Duration::from_millis(10),
        "/healthz took {typical_healthz:?} during the fault and {before:?} before"
    );
}
