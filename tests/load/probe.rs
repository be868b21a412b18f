//! One client that asks again and again, to feel every pause.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::connection::Connection;

/// Between two requests.
const REST: Duration = Duration::from_millis(1);

/// Reads a session of its own all the time.
pub(crate) struct Probe {
    stop: Arc<AtomicBool>,
    asker: JoinHandle<Vec<Beat>>,
}

pub(crate) struct Beat {
    asked: Instant,
    took: Duration,
}

/// What a request takes.
pub(crate) struct Latency {
    pub(crate) requests: usize,
    pub(crate) median: Duration,
    pub(crate) p99_9: Duration,
    pub(crate) worst: Duration,
}

impl Probe {
    pub(crate) fn start(port: u16) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let asker = thread::spawn(move || {
            actix_rt::Runtime::new().expect("a runtime").block_on(async move {
                let mut connection = Connection::open(port).await.expect("it listens");
                let answer = connection.ask("/set?probe=1", "").await.expect("an answer");
                let id = answer.id.expect("a new session");
                let mut beats = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    thread::sleep(REST);
                    let asked = Instant::now();
                    let answer = connection.ask("/get", &id).await.expect("an answer");
                    beats.push(Beat { asked, took: asked.elapsed() });
                    assert_eq!(answer.body, r#"{"probe":1}"#, "{}", answer.status);
                }
                beats
            })
        });
        Self { stop, asker }
    }

    pub(crate) fn finish(self) -> Vec<Beat> {
        self.stop.store(true, Ordering::Relaxed);
        self.asker.join().expect("it asks to the end")
    }
}

impl Latency {
    pub(crate) fn between(beats: &[Beat], from: Instant, to: Instant) -> Self {
        let beats = beats.iter().filter(|beat| (from..to).contains(&beat.asked));
        let mut times: Vec<Duration> = beats.map(|beat| beat.took).collect();
        times.sort();
        let at = |part: f64| {
            let place = (times.len() as f64 * part) as usize;
            times.get(place.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        Self { requests: times.len(), median: at(0.5), p99_9: at(0.999), worst: at(1.0) }
    }
}
