use std::time::Duration;

use tokio::time::{Instant, advance};

use super::{Facts, Owed, Slots, TouchQueue};
use crate::{Lifetime, SessionId};

const TTL: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(6);

fn queue() -> TouchQueue {
    TouchQueue::new(Lifetime::idle(TTL), INTERVAL)
}

fn id() -> SessionId {
    numbered(0)
}

fn numbered(number: usize) -> SessionId {
    SessionId::parse(&format!("session-{number}")).unwrap()
}

fn slots() -> Slots {
    Slots { fresh: usize::MAX, failing: usize::MAX, put_off: false }
}

/// The slots while the store is down.
fn no_slots() -> Slots {
    Slots { fresh: 0, failing: 0, put_off: true }
}

/// Takes everything that is due.
fn take_due(queue: &TouchQueue) -> Vec<Owed> {
    take_with(queue, slots)
}

/// Takes what the slots of each call allow: a call takes at most one write of each shard.
fn take_with(queue: &TouchQueue, slots: impl Fn() -> Slots) -> Vec<Owed> {
    let mut all = Vec::new();
    loop {
        let (owed, next) = queue.take_due(slots());
        all.extend(owed);
        if next.is_none_or(|next| next > Instant::now()) {
            return all;
        }
    }
}

/// Puts everything off that is due, and returns when something is due again.
fn put_off(queue: &TouchQueue) -> Option<Instant> {
    loop {
        let (owed, next) = queue.take_due(no_slots());
        assert!(owed.is_empty());
        if next.is_none_or(|next| next > Instant::now()) {
            return next;
        }
    }
}

fn ttls(queue: &TouchQueue, owed: &[Owed]) -> Vec<u64> {
    owed.iter().map(|owed| queue.ttl_of(owed).map_or(0, |ttl| ttl.at_least.as_secs())).collect()
}

/// Takes what is due, succeeds, and returns the times to live.
fn write_due(queue: &TouchQueue) -> Vec<u64> {
    let owed = take_due(queue);
    let ttls = ttls(queue, &owed);
    owed.iter().for_each(|owed| queue.settled(owed));
    ttls
}

