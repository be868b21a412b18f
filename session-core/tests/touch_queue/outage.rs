//! The store is down for a time.

use std::{collections::HashMap, time::Duration};

use session_core::{Manager, SessionId};
use tokio::time::{Instant, sleep};

use super::{
    INTERVAL, TTL, is_used, log, manager, millis, seconds,
    store::{Answer, Store, Write},
    use_all,
};

fn succeeded(writes: &[Write]) -> usize {
    writes.iter().filter(|write| write.succeeded).count()
}

#[tokio::test(start_paused = true)]
async fn g8_after_an_outage_of_a_minute_one_session_is_written_once() {
    let store = Store::new();
    let builder = Manager::builder(store.clone()).ttl(seconds(600));
    let manager = builder.touch_interval(seconds(1)).build().unwrap();
    let ids = store.add(1, seconds(600));
    store.set_down(true);
    for _ in 0..600 {
        use_all(&manager, &ids).await;
        sleep(millis(100)).await;
    }
    // Eight retries, then a probe every 250 ms.
    let asked = store.writes();
    assert!(asked.len() <= 248, "{}", asked.len());

    store.set_down(false);
    sleep(millis(300)).await;
    assert_eq!(store.writes().len(), 1);
    let left = store.expiry(&ids[0]).unwrap() - Instant::now();
    assert!(left > seconds(599), "{left:?}");
    sleep(seconds(60)).await;
    assert_eq!(store.writes().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn g8_after_an_outage_of_a_minute_many_sessions_are_written_once_each_and_spread() {
    let store = Store::new();
    let builder = Manager::builder(store.clone()).ttl(seconds(600));
    let manager = builder.touch_interval(seconds(1)).build().unwrap();
    let count = 20_000;
    let ids = store.add(count, seconds(600));
    use_all(&manager, &ids).await;
    sleep(millis(500)).await;
    assert_eq!(store.writes().len(), count);

    store.set_down(true);
    for _ in 0..6 {
        use_all(&manager, &ids).await;
        sleep(seconds(10)).await;
    }
    // Those in flight when it went down, and a probe every 250 ms.
    let asked = store.writes();
    assert!(asked.len() <= 240 + 64 + 8, "{}", asked.len());

    store.set_down(false);
    let back = Instant::now();
    sleep(seconds(2)).await;
    let writes = store.writes();
    assert_eq!((writes.len(), succeeded(&writes)), (count, count));
    let mut spread = [0; 20];
    for write in &writes {
        spread[(write.at - back).as_millis() as usize / 100] += 1;
    }
    assert!(spread.iter().all(|share| *share < count / 4), "{spread:?}");
}

#[tokio::test(start_paused = true)]
async fn g8_a_store_that_hangs_is_found_out_once_too() {
    let lines = log::capture();
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(10_000, TTL * 10);
    store.answer(|_| Answer::Hang);
    for _ in 0..6 {
        use_all(&manager, &ids).await;
        sleep(seconds(10)).await;
    }
    let asked = store.writes().len();
    assert!(asked <= 2 * 192 + 60 * 4 * 2, "{asked}");
    store.set_down(false);
    sleep(INTERVAL + seconds(1)).await;
    assert_eq!(succeeded(&store.writes()), ids.len());
    let [down, up] = &lines.take_serious()[..] else { panic!("two lines") };
    assert!(down.starts_with("WARN times to live of sessions cannot be written: "), "{down}");
    assert_eq!(up, "INFO times to live of sessions are written again");
}

/// A store that refuses a part of the sessions at once and takes a millisecond for the others.
#[tokio::test(start_paused = true)]
async fn g8_a_burst_of_failures_before_the_first_success_is_no_outage() {
    let lines = log::capture();
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(60, TTL);
    let sick = ids[..30].to_vec();
    store.answer(move |id| if sick.contains(id) { Answer::Fail } else { Answer::Late(millis(1)) });
    use_all(&manager, &ids).await;
    sleep(millis(200)).await;
    assert_eq!(succeeded(&store.writes()), 30);
    assert_eq!(lines.take_serious(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn g9_no_session_expires_that_could_be_saved_after_an_outage() {
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(1200, TTL);
    // In steady use, so that the store keeps them for 54 to 60 s more when it goes down.
    for _ in 0..3 {
        for some in ids.chunks(20) {
            use_all(&manager, some).await;
            sleep(millis(100)).await;
        }
    }
    store.set_down(true);
    let began = Instant::now();
    let mut saved = HashMap::<SessionId, Instant>::new();
    while began.elapsed() < seconds(57) {
        saved.clear();
        for id in &ids {
            if is_used(&manager, id).await {
                saved.insert(id.clone(), store.expiry(id).unwrap());
            }
        }
        sleep(millis(500)).await;
    }
    // Half a second: a probe and the pause before the next visit.
    saved.retain(|_, expiry| *expiry - Instant::now() > millis(500));
    assert!((300..1000).contains(&saved.len()), "{}", saved.len());
    store.writes();
    store.set_down(false);
    let back = Instant::now();
    sleep(INTERVAL).await;
    let written: HashMap<_, _> = store.writes().into_iter().map(|it| (it.id, it.at)).collect();
    for (id, expiry) in saved {
        assert!(store.expiry(&id).is_some_and(|expiry| expiry - back > TTL - seconds(1)), "{id:?}");
        // Those with the least time left first: after a probe, in at most half of it.
        let (waited, left) = (written[&id] - back, expiry - back);
        assert!(waited <= millis(250) + left / 2, "waited {waited:?} of {left:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g9_a_session_that_is_no_longer_used_expires_in_time_after_an_outage() {
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(100, TTL);
    use_all(&manager, &ids).await;
    sleep(seconds(20)).await;
    store.set_down(true);
    use_all(&manager, &ids).await;
    let expiry = Instant::now() + TTL;
    sleep(seconds(30)).await;
    store.set_down(false);
    sleep(seconds(20)).await;
    for id in &ids {
        let written = store.expiry(id).unwrap();
        assert!(written.max(expiry) - written.min(expiry) < millis(1));
    }
}

#[tokio::test(start_paused = true)]
async fn g12_an_outage_is_logged_once_with_its_reason_and_so_is_its_end() {
    let lines = log::capture();
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(20, TTL * 20);
    for _ in 0..2 {
        store.set_down(true);
        for _ in 0..50 {
            use_all(&manager, &ids).await;
            sleep(seconds(1)).await;
        }
        let warning = "WARN times to live of sessions cannot be written: \
                       session storage failed: store: told to fail";
        assert_eq!(lines.take_serious(), [warning]);
        store.set_down(false);
        for _ in 0..60 {
            use_all(&manager, &ids).await;
            sleep(seconds(1)).await;
        }
        assert_eq!(lines.take_serious(), ["INFO times to live of sessions are written again"]);
    }
}

/// A server with one user has to say so too.
#[tokio::test(start_paused = true)]
async fn an_outage_that_only_one_session_sees_is_logged() {
    let lines = log::capture();
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(1, TTL * 20);
    store.set_down(true);
    let began = Instant::now();
    loop {
        use_all(&manager, &ids).await;
        sleep(Duration::from_secs(1)).await;
        if !lines.take_serious().is_empty() {
            break;
        }
        assert!(began.elapsed() < TTL);
    }
}
