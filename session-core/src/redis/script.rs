//! The Lua that runs in the server, where a condition and what hangs on it must be one step.
//!
//! Kept to what cannot be done elsewhere. JSON in particular is never written: Lua's cjson turns
//! 2^53 + 1 into a float and an empty list into an object. `pcall` passes the server's own error
//! through as the answer, code and all.

use std::sync::LazyLock;

use deadpool_redis::redis::{self, Arg, Cmd};

use super::key::Key;

/// A script, and the hash by which a server knows it once it has seen it.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

/// Writes a text, or removes it, while it is what the caller believes.
///
/// `KEYS[1]`; `ARGV`: the text it has, the text it is to get or nothing to remove it, the time to
/// live, and anything more if the new text is kept near. Answers nil if it is gone, its text if
/// that is another; otherwise something else.
///
/// `STRLEN` is a read, after which a connection that tracks its reads is told of the next write.
pub(super) static COMPARE_AND_SET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = redis.pcall('GET', KEYS[1])
if now ~= ARGV[1] then return now end
if ARGV[2] == '' then return redis.pcall('UNLINK', KEYS[1]) end
local set = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if ARGV[4] then redis.call('STRLEN', KEYS[1]) end
return set",
    )
});

/// Removes a text that is beyond doubt an object with items.
///
/// `KEYS[1]`. Answers 1 if removed, nil if nothing is there, otherwise the text, which is left
/// for the caller to judge.
///
/// What is removed must be what `Snapshot` reads. cjson alone takes more for JSON: `NaN`, `0x1`,
/// `01` unless told not to, and `1.`, `-.5`, control characters and any bytes in a string. Nobody
/// else is served meanwhile, so a long text is left to the caller, too.
pub(super) static REMOVE_OBJECT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local text = redis.pcall('GET', KEYS[1])
if type(text) ~= 'string' or #text > 65536 then return text end
local ascii = text
if text:find('[\128-\255]') then
  for _, character in ipairs({
    '[\194-\223][\128-\191]', '\224[\160-\191][\128-\191]',
    '[\225-\236\238\239][\128-\191][\128-\191]', '\237[\128-\159][\128-\191]',
    '\240[\144-\191][\128-\191][\128-\191]',
    '[\241-\243][\128-\191][\128-\191][\128-\191]',
    '\244[\128-\143][\128-\191][\128-\191]'
  }) do ascii = ascii:gsub(character, '?') end
end
if not ascii:find('^{') or ascii:find('[^ -~]') or ascii:find('%d%.%D') or ascii:find('%-%.') then
  return text
end
local json = cjson.new()
json.decode_invalid_numbers(false)
local is_json, items = pcall(json.decode, text)
if not is_json or next(items) == nil then return text end
return redis.pcall('UNLINK', KEYS[1])",
    )
});

/// Writes fields and the time to live, if the hash is there (or is not).
///
/// `KEYS[1]`; `ARGV`: `create` or `update`, the time to live, how many of the arguments after
/// this one are fields and values to set; what follows them is fields to remove. Answers nil if
/// the condition does not hold, 1 if saved, 0 if nothing is left.
///
/// Setting comes first: it is what a full server refuses, and only as a script's first write, so
/// it is all or nothing. A few items of a session that should be there are set without asking: if
/// all that is there then is what was added, nothing was there before, and it is taken back before
/// anybody sees it. A call takes fewer than 8,000 values off Lua's stack.
pub(super) static WRITE_FIELDS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local last = 3 + ARGV[3]
if ARGV[1] == 'update' and last > 3 and last == #ARGV and last < 4000 then
  local added = redis.pcall('HSET', KEYS[1], unpack(ARGV, 4))
  if type(added) == 'table' then return added end
  if added > 0 and added == redis.call('HLEN', KEYS[1]) then
    redis.call('UNLINK', KEYS[1])
    return false
  end
  return redis.pcall('PEXPIRE', KEYS[1], ARGV[2])
