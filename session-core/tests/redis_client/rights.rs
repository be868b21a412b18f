//! The rights that `docs/REDIS.md` names are enough, and each of them is needed.

use std::{sync::Arc, time::Duration};

use crate::common::{
    support::{
        cluster::RedisCluster,
        redis::major_version,
        sentinel::{RedisSentinel, until},
    },
    *,
};
use futures_util::future::join_all;
use session_core::{NewEntry, RedisBuilder, conformance};

const SECOND: Duration = Duration::from_secs(1);

/// A user of Redis with some rights.
#[derive(Clone, Debug, PartialEq)]
struct User {
    name: String,
    /// As `ACL SETUSER` takes them: the keys.
    keys: Vec<String>,
    /// As `ACL SETUSER` takes them: the commands.
    commands: Vec<String>,
}

fn document() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/REDIS.md");
    // Commands go on after a backslash.
    std::fs::read_to_string(file).unwrap().replace("\\\n", "")
}

impl User {
    /// Returns a user as the documentation creates it.
    fn documented(name: &str) -> Self {
        let document = document();
        let rights = document.lines().find_map(|line| {
            line.split_once("ACL SETUSER ")?.1.strip_prefix(name)?.strip_prefix(" on '>secret' ")
        });
        let rights = rights.unwrap_or_else(|| panic!("no line for {name}"));
        let rights = rights.split_whitespace().map(|right| right.trim_matches('\'').to_owned());
        let (keys, commands) = rights.partition(|right| right.starts_with('~'));
        Self { name: name.to_owned(), keys, commands }
    }

    /// Adds what the documentation names for a setting.
    fn with(mut self, setting: &str) -> Self {
        let document = document();
        let beginning = format!("- {setting}: `");
        let line = document.lines().find_map(|line| line.strip_prefix(&beginning));
        let line = line.unwrap_or_else(|| panic!("no line for {setting}"));
        let rights = line.split_once('`').expect("the rights end").0;
        self.commands.extend(rights.split(' ').map(str::to_owned));
        self
    }

    fn without(mut self, command: &str) -> Self {
        let before = self.commands.len();
        self.commands.retain(|other| other != command);
        assert_eq!(self.commands.len(), before - 1, "{command}");
        self
    }

    /// Returns every user that has one right less, and that right.
    fn each_without_one(&self) -> impl Iterator<Item = (String, Self)> {
        let without = |command: &String| (command.clone(), self.clone().without(command));
        self.commands.iter().map(without)
    }

    /// Gives the user exactly these rights on a server.
    fn create(&self, server: &RedisServer) {
        let beginning = ["ACL", "SETUSER", &self.name, "reset", "on", ">secret"];
        let rights = self.keys.iter().chain(&self.commands).map(String::as_str);
        let command: Vec<&str> = beginning.into_iter().chain(rights).collect();
        assert_eq!(server.cli(&command), "OK", "{self:?}");
    }

    fn sign_in(&self, redis: RedisBuilder) -> RedisBuilder {
        // Rights are tested here, not a busy machine.
        redis.username(&self.name).password("secret").response_timeout(5 * SECOND)
    }

    /// Returns the storage that this user is for.
    fn storage(&self, redis: RedisBuilder) -> Arc<dyn Storage> {
        let redis = self.sign_in(redis);
        match &*self.name {
            "key-value" => Arc::new(RedisKeyValueStorage::new(redis.build().unwrap())),
            "near-cache" => {
                let redis = redis.near_cache(1 << 20).build().unwrap();
                Arc::new(RedisKeyValueStorage::new(redis))
            }
            "hash-table" => Arc::new(RedisHashTableStorage::new(redis.build().unwrap())),
            other => panic!("no storage is for {other}"),
        }
    }
}

fn users() -> [User; 3] {
    ["key-value", "near-cache", "hash-table"].map(User::documented)
}

