//! The storage.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_redis::redis::Value;
use serde_json::value::RawValue;

use super::{
    super::{
        super::{client::is_large, handle::Redis},
        form::Form,
        scan,
    },
    hash, swap,
};
use crate::{
    Changes, Granularity, ItemSwap, Lifetime, Page, RenameOptions, Result, Scan, SessionId,
    SetOptions, Snapshot, Storage, SwapOptions, TtlRange, UserIndex, WriteMode, Written,
    snapshot::META_KEY, storage::provided,
};

/// Stores each session as a Redis hash with a field for each item.
///
/// Every operation on an item is sent to Redis at once, takes one round trip, and costs the same
/// however large the session is. Suited to large sessions. `HGETALL` shows the items in readable
/// form, and a field set by hand is an item. A GoFrame server with the same prefix shares its
/// sessions.
///
/// A key of another type counts as no session and is left alone. A field that is not UTF-8 counts
/// as no item, although [`get_size`](Storage::get_size) counts it.
#[derive(Clone, Debug)]
pub struct RedisHashTableStorage {
    redis: Redis,
}

impl RedisHashTableStorage {
    /// Stores sessions in `redis`. Does not connect yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::{Redis, RedisHashTableStorage};
    ///
    /// let storage = RedisHashTableStorage::new(Redis::builder("redis://127.0.0.1").build()?);
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self { redis }
    }

    fn has_large(&self, id: &SessionId) -> bool {
        self.redis.client().has_large(self.redis.key(id))
    }

    async fn update_seen(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let Some(seen) = options.seen else { return Ok(Written::Refused) };
        if !self.has_large(id) && !is_large(changes.size()) {
            let operation = self.redis.operation(id);
            return Box::pin(hash::update_seen(&operation, changes, seen, options.lifetime)).await;
        }
        let (redis, id, lifetime) = (self.redis.clone(), id.clone(), options.lifetime);
        let (changes, seen) = (changes.clone(), seen.clone());
        let update = async move {
            hash::update_seen(&redis.operation(&id), &changes, &seen, lifetime).await
        };
        self.redis.client().on_large_thread(update).await
    }

    async fn remove_seen(
        &self,
        id: &SessionId,
        seen: &Snapshot,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        if !self.has_large(id) {
            return hash::remove_seen(&self.redis.operation(id), seen, options).await;
        }
        let (redis, id, seen) = (self.redis.clone(), id.clone(), seen.clone());
        let (grace, salt) = (options.grace, options.salt.map(ToOwned::to_owned));
        let remove = async move {
            let options = RenameOptions { grace, salt: salt.as_deref() };
            hash::remove_seen(&redis.operation(&id), &seen, options).await
        };
        self.redis.client().on_large_thread(remove).await
    }

    async fn write(
        &self,
        id: &SessionId,
        changes: &Changes,
        mode: WriteMode,
        lifetime: Lifetime,
    ) -> Result<Written> {
        let operation = self.redis.operation(id);
        match mode {
            WriteMode::Create => hash::create(&operation, changes, lifetime).await,
            _ => hash::update(&operation, changes, lifetime).await,
        }
    }
}

