//! How a person changes a session in the store.

use std::path::{self, PathBuf};

use serde::Serialize;
use serde_json::value::RawValue;
use session_core::{Changes, SessionId, Snapshot};

use crate::{
    by_hand::{self, is_loopback, quoted},
    settings::{Backend, Settings},
};

/// Stands for an id that is not to be shown.
const HIDDEN_ID: &str = "YOUR-ID";
/// A longer text is not for a command that somebody copies.
const LONGEST: usize = 2000;

/// Where a store keeps sessions, as a person finds them.
pub(super) enum Place {
    Process,
    Directory(PathBuf),
    Redis {
        /// The command line up to the command.
        client: String,
        /// What starts it, if that is known.
        start: Option<String>,
        prefix: String,
        kind: Kind,
    },
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    String,
    Hash,
}

/// What to do, and the command that does it.
#[derive(Serialize)]
pub(super) struct Advice {
    pub(super) say: String,
    pub(super) command: Option<String>,
}

impl Place {
    pub(super) fn new(settings: &Settings) -> Self {
        let redis = |kind| Self::Redis {
            client: by_hand::client(&settings.redis, is_loopback(&settings.server.host)),
            start: by_hand::start(&settings.redis),
            prefix: settings.redis.prefix.clone(),
            kind,
        };
        match settings.session.backend {
            Backend::Memory => Self::Process,
            Backend::File => {
                let path = &settings.file.path;
                // The command has to work wherever it is pasted.
                Self::Directory(path::absolute(path).unwrap_or_else(|_| path.clone()))
            }
            Backend::RedisKeyValue => redis(Kind::String),
            Backend::RedisHashTable => redis(Kind::Hash),
        }
    }

    pub(super) fn outlives_the_server(&self) -> bool {
        !matches!(self, Self::Process)
    }

    /// Says what to do and what to expect of it.
    pub(super) fn restart(&self) -> &'static str {
        match self {
            Self::Process => {
                "Press Ctrl-C where the server runs, and start it again: your session is gone, \
                 because this storage is a part of the server. The others outlive it."
            }
            _ => {
                "Press Ctrl-C where the server runs, and start it again as you did before. Your \
                 session is still there: the store has kept it."
            }
        }
    }

    /// Says what to do if the store does not answer.
    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::Process => "Restart the server.",
            Self::Directory(_) => "Its directory has to be there, for the server to write in.",
            Self::Redis { start: None, .. } => "Start it where it runs.",
            Self::Redis { .. } => "Start one in a terminal:",
        }
    }

    /// The command that starts the store, if it is of this machine and not a part of it.
    pub(super) fn start_command(&self) -> Option<String> {
        match self {
            Self::Redis { start, .. } => start.clone(),
            _ => None,
        }
    }

    /// Says how to change one item of a session.
    pub(super) fn edit(
        &self,
        session: Option<(&SessionId, &Snapshot)>,
        shows_id: bool,
        cookie: &str,
    ) -> Advice {
        let id = |id: &SessionId| if shows_id { id.as_str().to_owned() } else { HIDDEN_ID.into() };
        let seen = session.map(|(named, items)| (id(named), Change::of(items)));
        let (say, command) = match (self, seen) {
            (Self::Process, _) => {
                return Advice::new(
                    "Nobody can reach into the server's memory. To try this, start the server \
                     with another storage:",
                    "DEMO__SESSION__BACKEND=file cargo run -p demo-server",
                );
            }
            (_, None) => {
                let say = "Set something first: the command that changes your session then \
                           stands here.";
                return Advice { say: say.to_owned(), command: None };
            }
            (Self::Directory(path), Some((id, change))) => {
                let name = format!("{id}.session");
                // Nor is it a stranger's business where.
                let file = if shows_id { path.join(name) } else { name.into() };
                let second_line = format!("2,$c {}", for_sed(&change.whole));
                (
                    "Your session is a file whose second line holds the items. Change it in an \
                     editor, or run:",
                    format!(
                        "sed -i {} {}",
                        quoted(&second_line),
                        quoted(&file.display().to_string())
                    ),
                )
            }
            (Self::Redis { client, prefix, kind, .. }, Some((id, change))) => {
                let key = quoted(&format!("{prefix}{id}"));
                match kind {
                    Kind::String => (
                        "Your session is one JSON value in Redis. Write another, and keep its \
                         time to live:",
                        format!("{client} SET {key} {} KEEPTTL", quoted(&change.whole)),
                    ),
                    Kind::Hash => (
                        "Each item is a field of a hash in Redis. Change one:",
                        format!(
                            "{client} HSET {key} {} {}",
                            quoted(&change.key),
                            quoted(change.value)
                        ),
                    ),
                }
            }
        };
        if shows_id {
            return Advice::new(say, &command);
        }
        let whose = format!(
            "{say} ({HIDDEN_ID} is the value of your cookie {cookie}. A server that listens on \
             127.0.0.1 alone would show it.)"
        );
        Advice::new(&whose, &command)
    }
}

impl Advice {
    pub(super) fn new(say: &str, command: &str) -> Self {
        Self { say: say.to_owned(), command: Some(command.to_owned()) }
    }
}

