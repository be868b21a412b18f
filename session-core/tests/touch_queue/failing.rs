//! Some sessions cannot be written, and the others can.

use std::collections::HashSet;

use session_core::SessionId;
use tokio::time::{Instant, sleep};

use super::{
    INTERVAL, TTL, is_used, log, manager, millis, seconds,
    store::{Answer, Store},
    use_all,
};

const REFUSED: &str = "WARN times to live of some sessions cannot be written: \
                       session storage failed: store: told to fail";
const HANGS: &str = "WARN times to live of some sessions cannot be written: \
                     session storage did not answer in time";

/// Keeps `healthy` sessions in use while the writes of `sick` others get this answer, for two to
/// ten minutes. Returns the log lines that are not at debug.
async fn use_beside(sick: usize, healthy: usize, answer: Answer) -> Vec<String> {
    let lines = log::capture();
    let store = Store::new();
    let manager = manager(&store);
    let sick: HashSet<SessionId> = store.add(sick, TTL * 20).into_iter().collect();
    let healthy = store.add(healthy, TTL);
    let all: Vec<_> = healthy.iter().chain(&sick).cloned().collect();
    store.answer(move |id| if sick.contains(id) { answer } else { Answer::Succeed });
    for _ in 0..(150_000 / all.len()).clamp(20, 100) {
        use_all(&manager, &all).await;
        sleep(INTERVAL).await;
    }
    lines.take_serious()
}

#[tokio::test(start_paused = true)]
async fn g16_a_session_whose_ttl_is_refused_for_ever_harms_no_other() {
    use_beside(1, 1, Answer::Fail).await;
}

#[tokio::test(start_paused = true)]
async fn g16_a_session_whose_ttl_write_hangs_for_ever_harms_no_other() {
    use_beside(1, 1, Answer::Hang).await;
}

#[tokio::test(start_paused = true)]
async fn g16_a_third_of_the_sessions_that_is_refused_for_ever_harms_no_other() {
    assert_eq!(use_beside(1000, 2000, Answer::Fail).await, [REFUSED], "it is no outage of all");
}

#[tokio::test(start_paused = true)]
async fn g16_a_third_of_the_sessions_that_hangs_for_ever_harms_no_other() {
    assert_eq!(use_beside(4000, 8000, Answer::Hang).await, [HANGS], "it is no outage of all");
}

#[tokio::test(start_paused = true)]
async fn g16_two_thirds_of_the_sessions_that_are_refused_for_ever_harm_no_other() {
    assert_eq!(use_beside(2000, 1000, Answer::Fail).await, [REFUSED], "it is no outage of all");
}

#[tokio::test(start_paused = true)]
async fn g16_two_thirds_of_the_sessions_that_hang_for_ever_harm_no_other() {
    assert_eq!(use_beside(2000, 1000, Answer::Hang).await, [HANGS], "it is no outage of all");
}

#[tokio::test(start_paused = true)]
async fn g16_one_session_among_a_hundred_that_are_refused_for_ever_is_kept_alive() {
    use_beside(100, 1, Answer::Fail).await;
}

