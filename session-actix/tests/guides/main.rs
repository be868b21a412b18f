//! The code that the pages in `docs/` show, compiled and run.
//!
//! `tests/documents.rs` compares the two.

mod guard;
mod identity;
mod items;
mod side_by_side;
mod testing;
