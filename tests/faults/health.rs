//! Requests that do not use the session, while others do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::demo::client::Client;

/// Asks every server for `/healthz` all the time.
pub(super) struct Health {
    stop: Arc<AtomicBool>,
    askers: Vec<JoinHandle<Vec<Beat>>>,
}

/// One answer to `/healthz`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    /// On the clock of the run.
    pub(super) asked: Duration,
    pub(super) took: Duration,
    pub(super) is_well: bool,
}

impl Health {
    pub(super) fn watch(clock: Instant, ports: &[u16]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let watch = |&port: &u16| {
            let stop = stop.clone();
            thread::spawn(move || {
                let mut beats = Vec::new();
                let mut client = Client::new(port);
                while !stop.load(Ordering::Relaxed) {
                    let asked = Instant::now();
                    let answer = client.try_ask("/healthz");
                    beats.push(Beat {
                        asked: asked - clock,
                        took: asked.elapsed(),
                        is_well: answer.is_ok_and(|answer| answer.status == 200),
                    });
                    thread::sleep(Duration::from_millis(10));
                }
                beats
            })
        };
        let askers = ports.iter().map(watch).collect();
        Self { stop, askers }
    }

    pub(super) fn finish(self) -> Vec<Beat> {
        self.stop.store(true, Ordering::Relaxed);
        self.askers.into_iter().flat_map(|asker| asker.join().expect("it asks on")).collect()
    }
}
