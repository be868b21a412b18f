//! The Lua that runs in the server, where a condition and its consequence must be one step.
//!
//! Kept to what cannot be done elsewhere. JSON in particular is never written: Lua's cjson turns
//! 2^53 + 1 into a float and an empty list into an object. `pcall` passes the server's own error
//! through as the answer, with its code.

use std::sync::LazyLock;

use super::super::client::Script;

/// Replaces or removes a text if it is still the expected one.
///
/// `KEYS[1]`: the session. `ARGV`: the expected text; the new text, or empty to remove the key; the
/// time to live; a fourth argument, of any value, if the near cache keeps the new text. Answers nil
/// if the key is gone, the current text if it is another one, otherwise something else.
///
/// The `STRLEN` makes the server track the key again, so that the next write is announced.
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

/// Removes a text that is certainly an object with items, and no marker.
///
/// `KEYS[1]`: the session. Answers 1 if it was removed, nil if there is nothing, otherwise the
/// text, which the caller has to examine.
///
/// Only what `Snapshot` can parse may be removed, and cjson accepts more: `NaN`, `0x1` and `01`
/// unless told not to, and `1.`, `-.5`, control characters and invalid UTF-8 in strings. A long
/// text is left to the caller too, because the server serves no one else while a script runs. So is
/// every text on a server without cjson.
pub(super) static REMOVE_OBJECT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r#"local text = redis.pcall('GET', KEYS[1])
if type(text) ~= 'string' or #text > 65536 then return text end
if text:find('^{"%$meta":{"renewed":') then return text end
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
local has_json, json = pcall(function() return cjson.new() end)
if not has_json then return text end
json.decode_invalid_numbers(false)
local is_json, items = pcall(json.decode, text)
if not is_json or next(items) == nil then return text end
return redis.pcall('UNLINK', KEYS[1])"#,
    )
});

/// Defines `is_marker(meta)`, and `ttl_of(meta, lifetime)`: the time to live of a session with this
/// metadata, or nil if it has ended, and how much that is longer than without metadata.
///
/// The lifetime is a number of milliseconds that always holds, or with a comma one that a time to
/// live of the session's own replaces; behind another comma the absolute lifetime and the time now.
/// What in the metadata is no number is ignored, like metadata that cannot be read.
macro_rules! lifetime {
    () => {
        r#"local function is_marker(meta) return meta and meta:find('^{"renewed":') end
local function ttl_of(meta, lifetime)
  local ttl, comma, absolute, now = lifetime:match('^(%d+)(,?)(%d*),?(%d*)$')
  ttl = tonumber(ttl)
  if not meta or comma == '' then return ttl, 0 end
  local own = tonumber(meta:match('[{,]"ttl":(%d+)[,}]') or ttl)
  if own < 1 or own > 315619200000 then own = ttl end
  local created = meta:match('[{,]"created":(%d+)[,}]')
  if not created or absolute == '' then return own, own - ttl end
  local left = math.min(tonumber(created) - now, 0) + absolute
  if left <= 0 then return nil end
  return math.min(own, left), own - ttl, left
end
"#
    };
}

