//! The four storages as a test sees them: behind servers, and by hand.

use std::{fs, path::PathBuf};

use super::server::Server;
use crate::support::redis::RedisServer;

/// What servers keep their sessions in. They share it, except for `Memory`.
pub(crate) enum Store {
    Memory,
    File(tempfile::TempDir),
    KeyValue(RedisServer),
    HashTable(RedisServer),
}

impl Store {
    pub(crate) fn file() -> Self {
        Self::File(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn key_value() -> Self {
        Self::KeyValue(RedisServer::start())
    }

    pub(crate) fn hash_table() -> Self {
        Self::HashTable(RedisServer::start())
    }

    /// Starts a server on it, with further settings.
    pub(crate) fn serve(&self, settings: &[(&str, &str)]) -> Server {
        self.serve_under(&[], settings)
    }

    /// Starts a server on it by a program that sets it up and then becomes it.
    pub(crate) fn serve_under(&self, under: &[&str], settings: &[(&str, &str)]) -> Server {
        self.serve_by(settings, |all| Server::start_under(under, all))
    }

    /// Starts a server with the settings for it and further ones.
    pub(crate) fn serve_by(
        &self,
        settings: &[(&str, &str)],
        start: impl FnOnce(&[(&str, &str)]) -> Server,
    ) -> Server {
        let (backend, place) = match self {
            Self::Memory => ("memory", None),
            Self::File(directory) => {
                let path = directory.path().to_str().expect("UTF-8").to_owned();
                ("file", Some(("DEMO__FILE__PATH", path)))
            }
            Self::KeyValue(redis) => ("redis-key-value", Some(("DEMO__REDIS__URL", redis.url()))),
            Self::HashTable(redis) => ("redis-hash-table", Some(("DEMO__REDIS__URL", redis.url()))),
        };
        let mut all = vec![("DEMO__SESSION__BACKEND", backend)];
        all.extend(place.as_ref().map(|(name, value)| (*name, value.as_str())));
        all.extend_from_slice(settings);
        start(&all)
    }

    /// What is stored under an id, as a person would look at it; `None` if nothing is.
    pub(crate) fn look(&self, id: &str) -> Option<String> {
        let found = match self {
            Self::Memory => panic!("nobody can look into a process"),
            Self::File(_) => fs::read_to_string(self.file_of(id)).unwrap_or_default(),
            Self::KeyValue(redis) => redis.cli(&["GET", &key(id)]),
            Self::HashTable(redis) => redis.cli(&["HGETALL", &key(id)]),
        };
        (!found.is_empty()).then_some(found)
    }

    /// Sets the item `time` to 1 by hand, as the documents do.
    pub(crate) fn edit(&self, id: &str) {
        match self {
            Self::Memory => panic!("nobody can edit a process"),
            Self::File(_) => {
                let text = fs::read_to_string(self.file_of(id)).expect("the session's file");
                let (head, _) = text.split_once('\n').expect("two lines");
                fs::write(self.file_of(id), format!("{head}\n{{ \"time\": 1 }}\n")).unwrap();
            }
            Self::KeyValue(redis) => {
                let answer = redis.cli(&["SET", &key(id), r#"{"time": 1}"#, "KEEPTTL"]);
                assert_eq!(answer, "OK");
            }
            Self::HashTable(redis) => assert_eq!(redis.cli(&["HSET", &key(id), "time", "1"]), "0"),
        }
    }

    /// The time left to a session by its record, in milliseconds.
    pub(crate) fn milliseconds_left(&self, id: &str) -> i64 {
        match self {
            Self::Memory => panic!("nobody can look into a process"),
            Self::File(_) => {
                let text = fs::read_to_string(self.file_of(id)).expect("the session's file");
                let end: i64 = text.split(' ').next().unwrap().parse().expect("milliseconds");
                let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_millis();
                end - now as i64
            }
            Self::KeyValue(redis) | Self::HashTable(redis) => {
                redis.cli(&["PTTL", &key(id)]).parse().expect("milliseconds")
            }
        }
    }

    pub(crate) fn redis(&self) -> &RedisServer {
        match self {
            Self::KeyValue(redis) | Self::HashTable(redis) => redis,
            Self::Memory | Self::File(_) => panic!("not kept in Redis"),
        }
    }

    pub(crate) fn redis_mut(&mut self) -> &mut RedisServer {
        match self {
            Self::KeyValue(redis) | Self::HashTable(redis) => redis,
            Self::Memory | Self::File(_) => panic!("not kept in Redis"),
        }
    }

    pub(crate) fn file_of(&self, id: &str) -> PathBuf {
        let Self::File(directory) = self else { panic!("not kept in files") };
        directory.path().join(format!("{id}.session"))
    }
}

/// The key of a session under the shipped prefix.
pub(crate) fn key(id: &str) -> String {
    format!("session:{id}")
}
