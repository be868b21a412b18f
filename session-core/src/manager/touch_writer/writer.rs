//! The background task that writes times to live.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    select,
    task::yield_now,
    time::{Instant, sleep_until},
};

use super::{
    super::touch_queue::{Owed, Slots, TouchQueue},
    in_flight::InFlight,
    outage::Outage,
    partial_outage::PartialOutage,
    write::{Written, probe, write},
};
#[cfg(feature = "metrics")]
use crate::meters::OwedGauge;
use crate::{Event, FailureClass, Storage, StoreOperation, error::chain, events::Events};

/// The pause between two looks at what is due, unless the interval is shorter.
const PAUSE: Duration = Duration::from_millis(10);

/// Makes the writes that a queue owes to a store.
#[derive(Clone)]
pub(in crate::manager) struct TouchWriter {
    queue: Arc<TouchQueue>,
    storage: Arc<dyn Storage>,
    /// The longest time that a write may take.
    limit: Duration,
    /// Why the store takes no times to live, if that is known.
    // A std mutex: an assignment, never held across an await.
    problem: Arc<Mutex<Option<String>>>,
    events: Events,
}

impl TouchWriter {
    pub(in crate::manager) fn new(
        queue: Arc<TouchQueue>,
        storage: Arc<dyn Storage>,
        limit: Duration,
    ) -> Self {
        let (problem, events) = (Arc::default(), Events::default());
        Self { queue, storage, limit, problem, events }
    }

    /// Sets who is told of outages.
    pub(in crate::manager) fn events(self, events: Events) -> Self {
        Self { events, ..self }
    }

    /// Returns why times to live are owed and cannot be written, if so.
    pub(in crate::manager) fn blocked(&self) -> Option<String> {
        let problem = self.problem().clone()?;
        (!self.queue.owed().is_empty()).then_some(problem)
    }