/// Defines `write(first, last, ttl)`: sets the arguments from `first` to `last`, which are fields
/// and values, removes the fields after them, and sets the time to live.
macro_rules! write_fields {
    () => {
        "local function write(first, last, ttl)
  local function each(command, from, to)
    for i = from, to, 4000 do
      local answer = redis.pcall(command, KEYS[1], unpack(ARGV, i, math.min(i + 3999, to)))
      if type(answer) == 'table' then return answer end
    end
  end
  local failed = each('HSET', first, last) or each('HDEL', last + 1, #ARGV)
  if failed then return failed end
  if last < #ARGV and redis.call('HLEN', KEYS[1]) == 0 then
    redis.call('HSET', KEYS[1], '$meta', '{}')
  end
  return redis.pcall('PEXPIRE', KEYS[1], ttl)
end
"
    };
}

/// Defines `has_only(first, last)`: whether the hash has the arguments from `first` to `last`,
/// which are fields and values, and no others.
macro_rules! has_only {
    () => {
        "local function has_only(first, last)
  local now = redis.call('HGETALL', KEYS[1])
  if #now ~= last - first + 1 then return false end
  local seen = {}
  for i = first, last, 2 do seen[ARGV[i]] = ARGV[i + 1] end
  for i = 1, #now, 2 do if seen[now[i]] ~= now[i + 1] then return false end end
  return true
end
"
    };
}

/// Writes fields and the time to live, if the hash exists (or does not).
///
/// `KEYS[1]`: the session. `ARGV`: `create` or `update`, followed by the expected metadata behind
/// `=`, or by `-` for none; the lifetime; the number of arguments after this one that are fields
/// and values to set; the remaining arguments are fields to remove. Answers nil if the condition
/// does not hold, 0 if the metadata is not as expected, 1 if saved. A hash that loses its last
/// field is kept by metadata, which is a field too.
///
/// Fields are set before others are removed: a full server refuses commands that add data, but only
/// as the first write of a script, so the script takes effect wholly or not at all. An update with
/// few fields is written without checking first whether the hash exists. If the hash then consists
/// of the added fields only, it did not exist, and is removed before anyone can see it. `unpack`
/// handles fewer than 8,000 values, hence the portions.
pub(super) static WRITE_FIELDS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        lifetime!(),
        write_fields!(),
        "local meta = redis.pcall('HGET', KEYS[1], '$meta')
if type(meta) == 'table' then return meta end
local ttl = ttl_of(meta, ARGV[2])
if is_marker(meta) or not ttl then return false end
local function answer(written)
  local is_login = written == 1 and meta and meta:find('\"login\":', 1, true)
  return is_login and {meta} or written
end
local mode, expected = ARGV[1]:match('^(%a+)(.*)$')
if expected ~= '' and expected ~= (meta and '=' .. meta or '-') then return 0 end
local last = 3 + ARGV[3]
if mode == 'update' and last > 3 and last == #ARGV and last < 4000 then
  local added = redis.pcall('HSET', KEYS[1], unpack(ARGV, 4))
  if type(added) == 'table' then return added end
  if added > 0 and added == redis.call('HLEN', KEYS[1]) then
    redis.call('UNLINK', KEYS[1])
    return false
  end
  return answer(redis.pcall('PEXPIRE', KEYS[1], ttl))
end
local size = redis.pcall('HLEN', KEYS[1])
if type(size) == 'table' then return size end
if (size == 0) ~= (mode == 'create') then return false end
return answer(write(4, last, ttl))",
    ))
});

/// Counts the fields of a hash that are items.
///
/// `KEYS[1]`: the session. `ARGV[1]`: the field of the metadata.
pub(super) static COUNT_ITEMS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local size = redis.pcall('HLEN', KEYS[1])
if type(size) == 'table' or size == 0 then return size end
return size - redis.call('HEXISTS', KEYS[1], ARGV[1])",
    )
});

/// Removes a hash; with fields and values, only if these are its own.
///
/// `KEYS[1]`: the session. `ARGV`: the metadata of a marker; how long a marker remains in its
/// place, 0 for none; fields and values. Answers 1 if it was removed.
pub(super) static REMOVE_FIELDS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        lifetime!(),
        has_only!(),
        "local size = redis.pcall('HLEN', KEYS[1])
if type(size) == 'table' then return size end
if size == 1 and is_marker(redis.call('HGET', KEYS[1], '$meta')) then return 0 end
if #ARGV > 2 and not has_only(3, #ARGV) then return 0 end
local removed = redis.pcall('UNLINK', KEYS[1])
if removed == 1 and ARGV[2] ~= '0' then
  redis.call('HSET', KEYS[1], '$meta', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return removed",
    ))
});

/// Writes fields and the time to live, if the hash has these fields and values and no others.
///
/// `KEYS[1]`: the session. `ARGV`: the time to live; the number of arguments that are fields and
/// values to compare; the number of those to set; all of these; the remaining arguments are fields
/// to remove. Answers 1 if saved, 0 if the hash is another one.
pub(super) static WRITE_FIELDS_IF_SEEN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        has_only!(),
        write_fields!(),
        "local size = redis.pcall('HLEN', KEYS[1])
if type(size) == 'table' then return size end
local compared = 3 + ARGV[2]
if not has_only(4, compared) then return 0 end
return write(compared + 1, compared + ARGV[3], ARGV[1])",
    ))
});

