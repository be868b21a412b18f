//! Servers under load during failovers, and the checks afterwards.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use session_core::{RedisHashTableStorage, RedisKeyValueStorage, Storage};

use super::{
    figures::Figures,
    health_probe::HealthProbe,
    outage::Outage,
    redis_group::RedisGroup,
    rollback::{self, Failovers, Partition},
};
use crate::{
    demo::{
        client::Client,
        server::{Server, eventually},
    },
    history::{
        load::{Load, Plan},
        login::{Application, Lifetimes},
        record::{Answer, Cookie, Event, History, Moment, Operation},
        renewals::told,
        rule::{Expiry, Renewal},
    },
};

/// The default response timeout.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The time that a request may take beyond the timeout.
const GRACE: Duration = Duration::from_millis(100);
/// The time after a promotion in which errors must end.
const RECOVERY: Duration = Duration::from_secs(1);
/// The time before the first failover, in which every server serves requests.
const BEFORE: Duration = Duration::from_millis(500);
/// The touch interval, so that cookies roll often, and the longest wait of a slow request.
const TOUCH_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_millis(40);
/// The largest replication lag on a busy machine, and the longest transmission of an answer.
const LAG: Duration = Duration::from_millis(200);

/// Servers under load on one group of Redis servers.
pub(super) struct FailoverRun {
    name: String,
    pub(super) redis: RedisGroup,
    pub(super) load_clock: Instant,
    plan: Plan,
    expiry: Expiry,
    groups: Vec<ServerGroup>,
    health: HealthProbe,
    times: usize,
}

/// What the clients of a run do besides reading and writing items.
#[derive(Clone, Copy)]
pub(super) struct Traffic {
    pub(super) logins: bool,
    /// Whether they count and take items. What a rollback explains is known of writes that do not
    /// depend on what they overwrite, so only where no acknowledged write may be lost.
    pub(super) counts: bool,
    /// When ids are renewed by themselves.
    pub(super) renewal: Option<Renewal>,
}

/// Three servers and an application that share a store.
struct ServerGroup {
    servers: Vec<Server>,
    load: Load,
    login: Application,
}

impl FailoverRun {
    pub(super) fn begin(
        name: &str,
        redis: RedisGroup,
        wait_replicas: usize,
        Traffic { logins, counts, renewal }: Traffic,
    ) -> Self {
        // In a cluster a login has to meet a moment without a write to its session.
        let is_cluster = matches!(redis, RedisGroup::Cluster(_));
        let pause = match logins {
            true if is_cluster => 150,
            true => 60,
            false => 10,
        };
        let pause = Duration::from_millis(pause);
        let logins = if logins { vec![3] } else { Vec::new() };
        let plan = Plan {
            browsers: 4,
            pause,
            logins,
            longest_wait: LONGEST_WAIT,
            counts,
            // Sessions become old enough for a renewal.
            one_end_in: if renewal.is_some() { 8 } else { 1 },
            ..Plan::new()
        };
        let groups = ["redis-key-value", "redis-hash-table"].map(|backend| {
            let servers = servers(&redis, backend, wait_replicas, renewal);
            let login = login(&redis, backend, wait_replicas, renewal);
            (servers, login)
        });
        let ports = |(servers, login): &(Vec<Server>, Application)| {
            let ports = servers.iter().map(Server::port).chain([login.port()]);
            ports.collect::<Vec<_>>()
        };
        let all: Vec<u16> = groups.iter().flat_map(ports).collect();
        all.iter().for_each(|&port| connect_workers(port));
        let load_clock = Instant::now();
        let health = HealthProbe::start(load_clock, &all);
        let groups = groups.into_iter().map(|group| {
            let load = Load::start_on(load_clock, &plan, &ports(&group));
            ServerGroup { servers: group.0, load, login: group.1 }
        });
        let groups = groups.collect();
        thread::sleep(BEFORE);
        let expiry = Expiry { renewal, ..Expiry::WITH_KILLS };
        Self { name: name.to_owned(), redis, load_clock, plan, expiry, groups, health, times: 0 }
    }

    /// Counts one more round.
    pub(super) fn count(&mut self) {
        self.times += 1;
    }

    /// Stops the load and discards the histories.
    pub(super) fn give_up(self) {
        self.groups.into_iter().for_each(|group| drop(group.load.finish()));
        self.health.finish();
    }