end
local size = redis.pcall('HLEN', KEYS[1])
if type(size) == 'table' then return size end
if (size == 0) ~= (ARGV[1] == 'create') then return false end
local function each(command, first, last)
  for i = first, last, 4000 do
    local answer = redis.pcall(command, KEYS[1], unpack(ARGV, i, math.min(i + 3999, last)))
    if type(answer) == 'table' then return answer end
  end
end
local failed = each('HSET', 4, last) or each('HDEL', last + 1, #ARGV)
if failed then return failed end
return redis.pcall('PEXPIRE', KEYS[1], ARGV[2])",
    )
});

/// Removes a hash; with arguments, while these are its fields and values.
///
/// `KEYS[1]`; `ARGV`: fields and values. Answers 1 if removed.
pub(super) static REMOVE_FIELDS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local size = redis.pcall('HLEN', KEYS[1])
if type(size) == 'table' then return size end
if #ARGV > 0 then
  if size * 2 ~= #ARGV then return 0 end
  local now = redis.call('HGETALL', KEYS[1])
  local seen = {}
  for i = 1, #ARGV, 2 do seen[ARGV[i]] = ARGV[i + 1] end
  for i = 1, #now, 2 do if seen[now[i]] ~= now[i + 1] then return 0 end end
end
return redis.pcall('UNLINK', KEYS[1])",
    )
});

/// Tells the time left, after extending it.
///
/// `KEYS[1]`; `ARGV`: the command that measures this form of session, the measure up to which it
/// is none, the time to live to extend to, 0 to leave it. Answers nil if there is no session, -1
/// if it has no time to live.
pub(super) static LIFETIME: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local size = redis.pcall(ARGV[1], KEYS[1])
if type(size) == 'table' then return size end
if size <= tonumber(ARGV[2]) then return false end
local left, ttl = redis.call('PTTL', KEYS[1]), tonumber(ARGV[3])
if ttl <= left or ttl == 0 then return left end
return redis.pcall('PEXPIRE', KEYS[1], ARGV[3])",
    )
});

/// Renames a session unless the new name is taken; it keeps its time to live.
///
/// `KEYS`: from, to; `ARGV`: the command that measures this form of session, the measure up to
/// which it is none. Answers 1 if renamed.
pub(super) static RENAME: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local size = redis.pcall(ARGV[1], KEYS[1])
if type(size) == 'table' then return size end
if size <= tonumber(ARGV[2]) then return 0 end
return redis.pcall('RENAMENX', KEYS[1], KEYS[2])",
    )
});

/// A script about to be run.
pub(super) struct Call {
    script: &'static Script,
    by_hash: Cmd,
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// A call of it, with all it needs.
    pub(super) fn call(&'static self, keys: &[Key<'_>], args: &[&[u8]]) -> Call {
        let keys_length: usize = keys.iter().map(|key| key.length()).sum();
        let args_length: usize = args.iter().map(|arg| arg.len()).sum();
        let length = "EVALSHA".len() + self.hash.len() + 2 + keys_length + args_length;
        let mut by_hash = Cmd::with_capacity(3 + keys.len() + args.len(), length);
        by_hash.arg("EVALSHA").arg(&self.hash).arg(keys.len()).arg(keys).arg(args);
        Call { script: self, by_hash }
    }
}

impl Call {
    pub(super) fn by_hash(&self) -> &Cmd {
        &self.by_hash
    }

    /// Also makes the server remember the script.
    pub(super) fn by_text(&self) -> Cmd {
        let mut by_text = redis::cmd("EVAL");
        by_text.arg(self.script.text);
        for arg in self.args().skip(2) {
            by_text.arg(arg);
        }
        by_text
    }

    /// In bytes.
    pub(super) fn size(&self) -> usize {
        self.args().map(<[u8]>::len).sum()
    }

    fn args(&self) -> impl Iterator<Item = &[u8]> {
        self.by_hash.args_iter().filter_map(|arg| match arg {
            Arg::Simple(arg) => Some(arg),
            _ => None,
        })
    }
}