/// Sets or removes a field, and restarts the time to live, if the field has an expected value.
///
/// `KEYS[1]`: the session. `ARGV`: the lifetime; the field; whether it is expected to exist; its
/// expected value; the new value, if any. Answers 1 if saved, nil if there is no session, otherwise
/// a list with the value now.
pub(super) static SWAP_FIELD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        lifetime!(),
        "local size = redis.pcall('HLEN', KEYS[1])
if type(size) == 'table' then return size end
local meta = redis.call('HGET', KEYS[1], '$meta')
local ttl = ttl_of(meta, ARGV[1])
if size == 0 or is_marker(meta) or not ttl then return false end
local now = redis.call('HGET', KEYS[1], ARGV[2])
if (now and '1' or '0') ~= ARGV[3] or (now and now ~= ARGV[4]) then return {now} end
if ARGV[5] then
  local set = redis.pcall('HSET', KEYS[1], ARGV[2], ARGV[5])
  if type(set) == 'table' then return set end
elseif now then
  if size == 1 then redis.call('HSET', KEYS[1], '$meta', '{}') end
  redis.call('HDEL', KEYS[1], ARGV[2])
end
return redis.pcall('PEXPIRE', KEYS[1], ttl)",
    ))
});

/// Defines `metadata(form)`: the metadata of a session that is stored in this form, false if it has
/// none. Nil and perhaps an error if there is no session.
///
/// The text of a session begins with its metadata, of which the first KiB is enough for what
/// scripts read.
macro_rules! metadata {
    () => {
        r#"local function metadata(form)
  if form == 'hash' then
    local size = redis.pcall('HLEN', KEYS[1])
    if type(size) == 'table' then return nil, size end
    if size == 0 then return nil end
    local meta = redis.call('HGET', KEYS[1], '$meta')
    if size == 1 and is_marker(meta) then return nil end
    return meta
  end
  local text = redis.pcall('GETRANGE', KEYS[1], 0, 2047)
  if type(text) == 'table' then return nil, text end
  if #text <= 2 then return nil end
  local meta, rest = text:match('^{"%$meta":(%b{})(.?)')
  if is_marker(meta) and rest == '}' then return nil end
  return meta or false
end
"#
    };
}

/// Brings the time to live into a range, and returns the time left if that changes nothing.
///
/// `KEYS[1]`: the session. `ARGV`: the form in which it is stored; the lower and the upper bound,
/// or 0 to change nothing; the lifetime on which they are based; a fifth argument, of any value, if
/// the metadata is wanted too. Answers nil if there is no session, -1 if it has no time to live and
/// gets none; with the metadata a list of both. A session that has ended is removed.
pub(super) static CLAMP_TTL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        lifetime!(),
        metadata!(),
        "local meta, failed = metadata(ARGV[1])
if meta == nil then return failed or false end
local now, least, most = redis.call('PTTL', KEYS[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if least == 0 then return now end
local ttl, shift, left = ttl_of(meta, ARGV[4])
if not ttl then
  redis.pcall('UNLINK', KEYS[1])
  return false
end
if shift ~= 0 then
  least, most = math.max(least + shift, 1), math.max(most + shift, 1)
end
if left then least, most = math.min(least, left), math.min(most, left) end
if now < least then now = redis.pcall('PEXPIRE', KEYS[1], least)
elseif now > most then now = redis.pcall('PEXPIRE', KEYS[1], most) end
if ARGV[5] and meta and type(now) == 'number' then return {now, meta} end
return now",
    ))
});

/// Renames a session unless the new key is taken. The time to live stays.
///
/// `KEYS`: from, to. `ARGV`: the form in which the session is stored; a marker, as text or as
/// metadata; how long the marker remains at the old key, 0 for none. Answers 1 if renamed.
pub(super) static RENAME: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        lifetime!(),
        metadata!(),
        "local meta, failed = metadata(ARGV[1])
if meta == nil then return failed or 0 end
local renamed = redis.pcall('RENAMENX', KEYS[1], KEYS[2])
if renamed ~= 1 or ARGV[3] == '0' then return renamed end
if ARGV[1] == 'string' then
  redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('HSET', KEYS[1], '$meta', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return renamed",
    ))
});
