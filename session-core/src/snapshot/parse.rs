//! Parsing of a session's text into entries.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::entry::{Entry, Key, span};

/// Finds the members of the JSON object `text`, in the order of the text.
///
/// Checks that items are JSON, but does not decode them. Copies only keys with escapes.
pub(super) fn members(text: &str) -> serde_json::Result<Vec<Entry>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let entries = Members(text).deserialize(&mut json)?;
    json.end()?;
    Ok(entries)
}

struct Members<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Members<'de> {
    type Value = Vec<Entry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'de> {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self(text) = self;
        let mut entries = Vec::new();
        while let Some((MemberKey(key), item)) = map.next_entry::<_, &RawValue>()? {
            let key = match key {
                Cow::Borrowed(key) => Key::Plain(span(text, key)),
                Cow::Owned(key) => Key::Unescaped(key.into()),
            };
            entries.push(Entry { key, item: span(text, item.get()) });
        }
        Ok(entries)
    }
}

/// A key, borrowed if it has no escapes. Serde's own implementation for `Cow` always copies.
struct MemberKey<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for MemberKey<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = MemberKey<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
                Ok(MemberKey(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
                Ok(MemberKey(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