    fn problem(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes each write when it is due. Runs until it is dropped.
    pub(in crate::manager) async fn run(self) {
        let (mut outage, mut in_flight) = (Outage::default(), InFlight::new(self.limit));
        let mut partial = PartialOutage::new(self.queue.interval());
        let mut next = Instant::now();
        #[cfg(feature = "metrics")]
        let mut gauge = OwedGauge::new();
        loop {
            if next <= Instant::now() {
                next = self.begin_due(&mut outage, &mut in_flight);
                let probe = self.begin_probe(&mut partial, &mut in_flight);
                next = probe.map_or(next, |probe| probe.min(next));
            }
            let is_down = outage.is_down();
            *self.problem() = outage.suspicion().filter(|_| is_down).map(ToOwned::to_owned);
            let is_full = in_flight.room() == 0;
            let wake = next;
            #[cfg(feature = "metrics")]
            let wake = wake.min(gauge.refresh(|| self.queue.count_owed()));
            select! {
                biased;
                written = in_flight.next(), if !in_flight.is_empty() => {
                    // It may make room, tell whether the store is down, or have to be retried.
                    if is_full || outage.suspicion().is_some() {
                        next = Instant::now();
                    } else if written.as_ref().is_some_and(|written| written.result.is_err()) {
                        next = next.min(Instant::now() + PAUSE);
                    }
                    if let Some(written) = written {
                        self.record(&written, &mut outage, &mut partial);
                    }
                }
                () = self.queue.sooner() => next = Instant::now(),
                () = wait_until(wake) => {}
            }
        }
    }

    /// Writes everything that is owed, due or not, and ends early if the store is down.
    pub(in crate::manager) async fn flush(&self) {
        let (mut outage, mut in_flight) = (Outage::default(), InFlight::new(self.limit));
        let mut ids = self.queue.owed().into_iter();
        loop {
            while outage.suspicion().is_none() && in_flight.room() > 0 {
                let Some(id) = ids.next() else { break };
                if let Some(owed) = self.queue.take(&id) {
                    self.begin(owed, &mut in_flight);
                }
            }
            if in_flight.is_empty() {
                break;
            }
            if let Some(written) = in_flight.next().await {
                outage.record(&written);
            }
        }
        if let Some(event) = outage.event(StoreOperation::Flush) {
            self.events.emit(event);
        }
    }

    /// Records the answer to a write, and tells what it shows of the store.
    fn record(&self, written: &Written, outage: &mut Outage, partial: &mut PartialOutage) {
        let (was_down, was_partly_down) = (outage.is_down(), partial.is_reported());
        outage.record(written);
        if was_down && !outage.is_down() {
            self.events.emit(Event::StoreRecovered { operation: StoreOperation::Extend });
        }
        if outage.suspicion().is_some() {
            return;
        }
        partial.record(written);
        let operation = StoreOperation::ExtendSome;
        match (was_partly_down, partial.is_reported(), &written.result) {
            (true, false, _) => self.events.emit(Event::StoreRecovered { operation }),
            (false, true, Err(error)) => {
                let class = FailureClass::of(error).unwrap_or(FailureClass::Storage);
                let reason = &chain(error);
                let is_new = true;
                self.events.emit(Event::StoreFailed { operation, class, reason, is_new });
            }
            _ => {}
        }
    }

    /// Begins the writes that are due, and returns when to do so again.
    ///
    /// Before that, it is to be called when a write has made room.
    fn begin_due(&self, outage: &mut Outage, in_flight: &mut InFlight) -> Instant {
        let now = Instant::now();
        let idle = now + self.queue.interval();
        if outage.suspicion().is_some() && !outage.is_down() {
            if in_flight.has_quick() {
                return idle;
            }
            outage.confirm();
            if let Some(event) = outage.event(StoreOperation::Extend) {
                self.events.emit(event);
            }
        }
        let next = if outage.is_down() {
            self.probe(outage, in_flight, now)
        } else {
            let (fresh, failing) = (in_flight.room(), in_flight.room_for_retries());
            let (owed, next) = self.queue.take_due(Slots { fresh, failing, put_off: false });
            owed.into_iter().for_each(|owed| self.begin(owed, in_flight));
            next.unwrap_or(idle)
        };
        // At once if there is more to do now. Otherwise writes that are due a moment apart are made
        // together.
        if next <= now { next } else { next.max(now + PAUSE).min(idle) }
    }

    /// Puts off what is due, but for one write that may show that the store is back.
    fn probe(&self, outage: &mut Outage, in_flight: &mut InFlight, now: Instant) -> Instant {
        let fresh = usize::from(outage.may_probe_fresh(now)).min(in_flight.room());
        let (mut owed, next) = self.queue.take_due(Slots { fresh, failing: 0, put_off: true });
        if owed.is_empty() && outage.may_probe(now) && in_flight.room() > 0 {
            owed.extend(self.queue.take_probe());
            outage.note_probe(now, false);
        }
        for owed in owed {
            outage.note_probe(now, !owed.is_retry);
            self.begin(owed, in_flight);
        }
        let probe = outage.next_probe(now);
        next.map_or(probe, |next| next.min(probe))
    }

    /// Probes a part of the store that is away, if that is due. Returns when to do so again.
    fn begin_probe(
        &self,
        partial: &mut PartialOutage,
        in_flight: &mut InFlight,
    ) -> Option<Instant> {
        let now = Instant::now();
        if in_flight.room_for_retries() > 0
            && let Some(failing) = partial.probe(now)
        {
            let (queue, storage) = (self.queue.clone(), self.storage.clone());
            let probe = probe(queue, storage, failing.id, failing.since, self.limit);
            in_flight.push(probe, true);
        }
        partial.next_probe().map(|next| next.max(now + PAUSE))
    }

    fn begin(&self, owed: Owed, in_flight: &mut InFlight) {
        let is_retry = owed.is_retry;
        in_flight.push(self.write(owed), is_retry);
    }

    fn write(&self, owed: Owed) -> BoxFuture<'static, Written> {
        write(self.queue.clone(), self.storage.clone(), owed, self.limit)
    }
}

async fn wait_until(due: Instant) {
    if due <= Instant::now() {
        // Lets other tasks in between, however much is due.
        yield_now().await;
    } else {
        sleep_until(due).await;
    }
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use serde_json::value::to_raw_value;
    use tokio::time::sleep;

    use super::super::super::touch_queue::Facts;
    use super::*;
    use crate::{Changes, Lifetime, MemoryStorage, SessionId, SetOptions};

    const TTL: Duration = Duration::from_secs(60);
    const INTERVAL: Duration = Duration::from_secs(6);

    #[tokio::test(start_paused = true)]
    async fn entries_go_after_an_interval_without_use() {
        let storage = Arc::new(MemoryStorage::new());
        let queue = Arc::new(TouchQueue::new(Lifetime::idle(TTL), INTERVAL));
        let writer = TouchWriter::new(queue.clone(), storage.clone(), Duration::from_secs(1));
        let task = tokio::spawn(writer.run());
        let mut changes = Changes::new();
        changes.set("n", to_raw_value(&1).unwrap());
        for number in 0..1000 {
            let id = SessionId::parse(&format!("session-{number}")).unwrap();
            if number % 2 == 0 {
                storage.set_session(&id, &changes, SetOptions::create(TTL)).await.unwrap();
            }
            queue.used(&id, Instant::now(), Facts::default());
        }
        sleep(Duration::from_millis(20)).await;
        assert_eq!(queue.len(), (500, 500), "half of them are no sessions of the store");
        sleep(INTERVAL + Duration::from_millis(20)).await;
        assert_eq!(queue.len(), (0, 0));
        task.abort();
    }
}
