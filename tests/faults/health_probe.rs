//! Requests that do not use the session, sent while other requests do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::demo::client::Client;

/// Requests `/healthz` of every server every 10 ms.
pub(super) struct HealthProbe {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Sample>>>,
}

/// One request to `/healthz`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The time since the start of the run.
    pub(super) requested: Duration,
    pub(super) latency: Duration,
    pub(super) is_ok: bool,
}

impl HealthProbe {
    pub(super) fn start(clock: Instant, ports: &[u16]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let probe = |&port: &u16| {
            let stop = stop.clone();
            thread::spawn(move || {
                let mut samples = Vec::new();
                let mut client = Client::new(port);
                while !stop.load(Ordering::Relaxed) {
                    let requested = Instant::now();
                    let answer = client.try_get("/healthz");
                    samples.push(Sample {
                        requested: requested - clock,
                        latency: requested.elapsed(),
                        is_ok: answer.is_ok_and(|answer| answer.status == 200),
                    });
                    thread::sleep(Duration::from_millis(10));
                }
                samples
            })
        };
        let threads = ports.iter().map(probe).collect();
        Self { stop, threads }
    }

    pub(super) fn finish(self) -> Vec<Sample> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads
            .into_iter()
            .flat_map(|requester| requester.join().expect("no probe panics"))
            .collect()
    }
}
