//! The place where the store keeps sessions, and how to edit one there by hand.

use std::path::{self, PathBuf};

use serde::Serialize;
use serde_json::value::RawValue;
use session_core::{Changes, SessionId, Snapshot};

use crate::{
    loopback::is_loopback,
    redis_commands,
    settings::{Backend, Settings},
    shell::quote,
};

/// Replaces a session id in a command that must not show it.
const ID_PLACEHOLDER: &str = "YOUR-ID";
/// The longest key or session that a command contains, in bytes.
const MAX_TEXT_LENGTH: usize = 2000;

/// The place where a store keeps sessions.
pub(super) enum StoreLocation {
    /// The memory of the server.
    Process,
    Directory(PathBuf),
    Redis {
        /// The `redis-cli` command line that reaches the server, without a Redis command.
        client: String,
        /// The command that starts Redis, if one is known.
        start: Option<String>,
        prefix: String,
        key_type: KeyType,
    },
}

/// The type of a session's key in Redis.
#[derive(Clone, Copy)]
pub(super) enum KeyType {
    String,
    Hash,
}

/// An instruction to the visitor, and the command that carries it out.
#[derive(Serialize)]
pub(super) struct Instruction {
    pub(super) say: String,
    pub(super) command: Option<String>,
}

impl StoreLocation {
    pub(super) fn new(settings: &Settings) -> Self {
        let shows_files = is_loopback(&settings.server.host);
        let redis = |key_type| Self::Redis {
            client: redis_commands::client_command(&settings.redis, shows_files),
            start: redis_commands::start_command(&settings.redis),
            prefix: settings.redis.prefix.clone(),
            key_type,
        };
        match settings.session.backend {
            Backend::Memory => Self::Process,
            Backend::File => {
                let path = &settings.file.path;
                // A copied command must work in any directory.
                Self::Directory(path::absolute(path).unwrap_or_else(|_| path.clone()))
            }
            Backend::RedisKeyValue => redis(KeyType::String),
            Backend::RedisHashTable => redis(KeyType::Hash),
        }
    }

    pub(super) fn is_redis(&self) -> bool {
        matches!(self, Self::Redis { .. })
    }

    pub(super) fn survives_restart(&self) -> bool {
        !matches!(self, Self::Process)
    }

    /// Explains how to restart the server and what happens to the session.
    pub(super) fn restart_text(&self) -> &'static str {
        match self {
            Self::Process => {
                "Press Ctrl-C in the server's terminal and start the server again. Your session \
                 is gone, because this storage is part of the server. All other storages survive \
                 a restart."
            }
            _ => {
                "Press Ctrl-C in the server's terminal and start the server again as before. Your \
                 session is still there, because the store has kept it."
            }
        }
    }

    /// Explains what to do if the store does not answer.
    pub(super) fn help_text(&self) -> &'static str {
        match self {
            Self::Process => "Restart the server.",
            Self::Directory(_) => {
                "Its directory must exist, and the server must be able to write there."
            }
            Self::Redis { start: None, .. } => "Start Redis on its own machine.",
            Self::Redis { .. } => "Start one in a terminal:",
        }
    }

    /// Returns the command that starts the store, if it is a Redis on this machine.
    pub(super) fn start_command(&self) -> Option<String> {
        match self {
            Self::Redis { start, .. } => start.clone(),
            _ => None,
        }
    }

    /// Explains how to change one item of a session in the store.
    pub(super) fn edit_instruction(
        &self,
        session: Option<(&SessionId, &Snapshot)>,
        shows_id: bool,
        origin_of_name: &str,
    ) -> Instruction {
        let shown = |id: &SessionId| match shows_id {
            true => id.as_str().to_owned(),
            false => ID_PLACEHOLDER.to_owned(),
        };
        let edit = session.map(|(id, items)| (shown(id), Edit::of(items)));
        let (say, command) = match (self, edit) {
            (Self::Process, _) => {
                return Instruction::new(
                    "The server's memory cannot be edited. To try this step, start the server \
                     with another storage:",
                    "DEMO__SESSION__BACKEND=file cargo run -p demo-server",
                );
            }
            (_, None) => {
                let say = "Set an item first. This page then shows the command that changes your \
                           session.";
                return Instruction { say: say.to_owned(), command: None };
            }
            (Self::Directory(path), Some((id, edit))) => {
                let name = format!("{id}.session");
                // A server that hides ids hides its directory, too.
                let file = if shows_id { path.join(name) } else { name.into() };
                let second_line = format!("2,$c {}", escape_for_sed(&edit.session));
                (
                    "Your session is a file whose second line holds the items. Change it in an \
                     editor, or run:",
                    format!(
                        "sed -i {} {}",
                        quote(&second_line),
                        quote(&file.display().to_string())
                    ),
                )
            }
            (Self::Redis { client, prefix, key_type, .. }, Some((id, edit))) => {
                let key = quote(&format!("{prefix}{id}"));
                match key_type {
                    KeyType::String => (
                        "Your session is one JSON value in Redis. Write another one and keep the \
                         time to live:",
                        format!("{client} SET {key} {} KEEPTTL", quote(&edit.session)),
                    ),
                    KeyType::Hash => (
                        "Each item is a field of a hash in Redis. Change one:",
                        format!("{client} HSET {key} {} {}", quote(&edit.key), quote(edit.value)),
                    ),
                }
            }
        };
        if shows_id {
            return Instruction::new(say, &command);
        }
        let say = format!(
            "{say} ({ID_PLACEHOLDER} is {origin_of_name}. A server that listens \
             on 127.0.0.1 only would show it.)"
        );
        Instruction::new(&say, &command)
    }
}

