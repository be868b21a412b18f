//! Waiting until replicas have a write.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use deadpool_redis::redis::{RedisResult, aio::MultiplexedConnection, cmd};
use tokio::sync::Mutex;

/// The longest `WAIT` sent at once, since the server executes nothing else of a connection
/// meanwhile. An idle server checks time-outs ten times a second, so a shorter slice would not
/// return sooner.
const SLICE: Duration = Duration::from_millis(100);

/// Which writes of one connection the replicas have.
///
/// One `WAIT` covers all writes before it, so writers share it: one of them waits for all writes
/// answered so far, later ones wait for the next `WAIT`.
#[derive(Default)]
pub(super) struct Confirmations {
    /// The number of writes answered.
    written: AtomicU64,
    /// The number of writes confirmed. Locked by the writer that waits for all of them.
    confirmed: Mutex<u64>,
}

impl Confirmations {
    /// Counts one more write as answered and waits until `replicas` have it.
    pub(super) async fn await_all(
        &self,
        connection: &mut MultiplexedConnection,
        replicas: usize,
    ) -> RedisResult<()> {
        let own = self.written.fetch_add(1, Ordering::Relaxed) + 1;
        loop {
            let mut confirmed = self.confirmed.lock().await;
            if *confirmed >= own {
                return Ok(());
            }
            let written = self.written.load(Ordering::Relaxed);
            let mut wait = cmd("WAIT");
            wait.arg(replicas).arg(SLICE.as_millis() as u64);
            if wait.query_async::<usize>(connection).await? >= replicas {
                *confirmed = written;
            }
        }
    }
}
