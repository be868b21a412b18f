//! The runtime that built the manager ends.

use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use session_core::{Manager, SessionId};
use tokio::{
    runtime::{Builder, Runtime},
    time::sleep,
};

use super::{
    TTL, is_used, log, millis, seconds,
    store::{Answer, Store},
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Builds a manager and uses a session, on a runtime that has ended.
fn left_behind(store: &Arc<Store>, answer: Answer) -> (Manager, SessionId) {
    runtime().block_on(async {
        let manager = super::manager(store);
        let id = store.add(1, TTL * 2).remove(0);
        store.answer(move |_| answer);
        assert!(is_used(&manager, &id).await);
        sleep(millis(10)).await;
        (manager, id)
    })
}

#[test]
fn g9_sessions_are_kept_alive_after_the_runtime_that_built_the_manager_has_ended() {
    // The second time a write is in flight when it ends.
    for answer in [Answer::Succeed, Answer::Hang] {
        let store = Store::new();
        let (manager, id) = left_behind(&store, answer);
        runtime().block_on(async {
            store.set_down(false);
            store.writes();
            let sweeps = store.sweeps();
            for _ in 0..100 {
                assert!(is_used(&manager, &id).await, "it has expired");
                sleep(seconds(3)).await;
            }
            let writes = store.writes().len();
            assert!((45..=55).contains(&writes), "{writes} in 300 s");
            assert!((4..=6).contains(&(store.sweeps() - sweeps)));
        });
    }
}

#[test]
fn a_use_outside_of_a_runtime_is_noted_and_logged_once() {
    let lines = log::capture();
    let store = Store::new();
    let (manager, id) = left_behind(&store, Answer::Succeed);
    for _ in 0..3 {
        assert!(is_used(&manager, &id).now_or_never().expect("nothing waits"));
    }
    let line = "ERROR times to live of sessions are not written: the runtime of the manager has \
                ended, and a session was used outside of a runtime";
    assert_eq!(lines.take_serious(), [line]);

    runtime().block_on(async {
        assert!(is_used(&manager, &id).await);
        sleep(seconds(10)).await;
    });
    assert_eq!(store.writes().len(), 2);
    assert_eq!(lines.take_serious(), [""; 0]);
}

#[test]
fn the_tasks_end_with_the_last_manager() {
    runtime().block_on(async {
        let store = Store::new();
        let alive: Weak<Store> = Arc::downgrade(&store);
        let manager = super::manager(&store);
        let id = store.add(1, TTL).remove(0);
        assert!(is_used(&manager, &id).await);
        drop((manager.clone(), store));
        sleep(millis(100)).await;
        assert!(alive.upgrade().is_some());
        drop(manager);
        sleep(millis(1)).await;
        assert!(alive.upgrade().is_none());
    });
}
