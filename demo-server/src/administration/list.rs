//! `sessions list`.

use super::{
    entry::Entry,
    failure::Failure,
    output::{Output, harmless},
    store::Store,
};

/// Writes a row for each session as it is found, so that memory stays bounded.
///
/// The JSON is one array. It is not closed if the command fails, so no part of a list passes for
/// the whole.
pub(super) async fn list(
    store: &Store,
    output: &mut Output,
    json: bool,
    ids: bool,
) -> Result<(), Failure> {
    let mut is_first = true;
    if !json {
        output.line(&head(ids)).await?;
    }
    let visit = async |id: &_, entry: Entry| {
        let entry = if ids { entry.with_id(id) } else { entry };
        if json {
            let begin = if std::mem::take(&mut is_first) { "[\n" } else { ",\n" };
            let object = serde_json::to_string(&entry).expect("texts and numbers are JSON");
            output.write(&[begin, &object].concat()).await
        } else {
            output.line(&row(&entry)).await
        }
    };
    store.for_each(visit).await?;
    match json {
        true => output.line(if is_first { "[]" } else { "\n]" }).await,
        false => Ok(()),
    }
}

fn head(ids: bool) -> String {
    let id = if ids { "  ID" } else { "" };
    format!(
        "{:<16} {:>6} {:>9}  {:<20}  {:<20}{id}  USER",
        "FINGERPRINT", "ITEMS", "BYTES", "EXPIRES IN", "CREATED"
    )
}

fn row(entry: &Entry) -> String {
    let Entry { fingerprint, items, bytes, .. } = entry;
    let (left, created) = (entry.expires_in(), entry.created());
    let id = entry.id.as_ref().map(|id| format!("  {id}")).unwrap_or_default();
    let user = entry.user.as_deref().map_or_else(|| "-".into(), harmless);
    format!("{fingerprint:<16} {items:>6} {bytes:>9}  {left:<20}  {created:<20}{id}  {user}")
}
