//! Benchmarks of the code that runs for every request or every stored text.

use std::{hint::black_box, time::Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use serde_json::value::to_raw_value;
use session_core::{Changes, Closed, Manager, MemoryStorage, Result, SessionId, Snapshot};
use tokio::runtime::Runtime;

/// Returns the text of a session with this many items.
fn text(items: usize) -> String {
    let items: Vec<_> = (0..items).map(|at| format!(r#""item{at:03}":"a value of it""#)).collect();
    format!("{{{}}}", items.join(","))
}

fn snapshot(items: usize) -> Snapshot {
    Snapshot::parse(text(items)).expect("the text is JSON").expect("the text has items")
}

fn texts(criterion: &mut Criterion) {
    for items in [1, 100] {
        let text = text(items);
        criterion.bench_function(&format!("parse a text of {items} items"), |bencher| {
            bencher.iter(|| Snapshot::parse(black_box(text.clone())));
        });
        let base = snapshot(items);
        let mut changes = Changes::new();
        changes.set("item000", to_raw_value(&1).expect("a number is JSON"));
        criterion.bench_function(&format!("change one of {items} items"), |bencher| {
            bencher.iter(|| black_box(&changes).apply(Some(black_box(&base))));
        });
    }
}

fn ids(criterion: &mut Criterion) {
    let id = SessionId::random();
    criterion.bench_function("parse an id", |bencher| {
        bencher.iter(|| SessionId::parse(black_box(id.as_str())));
    });
    criterion.bench_function("generate an id", |bencher| bencher.iter(SessionId::random));
}

fn requests(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime can be started");
    let (manager, id) = runtime.block_on(async {
        let manager = Manager::builder(MemoryStorage::new()).build().expect("defaults");
        let id = new_session(&manager).await;
        (manager, id)
    });
    // Only the runtime's clock is needed. It polls nothing, so it is not measured.
    let _context = runtime.enter();
    criterion.bench_function("a request that reads one item", |bencher| {
        bencher.iter(|| read(&manager, &id));
    });
    criterion.bench_function("a request that writes one item", |bencher| {
        bencher.iter(|| {
            run_ready(async {
                let session = manager.open(Some(id.clone()));
                let result = session.set("count", 1).await;
                (result, session.close().await)
            })
        });
    });
}

/// Measures whether the threads wait for each other when each request notes the use of its session.
fn threads(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime can be started");
    let manager = runtime
        .block_on(async { Manager::builder(MemoryStorage::new()).build().expect("defaults") });
    for threads in [1, 2, 8] {
        let ids: Vec<_> = (0..threads).map(|_| runtime.block_on(new_session(&manager))).collect();
        let name = format!("requests that read one item, in {threads} threads");
        criterion.bench_function(&name, |bencher| {
            bencher.iter_custom(|requests| {
                let begin = Instant::now();
                std::thread::scope(|scope| {
                    for id in &ids {
                        scope.spawn(|| {
                            let _context = runtime.enter();
                            for _ in 0..requests {
                                let _ = black_box(read(&manager, id));
                            }
                        });
                    }
                });
                begin.elapsed()
            });
        });
    }
}

async fn new_session(manager: &Manager) -> SessionId {
    let session = manager.open(None);
    session.set("count", 1).await.expect("memory storage does not fail");
    session.set("name", "bob").await.expect("memory storage does not fail");
    let id = session.id().await.expect("memory storage does not fail").expect("it has items");
    assert!(session.close().await.failure.is_none());
    id
}

fn read(manager: &Manager, id: &SessionId) -> (Result<Option<u64>>, Closed) {
    run_ready(async {
        let session = manager.open(Some(id.clone()));
        let count = session.get::<u64>("count").await;
        (count, session.close().await)
    })
}

fn run_ready<T>(request: impl Future<Output = T>) -> T {
    request.now_or_never().expect("memory storage never waits")
}

criterion_group!(hot_paths, texts, ids, requests, threads);
criterion_main!(hot_paths);
