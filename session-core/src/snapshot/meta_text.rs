//! How metadata is read and written.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use super::{
    NO_META,
    meta::{Meta, NotedLogin},
};

/// JSON as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Json(pub(crate) Box<RawValue>);

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for Json {}

// By hand, because most requests of users read metadata: a derived implementation that keeps
// unknown members copies all of them first.
impl<'de> Deserialize<'de> for Meta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Meta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Meta, A::Error> {
        let mut meta = Meta::default();
        while let Some(member) = map.next_key()? {
            let is_twice = match member {
                Member::Renewed => set(&mut meta.renewed, map.next_value()?),
                Member::Created => set(&mut meta.created, map.next_value()?),
                Member::Issued => set(&mut meta.issued, map.next_value()?),
                Member::Ttl => set(&mut meta.ttl, map.next_value()?),
                Member::Login => {
                    let json: Option<Json> = map.next_value()?;
                    set(&mut meta.login, json.map(NotedLogin::read))
                }
                Member::Other(name) => meta.rest.insert(name, map.next_value()?).is_some(),
            };
            if is_twice {
                return Err(A::Error::custom("a member occurs twice"));
            }
        }
        Ok(meta)
    }
}

/// Sets a member. Returns whether it was set before.
fn set<T>(member: &mut Option<T>, value: Option<T>) -> bool {
    let was_set = member.is_some();
    *member = value;
    was_set
}

/// The name of a member.
enum Member {
    Renewed,
    Created,
    Issued,
    Ttl,
    Login,
    Other(Box<str>),
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Member, E> {
                Ok(match name {
                    "renewed" => Member::Renewed,
                    "created" => Member::Created,
                    "issued" => Member::Issued,
                    "ttl" => Member::Ttl,
                    "login" => Member::Login,
                    other => Member::Other(other.into()),
                })
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

impl Serialize for Meta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let Self { renewed, created, issued, ttl, login, rest } = self;
        if let Some(renewed) = renewed {
            map.serialize_entry("renewed", renewed)?;
        }
        for (name, number) in [("created", created), ("issued", issued), ("ttl", ttl)] {
            if let Some(number) = number {
                map.serialize_entry(name, number)?;
            }
        }
        if let Some(login) = login {
            map.serialize_entry("login", login.json())?;
        }
        for (name, json) in rest {
            map.serialize_entry(name, json)?;
        }
        map.end()
    }
}

/// Writes metadata; `None` if it says nothing.
pub(super) fn write(meta: &Meta) -> Option<String> {
    let text = serde_json::to_string(meta).expect("numbers and JSON are always JSON");
    (text != NO_META).then(|| escape_braces(text))
}

/// Escapes the braces within strings: the scripts in Redis find the end of the metadata by counting
/// braces.
fn escape_braces(text: String) -> String {
    let is_brace = |(character, in_string)| in_string && matches!(character, '{' | '}');
    if !characters(&text).any(is_brace) {
        return text;
    }
    let mut escaped = String::new();
    for (character, in_string) in characters(&text) {
        match character {
            '{' if in_string => escaped += r"\u007b",
            '}' if in_string => escaped += r"\u007d",
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Iterates over the characters of a JSON text, with whether each one is in a string.
fn characters(text: &str) -> impl Iterator<Item = (char, bool)> {
    let (mut in_string, mut after_backslash) = (false, false);
    text.chars().map(move |character| {
        if character == '"' && !after_backslash {
            in_string = !in_string;
        }
        after_backslash = character == '\\' && !after_backslash;
        (character, in_string)
    })
}
