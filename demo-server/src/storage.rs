//! The storage that the settings choose.

use std::sync::Arc;

use session_core::{
    Error, FileStorage, HashedIds, IntoStorage, MemoryStorage, Redis, RedisHashTableStorage,
    RedisKeyValueStorage, Sealed, Storage,
};

use crate::settings::{Backend, Deployment, Problem, Secret, Settings};

/// Opens the chosen storage, which is not shown ids and items as the settings say.
///
/// Does not ask Redis: the server starts with its store down.
pub(crate) fn open(settings: &Settings) -> Result<Arc<dyn Storage>, Problem> {
    let mut storage = open_plain(settings)?;
    if let Some(keys) = settings.keys()? {
        let sealed = Sealed::new(storage, keys);
        let is_required = settings.session.require_encryption;
        storage = Arc::new(if is_required { sealed.require_encryption() } else { sealed });
    }
    if settings.session.hash_ids {
        // Until then every session from before has been used, or has expired.
        storage = HashedIds::new(storage).move_plain_ids(settings.session.max_age).into_storage();
    }
    Ok(storage)
}

fn open_plain(settings: &Settings) -> Result<Arc<dyn Storage>, Problem> {
    Ok(match settings.session.backend {
        Backend::Memory => Arc::new(memory(settings)),
        Backend::File => {
            let storage = FileStorage::open(&settings.file.path);
            let allowed = "allowed is a directory that this process can create files in";
            Arc::new(storage.map_err(|error| {
                settings.problem(&["file.path"], format_args!("{}; {allowed}", cause(&error)))
            })?)
        }
        Backend::RedisKeyValue => Arc::new(RedisKeyValueStorage::new(redis(settings)?)),
        Backend::RedisHashTable => Arc::new(RedisHashTableStorage::new(redis(settings)?)),
    })
}

fn memory(settings: &Settings) -> MemoryStorage {
    let mut storage = MemoryStorage::new();
    if let Some(sessions) = settings.memory.max_sessions {
        storage = storage.max_sessions(sessions as usize);
    }
    if let Some(bytes) = settings.memory.max_bytes {
        storage = storage.max_bytes(bytes);
    }
    storage
}

/// Sets up Redis, without asking it.
pub(crate) fn redis(settings: &Settings) -> Result<Redis, Problem> {
    let urls = |addresses: &[Secret]| -> Vec<String> {
        addresses.iter().map(|address| address.reveal().to_owned()).collect()
    };
    let chosen = &settings.redis;
    let mut redis = match chosen.deployment() {
        Deployment::Single(url) => Redis::builder(url.reveal()),
        Deployment::Sentinel { sentinels, master } => Redis::sentinel(urls(sentinels), master),
        Deployment::Cluster(nodes) => Redis::cluster(urls(nodes)),
    };
    if let Some(user) = &chosen.user {
        redis = redis.username(user);
    }
    if let Some(password) = &chosen.password {
        redis = redis.password(password.reveal());
    }
    if let Some(file) = &chosen.password_file {
        redis = redis.password_file(file);
    }
    if let Some(database) = chosen.database {
        redis = redis.database(database);
    }
    if let Some(file) = &chosen.tls_ca {
        redis = redis.tls_ca(file);
    }
    if let (Some(cert), Some(key)) = (&chosen.tls_cert, &chosen.tls_key) {
        redis = redis.tls_client(cert, key);
    }
    if let Some(name) = &chosen.tls_server_name {
        redis = redis.tls_server_name(name);
    }
    if let Some(is_spoken) = chosen.servers_tls {
        redis = redis.servers_tls(is_spoken);
    }
    if let Some(number) = chosen.max_connections {
        redis = redis.max_connections(number as usize);
    }
    redis
        .tls_system_roots(chosen.tls_system_roots)
        .wait_replicas(chosen.wait_replicas)
        .prefix(&chosen.prefix)
        .connect_timeout(chosen.connect_timeout)
        .response_timeout(chosen.response_timeout)
        .near_cache(chosen.near_cache)
        .build()
        .map_err(|error| refused(&cause(&error), settings))
}

/// What the library calls a setting, the keys that make it here, and what is allowed.
const SETTINGS: &[(&str, &[&str], &str)] = &[
    ("redis url: ", &["redis.url"], "redis[s]://[user[:password]@]host[:port][/database]"),
    ("redis sentinels: ", &["redis.sentinels"], "host:port or redis[s]://[:password@]host:port"),
    ("redis cluster: ", &["redis.cluster"], "host:port or redis[s]://host:port"),
    ("redis username: ", &["redis.user", "redis.url"], "a user in one place, with a password"),
    ("redis password: ", &["redis.password", "redis.url"], "a password in one place"),
    ("redis password_file: ", &["redis.password_file"], "a file with the password"),
    (
        "redis max_connections: ",
        &["redis.max_connections", "redis.wait_replicas"],
        "1 or more, with wait_replicas 2 or more",
    ),
    ("redis near_cache: ", &["redis.near_cache"], "\"0\" or at least \"16KiB\""),
    ("redis tls_server_name: ", &["redis.tls_server_name"], "a host name"),
    (
        "redis tls_system_roots: ",
        &["redis.tls_system_roots"],
        "false, or true on a system with \
      certificate authorities",
    ),
    ("redis database: ", &["redis.database", "redis.url"], "a database in one place"),
    ("redis tls_ca: ", &["redis.tls_ca"], "a file of certificates in PEM form"),
    ("redis tls_cert: ", &["redis.tls_cert"], "a file of a certificate in PEM form"),
    ("redis tls_key: ", &["redis.tls_key"], "a file of the certificate's key in PEM form"),
];

fn refused(problem: &str, settings: &Settings) -> Problem {
    let named = SETTINGS
        .iter()
        .find_map(|(name, keys, allowed)| Some((problem.strip_prefix(name)?, *keys, *allowed)));
    let (what, keys, allowed) = named.unwrap_or_else(|| {
        let keys: &[&str] = &[
            "redis.tls_ca",
            "redis.tls_cert",
            "redis.tls_key",
            "redis.tls_server_name",
            "redis.tls_system_roots",
        ];
        (problem, keys, "rediss://host:port wherever TLS is to be spoken")
    });
    settings.problem(keys, format_args!("{what}; allowed is {allowed}"))
}

/// What lies beneath an error, where that says more.
fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
