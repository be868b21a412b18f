//! The table of checks, and the function that runs them.

use std::{pin::Pin, time::Duration};

use super::{
    concurrency, dropping,
    failures::Failures,
    items, lifetimes, removal, rename, scan,
    subject::{CheckResult, Subject},
    swap, ttl, users, writes,
};
use crate::Storage;

/// The limit for one check, far more than any check of a correct storage takes.
const TIMEOUT: Duration = Duration::from_secs(60);

type Check = fn(Subject) -> Pin<Box<dyn Future<Output = CheckResult> + Send>>;

macro_rules! checks {
    ($($module:ident { $($check:ident,)+ })+) => {
        &[$($((stringify!($check), |subject| Box::pin($module::$check(subject))),)+)+]
    };
}

const CHECKS: &[(&str, Check)] = checks! {
    writes {
        create_stores_the_items_it_sets,
        create_is_refused_if_the_id_is_taken,
        create_without_items_is_refused,
        update_sets_and_removes_items_and_keeps_the_rest,
        update_never_creates,
        update_applies_to_the_stored_session_whatever_was_seen,
        update_of_a_whole_session_asks_for_the_condition,
        removing_the_last_item_leaves_a_session_without_items,
        removing_absent_keys_changes_nothing,
        every_method_reports_a_missing_session_as_missing,
        sessions_do_not_affect_each_other,
    }
    removal {
        remove_all_removes_a_session,
        conditional_remove_all_spares_a_changed_session,
    }
    items {
        items_survive_byte_for_byte,
        keys_survive_byte_for_byte,
        large_sessions_survive_byte_for_byte,
        reads_of_single_items_agree_with_the_whole_session,
    }
    ttl {
        a_write_restarts_the_ttl,
        update_ttl_extends,
        update_ttl_shortens_to_its_upper_bound,
        update_ttl_leaves_a_ttl_within_its_bounds,
        update_ttl_never_creates,
        a_refused_write_does_not_change_the_ttl,
        every_kind_of_write_leaves_a_ttl,
        sessions_expire_on_time,
        an_expired_session_counts_as_missing,
        a_ttl_of_ten_years_works,
    }
    rename {
        rename_moves_items_and_ttl,
        rename_is_refused_if_the_new_id_is_taken,
        rename_with_a_grace_leaves_a_marker_that_is_no_session,
        a_session_is_retired_only_as_it_was_seen,
        a_marker_remains_for_its_grace,
        rename_of_a_missing_session_is_refused,
        a_session_is_never_missing_during_a_rename,
        a_write_during_a_rename_is_not_lost,
        a_removal_during_a_rename_wins,
        concurrent_renames_back_and_forth_keep_one_session,
    }
    swap {
        a_write_if_seen_is_refused_after_a_change,
        swap_item_replaces_only_what_was_seen,
        swap_item_never_creates,
        removing_the_last_item_by_swap_leaves_a_session,
        concurrent_swaps_lose_nothing,
    }
    lifetimes {
        metadata_is_no_item,
        a_sessions_own_ttl_holds,
        a_sessions_own_ttl_can_be_changed,
        the_difference_of_two_sessions_has_their_metadata,
        nothing_puts_off_an_absolute_end,
        a_session_behind_its_absolute_end_is_not_written,
        metadata_that_cannot_be_read_says_nothing,
        one_of_several_claims_to_issue_an_id_is_granted,
        a_marker_keeps_what_leads_to_the_new_id,
    }
    users {
        an_entry_is_listed_until_it_is_removed,
        entries_expire_by_themselves,
        an_ended_entry_stays_ended,
        a_renewed_entry_takes_the_place_of_the_old_one,
        concurrent_additions_keep_the_limit,
        writes_tell_of_a_users_session,
    }
    scan {
        a_scan_finds_every_session,
        a_scan_forgets_what_was_removed,
        a_scan_changes_nothing,
    }
    concurrency {
        concurrent_writers_of_different_keys_lose_nothing,
        exactly_one_concurrent_creator_wins,
        a_removal_during_writes_is_final,
        a_conditional_removal_loses_no_write,
        concurrent_emptying_and_setting_are_serialized,
        extending_the_ttl_loses_no_write,
        a_reader_never_sees_half_a_write,
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
/// `make` may return storages on one shared store, because each check uses new ids.
///
/// # Errors
///
/// [`Failures`], with a sentence about each check that failed, panicked or did not end.
///
/// # Panics
///
/// Outside a Tokio runtime whose timer is enabled.
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
    let mut failures = Failures::new(CHECKS.len());
    for &(check, start) in CHECKS {
        // A task of its own, so that a panic of the storage fails only this check.
        let mut task = tokio::spawn(start(Subject::new(make().await)));
        match tokio::time::timeout(TIMEOUT, &mut task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => failures.add(check, error.to_string()),
            Ok(Err(panic)) => failures.add(check, panic.to_string()),
            Err(_) => {
                task.abort();
                failures.add(check, format!("did not end within {TIMEOUT:?}"));
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}
