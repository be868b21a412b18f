use std::thread;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn id(number: usize) -> SessionId {
    SessionId::parse(&number.to_string()).unwrap()
}

async fn create(storage: &MemoryStorage, id: &SessionId, ttl: Duration) {
    let session = Snapshot::parse(r#"{"key":"secret"}"#).unwrap().unwrap();
    let changes = Changes::between(None, &session);
    let written = storage.set_session(id, &changes, SetOptions::create(ttl)).await.unwrap();
    assert_eq!(written, Written::Saved);
}

fn entries(storage: &MemoryStorage) -> usize {
    storage.shards.iter().map(|shard| lock(shard).len()).sum()
}

#[tokio::test(start_paused = true)]
async fn a_session_expires_to_the_millisecond() {
    let storage = MemoryStorage::new();
    create(&storage, &id(1), Duration::from_millis(100)).await;
    tokio::time::advance(Duration::from_millis(99)).await;
    assert!(storage.get_session(&id(1)).await.unwrap().is_some());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(storage.get_session(&id(1)).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_sweep_removes_only_expired_sessions() {
    let storage = MemoryStorage::new();
    for number in 0..10_000 {
        let ttl = if number % 4 == 0 { 60 } else { 1 };
        create(&storage, &id(number), Duration::from_secs(ttl)).await;
    }
    tokio::time::advance(Duration::from_secs(2)).await;
    storage.sweep().await.unwrap();
    assert_eq!(entries(&storage), 2_500);
    assert!(storage.get_session(&id(4)).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_sweep_yields_to_other_tasks() {
    let storage = MemoryStorage::new();
    let sweep = storage.sweep();
    tokio::pin!(sweep);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        polls += 1;
        sweep.as_mut().poll(context).map(Result::unwrap)
    })
    .await;
    assert!(polls >= SHARDS, "{polls}");
}

#[tokio::test]
async fn sessions_that_share_a_shard_can_be_renamed() {
    let storage = MemoryStorage::new();
    let index = storage.shard_index(&id(0));
    let neighbour = (1..).map(id).find(|other| storage.shard_index(other) == index).unwrap();
    create(&storage, &id(0), Duration::from_secs(60)).await;
    assert!(storage.rename(&id(0), &neighbour, RenameOptions::default()).await.unwrap());
    assert!(!storage.rename(&neighbour, &neighbour, RenameOptions::default()).await.unwrap());
    assert!(storage.get_session(&id(0)).await.unwrap().is_none());
    assert!(storage.get_session(&neighbour).await.unwrap().is_some());
}

#[tokio::test]
async fn g12_debug_shows_neither_ids_nor_items() {
    let storage = MemoryStorage::new();
    create(&storage, &id(1), Duration::from_secs(60)).await;
    assert_eq!(format!("{storage:?}"), "MemoryStorage { .. }");
}

/// Returns the space that is counted as taken, after comparing it with what is there.
fn taken(storage: &MemoryStorage) -> Space {
    let there = storage.shards.iter().map(|shard| lock(shard).space());
    let taken = *storage.bound().unwrap().taken();
    assert_eq!(taken, there.fold(Space::NONE, |a, b| a + b));
    taken
}

fn set(items: &str) -> Changes {
    Changes::between(None, &Snapshot::parse(items).unwrap().unwrap())
}

async fn try_create(storage: &MemoryStorage, id: &SessionId) -> Result<Written> {
    storage.set_session(id, &set(r#"{"key":"secret"}"#), SetOptions::create(HOUR)).await
}

#[tokio::test(start_paused = true)]
async fn a_full_store_refuses_new_sessions_and_ends_no_living_one() {
    let storage = MemoryStorage::new().max_sessions(2);
    create(&storage, &id(1), HOUR).await;
    create(&storage, &id(2), Duration::from_secs(1)).await;
    let error = try_create(&storage, &id(3)).await.unwrap_err();
    assert!(error.is_unavailable());
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "memory: memory storage is full: max_sessions is 2");
    assert!(storage.get_session(&id(1)).await.unwrap().is_some());
    assert!(storage.get_session(&id(2)).await.unwrap().is_some());
    let update = storage.set_session(&id(1), &set(r#"{"b":1}"#), SetOptions::update(HOUR)).await;
    assert_eq!(update.unwrap(), Written::Saved);

    assert!(storage.remove_all(&id(1), None).await.unwrap());
    create(&storage, &id(3), HOUR).await;
    assert_eq!(taken(&storage).sessions, 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_full_of_expired_sessions_refuses_nobody() {
    let storage = MemoryStorage::new().max_sessions(1_000);
    for round in 0..3 {
        for number in 0..1_000 {
            create(&storage, &id(1_000 * round + number), Duration::from_secs(1)).await;
        }
        assert!(try_create(&storage, &id(9_999)).await.is_err());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    storage.sweep().await.unwrap();
    assert_eq!(taken(&storage), Space::NONE);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_is_not_searched_for_every_refused_request() {
    let storage = MemoryStorage::new().max_sessions(1);
    create(&storage, &id(0), Duration::from_millis(100)).await;
    assert!(try_create(&storage, &id(1)).await.is_err(), "searched in vain");
    sleep(Duration::from_millis(200)).await;
    assert!(try_create(&storage, &id(1)).await.is_err(), "not searched so soon again");
    sleep(BETWEEN_SEARCHES).await;
    assert_eq!(try_create(&storage, &id(1)).await.unwrap(), Written::Saved);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_time_was_shortened_makes_room() {
    let storage = MemoryStorage::new().max_sessions(1);
    create(&storage, &id(1), HOUR).await;
    let second = Duration::from_secs(1);
    storage.update_ttl(&id(1), TtlRange::at_least(second).at_most(second)).await.unwrap();
    tokio::time::advance(second).await;
    create(&storage, &id(2), HOUR).await;
}

#[tokio::test]
async fn a_session_grows_only_within_the_bound_and_keeps_what_it_has() {
    let storage = MemoryStorage::new().max_bytes(1_000);
    create(&storage, &id(1), HOUR).await;
    create(&storage, &id(2), HOUR).await;
    let long = set(&format!(r#"{{"long":"{}"}}"#, "x".repeat(500)));
    let error = storage.set_session(&id(1), &long, SetOptions::update(HOUR)).await.unwrap_err();
    assert!(error.is_unavailable());
    let kept = storage.get_session(&id(1)).await.unwrap().unwrap();
    assert_eq!(kept.stored(), r#"{"key":"secret"}"#);
    assert!(try_create(&storage, &id(3)).await.is_ok());
    assert!(try_create(&storage, &id(4)).await.is_err());

    let before = taken(&storage).bytes;
    let shorter = set(r#"{"key":1}"#);
    storage.set_session(&id(1), &shorter, SetOptions::update(HOUR)).await.unwrap();
    assert_eq!(taken(&storage).bytes, before - r#""secret""#.len() + 1);
}

#[tokio::test]
async fn g4_an_id_is_renewed_in_a_store_that_has_no_room_for_another_session() {
    let storage = MemoryStorage::new().max_sessions(1);
    create(&storage, &id(1), HOUR).await;
    let grace = RenameOptions::grace(Duration::from_secs(30));
    assert!(storage.rename(&id(1), &id(2), grace).await.unwrap());
    assert_eq!((entries(&storage), taken(&storage).sessions), (2, 1));

    let storage = MemoryStorage::new().max_bytes(340);
    create(&storage, &id(1), HOUR).await;
    assert!(storage.rename(&id(1), &id(2), grace).await.is_err(), "there is no room for a marker");
    assert!(storage.get_session(&id(1)).await.unwrap().is_some());
    assert!(storage.rename(&id(1), &id(2), RenameOptions::default()).await.unwrap());
    taken(&storage);
}

#[tokio::test]
async fn sessions_from_before_the_bound_was_set_count() {
    let storage = MemoryStorage::new();
    create(&storage, &id(1), HOUR).await;
    let storage = storage.max_sessions(1).max_bytes(1 << 20);
    assert!(try_create(&storage, &id(2)).await.is_err());
    taken(&storage);
}

#[test]
fn sixteen_threads_never_exceed_the_bound_and_leave_the_count_exact() {
    let storage = MemoryStorage::new().max_sessions(100).max_bytes(29_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let run = |thread: usize| {
        for round in 0..2_000 {
            let id = id(100_000 * thread + round % 20);
            let work = async {
                match round % 7 {
                    0..=3 => drop(try_create(&storage, &id).await),
                    4 => {
                        let items = set(&format!(r#"{{"a":"{}"}}"#, "x".repeat(round % 300)));
                        drop(storage.set_session(&id, &items, SetOptions::update(HOUR)).await);
                    }
                    5 => drop(storage.remove_all(&id, None).await),
                    _ => {
                        let to = SessionId::parse(&format!("{}-{round}", id.as_str())).unwrap();
                        let grace = RenameOptions::grace(Duration::from_millis(1));
                        drop(storage.rename(&id, &to, grace).await);
                    }
                }
            };
            let _context = runtime.enter();
            futures_util::FutureExt::now_or_never(work).expect("it never waits");
            let taken = *storage.bound().unwrap().taken();
            assert!(taken.sessions <= 100 && taken.bytes <= 29_000, "{taken:?}");
        }
    };
    thread::scope(|scope| {
        for thread in 0..16 {
            scope.spawn(move || run(thread));
        }
    });
    assert!(taken(&storage).sessions > 0);
}

fn large(key: &str) -> Changes {
    let item = serde_json::value::to_raw_value(&"x".repeat(1 << 20)).unwrap();
    let mut changes = Changes::new();
    changes.set(key, item);
    changes
}

/// Runs a test while no thread for blocking work is free, until it sends something.
fn with_busy_threads(test: impl AsyncFnOnce(std::sync::mpsc::Sender<()>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
    let (free, until_free) = std::sync::mpsc::channel();
    runtime.unwrap().block_on(async {
        let busy = tokio::task::spawn_blocking(move || until_free.recv());
        test(free).await;
        assert!(busy.await.unwrap().is_ok());
    });
}

#[test]
fn large_sessions_are_merged_on_other_threads() {
    with_busy_threads(async |free| {
        let storage = MemoryStorage::new();
        create(&storage, &id(1), HOUR).await;
        let (small, large, update) = (small(), large("large"), SetOptions::update(HOUR));
        let (one, two) = (id(1), id(2));
        let mut updated = storage.set_session(&one, &large, update);
        let mut created = storage.set_session(&two, &large, SetOptions::create(HOUR));
        assert!(!is_ready(&mut updated) && !is_ready(&mut created), "elsewhere");
        // What a small write changes meanwhile is not lost.
        assert!(is_ready(&mut storage.set_session(&one, &small, update)), "at once");
        free.send(()).unwrap();
        assert_eq!(
            [updated.await.unwrap(), created.await.unwrap()],
            [Written::Saved, Written::Saved]
        );
        assert_eq!(storage.get_session(&one).await.unwrap().unwrap().len(), 3);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g1_concurrent_writers_of_a_large_session_lose_nothing() {
    let storage = std::sync::Arc::new(MemoryStorage::new());
    create(&storage, &id(1), HOUR).await;
    let writers = (0..12).map(|number| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let changes = large(&format!("large{number}"));
            storage.set_session(&id(1), &changes, SetOptions::update(HOUR)).await.unwrap()
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        assert_eq!(writer.await.unwrap(), Written::Saved);
    }
    assert_eq!(storage.get_session(&id(1)).await.unwrap().unwrap().len(), 13);
}

#[test]
fn g2_a_large_session_that_ends_while_it_is_merged_stays_ended() {
    with_busy_threads(async |free| {
        let storage = MemoryStorage::new();
        create(&storage, &id(1), HOUR).await;
        let (one, changes) = (id(1), large("large"));
        let mut merged = storage.set_session(&one, &changes, SetOptions::update(HOUR));
        assert!(!is_ready(&mut merged));
        assert!(storage.remove_all(&one, None).await.unwrap());
        free.send(()).unwrap();
        assert_eq!(merged.await.unwrap(), Written::Refused);
        assert_eq!(entries(&storage), 0);
    });
}

fn small() -> Changes {
    let mut changes = Changes::new();
    changes.set("small", serde_json::value::to_raw_value(&1).unwrap());
    changes
}

fn is_ready<T>(future: &mut std::pin::Pin<Box<dyn Future<Output = T> + Send + '_>>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut context).is_ready()
}
