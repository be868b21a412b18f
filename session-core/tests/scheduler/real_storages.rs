//! The same requests over real storages, in random orders.
//!
//! The storages answer in their own time, so these schedules are a sample. `SCHEDULER_SEED` repeats
//! one: the message of a failure has the seed.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use session_core::{FileStorage, Storage};
use tokio::{runtime::Builder, task::unconstrained};

use crate::{
    case::{Case, Setting},
    cases,
    explore::run_once,
    schedule::{Choices as _, Random},
    store::Form,
};

const SCHEDULES: u64 = 150;

fn seed() -> u64 {
    let given = std::env::var("SCHEDULER_SEED").ok();
    given.map_or_else(
        || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.expect("it is after 1970").as_micros() as u64
        },
        |seed| seed.parse().expect("SCHEDULER_SEED is a number"),
    )
}

/// Runs random cases in random orders.
async fn sample(name: &str, inner: Arc<dyn Storage>) {
    let first = seed();
    let cases = cases::all();
    println!("{name}: {SCHEDULES} schedules from SCHEDULER_SEED={first}");
    for seed in first..first + SCHEDULES {
        let mut random = Random::new(seed);
        let case = &cases[random.choose(cases.len())];
        let (may_expire, has_two_nodes) = (random.choose(4) == 0, random.choose(2) == 0);
        let case = Case { may_expire, has_two_nodes, ..case.clone() };
        let form = Form {
            granularity: inner.granularity(),
            renames_by_copying: random.choose(2) == 0,
            suspends_answers: true,
        };
        // Much longer than a schedule takes, as no time is counted out here.
        let timeout = Duration::from_secs(60);
        let setting = Setting { form, inner: inner.clone(), timeout, suffix: seed.to_string() };
        if let Some(broken) = run_once(&case, &setting, &mut random).await {
            panic!("{name}: SCHEDULER_SEED={seed} breaks:\n{broken}");
        }
    }
}

fn block_on(sample: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(unconstrained(sample));
}

#[test]
fn random_schedules_keep_the_rules_on_files() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    block_on(async {
        let storage = FileStorage::open(directory.path()).expect("the directory exists");
        sample("file", Arc::new(storage)).await;
    });
}

#[cfg(feature = "redis")]
mod redis {
    use session_core::{Redis, RedisHashTableStorage, RedisKeyValueStorage};

    use super::{Arc, block_on, sample};
    use crate::support::redis::RedisServer;

    #[test]
    fn random_schedules_keep_the_rules_on_redis_strings() {
        let server = RedisServer::start();
        block_on(async {
            let redis = Redis::builder(server.url()).build().expect("the address is valid");
            sample("redis-key-value", Arc::new(RedisKeyValueStorage::new(redis))).await;
        });
    }

    #[test]
    fn random_schedules_keep_the_rules_on_redis_hashes() {
        let server = RedisServer::start();
        block_on(async {
            let redis = Redis::builder(server.url()).build().expect("the address is valid");
            sample("redis-hash-table", Arc::new(RedisHashTableStorage::new(redis))).await;
        });
    }
}
