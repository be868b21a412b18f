//! A cluster that loses one of its three masters for longer than a session lives.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use crate::{
    demo::{
        alone::alone,
        client::Client,
        server::{Server, eventually},
        store::key,
    },
    fault_run::{GRACE, RECOVERY, TIMEOUT},
    health_probe::HealthProbe,
    support::cluster::RedisCluster,
};

const MAX_AGE: &str = "6s";
const SESSIONS: usize = 60;
/// The pause between two reads of a session.
const PAUSE: Duration = Duration::from_millis(500);
/// The node that the cluster loses.
const LOST: usize = 1;

const CANNOT_BE_WRITTEN: &str = "times to live of some sessions cannot be written";
const WRITTEN_AGAIN: &str = "times to live of all sessions are written again";

#[test]
fn g16_a_shard_that_hangs_harms_no_session_of_another_and_serves_its_own_again() {
    let _alone = alone();
    let cluster = RedisCluster::start_with(3, false, |_| Vec::new());
    let stores =
        ["redis-key-value", "redis-hash-table"].map(|backend| Visited::start(&cluster, backend));
    let health = health(&stores);
    sleep(2 * PAUSE);
    cluster.nodes[LOST].pause();
    let began = Instant::now();
    sleep(outage());
    let back = Instant::now();
    cluster.nodes[LOST].resume();
    sleep(RECOVERY + 3 * PAUSE);
    let noise = longest(health);
    for store in stores {
        store.assert_harmless(began, Some(back), noise);
    }
}

#[test]
fn g16_a_shard_that_is_gone_for_good_harms_no_session_of_another() {
    let _alone = alone();
    let mut cluster = RedisCluster::start_with(3, false, |_| Vec::new());
    let stores =
        ["redis-key-value", "redis-hash-table"].map(|backend| Visited::start(&cluster, backend));
    let health = health(&stores);
    sleep(2 * PAUSE);
    cluster.nodes[LOST].kill();
    let began = Instant::now();
    sleep(outage());
    let noise = longest(health);
    for store in stores {
        store.assert_harmless(began, None, noise);
    }
}

/// How long the master is away: `OUTAGE_SECONDS`, or more than two maximum ages.
fn outage() -> Duration {
    let named = env::var("OUTAGE_SECONDS").ok();
    Duration::from_secs(named.map_or(15, |text| text.parse().expect("seconds")))
}

fn health(stores: &[Visited; 2]) -> HealthProbe {
    HealthProbe::start(Instant::now(), &stores.each_ref().map(|store| store.server.port()))
}

/// Returns the longest request that needs no store: the delay that the machine itself causes.
fn longest(health: HealthProbe) -> Duration {
    let samples = health.finish();
    assert!(samples.iter().all(|sample| sample.is_ok), "{samples:?}");
    samples.iter().map(|sample| sample.latency).max().unwrap_or_default()
}

/// A server with short sessions, each of which has a visitor.
struct Visited {
    server: Server,
    /// Another server on the same sessions, which started longer ones.
    keeper: Server,
    stop: Arc<AtomicBool>,
    visitors: Vec<(Shard, JoinHandle<Vec<Visit>>)>,
    long: Vec<(Shard, Client)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shard {
    Living,
    Lost,
}

#[derive(Debug)]
struct Visit {
    sent: Instant,
    took: Duration,
    status: u16,
    body: String,
}

impl Visited {
    fn start(cluster: &RedisCluster, backend: &str) -> Self {
        let timeout = format!("{}ms", TIMEOUT.as_millis());
        let serve = |max_age| {
            Server::start(&[
                ("DEMO__SESSION__BACKEND", backend),
                ("DEMO__SESSION__MAX_AGE", max_age),
                ("DEMO__REDIS__CLUSTER", &cluster.urls().join(",")),
                ("DEMO__REDIS__PREFIX", &key("")),
                ("DEMO__REDIS__RESPONSE_TIMEOUT", &timeout),
                // So that only the touch queue extends the sessions.
                ("DEMO__SESSION__COOKIE__MAX_AGE", "session"),
                ("RUST_LOG", "info"),
            ])
        };
        let (server, keeper) = (serve(MAX_AGE), serve("10m"));
        let shard = |client: &Client| {
            let key = key(client.id.as_deref().expect("a session"));
            let slot = cluster.nodes[0].cli(&["CLUSTER", "KEYSLOT", &key]);
            match cluster.owner(0, slot.parse().expect("a slot")) {
                Some(LOST) => Shard::Lost,
                _ => Shard::Living,
            }
        };
        let session = |server: &Server| {
            let mut client = server.client();
            assert_eq!(client.get_ok("/set?a=1"), "ok");
            (shard(&client), client)
        };
        let long: Vec<_> = (0..SESSIONS / 2).map(|_| session(&keeper)).collect();
        let stop = Arc::<AtomicBool>::default();
        let visitors = (0..SESSIONS).map(|_| {
            let (shard, client) = session(&server);
            let stop = stop.clone();
            (shard, thread::spawn(move || visit(client, &stop)))
        });
        Self { visitors: visitors.collect(), server, keeper, stop, long }
    }

