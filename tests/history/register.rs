//! One key of one session as a register: written, removed, read.
//!
//! Each value is written once, so a value's *period* is known: it was there after its write or
//! one of its reads had been answered, and it was there still when its last read was asked. If
//! each of two periods must have begun before the other ended, no order of events explains both.
//! That is all there is to it (Gibbons and Korach, "Testing Shared Memories", 1997); a write
//! nobody can be sure of has no end of its own, so only reads make it certain.

use super::record::Moment;

/// A write that was never answered, or not with certainty.
pub(crate) const NEVER: Moment = Moment::MAX;

/// What one write made of the register.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    /// The event that wrote; `None` for the emptiness at the beginning.
    pub(crate) event: Option<usize>,
    /// `None`: removed.
    pub(crate) value: Option<String>,
    /// The write cannot have happened before.
    pub(crate) from: Moment,
    /// By then it was certainly written: it was acknowledged, or read.
    pub(crate) certain: Moment,
    /// The read that shows `certain`.
    pub(crate) seen_by: Option<usize>,
    /// Then it was certainly not yet overwritten.
    pub(crate) last: Moment,
    /// The read that shows `last`.
    pub(crate) shown_by: Option<usize>,
}

/// A read that found nothing.
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

/// What no order of events explains.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// A value was read before anybody wrote it.
    ReadTooEarly { written: usize, read: usize },
    /// A value was still read after something else had taken its place.
    Overwritten { by: usize, read: usize },
    /// Nothing was found, though there was something and nobody had removed it.
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

    /// Adds a write. `certain` is [`NEVER`] for one that may not have happened.
    pub(crate) fn write(&mut self, event: usize, value: Option<&str>, from: Moment, to: Moment) {
        self.periods.push(Period::new(Some(event), value, from, to));
    }

    /// Adds a read of a value that has been written, by whomever, to this register.
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

    /// A miss is explained by an emptiness after which no value need have been there before it.
    fn lost(&self, miss: &Miss) -> Option<Contradiction> {
        let values = self.periods.iter().filter(|period| period.value.is_some());
        let there = values.filter(|value| value.certain < miss.from);
        let latest = there.max_by_key(|value| value.last)?;
        let explains = |empty: &Period| {
            empty.value.is_none() && empty.from <= miss.to && empty.certain >= latest.last
        };
        // What is there before and after, and is written once, is there in between.
        if latest.last <= miss.to && self.periods.iter().any(explains) {
            return None;
        }
        let written = latest.event.expect("a value has been written");
        Some(Contradiction::Lost { written, read: miss.event })
    }
}

/// Each of two periods must have begun before the other ended. The one that was read last is the
/// one that should have been over.
fn overwritten(one: &Period, other: &Period) -> Option<Contradiction> {
    let (stale, by) = if one.last >= other.last { (one, other) } else { (other, one) };
    let (stale, by) = if stale.shown_by.is_some() { (stale, by) } else { (by, stale) };
    Some(Contradiction::Overwritten { by: by.event?, read: stale.shown_by? })
}
