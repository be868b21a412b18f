//! Waiting until replicas have what was written.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use deadpool_redis::redis::{RedisResult, aio::MultiplexedConnection, cmd};
use tokio::sync::Mutex;

/// The server executes nothing else of a connection while it waits for replicas, so it is asked
/// to wait for no longer than this, and then again. An idle server looks at its clock ten times
/// a second only, so less would not be less.
const SLICE: Duration = Duration::from_millis(100);

/// What replicas have of the writes of one connection.
///
/// One `WAIT` covers all writes before it, so writers share it: one waits for all that have been
/// answered so far, and those who came later for the next.
#[derive(Default)]
pub(super) struct Confirmations {
    /// How many writes have been answered.
    written: AtomicU64,
    /// How many of these are confirmed. Held by the one who waits for all.
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
