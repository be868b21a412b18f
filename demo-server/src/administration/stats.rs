//! `sessions stats`.

use std::collections::BTreeMap;

use serde_json::json;

use super::{entry::Entry, failure::Failure, output::Output, store::Store};

const MINUTE: u64 = 60_000;

/// Ranges of the time left, by their ends in milliseconds.
const RANGES: [(&str, u64); 6] = [
    ("under 1 minute", MINUTE),
    ("under 10 minutes", 10 * MINUTE),
    ("under 1 hour", 60 * MINUTE),
    ("under 1 day", 24 * 60 * MINUTE),
    ("under 7 days", 7 * 24 * 60 * MINUTE),
    ("7 days or more", u64::MAX),
];

#[derive(Default)]
struct Stats {
    sessions: usize,
    items: usize,
    bytes: usize,
    /// How many sessions have a size.
    sizes: BTreeMap<usize, usize>,
    left: [usize; RANGES.len()],
}

/// Counts the sessions of the store.
pub(super) async fn stats(store: &Store, output: &mut Output, json: bool) -> Result<(), Failure> {
    let mut stats = Stats::default();
    store
        .for_each(async |_, entry| {
            stats.add(&entry);
            Ok(())
        })
        .await?;
    let Stats { sessions, items, bytes, .. } = stats;
    let (median, largest) = (stats.median(), stats.largest());
    if json {
        let left: BTreeMap<_, _> = RANGES.iter().map(|(name, _)| *name).zip(stats.left).collect();
        let object = json!({
            "sessions": sessions, "items": items, "bytes": bytes,
            "median_bytes": median, "largest_bytes": largest, "expires_in": left,
        });
        return output.line(&object.to_string()).await;
    }
    let bytes = format!("{bytes}, median {median}, largest {largest}");
    output.line(&format!("sessions  {sessions}\nitems     {items}\nbytes     {bytes}")).await?;
    output.line("expires in").await?;
    for ((name, _), count) in RANGES.iter().zip(stats.left) {
        output.line(&format!("  {name:<18}{count:>9}")).await?;
    }
    Ok(())
}

impl Stats {
    fn add(&mut self, entry: &Entry) {
        self.sessions += 1;
        self.items += entry.items;
        self.bytes += entry.bytes;
        *self.sizes.entry(entry.bytes).or_default() += 1;
        let range = RANGES.iter().position(|(_, end)| entry.expires_in_ms < *end);
        self.left[range.unwrap_or(RANGES.len() - 1)] += 1;
    }

    fn median(&self) -> usize {
        let mut seen = 0;
        let is_median = |count: &usize| {
            seen += count;
            2 * seen >= self.sessions
        };
        let mut is_median = is_median;
        self.sizes.iter().find(|(_, count)| is_median(count)).map_or(0, |(size, _)| *size)
    }

    fn largest(&self) -> usize {
        self.sizes.last_key_value().map_or(0, |(size, _)| *size)
    }
}