/// Does everything that can be done to a session, once. Returns the first error.
async fn use_once(storage: &dyn Storage) -> Result<()> {
    let (from, to) = (SessionId::random(), SessionId::random());
    storage.set_session(&from, &changes(r#"{"a":1,"b":2}"#, &[]), CREATE).await?;
    storage.set_session(&from, &changes(r#"{"a":2}"#, &["b"]), UPDATE).await?;
    storage.set_session(&from, &changes(r#"{"c":3}"#, &[]), UPDATE).await?;
    storage.get(&from, "a").await?;
    storage.get_with_metadata(&from, "a").await?;
    storage.contains(&from, "a").await?;
    storage.get_size(&from).await?;
    storage.update_ttl(&from, TtlRange::at_least(2 * TTL)).await?;
    storage.expires_in(&from).await?;
    let options = RenameOptions::grace(TTL);
    assert!(storage.rename(&from, &to, options).await?);
    // A marker has taken its place.
    assert!(!storage.remove_all(&from, None).await?);
    let seen = storage.get_session(&to).await?.expect("it was renamed");
    let retire = SetOptions::retire(&seen, TTL);
    assert_eq!(storage.set_session(&to, &Changes::new(), retire).await?, Written::Saved);
    storage.set_session(&SessionId::random(), &changes(r#"{"a":1}"#, &[]), CREATE).await?;
    let last = SessionId::random();
    storage.set_session(&last, &changes(r#"{"a":1}"#, &[]), CREATE).await?;
    assert!(storage.remove_all(&last, None).await?);
    let index = storage.users().expect("Redis has an index of users");
    assert!(index.add("bob", &last, NewEntry::ttl(TTL)).await?);
    index.end("bob", std::slice::from_ref(&last)).await?;
    index.list("bob").await?;
    index.remove("bob", &[last]).await
}

async fn assert_conformance(user: User, redis: RedisBuilder) {
    // The suite lists sessions too.
    conformance::run(async || user.storage(redis.clone())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_storage_keeps_the_contract_with_the_rights_documented_for_it() {
    let server = RedisServer::start();
    let conformances = users().map(|user| {
        let user = user.with("administration");
        user.create(&server);
        assert_conformance(user, Redis::builder(server.url()))
    });
    join_all(conformances).await;
}

#[tokio::test]
async fn each_storage_needs_every_right_documented_for_it() {
    let server = RedisServer::start();
    for user in users() {
        user.create(&server);
        use_once(&*user.storage(Redis::builder(server.url()))).await.unwrap();
        for (command, less) in user.each_without_one() {
            less.create(&server);
            // A script that the server does not know is sent as text.
            server.cli(&["SCRIPT", "FLUSH"]);
            let used = use_once(&*less.storage(Redis::builder(server.url()))).await;
            // Without tracking everything works, but the near cache is off.
            let is_needed = !command.contains("client|tracking");
            assert_eq!(used.is_err(), is_needed, "{} without {command}", user.name);
        }
    }
}

#[tokio::test]
async fn waiting_for_replicas_needs_the_right_documented_for_it() {
    let master = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
    let port = master.port().to_string();
    let _replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    until("replication is up", || master.is_confirmed_by(1));
    let redis = || Redis::builder(master.url()).wait_replicas(1);
    for user in users() {
        let user = user.with("`wait_replicas`");
        user.create(&master);
        use_once(&*user.storage(redis())).await.unwrap();
        user.clone().without("+wait").create(&master);
        assert!(use_once(&*user.storage(redis())).await.is_err());
    }
}

#[tokio::test]
async fn another_database_needs_the_right_documented_for_it() {
    let server = RedisServer::start();
    let redis = || Redis::builder(server.url()).database(1);
    for user in users() {
        let user = user.with("a database other than 0");
        user.create(&server);
        use_once(&*user.storage(redis())).await.unwrap();
        user.clone().without("+select").create(&server);
        assert!(use_once(&*user.storage(redis())).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_storage_keeps_the_contract_in_a_cluster_with_the_rights_documented_for_it() {
    let cluster = RedisCluster::start_with(3, false, |_| Vec::new());
    let conformances = users().map(|user| {
        let user = user.with("a cluster").with("administration").without("+renamenx");
        cluster.nodes.iter().for_each(|node| user.create(node));
        assert_conformance(user, Redis::cluster(cluster.urls()))
    });
    join_all(conformances).await;
}

#[tokio::test]
async fn a_cluster_needs_the_rights_documented_for_it() {
    let cluster = RedisCluster::start_with(2, false, |_| Vec::new());
    let create = |user: &User| cluster.nodes.iter().for_each(|node| user.create(node));
    // Sessions that are not at the old node any more are asked for at the new one.
    let moving = id("moving");
    let slot = slot_of(&moving).to_string();
    let from = cluster.owner(0, slot_of(&moving)).expect("each slot has an owner");
    let setslot = |node: usize, state: &str, other: usize| {
        let command = ["CLUSTER", "SETSLOT", &slot, state, &cluster.id(other)];
        assert_eq!(cluster.nodes[node].cli(&command), "OK");
    };
    setslot(1 - from, "IMPORTING", from);
    setslot(from, "MIGRATING", 1 - from);
    for user in users() {
        let user = user.with("a cluster").without("+renamenx");
        let open = || user.storage(Redis::cluster(cluster.urls()));
        create(&user);
        use_once(&*open()).await.unwrap();
        open().get_session(&moving).await.unwrap();
        create(&user.clone().without("+asking"));
        assert!(open().get_session(&moving).await.is_err());
        create(&user.clone().without("+cluster|slots"));
        assert!(use_once(&*open()).await.is_err());
    }
}

#[tokio::test]
async fn sentinels_need_the_rights_documented_for_them() {
    if major_version() == 6 {
        return println!("the sentinels of Redis 6.0 have no users");
    }
    let group = RedisSentinel::start();
    let asks = User::documented("sentinel");
    let sign_in = |url: String| url.replace("redis://", &format!("redis://{}:secret@", asks.name));
    let redis = || Redis::sentinel(group.urls().into_iter().map(sign_in), RedisSentinel::MASTER);
    for user in users() {
        group.servers.iter().for_each(|server| user.create(server));
        group.sentinels.iter().for_each(|sentinel| asks.create(sentinel));
        use_once(&*user.storage(redis())).await.unwrap();
        for (command, less) in asks.each_without_one() {
            group.sentinels.iter().for_each(|sentinel| less.create(sentinel));
            let used = use_once(&*user.storage(redis())).await;
            assert!(used.is_err(), "sentinels need no {command}");
        }
    }
}