#[tokio::test(start_paused = true)]
async fn g16_one_session_among_a_hundred_that_hang_for_ever_is_kept_alive() {
    use_beside(100, 1, Answer::Hang).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_ttl_is_refused_for_ever_is_retried_about_once_an_interval() {
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(2, TTL * 20);
    let sick = ids[0].clone();
    store.answer(move |id| if *id == sick { Answer::Fail } else { Answer::Succeed });
    for _ in 0..600 {
        use_all(&manager, &ids).await;
        sleep(seconds(1)).await;
    }
    let writes = store.writes();
    let asked = writes.iter().filter(|write| !write.succeeded).count();
    // 100 intervals, of which jitter cuts off up to a quarter, and five earlier retries.
    assert!((95..=140).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn g16_sessions_that_come_into_use_later_are_written_too() {
    let store = Store::new();
    let manager = manager(&store);
    let all = store.add(600, TTL * 20);
    let (sick, healthy) = all.split_at(500);
    let hangs: HashSet<_> = sick.iter().cloned().collect();
    store.answer(move |id| if hangs.contains(id) { Answer::Hang } else { Answer::Succeed });
    use_all(&manager, &all).await;
    sleep(seconds(30)).await;
    for _ in 0..50 {
        use_all(&manager, healthy).await;
        // Last used on another node, and kept for only two seconds more.
        let new = store.add(1, seconds(2));
        use_all(&manager, &new).await;
        sleep(seconds(1)).await;
        assert!(store.expiry(&new[0]).is_some_and(|expiry| expiry - Instant::now() > TTL / 2));
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_of_concurrent_writes_is_limited_also_if_all_hang() {
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(2000, TTL);
    store.answer(|_| Answer::Hang);
    use_all(&manager, &ids).await;
    sleep(seconds(30)).await;
    let most = store.max_in_flight();
    assert!((64..=192).contains(&most), "{most}");

    let store = Store::new();
    let manager = super::manager(&store);
    let ids = store.add(2000, TTL);
    store.answer(|_| Answer::Late(millis(100)));
    use_all(&manager, &ids).await;
    sleep(seconds(30)).await;
    assert_eq!(store.max_in_flight(), 64);
}

#[tokio::test(start_paused = true)]
async fn g16_sessions_that_keep_hanging_take_no_more_than_sixteen_slots() {
    let store = Store::new();
    let manager = manager(&store);
    let all = store.add(1000, TTL * 20);
    let hangs: HashSet<_> = all[..900].iter().cloned().collect();
    store.answer(move |id| if hangs.contains(id) { Answer::Hang } else { Answer::Succeed });
    for second in 0..60 {
        use_all(&manager, &all).await;
        sleep(seconds(1)).await;
        // By then each of them has failed once.
        if second == 30 {
            store.max_in_flight();
        }
    }
    // One more for each that succeeds at once.
    assert_eq!(store.max_in_flight(), 16 + 1);
}

#[tokio::test(start_paused = true)]
async fn g16_a_write_that_panics_harms_no_other_session() {
    let store = Store::new();
    let manager = manager(&store);
    let sick = store.add(1, TTL * 20).remove(0);
    let healthy = store.add(20, TTL);
    let panics = sick.clone();
    store.answer(move |id| if *id == panics { Answer::Panic } else { Answer::Succeed });
    for _ in 0..100 {
        assert!(is_used(&manager, &sick).await);
        use_all(&manager, &healthy).await;
        sleep(seconds(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_fails_among_others_that_do_not_is_logged_at_debug_only() {
    let lines = log::capture();
    let store = Store::new();
    let manager = manager(&store);
    let ids = store.add(10, TTL * 20);
    let sick = ids[0].clone();
    store.answer(move |id| if *id == sick { Answer::Fail } else { Answer::Succeed });
    for _ in 0..200 {
        use_all(&manager, &ids).await;
        sleep(seconds(1)).await;
    }
    let lines = lines.take();
    assert!(!lines.is_empty());
    for line in lines {
        let text = "DEBUG time to live of session sessio… not written: \
                    session storage failed: store: told to fail";
        assert_eq!(line, text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_away_is_reported_once_and_its_return_once_also_if_its_sessions_expired() {
    let lines = log::capture();
    let store = Store::new();
    let manager = manager(&store);
    let sick = store.add(20, TTL);
    let healthy = store.add(40, TTL);
    use_all(&manager, &sick).await;
    let part: HashSet<SessionId> = sick.iter().cloned().collect();
    store.answer(move |id| if part.contains(id) { Answer::Fail } else { Answer::Succeed });
    use_all(&manager, &sick).await;
    for _ in 0..180 {
        use_all(&manager, &healthy).await;
        sleep(seconds(1)).await;
    }
    assert_eq!(lines.take_serious(), [REFUSED]);
    assert_eq!(store.expiry(&sick[0]), None);

    store.set_down(false);
    sleep(seconds(3)).await;
    assert_eq!(lines.take_serious(), ["INFO times to live of all sessions are written again"]);
    store.writes();
    sleep(seconds(3)).await;
    assert_eq!(store.writes().len(), 0, "it is probed no more");
}

#[tokio::test(start_paused = true)]
async fn three_sessions_that_fail_for_ever_are_no_part_of_the_store() {
    assert_eq!(use_beside(3, 40, Answer::Fail).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn sessions_that_fail_one_after_another_are_no_part_of_the_store() {
    let lines = log::capture();
    let store = Store::new();
    let manager = manager(&store);
    let healthy = store.add(20, TTL * 60);
    for _ in 0..30 {
        let sick = store.add(1, TTL * 20).remove(0);
        let fails = sick.clone();
        store.answer(move |id| if *id == fails { Answer::Fail } else { Answer::Succeed });
        for _ in 0..20 {
            use_all(&manager, &healthy).await;
            assert!(is_used(&manager, &sick).await);
            sleep(millis(200)).await;
        }
        store.set_down(false);
        sleep(seconds(2)).await;
        manager.storage().remove_all(&sick, None).await.unwrap();
    }
    assert_eq!(lines.take_serious(), [""; 0]);
}
