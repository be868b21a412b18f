//! One key of one session as a register that is written, removed and read.
//!
//! Each value is written once, so each value has a *period* in which it was certainly present: from
//! the answer to its write or to its first read until its last read was sent. If each of two
//! periods must have begun before the other ended, no order of events explains both (Gibbons and
//! Korach, "Testing Shared Memories", 1997). An uncertain write becomes certain only by a read.

use super::record::Moment;

/// The time of the answer to an uncertain write.
pub(crate) const NEVER: Moment = Moment::MAX;

/// The period of one value, or of the absence of any.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    /// The write. `None` for the absence at the beginning.
    pub(crate) event: Option<usize>,
    /// The value. `None` if it was removed.
    pub(crate) value: Option<String>,
    /// The earliest moment of the write.
    pub(crate) from: Moment,
    /// The moment by which the write is certain because it was acknowledged or read.
    pub(crate) certain: Moment,
    /// The read that shows `certain`.
    pub(crate) seen_by: Option<usize>,
    /// The last moment at which the value was certainly not overwritten yet.
    pub(crate) last: Moment,
    /// The read that shows `last`.
    pub(crate) shown_by: Option<usize>,
}

/// A read that found no value.
#[derive(Clone, Debug)]
pub(crate) struct Miss {
    pub(crate) event: usize,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) periods: Vec<Period>,
    pub(crate) misses: Vec<Miss>,
}

/// Events that no order explains.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// A value was read before it was written.
    ReadTooEarly { written: usize, read: usize },
    /// A value was read after it had been replaced.
    Overwritten { by: usize, read: usize },
    /// No value was found, although one was written and not removed.
    Lost { written: usize, read: usize },
}

impl Period {
    fn new(event: Option<usize>, value: Option<&str>, from: Moment, certain: Moment) -> Self {
        let value = value.map(str::to_owned);
        Self { event, value, from, certain, seen_by: None, last: from, shown_by: None }
    }
}

impl Register {
    pub(crate) fn new() -> Self {
        Self { periods: vec![Period::new(None, None, 0, 0)], misses: Vec::new() }
    }

    /// Adds a write. `to` is [`NEVER`] for an uncertain write.
    pub(crate) fn write(&mut self, event: usize, value: Option<&str>, from: Moment, to: Moment) {
        self.periods.push(Period::new(Some(event), value, from, to));
    }

    /// Adds a read of a value. Values that were never written to this register are ignored.
    pub(crate) fn read(&mut self, event: usize, value: &str, from: Moment, to: Moment) {
        let written = |period: &&mut Period| period.value.as_deref() == Some(value);
        if let Some(period) = self.periods.iter_mut().find(written) {
            if to < period.certain {
                (period.certain, period.seen_by) = (to, Some(event));
            }
            if from >= period.last {
                (period.last, period.shown_by) = (from, Some(event));
            }
        }
    }

    pub(crate) fn miss(&mut self, event: usize, from: Moment, to: Moment) {
        self.misses.push(Miss { event, from, to });
    }

    pub(crate) fn contradictions(&self) -> Vec<Contradiction> {
        let mut found = Vec::new();
        for (at, one) in self.periods.iter().enumerate() {
            if let (Some(written), Some(read)) = (one.event, one.seen_by)
                && one.certain < one.from
            {
                found.push(Contradiction::ReadTooEarly { written, read });
            }
            for other in &self.periods[..at] {
                if one.certain < other.last && other.certain < one.last {
                    found.extend(overwritten(one, other));
                }
            }
        }
        found.extend(self.misses.iter().filter_map(|miss| self.lost(miss)));
        found
    }

    /// Returns the contradiction if no period without a value explains the miss.
    fn lost(&self, miss: &Miss) -> Option<Contradiction> {
        let values = self.periods.iter().filter(|period| period.value.is_some());
        let there = values.filter(|value| value.certain < miss.from);
        let latest = there.max_by_key(|value| value.last)?;
        let explains = |empty: &Period| {
            empty.value.is_none() && empty.from <= miss.to && empty.certain >= latest.last
        };
        // A value that is written once and present before and after a moment is present at it.
        if latest.last <= miss.to && self.periods.iter().any(explains) {
            return None;
        }
        let written = latest.event.expect("a value has been written");
        Some(Contradiction::Lost { written, read: miss.event })
    }
}

/// Returns the contradiction between two periods that each must have begun before the other ended.
/// The one that was read last is the stale one.
fn overwritten(one: &Period, other: &Period) -> Option<Contradiction> {
    let (stale, by) = if one.last >= other.last { (one, other) } else { (other, one) };
    let (stale, by) = if stale.shown_by.is_some() { (stale, by) } else { (by, stale) };
    Some(Contradiction::Overwritten { by: by.event?, read: stale.shown_by? })
}
