//! The store is slower than the sessions are used.

use session_core::Manager;
use tokio::time::{Instant, sleep};

use super::{
    TTL, manager, millis, seconds,
    store::{Answer, Store},
    use_all,
};

/// At 64 writes at a time it writes 640 sessions a second, and 1,067 are used in a second.
#[tokio::test(start_paused = true)]
async fn g9_behind_a_slow_store_no_session_lives_longer_or_shorter_than_it_should() {
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(6400, TTL);
    store.answer(|_| Answer::Late(millis(100)));
    let mut last_use = Vec::new();
    for round in 0..20 {
        last_use.clear();
        for some in ids.chunks(64) {
            use_all(&manager, some).await;
            last_use.extend(some.iter().map(|id| (id, Instant::now())));
            sleep(millis(50)).await;
        }
        sleep(millis(round * 100)).await;
    }
    sleep(seconds(20)).await;
    for (id, used) in last_use {
        let expiry = store.expiry(id).expect("it was used less than 30 s ago");
        let (least, most) = (used + TTL, used + TTL + millis(101));
        assert!((least..=most).contains(&expiry), "{:?} late", expiry - least);
    }
}

#[tokio::test(start_paused = true)]
async fn g9_a_first_use_does_not_wait_behind_the_backlog_of_a_slow_store() {
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(6400, TTL * 10);
    store.answer(|_| Answer::Late(millis(100)));
    for second in 0..45 {
        use_all(&manager, &ids).await;
        if second < 15 {
            sleep(seconds(1)).await;
            continue;
        }
        // Last used on another node, and kept for only a second more.
        let new = store.add(1, seconds(1));
        use_all(&manager, &new).await;
        sleep(seconds(1)).await;
        assert!(store.expiry(&new[0]).is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_never_made_for_less_than_a_millisecond() {
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(1, TTL * 2);
    store.set_down(true);
    use_all(&manager, &ids).await;
    sleep(TTL - millis(1)).await;
    store.writes();
    store.set_down(false);
    sleep(seconds(60)).await;
    let writes = store.writes();
    assert!(writes.is_empty(), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn g9_a_session_that_lives_for_a_few_milliseconds_is_kept_alive_too() {
    let store = Store::new();
    let manager = Manager::builder(store.clone()).ttl(millis(20)).build().unwrap();
    let ids = store.add(10, millis(20));
    for _ in 0..200 {
        use_all(&manager, &ids).await;
        sleep(millis(5)).await;
    }
    sleep(millis(20)).await;
    assert_eq!(store.expiry(&ids[0]), None);
}
