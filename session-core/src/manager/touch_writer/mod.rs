//! Writes the times to live that the queue owes to the store.
//!
//! Arrows: `writer` ([`TouchWriter`]) -> `in_flight` (the writes that run) and `outage` (whether
//! the store is down) -> `write` (one write).

mod in_flight;
mod outage;
mod write;
mod writer;

pub(super) use writer::TouchWriter;
