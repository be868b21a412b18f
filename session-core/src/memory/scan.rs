//! Listing the sessions, some shards at a time.

use async_trait::async_trait;
use tokio::task::yield_now;

use super::storage::MemoryStorage;
use crate::{Error, Page, Result, Scan};

/// A page ends with the shard that makes it this long.
const PAGE: usize = 1000;

/// A page is named by its first shard.
#[async_trait]
impl Scan for MemoryStorage {
    async fn scan(&self, page: Option<&str>) -> Result<Page> {
        let unknown = |_| Error::storage("memory", "there is no such page of sessions");
        let mut shard = page.map_or(Ok(0), str::parse).map_err(unknown)?;
        let mut ids = Vec::new();
        while ids.len() < PAGE && self.list_shard(shard, &mut ids) {
            shard += 1;
            yield_now().await;
        }
        Ok(Page::new(ids, self.has_shard(shard).then(|| shard.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use super::*;
    use crate::{Changes, SessionId, SetOptions, Snapshot, Storage};

    #[tokio::test]
    async fn every_session_is_on_one_page_and_pages_are_short() {
        let storage = MemoryStorage::new();
        let items = Snapshot::parse(r#"{"a":1}"#).unwrap().unwrap();
        let items = Changes::between(None, &items);
        let create = SetOptions::create(Duration::from_secs(60));
        let mut created = BTreeSet::new();
        for _ in 0..3500 {
            let id = SessionId::random();
            storage.set_session(&id, &items, create).await.unwrap();
            created.insert(id);
        }
        let (mut found, mut pages, mut next) = (Vec::new(), 0, None);
        loop {
            let page = storage.scan(next.as_deref()).await.unwrap();
            assert!(page.ids.len() < PAGE + 100, "{}", page.ids.len());
            (found, pages, next) = ([found, page.ids].concat(), pages + 1, page.next);
            if next.is_none() {
                break;
            }
        }
        assert_eq!((found.len(), pages), (3500, 4));
        assert_eq!(BTreeSet::from_iter(found), created);
        assert!(storage.scan(Some("x")).await.is_err());
        assert!(storage.scan(Some("4294967296")).await.unwrap().next.is_none());
    }
}
