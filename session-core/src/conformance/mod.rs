//! The storage contract as a test suite for storages of your own.
//!
//! Each sentence of the contract of [`Storage`](crate::Storage) is a check, named after what it
//! requires. Call [`run`] in a test of your storage. All four storages of this crate pass.
//!
//! The suite takes a few seconds, most of which it waits for sessions to expire. It works on any
//! Tokio runtime; a multi-threaded one finds more faults. Most of the sessions it creates are not
//! removed: they live for an hour under random ids.

// Arrows: `suite` (the table of checks, and `run`) -> the checks, by topic -> `subject` (the
// storage under test, and the assertions that checks are made of). `suite` -> `failures`.

mod concurrency;
mod dropping;
mod failures;
mod items;
mod lifetimes;
mod removal;
mod rename;
mod scan;
mod subject;
mod suite;
mod swap;
mod ttl;
mod users;
mod writes;

pub use failures::Failures;
pub use suite::run;