#[tokio::test(start_paused = true)]
async fn g9_the_first_use_is_owed_at_once_and_later_ones_when_the_interval_ends() {
    let queue = queue();
    queue.used(&id(), Instant::now(), Facts::default());
    assert_eq!(write_due(&queue), [60]);

    advance(Duration::from_secs(2)).await;
    queue.used(&id(), Instant::now(), Facts::default());
    let (owed, next) = queue.take_due(slots());
    assert!(owed.is_empty());

    tokio::time::sleep_until(next.unwrap()).await;
    assert_eq!(write_due(&queue), [56], "counted from the last use, four seconds ago");

    advance(INTERVAL).await;
    assert!(take_due(&queue).is_empty(), "not used since");
    assert_eq!(queue.len(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stored_ttl_owes_nothing_until_the_next_use() {
    let queue = queue();
    queue.stored(&id(), Instant::now(), Facts::default());
    assert!(queue.owed().is_empty());
    advance(Duration::from_secs(1)).await;
    assert!(queue.used(&id(), Instant::now(), Facts::default()), "the cookie was never sent");
    assert!(take_due(&queue).is_empty(), "an interval has not passed since it was stored");
    assert_eq!(queue.owed(), [id()]);
    assert_eq!(ttls(&queue, &[queue.take(&id()).unwrap()]), [60]);
}

#[tokio::test(start_paused = true)]
async fn g9_the_ttl_is_computed_when_it_is_written() {
    let queue = queue();
    queue.used(&id(), Instant::now(), Facts::default());
    let owed = take_due(&queue);
    advance(Duration::from_secs(20)).await;
    assert_eq!(ttls(&queue, &owed), [40]);
    advance(Duration::from_secs(40) - Duration::from_micros(900)).await;
    assert_eq!(queue.ttl_of(&owed[0]), None, "less than a millisecond is left");
}

#[tokio::test(start_paused = true)]
async fn a_use_while_a_write_is_in_flight_is_owed_when_the_interval_ends() {
    let queue = queue();
    queue.used(&id(), Instant::now(), Facts::default());
    let owed = take_due(&queue);
    advance(Duration::from_secs(1)).await;
    queue.used(&id(), Instant::now(), Facts::default());
    assert!(take_due(&queue).is_empty(), "one write at a time");
    queue.settled(&owed[0]);
    assert_eq!(queue.owed(), [id()]);
    assert!(take_due(&queue).is_empty());
    advance(Duration::from_secs(5)).await;
    assert_eq!(write_due(&queue), [55]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_requests_store_again_and_again_needs_no_further_write() {
    let queue = queue();
    for _ in 0..20 {
        queue.stored(&id(), Instant::now(), Facts::default());
        advance(Duration::from_millis(10)).await;
        queue.used(&id(), Instant::now(), Facts::default());
        advance(Duration::from_secs(2)).await;
        assert!(take_due(&queue).is_empty());
    }
    assert_eq!(queue.len(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_is_owed_again_until_the_session_has_expired() {
    let queue = queue();
    queue.used(&id(), Instant::now(), Facts::default());
    let began = Instant::now();
    let mut tried = Vec::new();
    while began.elapsed() < TTL {
        let owed = take_due(&queue);
        assert!(owed.len() < 2);
        if let Some(owed) = owed.first() {
            let left = queue.ttl_of(owed).unwrap().at_least;
            assert_eq!(left, TTL - began.elapsed());
            tried.push(began.elapsed());
            queue.failed(owed);
        }
        assert_eq!(queue.len(), (1, 1));
        advance(Duration::from_millis(1)).await;
    }
    // 0.25, 0.5, 1, 2 and 4 s, then the interval; jitter shortens each by up to a quarter.
    let pauses: Vec<_> = tried.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
    for (pause, longest) in pauses.iter().zip([250, 500, 1000, 2000, 4000].iter().chain([&6000; 9]))
    {
        assert!((longest * 3 / 4..=longest + 1).contains(pause), "{pauses:?}");
    }
    assert!((12..=16).contains(&tried.len()), "{pauses:?}");

    advance(INTERVAL).await;
    assert!(take_due(&queue).is_empty());
    assert_eq!(queue.len(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_stored_after_its_write_failed_is_not_failing() {
    let queue = queue();
    queue.used(&id(), Instant::now(), Facts::default());
    queue.failed(&take_due(&queue)[0]);
    queue.stored(&id(), Instant::now(), Facts::default());
    advance(Duration::from_secs(1)).await;
    queue.used(&id(), Instant::now(), Facts::default());
    advance(INTERVAL).await;
    assert!(!take_due(&queue)[0].is_retry);
}

#[tokio::test(start_paused = true)]
async fn g8_a_failing_session_waits_for_a_slot_without_holding_up_others() {
    let queue = queue();
    queue.used(&numbered(1), Instant::now(), Facts::default());
    queue.failed(&take_due(&queue)[0]);
    advance(Duration::from_secs(1)).await;
    queue.used(&numbered(2), Instant::now(), Facts::default());
    let owed = take_with(&queue, || Slots { fresh: 9, failing: 0, put_off: false });
    assert_eq!(owed.len(), 1);
    assert_eq!(owed[0].id, numbered(2));
    assert!(take_due(&queue).is_empty(), "the failing one is put off");
    advance(INTERVAL).await;
    assert_eq!(take_due(&queue)[0].id, numbered(1));
}

#[tokio::test(start_paused = true)]
async fn g9_first_uses_are_written_before_an_overdue_rest() {
    let queue = queue();
    for number in 0..1000 {
        queue.used(&numbered(number), Instant::now(), Facts::default());
    }
    write_due(&queue);
    for number in 0..1000 {
        queue.used(&numbered(number), Instant::now(), Facts::default());
    }
    advance(INTERVAL).await;
    queue.used(&numbered(1000), Instant::now(), Facts::default());
    let (owed, _) = queue.take_due(slots());
    assert!(owed.iter().any(|owed| owed.id == numbered(1000)));
}

#[tokio::test(start_paused = true)]
async fn g9_with_few_slots_the_sessions_that_wait_longest_are_written_first() {
    let queue = queue();
    let count = 1000;
    for number in 0..count {
        queue.stored(&numbered(number), Instant::now(), Facts::default());
        advance(Duration::from_millis(1)).await;
        queue.used(&numbered(number), Instant::now(), Facts::default());
    }
    advance(INTERVAL).await;
    let (owed, _) = queue.take_due(Slots { fresh: 50, failing: 0, put_off: false });
    let first: Vec<_> = (0..count / 2).map(numbered).collect();
    let early = owed.iter().filter(|owed| first.contains(&owed.id)).count();
    assert!(owed.len() == 50 && early > 45, "{early} of {}", owed.len());
}

#[tokio::test(start_paused = true)]
async fn g8_after_an_outage_each_session_is_owed_once_and_spread_over_an_interval() {
    let queue = queue();
    let count = 10_000;
    for number in 0..count {
        queue.stored(&numbered(number), Instant::now(), Facts::default());
    }
    advance(Duration::from_secs(1)).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        for number in 0..count {
            queue.used(&numbered(number), Instant::now(), Facts::default());
        }
        for _ in 0..10 {
            put_off(&queue);
            advance(Duration::from_millis(100)).await;
        }
        assert_eq!(queue.len(), (count, count), "one entry each");
    }
    let mut written = Vec::new();
    for _ in 0..=10 {
        written.push(write_due(&queue).len());
        advance(INTERVAL / 10).await;
    }
    assert_eq!(written.iter().sum::<usize>(), count);
    assert!(written.iter().all(|share| *share < count / 5), "{written:?}");
}

#[tokio::test(start_paused = true)]
async fn g8_a_session_that_is_put_off_is_visited_before_it_expires_in_the_store() {
    let queue = queue();
    queue.stored(&id(), Instant::now(), Facts::default());
    advance(Duration::from_secs(1)).await;
    queue.used(&id(), Instant::now(), Facts::default());
    let expiry = Instant::now() + TTL - Duration::from_secs(1);
    loop {
        let left = expiry - Instant::now();
        if left < Duration::from_millis(20) {
            break;
        }
        let next = put_off(&queue).expect("it is owed");
        assert!(next < expiry, "{left:?} before");
        tokio::time::sleep_until(next).await;
    }
}

#[tokio::test(start_paused = true)]
async fn g8_a_store_that_is_down_is_probed_with_fresh_sessions_first_and_each_time_another() {
    let queue = queue();
    for number in 0..100 {
        queue.used(&numbered(number), Instant::now(), Facts::default());
    }
    let owed = take_due(&queue);
    for (n, owed) in owed.iter().enumerate() {
        if n % 10 == 5 { queue.settled(owed) } else { queue.failed(owed) }
    }
    advance(Duration::from_millis(1)).await;
    for owed in owed {
        queue.used(&owed.id, Instant::now(), Facts::default());
    }
    for is_retry in [false, true] {
        let mut probed = Vec::new();
        for _ in 0..10 {
            let owed = queue.take_probe().unwrap();
            assert_eq!(owed.is_retry, is_retry);
            queue.failed(&owed);
            assert!(!probed.contains(&owed.id));
            probed.push(owed.id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g2_an_ended_session_owes_nothing() {
    let queue = queue();
    queue.used(&id(), Instant::now(), Facts::default());
    queue.ended(&id());
    assert!(take_due(&queue).is_empty());
    assert!(queue.owed().is_empty());
    assert_eq!(queue.remaining(&id()), None);
    assert_eq!(queue.len(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn g2_a_session_that_ends_while_a_write_is_in_flight_stays_ended() {
    for end in [TouchQueue::settled, TouchQueue::absent, TouchQueue::failed] {
        let queue = queue();
        queue.used(&id(), Instant::now(), Facts::default());
        let owed = take_due(&queue);
        queue.ended(&id());
        end(&queue, &owed[0]);
        assert_eq!(queue.len(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_goes_when_the_store_has_no_such_session_unless_it_was_stored_meanwhile() {
    for (is_stored, left) in [(false, (0, 0)), (true, (1, 1))] {
        let queue = queue();
        queue.used(&id(), Instant::now(), Facts::default());
        let owed = take_due(&queue);
        advance(Duration::from_secs(1)).await;
        if is_stored {
            queue.stored(&id(), Instant::now(), Facts::default());
        }
        queue.absent(&owed[0]);
        assert_eq!(queue.len(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_takes_a_write_in_flight_again_leaves_one_entry() {
    type End = fn(&TouchQueue, &Owed);
    let ends: [End; 3] = [TouchQueue::settled, TouchQueue::absent, TouchQueue::failed];
    for first in ends {
        for second in ends {
            for swap in [false, true] {
                let queue = queue();
                queue.used(&id(), Instant::now(), Facts::default());
                let due = take_due(&queue).remove(0);
                advance(Duration::from_secs(1)).await;
                queue.used(&id(), Instant::now(), Facts::default());
                let flushed = queue.take(&id()).unwrap();
                let order = if swap { [&flushed, &due] } else { [&due, &flushed] };
                first(&queue, order[0]);
                second(&queue, order[1]);
                let (entries, places) = queue.len();
                assert!(entries <= 1 && entries == places);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cookie_rolls_once_an_interval() {
    let queue = queue();
    let mut rolls = Vec::new();
    for _ in 0..8 {
        rolls.push(queue.used(&id(), Instant::now(), Facts::default()));
        assert!(
            !queue.used(&id(), Instant::now(), Facts::default()),
            "a second time in one request"
        );
        advance(Duration::from_secs(2)).await;
    }
    assert_eq!(rolls, [true, false, false, true, false, false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn the_time_left_counts_from_the_last_use_here() {
    let queue = queue();
    queue.stored(&id(), Instant::now(), Facts::default());
    advance(Duration::from_secs(5)).await;
    queue.used(&id(), Instant::now(), Facts::default());
    advance(Duration::from_secs(1)).await;
    assert_eq!(queue.remaining(&id()), Some(Duration::from_secs(59)));
}

#[tokio::test(start_paused = true)]
async fn sessions_are_spread_over_the_shards() {
    let names: [fn(usize) -> SessionId; 3] = [
        |_| SessionId::random(),
        numbered,
        |number| SessionId::parse(&format!("node7-{}-of-the-shop", number * 64)).unwrap(),
    ];
    for name in names {
        let queue = queue();
        for number in 0..6400 {
            queue.used(&name(number), Instant::now(), Facts::default());
        }
        let largest = queue.largest_shard();
        assert!(largest < 200, "{largest} of 6400 in one of 64 shards");
    }
}
