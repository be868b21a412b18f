//! The storage contract as a test suite for storages of your own.
//!
//! Every sentence of the contract of [`Storage`] is a check, named by what it demands. Run
//! [`run`] in a test of your storage; all four storages of this crate keep it.
//!
//! The suite takes a few seconds, most of them spent in watching sessions expire, and works on
//! any Tokio runtime; a multi-threaded one finds more. It removes few of the sessions it makes;
//! most of them live for an hour under random ids.

use std::{error, fmt, pin::Pin, time::Duration};

use crate::{Result, Storage};
use subject::{Outcome, Subject};

#[macro_use]
mod subject;

mod concurrency;
mod dropping;
mod items;
mod removal;
mod rename;
mod ttl;
mod writes;

/// No check of a sound storage takes this long, not even against a store far away.
const PATIENCE: Duration = Duration::from_secs(60);

type Check = fn(Subject) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

macro_rules! checks {
    ($($theme:ident { $($check:ident,)+ })+) => {
        &[$($((stringify!($check), |subject| Box::pin($theme::$check(subject))),)+)+]
    };
}

const CHECKS: &[(&str, Check)] = checks! {
    writes {
        create_makes_a_session_of_the_items_it_sets,
        create_is_refused_if_the_id_is_taken,
        create_without_an_item_is_refused,
        update_sets_and_removes_and_keeps_the_rest,
        update_never_creates,
        update_applies_to_what_is_there_whatever_was_seen,
        removing_the_last_item_removes_the_session,
        removing_absent_keys_changes_nothing,
        a_missing_session_is_missing_to_every_method,
        sessions_are_apart_from_each_other,
    }
    removal {
        remove_all_ends_a_session,
        remove_all_of_what_was_seen_spares_what_has_changed,
    }
    items {
        items_survive_byte_for_byte,
        keys_survive_byte_for_byte,
        large_sessions_survive,
        single_reads_agree_with_the_whole_session,
    }
    ttl {
        a_write_sets_the_ttl_absolutely,
        update_ttl_extends,
        update_ttl_never_shortens,
        update_ttl_never_creates,
        a_refused_write_leaves_the_ttl_alone,
        no_kind_of_write_leaves_an_entry_without_its_ttl,
        sessions_expire_by_themselves_in_time,
        an_expired_session_is_as_if_it_had_never_been,
        a_ttl_of_ten_years_works,
    }
    rename {
        rename_moves_items_and_ttl,
        rename_is_refused_if_the_new_id_is_taken,
        rename_of_a_missing_session_is_refused,
        one_of_both_ids_is_there_at_any_moment_of_a_rename,
        a_write_during_a_rename_is_not_lost,
        a_removal_during_a_rename_wins,
        renames_to_and_fro_at_once_keep_one_session,
    }
    concurrency {
        concurrent_writers_of_different_keys_lose_nothing,
        one_of_concurrent_creators_wins,
        a_removal_during_writes_is_final,
        a_conditional_removal_takes_no_write_with_it,
        emptying_and_setting_at_once_come_one_after_the_other,
        extending_the_ttl_loses_no_write,
        a_reader_sees_whole_writes_only,
    }
    dropping {
        a_dropped_write_leaves_a_whole_session,
        a_dropped_creation_leaves_a_whole_session_or_none,
        a_dropped_removal_leaves_a_whole_session_or_none,
        a_dropped_rename_leaves_a_whole_session,
    }
};

/// Runs every check, each on a storage of its own, and reports all that failed.
///
/// `make` may hand out storages on one and the same store: each check draws new ids.
///
/// # Errors
///
/// [`Failures`], with a sentence about each check that failed, panicked or did not end.
///
/// # Panics
///
/// Outside a Tokio runtime with its timer enabled.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "memory")]
/// #[tokio::main(flavor = "current_thread", start_paused = true)]
/// async fn main() -> Result<(), session_core::conformance::Failures> {
///     session_core::conformance::run(async || session_core::MemoryStorage::new()).await
/// }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
pub async fn run<S: Storage>(make: impl AsyncFn() -> S) -> Result<(), Failures> {
    let mut failures = Vec::new();
    for &(check, start) in CHECKS {
        // A task of its own, so that a storage that panics fails one check only.
        let mut task = tokio::spawn(start(Subject::new(make().await)));
        let reason = match tokio::time::timeout(PATIENCE, &mut task).await {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(complaint))) => complaint.to_string(),
            Ok(Err(panic)) => panic.to_string(),
            Err(_) => {
                task.abort();
                format!("did not end within {PATIENCE:?}")
            }
        };
        failures.push(Failure { check, reason });
    }
    if failures.is_empty() { Ok(()) } else { Err(Failures(failures)) }
}

/// The checks a storage has failed.
pub struct Failures(Vec<Failure>);

struct Failure {
    check: &'static str,
    reason: String,
}

impl Failures {
    /// Visits the names of the failed checks.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() {
    /// use session_core::{MemoryStorage, conformance};
    ///
    /// if let Err(failures) = conformance::run(async || MemoryStorage::new()).await {
    ///     panic!("failed: {:?}", failures.checks().collect::<Vec<_>>());
    /// }
    /// # }
    /// ```
    pub fn checks(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|failure| failure.check)
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the storage fails {} of {} checks", self.0.len(), CHECKS.len())?;
        self.0.iter().try_for_each(|failure| write!(f, "\n{}: {}", failure.check, failure.reason))
    }
}

/// As [`Display`](fmt::Display), so that `unwrap` shows readable lines.
impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for Failures {}
