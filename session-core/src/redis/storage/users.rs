//! Which sessions a user has: a sorted set for each user, of ids by the time of their expiry.
//!
//! An id that is ended has a `!` in front. The set expires with its last entry. The times are those
//! of the server's clock.

use std::sync::LazyLock;

use async_trait::async_trait;
use deadpool_redis::redis::Value;

use super::{
    super::{
        client::{Effect, Script},
        handle::Redis,
    },
    form::millis,
};
use crate::{NewEntry, Result, SessionId, UserEntry, UserIndex};

const ENDED: char = '!';

/// What the scripts have in common: they begin without expired entries, and a set expires with its
/// last entry.
macro_rules! entries {
    () => {
        "local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local failed = redis.pcall('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if type(failed) == 'table' then return failed end
local function score(id) return redis.call('ZSCORE', KEYS[1], id) end
local function expire()
  local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
  if last[2] then redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last[2])) end
end
"
    };
}

/// Arguments: id, time to live, maximum of others or nothing, id before or nothing, and `1` if the
/// entry of that one is removed.
static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        entries!(),
        "local id, from = ARGV[1], ARGV[4]
if score('!' .. id) or (from ~= '' and score('!' .. from)) then return 0 end
if ARGV[3] ~= '' then
  local others = 0
  for _, other in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    if other ~= id and other ~= from and other:sub(1, 1) ~= '!' then others = others + 1 end
  end
  if others > tonumber(ARGV[3]) then return 0 end
end
if ARGV[5] == '1' then redis.call('ZREM', KEYS[1], from) end
local known, expires = tonumber(score(id) or 0), now + ARGV[2]
if known < expires then redis.call('ZADD', KEYS[1], string.format('%.0f', expires), id) end
expire()
return 1"
    ))
});

static LIST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(entries!(), "return redis.call('ZRANGE', KEYS[1], 0, -1)"))
});

static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        entries!(),
        "for _, id in ipairs(ARGV) do
  local expires = score(id) or score('!' .. id) or string.format('%.0f', now + 60000)
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZADD', KEYS[1], expires, '!' .. id)
end
expire()
return 1"
    ))
});

static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        entries!(),
        "for _, id in ipairs(ARGV) do redis.call('ZREM', KEYS[1], id, '!' .. id) end
return 1"
    ))
});

impl Redis {
    async fn run_for_user(
        &self,
        script: &'static Script,
        user: &str,
        args: &[&[u8]],
        effect: Effect,
    ) -> Result<Value> {
        let index = SessionId::of_user(user);
        let operation = self.operation(&index);
        operation.run(script.call(&[operation.key()], args), effect).await
    }

    async fn run_with_ids(
        &self,
        script: &'static Script,
        user: &str,
        ids: &[SessionId],
    ) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_str().as_bytes()).collect();
        self.run_for_user(script, user, &ids, Effect::Once).await.map(drop)
    }
}

#[async_trait]
impl UserIndex for Redis {
    async fn add(&self, user: &str, id: &SessionId, entry: NewEntry<'_>) -> Result<bool> {
        let (ttl, from) = (millis(entry.ttl).to_string(), entry.from.map_or("", SessionId::as_str));
        let max_others = entry.max_others.map(|max| max.to_string()).unwrap_or_default();
        let removes_from = if entry.removes_from { "1" } else { "0" };
        let args = [id.as_str(), &ttl, &max_others, from, removes_from].map(str::as_bytes);
        let added = self.run_for_user(&ADD, user, &args, Effect::Once).await?;
        Ok(added == Value::Int(1))
    }

    async fn list(&self, user: &str) -> Result<Vec<UserEntry>> {
        let Value::Array(members) = self.run_for_user(&LIST, user, &[], Effect::Repeatable).await?
        else {
            return Ok(Vec::new());
        };
        let entry = |member: Value| {
            let Value::BulkString(member) = member else { return None };
            let member = String::from_utf8(member).ok()?;
            let ended = member.strip_prefix(ENDED);
            let id = SessionId::parse(ended.unwrap_or(&member)).ok()?;
            Some(UserEntry::new(id, ended.is_some()))
        };
        Ok(members.into_iter().filter_map(entry).collect())
    }

    async fn end(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.run_with_ids(&END, user, ids).await
    }

    async fn remove(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.run_with_ids(&REMOVE, user, ids).await
    }
}
