//! What has to hold of the end of a session that nothing puts off.

use session_core::{SessionId, Snapshot};

use crate::{facts::Facts, rules::has};

/// From the absolute end on, nothing of the session is stored, whatever was under way.
pub(crate) fn nothing_outlives_its_absolute_end(facts: &Facts<'_>) -> Option<String> {
    let over = facts.over()?;
    let told = facts.told();
    // A renewal that fails half way removes the copy that it has made, which no client knows.
    let is_old =
        |id: &SessionId, session: &Snapshot| has(Some(session), "n", 1) && told.contains(&id);
    let mut changes = facts.changes().filter(|(time, ..)| *time > over);
    let revived = changes.find_map(|(_, by, changes)| {
        let mut stored = changes.iter().filter_map(|(id, stored)| Some((id, stored.as_ref()?)));
        stored.find(|(id, session)| is_old(id, session)).map(|(id, _)| format!("{id:?} by {by:?}"))
    });
    let mut stored = facts.record.stored.iter();
    revived.or_else(|| {
        let (id, _) = stored.find(|(id, session)| is_old(id, session))?;
        Some(format!("{id:?} lives"))
    })
}

/// An id that was issued a moment ago is not renewed by itself.
pub(crate) fn an_id_is_renewed_by_itself_once(facts: &Facts<'_>) -> Option<String> {
    let ids = facts.record.ids.iter();
    let renewed = ids.filter(|id| facts.ends(id).any(|end| end.is_followed())).count();
    (renewed > 1).then(|| format!("renewed {renewed} times"))
}
