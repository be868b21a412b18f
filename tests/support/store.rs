//! The four storages, used through servers and accessed directly.

use std::{fs, path::PathBuf};

use super::server::Server;
use crate::support::redis::RedisServer;

/// A store for the sessions of servers, which share it unless it is `Memory`.
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

    /// Starts a server on this store with more settings.
    pub(crate) fn serve(&self, settings: &[(&str, &str)]) -> Server {
        self.serve_through(&[], settings)
    }

    /// Starts a server on this store through a command that executes its arguments.
    pub(crate) fn serve_through(&self, wrapper: &[&str], settings: &[(&str, &str)]) -> Server {
        self.serve_with(settings, |all| Server::start_through(wrapper, all))
    }

    /// Calls `start` with the settings for this store and more settings.
    pub(crate) fn serve_with(
        &self,
        settings: &[(&str, &str)],
        start: impl FnOnce(&[(&str, &str)]) -> Server,
    ) -> Server {
        let own = self.settings();
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<_> = own.chain(settings.iter().copied()).collect();
        start(&all)
    }

    /// Returns the settings of a server that uses this store, as variables of its environment.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let (backend, location) = match self {
            Self::Memory => ("memory", None),
            Self::File(directory) => {
                let path = directory.path().to_str().expect("UTF-8").to_owned();
                ("file", Some(("DEMO__FILE__PATH", path)))
            }
            Self::KeyValue(redis) => ("redis-key-value", Some(("DEMO__REDIS__URL", redis.url()))),
            Self::HashTable(redis) => ("redis-hash-table", Some(("DEMO__REDIS__URL", redis.url()))),
        };
        let backend = ("DEMO__SESSION__BACKEND", backend.to_owned());
        [backend].into_iter().chain(location).collect()
    }

    /// Reads the stored text of a session without a server. `None` if nothing is stored.
    pub(crate) fn read_raw(&self, id: &str) -> Option<String> {
        let found = match self {
            Self::Memory => panic!("the memory of a server cannot be read"),
            Self::File(_) => fs::read_to_string(self.file_of(id)).unwrap_or_default(),
            Self::KeyValue(redis) => redis.cli(&["GET", &key(id)]),
            Self::HashTable(redis) => redis.cli(&["HGETALL", &key(id)]),
        };
        (!found.is_empty()).then_some(found)
    }

    /// Sets the item `time` to 1 without a server, as in the documentation.
    pub(crate) fn edit_by_hand(&self, id: &str) {
        match self {
            Self::Memory => panic!("the memory of a server cannot be edited"),
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

    /// Reads the stored time to live of a session, in milliseconds.
    pub(crate) fn ttl_millis(&self, id: &str) -> i64 {
        match self {
            Self::Memory => panic!("the memory of a server cannot be read"),
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

/// Returns the Redis key of a session with the default prefix.
pub(crate) fn key(id: &str) -> String {
    format!("session:{id}")
}