    /// Checks the histories and reports the figures.
    pub(super) fn end(self, outages: &[Outage]) -> Figures {
        let mut figures = Figures::new(self.name, self.times);
        thread::sleep(BEFORE);
        let (mut servers, mut logins, mut histories) = (Vec::new(), Vec::new(), Vec::new());
        for group in self.groups {
            histories.push(group.load.finish());
            servers.extend(group.servers);
            logins.push(group.login);
        }
        let samples = self.health.finish();
        let noise = samples.iter().map(|sample| sample.latency).max().unwrap_or_default();
        let has_peers = matches!(self.redis, RedisGroup::Cluster(_));
        let partitions = outages.iter().map(|outage| partition(outage, has_peers)).collect();
        let failovers = Failovers { partitions, expiry: self.expiry };
        for history in &histories {
            let lost = rollback::lost(history, &failovers);
            figures.lost += lost
                .unwrap_or_else(|unexplained| panic!("seed {}: {unexplained:?}", self.plan.seed));
            figures.add(history, outages);
        }
        figures.report();
        for server in &servers {
            assert!(!server.log().contains("panicked"), "{}", server.log());
        }
        assert!(samples.iter().all(|sample| sample.is_ok), "/healthz does not need the store");
        drop(logins);
        for history in &histories {
            assert_errors_only_within(history, outages, noise);
            let renewed = history.events.iter().any(|event| event.answer == Answer::Renewed);
            assert_eq!(renewed, !self.plan.logins.is_empty(), "there were logins");
            assert!(history.events.iter().any(|event| event.cookie == Cookie::Rolled));
            let counted = |event: &Event| matches!(event.answer, Answer::Counted(2..));
            assert_eq!(history.events.iter().any(counted), self.plan.counts, "clients counted");
            let told = told(history).len();
            assert_eq!(told > 0, self.expiry.renewal.is_some(), "{told} ids were renewed");
        }
        let longest = figures.longest;
        assert!(longest <= TIMEOUT + GRACE + noise, "longest {longest:?}, noise {noise:?}");
        figures
    }
}

/// Makes every worker of a server connect before the load begins. On a busy machine a sentinel may
/// answer the first request too late.
fn connect_workers(port: u16) {
    for _ in 0..4 {
        let is_connected = || Client::new(port).get("/set?warm=up").status == 200;
        eventually("a connection", is_connected);
    }
}

fn servers(
    redis: &RedisGroup,
    backend: &str,
    wait_replicas: usize,
    renewal: Option<Renewal>,
) -> Vec<Server> {
    let (prefix, replicas) = (format!("{backend}:"), wait_replicas.to_string());
    let interval = format!("{}ms", TOUCH_INTERVAL.as_millis());
    let redis = redis.settings();
    let milliseconds = |time: Duration| format!("{}ms", time.as_millis());
    let renewal = renewal.map(|renewal| {
        let Renewal { after, grace } = renewal;
        [
            ("DEMO__SESSION__RENEW_AFTER", milliseconds(after)),
            ("DEMO__SESSION__GRACE", milliseconds(grace)),
        ]
    });
    let mut settings = vec![
        ("DEMO__SESSION__BACKEND", backend),
        ("DEMO__REDIS__PREFIX", &prefix),
        ("DEMO__REDIS__WAIT_REPLICAS", &replicas),
        ("DEMO__SESSION__TOUCH_INTERVAL", &interval),
        ("RUST_LOG", "info"),
    ];
    let more = redis.iter().chain(renewal.iter().flatten());
    settings.extend(more.map(|(name, value)| (*name, value.as_str())));
    (0..3).map(|_| Server::start(&settings)).collect()
}

fn login(
    redis: &RedisGroup,
    backend: &str,
    wait_replicas: usize,
    renewal: Option<Renewal>,
) -> Application {
    let redis = redis.builder().prefix(format!("{backend}:")).wait_replicas(wait_replicas);
    let redis = redis.build().expect("valid addresses");
    let is_text = backend == "redis-key-value";
    let lifetimes = Lifetimes { rolling: Some(TOUCH_INTERVAL), renewal };
    Application::start(lifetimes, move || -> Arc<dyn Storage> {
        if is_text {
            Arc::new(RedisKeyValueStorage::new(redis))
        } else {
            Arc::new(RedisHashTableStorage::new(redis))
        }
    })
}

fn partition(outage: &Outage, has_peers: bool) -> Partition {
    let moment = |time: Duration| time.as_micros() as Moment;
    Partition {
        from: moment(outage.began.saturating_sub(LAG)),
        died: moment(outage.killed),
        has_peers,
        to: moment(outage.killed + LAG),
    }
}

/// Panics if there are errors outside the outages and the time to recover from them.
fn assert_errors_only_within(history: &History, outages: &[Outage], noise: Duration) {
    let time = |moment| Duration::from_micros(moment);
    let is_excused = |event: &Event| {
        let is_read = matches!(event.operation, Operation::Get | Operation::GetItem(_));
        outages.iter().any(|outage| {
            let back = if is_read { outage.promoted } else { outage.writes_back };
            time(event.answered) >= outage.began && time(event.sent) <= back + RECOVERY + noise
        })
    };
    let errors = history.events.iter().filter(|event| event.is_uncertain());
    let other = errors.filter(|event| !is_excused(event)).map(ToString::to_string).next();
    assert_eq!(other, None, "{outages:?}, noise {noise:?}");
    let issued = history.events.iter().filter(|event| matches!(event.cookie, Cookie::Issued(_)));
    assert!(issued.count() > 10, "a history worth checking");
}
