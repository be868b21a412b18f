//! Writes the times to live that the queue owes to the store.
//!
//! Arrows: `writer` ([`TouchWriter`]) -> `in_flight` (the writes that run), `outage` (whether the
//! store is down) and `partial_outage` (whether a part of it is) -> `write` (one write).

mod in_flight;
mod outage;
mod partial_outage;
mod write;
mod writer;

pub(super) use writer::TouchWriter;