    /// Checks all answers and the log. The shard was away from `began` on, until `back` if it ever
    /// came back.
    fn assert_harmless(mut self, began: Instant, back: Option<Instant>, noise: Duration) {
        let end = Instant::now();
        self.stop.store(true, Ordering::Relaxed);
        let (mut living, mut lost) = (0, 0);
        for (shard, visitor) in self.visitors.drain(..) {
            let visits = visitor.join().expect("no visitor panics");
            let longest = visits.iter().map(|visit| visit.took).max().expect("a visit");
            assert!(longest <= TIMEOUT + GRACE + noise, "{longest:?}, noise {noise:?}");
            match shard {
                Shard::Living => {
                    living += 1;
                    assert!(visits.iter().all(Visit::found_the_session), "{visits:?}");
                }
                Shard::Lost => {
                    lost += 1;
                    let away = began..back.map_or(end, |back| back - TIMEOUT);
                    let meanwhile = visits.iter().filter(|visit| away.contains(&visit.sent));
                    let statuses: Vec<u16> = meanwhile.map(|visit| visit.status).collect();
                    assert!(!statuses.is_empty());
                    assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
                    if let Some(back) = back {
                        let served = back + RECOVERY + noise;
                        let mut after = visits.iter().filter(|visit| visit.sent > served);
                        // It has expired.
                        assert!(after.all(|visit| visit.body == "{}"), "{visits:?}");
                    }
                }
            }
        }
        assert!(living > 0 && lost > 0, "{living} living, {lost} lost");
        let survivors =
            self.long.iter_mut().filter(|(shard, _)| back.is_some() || *shard == Shard::Living);
        for (_, client) in survivors {
            assert_eq!(client.get_ok("/get"), r#"{"a":1}"#);
            assert_eq!(client.at(self.server.port()).get_ok("/get"), r#"{"a":1}"#);
        }
        let count = |line| self.server.log().matches(line).count();
        assert_eq!(count(CANNOT_BE_WRITTEN), 1, "{}", self.server.log());
        assert_eq!(count("times to live of sessions"), 0, "not all: {}", self.server.log());
        if back.is_some() {
            eventually("the end of the outage in the log", || count(WRITTEN_AGAIN) == 1);
        } else {
            assert_eq!(count(WRITTEN_AGAIN), 0, "{}", self.server.log());
        }
        assert!(!self.keeper.log().contains("panicked"), "{}", self.keeper.log());
    }
}

impl Visit {
    fn found_the_session(&self) -> bool {
        self.status == 200 && self.body == r#"{"a":1}"#
    }
}

/// Reads a session until `stop`.
fn visit(mut client: Client, stop: &AtomicBool) -> Vec<Visit> {
    let mut visits = Vec::new();
    // Otherwise all visitors would read at the same moments.
    sleep(PAUSE.mul_f64(fastrand::f64()));
    while !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let answer = client.get("/get");
        let took = sent.elapsed();
        visits.push(Visit { sent, took, status: answer.status, body: answer.body });
        sleep(PAUSE.saturating_sub(took));
    }
    visits
}
