//! `sessions show`.

use serde_json::{Value, json, value::RawValue};

use super::{
    failure::Failure,
    output::{Output, harmless},
    store::Store,
};

/// Writes one session: the values of its items only if they are asked for.
pub(super) async fn show(
    store: &Store,
    output: &mut Output,
    name: &str,
    json: bool,
    values: bool,
) -> Result<(), Failure> {
    let id = store.find(name).await?;
    let Some((session, entry)) = store.read(&id).await? else { return Err(Failure::NotFound) };
    if json {
        let mut object = serde_json::to_value(&entry).expect("texts and numbers are JSON");
        // A value is written as it is stored.
        let value = |text: &str| RawValue::from_string(text.to_owned()).ok();
        let item = |(key, text): (&str, &str)| {
            let mut item = json!({ "key": key, "bytes": text.len() }).to_string();
            if let Some(value) = value(text).filter(|_| values) {
                item.truncate(item.len() - 1);
                item = format!("{item},\"value\":{}}}", value.get());
            }
            item
        };
        let items: Vec<String> = session.iter().map(item).collect();
        if let Value::Object(members) = &mut object {
            members.remove("items");
        }
        let mut text = object.to_string();
        text.truncate(text.len() - 1);
        return output.line(&format!("{text},\"items\":[{}]}}", items.join(","))).await;
    }
    output.line(&format!("fingerprint  {}", entry.fingerprint)).await?;
    output.line(&format!("expires in   {}", entry.expires_in())).await?;
    output.line(&format!("created      {}", entry.created())).await?;
    let user = entry.user.as_deref().map_or_else(|| "-".into(), harmless);
    output.line(&format!("user         {user}")).await?;
    output.line(&format!("bytes        {}", entry.bytes)).await?;
    output.line(&format!("items        {}", entry.items)).await?;
    for (key, text) in session.iter() {
        let value = if values { format!("  {}", harmless(text)) } else { String::new() };
        output.line(&format!("  {}  {} bytes{value}", harmless(key), text.len())).await?;
    }
    Ok(())
}
