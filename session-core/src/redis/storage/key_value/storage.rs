//! The storage.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    super::{
        super::{client::is_large, handle::Redis},
        form::Form,
        scan,
    },
    near_cache::Lookup,
    string::{SessionString, look_up},
    update,
};
use crate::{
    Changes, Page, RenameOptions, Result, Scan, SessionId, SetOptions, Snapshot, Storage, TtlRange,
    UserIndex, WriteMode, Written,
    recent::Recent,
    storage::{
        OwnedSetOptions, provided,
        write_groups::{self, Group, GroupedWrites, WriteGroups},
    },
};

/// Stores each session as one Redis string: the JSON object of its items, with sorted keys.
///
/// A session is read whole with one `GET` and written whole by compare-and-set, so that no changes
/// are lost. Suited to sessions up to about 10 KB. A GoFrame server with the same prefix shares its
/// sessions.
///
/// Stored texts are checked when they are read. A string that is not a JSON object, or a key of
/// another type, counts as no session and is left alone; so is `{}`, except that a new session may
/// replace it.
///
/// The sessions that were written last (2,048 of at most 16 KiB) stay in memory, unless there is a
/// near cache. The next write to one compares with that instead of reading the session first. A
/// session that ends by this storage is forgotten at once; one that expires, when another one takes
/// its place.
#[derive(Clone)]
pub struct RedisKeyValueStorage {
    redis: Redis,
    groups: Arc<WriteGroups>,
    written: Arc<Recent>,
}

impl RedisKeyValueStorage {
    /// Stores sessions in `redis`. Does not connect yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::{Redis, RedisKeyValueStorage};
    ///
    /// let storage = RedisKeyValueStorage::new(Redis::builder("redis://127.0.0.1").build()?);
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self { redis, groups: Arc::default(), written: Arc::default() }
    }

    fn string<'a>(&'a self, id: &'a SessionId) -> SessionString<'a> {
        SessionString::new(&self.redis, &self.written, id)
    }

    fn has_large(&self, id: &SessionId) -> bool {
        self.redis.client().has_large(self.redis.key(id))
    }

    async fn write(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let string = self.string(id);
        match options.mode {
            // Boxed, so that the future of an update, which is far more frequent, stays small.
            WriteMode::Create => Box::pin(update::create(&string, changes, options)).await,
            WriteMode::Update => {
                let alone = update::update(&string, changes, options);
                write_groups::update(self, id, changes, options, alone).await
            }
            WriteMode::UpdateSeen | WriteMode::Retire => {
                Box::pin(update::replace_seen(&string, changes, options)).await
            }
        }
    }
}

impl GroupedWrites for RedisKeyValueStorage {
    const NAME: &'static str = "redis";

    fn groups(&self) -> &WriteGroups {
        &self.groups
    }

    fn patience(&self) -> Option<Duration> {
        self.max_latency()
    }

    async fn write_group(
        &self,
        id: &SessionId,
        group: Group,
        latest: Option<Snapshot>,
    ) -> Option<Snapshot> {
        if !self.has_large(id) && !is_large(group.size()) {
            return update::write_group(&self.string(id), group, latest).await;
        }
        let (storage, id) = (self.clone(), id.clone());
        let write =
            async move { Ok(update::write_group(&storage.string(&id), group, latest).await) };
        // Its writers have been answered, or learn that they are not.
        self.redis.client().on_large_thread(write).await.unwrap_or_default()
    }
}

#[async_trait]
impl Storage for RedisKeyValueStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        // Before an operation begins: a cached session needs neither clock nor connection.
        match look_up(self.redis.near_cache(), id) {
            Lookup::Hit(session) => Ok(Some(session)),
            lookup if self.has_large(id) => {
                let (storage, id) = (self.clone(), id.clone());
                let read = async move { storage.string(&id).fetch(lookup).await };
                self.redis.client().on_large_thread(read).await
            }
            lookup => self.string(id).fetch(lookup).await,
        }
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        if !self.has_large(id) && !is_large(changes.size()) {
            return self.write(id, changes, options).await;
        }
        let (storage, id, changes) = (self.clone(), id.clone(), changes.clone());
        let options = OwnedSetOptions::from(options);
        let write = async move { storage.write(&id, &changes, options.borrowed()).await };
        self.redis.client().on_large_thread(write).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        Form::String.update_ttl(&self.redis.operation(id), ttl).await
    }

    async fn update_ttl_with_metadata(
        &self,
        id: &SessionId,
        ttl: TtlRange,
    ) -> Result<Option<Snapshot>> {
        Form::String.update_ttl_with_metadata(&self.redis.operation(id), ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        if !self.has_large(id) {
            return self.string(id).remove(if_seen).await;
        }
        let (storage, id, if_seen) = (self.clone(), id.clone(), if_seen.cloned());
        let remove = async move { storage.string(&id).remove(if_seen.as_ref()).await };
        self.redis.client().on_large_thread(remove).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        Form::String.expires_in(&self.redis.operation(id)).await
    }

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        self.redis.near_cache()?.hit(id)
    }

    fn max_latency(&self) -> Option<Duration> {
        Some(self.redis.client().response_timeout())
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
        // Removes the old id from the near cache before the rename is acknowledged.
        let _placeholder = self.redis.near_cache().map(|cache| cache.begin_write(from));
        self.written.remove(from);
        Form::String.rename(&self.redis.operation(from), self.redis.key(to), options).await
    }

    fn scanner(&self) -> Option<&dyn Scan> {
        Some(self)
    }
}

/// Lists the strings whose keys are the prefix and an id.
#[async_trait]
impl Scan for RedisKeyValueStorage {
    async fn scan(&self, page: Option<&str>) -> Result<Page> {
        scan::scan(&self.redis, Form::String, page).await
    }
}

impl fmt::Debug for RedisKeyValueStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisKeyValueStorage").field(&self.redis).finish()
    }
}
