//! What a flush at shutdown writes.

use std::time::Duration;

use session_core::Manager;
use tokio::time::{Instant, sleep, timeout};

use super::{
    INTERVAL, TTL, log, manager, millis, seconds,
    store::{Answer, Store},
    use_all,
};

#[tokio::test(start_paused = true)]
async fn g16_a_flush_writes_all_sessions_but_those_that_fail() {
    for answer in [Answer::Fail, Answer::Hang] {
        let store = Store::new();
        let manager = manager(&store);
        let ids = store.add(900, TTL);
        use_all(&manager, &ids).await;
        sleep(seconds(3)).await;
        let sick = ids[..300].to_vec();
        store.answer(move |id| if sick.contains(id) { answer } else { Answer::Late(millis(1)) });
        use_all(&manager, &ids).await;
        store.writes();
        let began = Instant::now();
        manager.flush().await;
        assert!(began.elapsed() < seconds(5), "{:?}", began.elapsed());
        for id in &ids[300..] {
            assert!(store.expiry(id).unwrap() >= began + TTL, "{id:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g8_a_flush_ends_early_if_the_store_is_down() {
    let lines = log::capture();
    for (answer, limit) in [(Answer::Fail, 64 + 8), (Answer::Hang, 192 + 8)] {
        let store = Store::new();
        let manager = manager(&store);
        let ids = store.add(5000, TTL);
        use_all(&manager, &ids).await;
        sleep(seconds(3)).await;
        use_all(&manager, &ids).await;
        store.answer(move |_| answer);
        store.writes();
        lines.take();
        let began = Instant::now();
        manager.flush().await;
        assert!(began.elapsed() <= manager.timeout() * 2, "{:?}", began.elapsed());
        let asked = store.writes().len();
        assert!((8..=limit).contains(&asked), "{asked}");
        let lines = lines.take_serious();
        let start = "WARN times to live of sessions cannot be written, flush ends: session storage";
        assert!(lines.len() == 1 && lines[0].starts_with(start), "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g9_a_flush_that_is_given_up_leaves_its_writes_owed() {
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(10, TTL);
    use_all(&manager, &ids).await;
    sleep(seconds(1)).await;
    use_all(&manager, &ids).await;
    let used = Instant::now();
    store.answer(|_| Answer::Hang);
    assert!(timeout(millis(100), manager.flush()).await.is_err());
    store.set_down(false);
    sleep(INTERVAL).await;
    for id in &ids {
        assert_eq!(store.expiry(id), Some(used + TTL));
    }
}

#[tokio::test(start_paused = true)]
async fn g9_a_flush_waits_for_writes_in_flight() {
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(10, seconds(1));
    store.answer(|_| Answer::Late(millis(100)));
    use_all(&manager, &ids).await;
    let used = Instant::now();
    sleep(millis(50)).await;
    manager.flush().await;
    for id in &ids {
        assert!(store.expiry(id).unwrap() >= used + TTL);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_without_owed_writes_asks_the_store_nothing() {
    let store = Store::new();
    let manager: Manager = manager(&store);
    let ids = store.add(10, TTL);
    use_all(&manager, &ids).await;
    sleep(Duration::from_millis(10)).await;
    assert_eq!(store.writes().len(), 10);
    manager.flush().await;
    assert_eq!(store.writes().len(), 0);
}
