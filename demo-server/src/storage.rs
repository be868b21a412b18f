//! The storage that the settings choose.

use std::sync::Arc;

use session_core::{
    Error, FileStorage, MemoryStorage, Redis, RedisHashTableStorage, RedisKeyValueStorage, Storage,
};

use crate::settings::{self, Backend, Problem, Settings, Source};

/// Opens the chosen storage. Does not ask Redis: the server starts with its store down.
pub(crate) fn open(settings: &Settings, source: &Source) -> Result<Arc<dyn Storage>, Problem> {
    Ok(match settings.session.backend {
        Backend::Memory => Arc::new(MemoryStorage::new()),
        Backend::File => {
            let storage = FileStorage::open(&settings.file.path);
            let allowed = "allowed is a directory that this process can create files in";
            Arc::new(storage.map_err(|error| {
                source.problem(&["file.path"], format_args!("{}; {allowed}", cause(&error)))
            })?)
        }
        Backend::RedisKeyValue => {
            Arc::new(RedisKeyValueStorage::new(redis(&settings.redis, source)?))
        }
        Backend::RedisHashTable => {
            Arc::new(RedisHashTableStorage::new(redis(&settings.redis, source)?))
        }
    })
}

fn redis(settings: &settings::Redis, source: &Source) -> Result<Redis, Problem> {
    Redis::builder(&settings.url)
        .prefix(&settings.prefix)
        .connect_timeout(settings.connect_timeout)
        .response_timeout(settings.response_timeout)
        .near_cache(settings.near_cache)
        .build()
        .map_err(|error| {
            let allowed = "allowed is redis://[user[:password]@]host[:port][/database]";
            source.problem(&["redis.url"], format_args!("{}; {allowed}", cause(&error)))
        })
}

/// What lies beneath an error, where that says more.
fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
