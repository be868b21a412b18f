//! When something may be tried next, over all threads of the process.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    select,
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Turns for attempts that many tasks would like to make and one of them has to.
///
/// Whoever claims a turn makes the attempt. No task is responsible for the next one: the pause
/// before it begins with the turn, so a thread that is busy or ends delays the others by no more.
/// The pauses grow, with decorrelated jitter, up to the longest.
pub(crate) struct Schedule {
    shortest: Duration,
    longest: Duration,
    // A std mutex: a few assignments, never held across an await.
    next: Mutex<Next>,
    moved: Notify,
}

struct Next {
    due: Instant,
    pause: Duration,
}

impl Schedule {
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        let next = Mutex::new(Next { due: Instant::now(), pause: shortest });
        Self { shortest, longest, next, moved: Notify::new() }
    }

    /// Takes the turn if it is due, otherwise says when it is.
    pub(crate) fn claim(&self) -> Result<(), Instant> {
        let now = Instant::now();
        let mut next = self.lock();
        if now < next.due {
            return Err(next.due);
        }
        next.due = now + next.pause;
        next.pause = self.longer_than(next.pause);
        Ok(())
    }

    /// Waits for a turn and takes it.
    pub(crate) async fn turn(&self) {
        loop {
            // Created before the claim, so that no reset in between is missed.
            let moved = self.moved.notified();
            let Err(due) = self.claim() else { return };
            select! {
                () = sleep_until(due) => {}
                () = moved => {}
            }
        }
    }

    /// Makes a turn due now, and the pauses short again.
    pub(crate) fn reset(&self) {
        *self.lock() = Next { due: Instant::now(), pause: self.shortest };
        self.moved.notify_waiters();
    }

    /// Returns a random pause between the shortest and three times the last one.
    fn longer_than(&self, pause: Duration) -> Duration {
        let most = (pause * 3).min(self.longest);
        let range = u64::try_from((most - self.shortest.min(most)).as_micros()).unwrap_or(0) + 1;
        // A hasher with random keys is the standard library's source of random numbers.
        let random = RandomState::new().hash_one(0) % range;
        self.shortest.min(most) + Duration::from_micros(random)
    }

    fn lock(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::{advance, sleep};

    use super::*;

    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_millis(500);

    #[tokio::test(start_paused = true)]
    async fn many_tasks_take_one_turn_at_a_time() {
        let schedule = Arc::new(Schedule::new(SHORTEST, LONGEST));
        let turns = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..16 {
            let (schedule, turns) = (schedule.clone(), turns.clone());
            tokio::spawn(async move {
                loop {
                    schedule.turn().await;
                    turns.lock().unwrap().push(Instant::now());
                }
            });
        }
        sleep(Duration::from_secs(10)).await;
        let turns = turns.lock().unwrap().clone();
        let pauses: Vec<_> = turns.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // Tokio's timers are exact to one millisecond.
        let is_in_range =
            |pause: &Duration| *pause >= SHORTEST && *pause <= LONGEST + Duration::from_millis(1);
        assert!(pauses.iter().all(is_in_range), "{pauses:?}");
        assert!((20..=100).contains(&turns.len()), "{} turns", turns.len());
        assert!(pauses.iter().any(|pause| *pause > SHORTEST * 2), "the pauses grow");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reset_makes_a_turn_due_at_once() {
        let schedule = Arc::new(Schedule::new(SHORTEST, LONGEST));
        schedule.claim().unwrap();
        let waits = tokio::spawn({
            let schedule = schedule.clone();
            async move { schedule.turn().await }
        });
        advance(SHORTEST / 2).await;
        let began = Instant::now();
        schedule.reset();
        waits.await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(schedule.claim(), Err(began + SHORTEST));
    }
}
