//! A client that sends requests continuously to measure latency.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::connection::Connection;

/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(1);

/// Reads one session continuously.
pub(crate) struct LatencyProbe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Sample>>,
}

pub(crate) struct Sample {
    requested: Instant,
    latency: Duration,
}

/// Latencies of requests.
pub(crate) struct Latency {
    pub(crate) requests: usize,
    pub(crate) median: Duration,
    pub(crate) p99_9: Duration,
    pub(crate) worst: Duration,
}

impl LatencyProbe {
    pub(crate) fn start(port: u16) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            actix_rt::Runtime::new().expect("a runtime").block_on(async move {
                let mut connection = Connection::open(port).await.expect("the server listens");
                let answer = connection.get("/set?probe=1", "").await.expect("an answer");
                let id = answer.id.expect("a new session");
                let mut samples = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    thread::sleep(PAUSE);
                    let requested = Instant::now();
                    let answer = connection.get("/get", &id).await.expect("an answer");
                    samples.push(Sample { requested, latency: requested.elapsed() });
                    assert_eq!(answer.body, r#"{"probe":1}"#, "{}", answer.status);
                }
                samples
            })
        });
        Self { stop, thread }
    }

    pub(crate) fn finish(self) -> Vec<Sample> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the probe does not panic")
    }
}

impl Latency {
    pub(crate) fn between(samples: &[Sample], from: Instant, to: Instant) -> Self {
        let samples = samples.iter().filter(|sample| (from..to).contains(&sample.requested));
        let mut times: Vec<Duration> = samples.map(|sample| sample.latency).collect();
        times.sort();
        let at = |part: f64| {
            let index = (times.len() as f64 * part) as usize;
            times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        Self { requests: times.len(), median: at(0.5), p99_9: at(0.999), worst: at(1.0) }
    }
}
