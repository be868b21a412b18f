//! Deserializing the values of settings: numbers in a range, durations, sizes, addresses.
//!
//! Each error names what is allowed. It leaves the value out, which may be secret.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};
use session_actix::CookieAge;

use super::secret::Secret;

/// Deserializes a whole number from `MIN` to `MAX`, as a number or an `Option` of one.
pub(super) fn number<'de, D: Deserializer<'de>, T: TryFrom<u32>, const MIN: u32, const MAX: u32>(
    d: D,
) -> Result<T, D::Error> {
    let number = u32::deserialize(d).ok().filter(|number| (MIN..=MAX).contains(number));
    number
        .and_then(|number| number.try_into().ok())
        .ok_or_else(|| Error::custom(format_args!("a whole number from {MIN} to {MAX}")))
}

/// Deserializes a duration such as `90s`, from `MIN` to `MAX` milliseconds.
pub(super) fn duration<
    'de,
    D: Deserializer<'de>,
    T: From<Duration>,
    const MIN: u64,
    const MAX: u64,
>(
    d: D,
) -> Result<T, D::Error> {
    let [min, max] = [MIN, MAX].map(Duration::from_millis);
    let [shortest, longest] = [min, max].map(humantime::format_duration);
    let allowed =
        format!("a duration such as \"90s\", \"500ms\" or \"1h\", from {shortest} to {longest}");
    text(d, &allowed, |text| {
        let duration = humantime::parse_duration(text).ok()?;
        (min..=max).contains(&duration).then(|| duration.into())
    })
}

pub(super) fn cookie_age<'de, D: Deserializer<'de>>(d: D) -> Result<CookieAge, D::Error> {
    let allowed = "\"rolling\", \"session\" or a duration such as \"24h\" of a second or more";
    text(d, allowed, |text| {
        Some(match text {
            "rolling" => CookieAge::Rolling,
            "session" => CookieAge::Session,
            _ => CookieAge::Fixed(humantime::parse_duration(text).ok()?),
        })
    })
}

pub(super) fn non_empty<'de, D: Deserializer<'de>, T: From<String>>(d: D) -> Result<T, D::Error> {
    text(d, "a non-empty string", |text| (!text.is_empty()).then(|| text.to_owned().into()))
}

/// Deserializes the name of a file. An empty one is refused: it may be a mistake that none wants.
pub(super) fn file_name<'de, D: Deserializer<'de>>(d: D) -> Result<Option<PathBuf>, D::Error> {
    text(d, "the name of a file", |text| (!text.is_empty()).then(|| Some(text.into())))
}

/// Deserializes a list of keys, which are read later. An empty one is refused: whoever sets it does
/// not want items to be stored as they are.
pub(super) fn encryption_keys<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<Vec<Secret>>, D::Error> {
    const ALLOWED: &str = "a list of one or more keys, each the base64 of 32 bytes, separated by \
         commas in the environment; `demo-server key` prints one";
    let keys: Option<Vec<String>> = Vec::deserialize(d).ok().filter(|keys| !keys.is_empty());
    let keys = keys.map(|keys| keys.into_iter().map(Secret::from).collect());
    keys.map(Some).ok_or_else(|| Error::custom(ALLOWED))
}

/// Deserializes a number of bytes: `0`, or a size with a unit such as `16MiB`.
pub(super) fn size<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
    text(d, "\"0\" or a size such as \"512KiB\", \"16MiB\" or \"1GiB\"", |text| {
        if text == "0" { Some(0) } else { bytes(text) }
    })
}

/// Deserializes a size with a unit, above zero.
pub(super) fn positive_size<'de, D: Deserializer<'de>>(d: D) -> Result<Option<usize>, D::Error> {
    text(d, "a size such as \"512KiB\", \"16MiB\" or \"1GiB\"", |text| {
        bytes(text).filter(|&bytes| bytes > 0).map(Some)
    })
}

fn bytes(text: &str) -> Option<usize> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let (count, unit) =
        units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    count.trim_end().parse::<usize>().ok()?.checked_mul(*unit)
}

/// Deserializes a list whose items are `host:port` or URLs into a list of URLs.
pub(super) fn addresses<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Secret>, D::Error> {
    const ALLOWED: &str = "a list of addresses such as \"10.0.0.1:7000\" or \
         \"redis://10.0.0.1:7000\", separated by commas in the environment";
    let list: Option<Vec<String>> = Deserialize::deserialize(d).ok();
    let urls = list.and_then(|list| list.into_iter().map(address).collect());
    urls.ok_or_else(|| Error::custom(ALLOWED))
}

/// Returns an address as a URL. Does not check a URL: the library does, and explains the fault.
fn address(text: String) -> Option<Secret> {
    if text.contains("://") {
        return Some(text.into());
    }
    let (host, port) = text.rsplit_once(':')?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let is_good = !host.is_empty() && host.bytes().all(is_host);
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    (is_good && is_port).then(|| format!("redis://{text}").into())
}

fn text<'de, D: Deserializer<'de>, T>(
    d: D,
    allowed: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(d).ok();
    text.as_deref().and_then(parse).ok_or_else(|| Error::custom(allowed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::tests::read, *};

    #[test]
    fn sizes_are_counted_in_powers_of_1024() {
        let size = |text| size(json!(text)).ok();
        assert_eq!(size("0"), Some(0));
        assert_eq!((size("512KiB"), size("16 MiB")), (Some(512 << 10), Some(16 << 20)));
        for bad in ["", "16", "KiB", "-1KiB", "1.5MiB", "16mib", "99999999999999999GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
        let settings = read("", &[("DEMO__REDIS__NEAR_CACHE", "1MiB")]).unwrap();
        assert_eq!(settings.redis.near_cache, 1 << 20);
    }
}