impl Instruction {
    pub(super) fn new(say: &str, command: &str) -> Self {
        Self { say: say.to_owned(), command: Some(command.to_owned()) }
    }
}

/// A change of one item.
struct Edit {
    key: String,
    value: &'static str,
    /// The session with the change, as JSON.
    session: String,
}

impl Edit {
    /// Chooses the item `time` if there is one.
    fn of(items: &Snapshot) -> Self {
        let first = items.iter().map(|(key, _)| key).find(|key| key.len() < MAX_TEXT_LENGTH);
        let key = items.item("time").map_or(first.unwrap_or("time"), |_| "time").to_owned();
        // A second edit must be visible, too.
        let value = match items.item(&key) {
            Some(r#""changed by hand""#) => "changed again",
            _ => "changed by hand",
        };
        let item = RawValue::from_string(format!("\"{value}\"")).expect("a plain string is JSON");
        let changes = Changes::from_iter([(key.clone(), item)]);
        let apply = |base| changes.apply(base).expect("it has an item").stored().to_owned();
        let mut session = apply(Some(items));
        if session.len() > MAX_TEXT_LENGTH {
            session = apply(None);
        }
        Self { key, value, session }
    }
}

/// Escapes a text so that the command `c` of sed writes it unchanged.
fn escape_for_sed(text: &str) -> String {
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

    fn redis(url: &str, key_type: KeyType) -> StoreLocation {
        let backend = match key_type {
            KeyType::String => "redis-key-value",
            KeyType::Hash => "redis-hash-table",
        };
        let file = format!("[session]\nbackend = \"{backend}\"\n[redis]\nurl = \"{url}\"");
        StoreLocation::new(&read(&file, &[]).unwrap())
    }

    fn command(location: &StoreLocation, text: &str) -> String {
        let session = items(text);
        location.edit_instruction(Some((&id(), &session)), true, "sid").command.unwrap()
    }

    #[test]
    fn the_command_for_a_string_keeps_the_other_items_and_the_time_to_live() {
        let location = redis("redis://127.0.0.1:6379/0", KeyType::String);
        assert_eq!(
            command(&location, r#"{"name":"o'neil","time":2.50}"#),
            r#"redis-cli SET session:abcdefghijklmnop '{"name":"o'\''neil","time":"changed by hand"}' KEEPTTL"#
        );
    }

    #[test]
    fn the_command_for_a_hash_changes_one_field_each_time() {
        let location = redis("redis://127.0.0.1:6380/2", KeyType::Hash);
        assert_eq!(
            command(&location, r#"{"a b":1,"c":2}"#),
            "redis-cli -p 6380 -n 2 HSET session:abcdefghijklmnop 'a b' 'changed by hand'"
        );
        assert!(command(&location, r#"{"c":"changed by hand"}"#).ends_with("c 'changed again'"));
    }

    #[test]
    fn the_command_for_a_file_changes_only_its_second_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("abcdefghijklmnop.session");
        let text = "{\"b\":\"it's\\n\\u00e9\",\"c\":[1,\n2],\"time\":1}";
        fs::write(&file, format!("123 abcdefghijklmnop\n{text}")).unwrap();
        let command = command(&StoreLocation::Directory(directory.path().to_owned()), text);
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
        let expected = text.replace(":1}", ":\"changed by hand\"}");
        let edited = fs::read_to_string(&file).unwrap();
        assert_eq!(edited.trim_end(), format!("123 abcdefghijklmnop\n{expected}"));
    }

    #[test]
    fn a_large_session_is_not_copied_into_the_command() {
        let large = format!(r#"{{"a":1,"b":"{}"}}"#, "x".repeat(MAX_TEXT_LENGTH));
        let command = command(&redis("redis://localhost", KeyType::String), &large);
        assert!(command.ends_with(r#"'{"a":"changed by hand"}' KEEPTTL"#), "{command}");
    }

    #[test]
    fn g12_a_public_server_shows_neither_a_password_nor_an_id() {
        let location = redis("rediss://bob:secret@redis.example:7000/1", KeyType::Hash);
        let session = items("{\"a\":1}");
        let edit = location.edit_instruction(Some((&id(), &session)), false, "cookie sid");
        assert_eq!(
            edit.command.unwrap(),
            "redis-cli -h redis.example -p 7000 -n 1 --tls --user bob --askpass \
             HSET session:YOUR-ID a 'changed by hand'"
        );
        assert!(edit.say.contains("cookie sid"), "{}", edit.say);
        assert_eq!(location.start_command(), None, "it runs on another machine");
    }

    #[test]
    fn only_a_redis_on_this_machine_has_a_start_command() {
        let start = redis("redis://127.0.0.1:6380/0", KeyType::String).start_command();
        assert_eq!(start.as_deref(), Some("scripts/redis --port 6380"));
        assert_eq!(StoreLocation::Directory("sessions".into()).start_command(), None);
    }

    #[test]
    fn without_a_session_and_in_memory_nothing_can_be_edited() {
        let location = redis("redis://localhost", KeyType::Hash);
        assert_eq!(location.edit_instruction(None, true, "sid").command, None);
        let session = items("{\"a\":1}");
        let edit = StoreLocation::Process.edit_instruction(Some((&id(), &session)), true, "sid");
        assert!(edit.command.unwrap().contains("BACKEND=file"));
    }
}