#[async_trait]
impl Storage for RedisHashTableStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        if !self.has_large(id) {
            return hash::read(&self.redis.operation(id)).await;
        }
        let (redis, id) = (self.redis.clone(), id.clone());
        let read = async move { hash::read(&redis.operation(&id)).await };
        self.redis.client().on_large_thread(read).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let SetOptions { mode, lifetime, seen, salt, .. } = options;
        match mode {
            WriteMode::Create if !changes.creates() => return Ok(Written::Refused),
            WriteMode::Create | WriteMode::Update => {}
            WriteMode::UpdateSeen => return self.update_seen(id, changes, options).await,
            WriteMode::Retire => {
                let Some(seen) = seen else { return Ok(Written::Refused) };
                let options = RenameOptions { grace: lifetime.ttl, salt };
                let retired = self.remove_seen(id, seen, options).await?;
                return Ok(if retired { Written::Saved } else { Written::Refused });
            }
        }
        if !is_large(changes.size()) {
            return self.write(id, changes, mode, lifetime).await;
        }
        let (storage, id, changes) = (self.clone(), id.clone(), changes.clone());
        let write = async move { storage.write(&id, &changes, mode, lifetime).await };
        self.redis.client().on_large_thread(write).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        Form::Hash.update_ttl(&self.redis.operation(id), ttl).await
    }

    async fn update_ttl_with_metadata(
        &self,
        id: &SessionId,
        ttl: TtlRange,
    ) -> Result<Option<Snapshot>> {
        Form::Hash.update_ttl_with_metadata(&self.redis.operation(id), ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        match if_seen {
            None => hash::remove(&self.redis.operation(id)).await,
            Some(seen) => self.remove_seen(id, seen, RenameOptions::default()).await,
        }
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        Form::Hash.expires_in(&self.redis.operation(id)).await
    }

    fn max_latency(&self) -> Option<Duration> {
        Some(self.redis.client().response_timeout())
    }

    fn granularity(&self) -> Granularity {
        Granularity::Item
    }

    async fn get(&self, id: &SessionId, key: &str) -> Result<Option<Box<RawValue>>> {
        if key == META_KEY {
            return Ok(None);
        }
        let client = self.redis.client();
        if !client.has_large_item(self.redis.key(id), key) {
            return hash::read_item(&self.redis.operation(id), key).await;
        }
        let (redis, id, key) = (self.redis.clone(), id.clone(), key.to_owned());
        let read = async move { hash::read_item(&redis.operation(&id), &key).await };
        client.on_large_thread(read).await
    }

    async fn get_with_metadata(&self, id: &SessionId, key: &str) -> Result<Option<Snapshot>> {
        let client = self.redis.client();
        if !client.has_large_item(self.redis.key(id), key) {
            return hash::read_with_metadata(&self.redis.operation(id), key).await;
        }
        let (redis, id, key) = (self.redis.clone(), id.clone(), key.to_owned());
        let read = async move { hash::read_with_metadata(&redis.operation(&id), &key).await };
        client.on_large_thread(read).await
    }

    async fn contains(&self, id: &SessionId, key: &str) -> Result<bool> {
        if key == META_KEY {
            return Ok(false);
        }
        let operation = self.redis.operation(id);
        Ok(hash::ask(&operation, "HEXISTS", Some(key)).await? == Value::Int(1))
    }

    async fn get_size(&self, id: &SessionId) -> Result<usize> {
        hash::size(&self.redis.operation(id)).await
    }

    async fn swap_item(
        &self,
        id: &SessionId,
        key: &str,
        seen: Option<&RawValue>,
        new: Option<&RawValue>,
        options: SwapOptions<'_>,
    ) -> Result<ItemSwap> {
        let is_large_item = new.is_some_and(|new| is_large(new.get().len()));
        if !is_large_item && !self.redis.client().has_large_item(self.redis.key(id), key) {
            let operation = self.redis.operation(id);
            return swap::swap_item(&operation, key, [seen, new], options.lifetime).await;
        }
        let (redis, id, key) = (self.redis.clone(), id.clone(), key.to_owned());
        let lifetime = options.lifetime;
        let (seen, new) = (seen.map(ToOwned::to_owned), new.map(ToOwned::to_owned));
        let swap = async move {
            let items = [seen.as_deref(), new.as_deref()];
            swap::swap_item(&redis.operation(&id), &key, items, lifetime).await
        };
        self.redis.client().on_large_thread(swap).await
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        Some(&self.redis)
    }

    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        let client = self.redis.client();
        if !client.is_single_server() {
            return client.bounded(provided::rename(self, from, to, options)).await;
        }
        Form::Hash.rename(&self.redis.operation(from), self.redis.key(to), options).await
    }

    fn scanner(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}

/// Lists the hashes whose keys are the prefix and an id.
#[async_trait]
impl Scan for RedisHashTableStorage {
    async fn scan(&self, page: Option<&str>) -> Result<Page> {
        scan::scan(&self.redis, Form::Hash, page).await
    }
}