/// One item changed, and the whole session with it.
struct Change {
    key: String,
    value: &'static str,
    whole: String,
}

impl Change {
    fn of(items: &Snapshot) -> Self {
        let first = items.iter().map(|(key, _)| key).find(|key| key.len() < LONGEST);
        let key = items.item("time").map_or(first.unwrap_or("time"), |_| "time").to_owned();
        // Played twice, it must be seen twice.
        let value = match items.item(&key) {
            Some(r#""changed by hand""#) => "changed again",
            _ => "changed by hand",
        };
        let item = RawValue::from_string(format!("\"{value}\"")).expect("a plain string is JSON");
        let changes = Changes::from_iter([(key.clone(), item)]);
        let apply = |base| changes.apply(base).expect("it has an item").to_json().into_owned();
        let mut whole = apply(Some(items));
        if whole.len() > LONGEST {
            whole = apply(None);
        }
        Self { key, value, whole }
    }
}

/// A text that sed's command `c` writes as it is.
fn for_sed(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', "\\\n")
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;
    use crate::settings::tests::read;

    fn id() -> SessionId {
        SessionId::parse("abcdefghijklmnop").unwrap()
    }

    fn items(text: &str) -> Snapshot {
        Snapshot::parse(text).unwrap().unwrap()
    }

    fn redis(url: &str, kind: Kind) -> Place {
        let backend = match kind {
            Kind::String => "redis-key-value",
            Kind::Hash => "redis-hash-table",
        };
        let file = format!("[session]\nbackend = \"{backend}\"\n[redis]\nurl = \"{url}\"");
        Place::new(&read(&file, &[]).unwrap())
    }

    fn command(place: &Place, text: &str) -> String {
        place.edit(Some((&id(), &items(text))), true, "sid").command.unwrap()
    }

    #[test]
    fn the_command_for_a_string_keeps_the_other_items_and_the_time_to_live() {
        let place = redis("redis://127.0.0.1:6379/0", Kind::String);
        assert_eq!(
            command(&place, r#"{"name":"o'neil","time":2.50}"#),
            r#"redis-cli SET session:abcdefghijklmnop '{"name":"o'\''neil","time":"changed by hand"}' KEEPTTL"#
        );
    }

    #[test]
    fn the_command_for_a_hash_changes_one_field_and_can_be_played_again() {
        let place = redis("redis://127.0.0.1:6380/2", Kind::Hash);
        assert_eq!(
            command(&place, r#"{"a b":1,"c":2}"#),
            "redis-cli -p 6380 -n 2 HSET session:abcdefghijklmnop 'a b' 'changed by hand'"
        );
        assert!(command(&place, r#"{"c":"changed by hand"}"#).ends_with("c 'changed again'"));
    }

    #[test]
    fn the_command_for_a_file_changes_its_second_line_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("abcdefghijklmnop.session");
        let text = "{\"b\":\"it's\\n\\u00e9\",\"c\":[1,\n2],\"time\":1}";
        fs::write(&file, format!("123 abcdefghijklmnop\n{text}")).unwrap();
        let command = command(&Place::Directory(directory.path().to_owned()), text);
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
        let expected = text.replace(":1}", ":\"changed by hand\"}");
        let edited = fs::read_to_string(&file).unwrap();
        assert_eq!(edited.trim_end(), format!("123 abcdefghijklmnop\n{expected}"));
    }

    #[test]
    fn a_large_session_is_not_copied_into_the_command() {
        let large = format!(r#"{{"a":1,"b":"{}"}}"#, "x".repeat(LONGEST));
        let command = command(&redis("redis://localhost", Kind::String), &large);
        assert!(command.ends_with(r#"'{"a":"changed by hand"}' KEEPTTL"#), "{command}");
    }

    #[test]
    fn g12_neither_a_password_nor_an_id_is_shown_to_strangers() {
        let place = redis("rediss://bob:secret@redis.example:7000/1", Kind::Hash);
        let edit = place.edit(Some((&id(), &items("{\"a\":1}"))), false, "sid");
        assert_eq!(
            edit.command.unwrap(),
            "redis-cli -h redis.example -p 7000 -n 1 --tls --user bob --askpass \
             HSET session:YOUR-ID a 'changed by hand'"
        );
        assert!(edit.say.contains("cookie sid"), "{}", edit.say);
        assert_eq!(place.start_command(), None, "not a store of this machine");
    }

    #[test]
    fn a_store_of_this_machine_can_be_started() {
        let start = redis("redis://127.0.0.1:6380/0", Kind::String).start_command();
        assert_eq!(start.as_deref(), Some("scripts/redis --port 6380"));
        assert_eq!(Place::Directory("sessions".into()).start_command(), None);
    }

    #[test]
    fn without_a_session_and_in_memory_there_is_nothing_to_change() {
        assert_eq!(redis("redis://localhost", Kind::Hash).edit(None, true, "sid").command, None);
        let edit = Place::Process.edit(Some((&id(), &items("{\"a\":1}"))), true, "sid");
        assert!(edit.command.unwrap().contains("BACKEND=file"));
    }
}
