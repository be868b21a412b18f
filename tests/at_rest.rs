//! What a store, its log and the server's log reveal with hashed ids and encrypted items.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use demo::{
    server::{Server, eventually, files_under},
    store::Store,
};
use support::redis::RedisServer;

const DEMO: &str = env!("CARGO_BIN_EXE_demo-server");
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const KEYS: &str = "DEMO__SESSION__ENCRYPTION_KEYS";
const BOTH: [(&str, &str); 2] = [("DEMO__SESSION__HASH_IDS", "true"), (KEYS, KEY)];

/// A store whose files can be searched, and what has been logged of it.
struct Searched {
    store: Store,
    monitor: Option<Monitor>,
}

/// Every command that a Redis server executes, as `MONITOR` shows it.
struct Monitor(Child);

impl Monitor {
    fn start(redis: &RedisServer) -> Self {
        let child = Command::new("redis-cli")
            .args(["-p", &redis.port().to_string(), "MONITOR"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-cli runs");
        eventually("the monitor listens", || redis.cli(&["CLIENT", "LIST"]).contains("flags=O"));
        Self(child)
    }

    fn stop(mut self) -> Vec<u8> {
        self.0.kill().expect("a child can be killed");
        let mut text = Vec::new();
        self.0.stdout.take().expect("it is piped").read_to_end(&mut text).unwrap();
        self.0.wait().expect("a child can be waited for");
        text
    }
}

impl Searched {
    fn file() -> Self {
        Self { store: Store::file(), monitor: None }
    }

    /// A server that writes both an RDB file, without compression, and an AOF, and logs each
    /// command.
    fn redis(store: impl FnOnce(RedisServer) -> Store) -> Self {
        let settings = ["--appendonly", "yes", "--rdbcompression", "no"];
        let redis = RedisServer::start_with(&settings);
        redis.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
        redis.cli(&["CONFIG", "SET", "slowlog-max-len", "100000"]);
        let monitor = Some(Monitor::start(&redis));
        Self { store: store(redis), monitor }
    }

    fn all() -> [Self; 3] {
        [Self::file(), Self::redis(Store::KeyValue), Self::redis(Store::HashTable)]
    }

    /// Returns everything that was stored or logged, by place.
    fn dump(self, server: &Server) -> Vec<(String, Vec<u8>)> {
        let mut places = vec![("the log".to_owned(), server.log().into_bytes())];
        if let Store::File(directory) = &self.store {
            places.extend(files_under(directory.path()));
            return places;
        }
        let redis = self.store.redis();
        places.push(("SLOWLOG".to_owned(), redis.cli(&["SLOWLOG", "GET", "-1"]).into_bytes()));
        assert_eq!(redis.cli(&["SAVE"]), "OK");
        let directory = PathBuf::from(redis.cli(&["CONFIG", "GET", "dir"]).lines().nth(1).unwrap());
        let files = files_under(&directory);
        for kind in [".rdb", ".incr.aof"] {
            assert!(files.iter().any(|(name, text)| name.ends_with(kind) && text.len() > 200));
        }
        places.extend(files);
        let monitor = self.monitor.expect("it was started").stop();
        assert!(monitor.len() > 1000);
        places.push(("MONITOR".to_owned(), monitor));
        places
    }
}

/// Returns the places where one of the secrets stands.
fn places_of(secrets: &[String], dump: &[(String, Vec<u8>)]) -> Vec<String> {
    let shows = |text: &[u8], secret: &String| {
        text.windows(secret.len()).any(|window| window == secret.as_bytes())
    };
    let shows = |text: &[u8]| secrets.iter().any(|secret| shows(text, secret));
    dump.iter().filter(|(_, text)| shows(text)).map(|(place, _)| place.clone()).collect()
}

/// Begins a session, changes items in each way, and has its id renewed. Returns ids and values.
fn use_session(server: &Server) -> Vec<String> {
    let mut browser = server.client();
    let mut secrets: Vec<String> =
        ["alice-in-wonderland", "red-queen", "white-rabbit", "4815162342"]
            .map(str::to_owned)
            .into();
    browser.get_ok("/set?user=alice-in-wonderland&role=red-queen");
    secrets.extend(browser.id.clone());
    browser.get_ok("/get");
    browser.get_ok("/get?key=user");
    browser.get_ok("/set?role=white-rabbit&number=4815162342");
    browser.get_ok("/count?key=visits");
    browser.get_ok("/take?key=number");
    browser.get_ok("/set?number=4815162342");
    let before = browser.id.clone();
    eventually("the id is renewed", || {
        browser.get_ok("/get");
        browser.id != before
    });
    secrets.extend(browser.id.clone());
    assert!(browser.get_ok("/get").contains(r#""user":"alice-in-wonderland""#));
    let mut ended = server.client();
    ended.get_ok("/set?user=alice-in-wonderland");
    secrets.extend(ended.id.clone());
    ended.get_ok("/del");
    assert_eq!(secrets.len(), 7);
    secrets.extend(use_users(server));
    assert_eq!(secrets.len(), 11);
    secrets
}

/// Logs a user in, lists the sessions and ends some. Returns the ids and the name.
fn use_users(server: &Server) -> Vec<String> {
    let [mut one, mut other, mut last] = [(); 3].map(|()| server.client());
    let mut secrets = vec!["cheshire-cat".to_owned()];
    for client in [&mut one, &mut other, &mut last] {
        client.get_ok("/login?user=cheshire-cat");
        secrets.extend(client.id.clone());
    }
    let json = [("Accept", "application/json")];
    let list = one.send("GET", "/sessions", &json).unwrap().body;
    assert_eq!(list.matches("fingerprint").count(), 3, "{list}");
    assert_eq!(other.post("/sessions/end?others=true").body, r#"{"ended":2}"#);
    other.get_ok("/logout");
    let mut stays = server.client();
    stays.get_ok("/login?user=cheshire-cat");
    secrets
}

const SETTINGS: [(&str, &str); 4] = [
    ("DEMO__SESSION__RENEW_AFTER", "1s"),
    ("DEMO__SESSION__GRACE", "500ms"),
    ("DEMO__SESSION__TOUCH_INTERVAL", "100ms"),
    ("RUST_LOG", "session_core=trace,session_actix=trace,demo_server=trace,info"),
];

#[test]
fn g18_with_hashed_ids_and_encrypted_items_a_dump_reveals_neither() {
    for searched in Searched::all() {
        let server = searched.store.serve(&[&SETTINGS[..], &BOTH].concat());
        let secrets = use_session(&server);
        assert_eq!(places_of(&secrets, &searched.dump(&server)), Vec::<String>::new());
    }
}

/// Shows that the search finds what there is to be found.
#[test]
fn g18_without_them_a_dump_reveals_both() {
    for searched in Searched::all() {
        let is_file = matches!(searched.store, Store::File(_));
        let server = searched.store.serve(&SETTINGS);
        let secrets = use_session(&server);
        let dump = searched.dump(&server);
        for kind in [&secrets[..4], &secrets[4..]] {
            let places = places_of(kind, &dump);
            let expected: &[&str] = match is_file {
                true => &[".session"],
                false => &["SLOWLOG", ".rdb", ".aof", "MONITOR"],
            };
            // The name of a file is its id, so that the id does not stand in it.
            let expected = if is_file && kind.len() == 3 { &[][..] } else { expected };
            for place in expected {
                assert!(places.iter().any(|found| found.ends_with(place)), "{place}: {places:?}");
            }
        }
    }
}

#[test]
fn sessions_from_before_stay_logged_in_and_disappear_from_the_store() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let mut server = store.serve(&[]);
        let mut browsers: Vec<_> = (0..5).map(|_| server.client()).collect();
        for browser in &mut browsers {
            browser.get_ok("/set?user=the-hatter&n=1");
        }
        server.terminate();
        for (name, value) in BOTH {
            server.configure(name, value);
        }
        server.restart();
        for browser in &mut browsers {
            let id = browser.id.clone().unwrap();
            assert!(store.read_raw(&id).is_some_and(|text| text.contains("the-hatter")));
            assert_eq!(browser.get_ok("/get?key=user"), r#""the-hatter""#);
            assert_eq!(store.read_raw(&id), None, "it has moved");
            browser.get_ok("/set?user=the-hatter&n=2");
            assert_eq!(browser.get_ok("/get"), r#"{"n":2,"user":"the-hatter"}"#);
            assert_eq!(browser.id.as_ref(), Some(&id));
        }
        let stored = match &store {
            Store::File(directory) => {
                let files = files_under(directory.path());
                files.into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect()
            }
            store => {
                let keys = store.redis().cli(&["KEYS", "session:*"]);
                assert_eq!(keys.lines().count(), browsers.len());
                let read = |key: &str| store.read_raw(key.strip_prefix("session:")?);
                keys.lines().filter_map(read).collect::<String>()
            }
        };
        assert!(stored.contains("$sealed:") && !stored.contains("the-hatter"), "{stored}");
    }
}

#[test]
fn keys_are_rotated_without_logging_anybody_out() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let mut server = store.serve(&BOTH);
        let mut browser = server.client();
        browser.get_ok("/set?user=bob");
        server.terminate();
        server.configure(KEYS, &[OTHER, KEY].join(","));
        server.restart();
        assert_eq!(browser.get_ok("/get"), r#"{"user":"bob"}"#);
        browser.get_ok("/set?user=bob");
        server.terminate();
        server.configure(KEYS, OTHER);
        server.restart();
        assert_eq!(browser.get_ok("/get"), r#"{"user":"bob"}"#);
    }
}

#[test]
fn g10_items_of_an_unknown_key_count_as_none_and_are_left() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let mut server = store.serve(&BOTH);
        let mut browser = server.client();
        browser.get_ok("/set?user=bob");
        server.terminate();
        server.configure(KEYS, OTHER);
        server.restart();
        assert_eq!(browser.clone().get_ok("/get"), "{}");
        assert_eq!(browser.clone().get_ok("/get?key=user"), "null");
        server.terminate();
        server.configure(KEYS, KEY);
        server.restart();
        assert_eq!(browser.get_ok("/get"), r#"{"user":"bob"}"#);
    }
}

#[test]
fn a_session_that_is_not_encrypted_counts_as_none_where_that_is_required() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let mut server = store.serve(&[]);
        let mut browser = server.client();
        browser.get_ok("/set?user=bob");
        server.terminate();
        server.configure(KEYS, KEY);
        server.configure("DEMO__SESSION__REQUIRE_ENCRYPTION", "true");
        server.restart();
        assert_eq!(browser.clone().get_ok("/get"), "{}");
        let mut other = server.client();
        other.get_ok("/set?user=eve");
        assert_eq!(other.get_ok("/get"), r#"{"user":"eve"}"#);
        assert!(
            browser.id.is_some_and(|id| store.read_raw(&id).is_some_and(|it| it.contains("bob")))
        );
    }
}

fn output(arguments: &[&str], environment: &[(&str, &str)], directory: &Path) -> (i32, String) {
    let mut demo = Command::new(DEMO);
    demo.args(arguments).envs(environment.iter().copied()).current_dir(directory);
    let output = demo.output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it exits"), String::from_utf8(text).unwrap())
}

#[test]
fn the_command_key_prints_a_fresh_key_that_the_server_takes() {
    let directory = tempfile::tempdir().unwrap();
    let keys = [(); 2].map(|()| output(&["key"], &[], directory.path()));
    assert_ne!(keys[0], keys[1]);
    for (status, key) in &keys {
        assert_eq!((*status, key.len(), key.lines().count()), (0, 45, 1), "{key}");
    }
    let key = keys[0].1.trim();
    let server = Store::Memory.serve(&[(KEYS, key)]);
    let mut browser = server.client();
    browser.get_ok("/set?user=bob");
    assert_eq!(browser.get_ok("/get"), r#"{"user":"bob"}"#);
    assert!(server.log().contains("items encrypted") && !server.log().contains(key));
}

#[test]
fn a_server_does_not_start_with_keys_that_are_none() {
    let directory = tempfile::tempdir().unwrap();
    for (keys, words) in [
        ("", "allowed is a list of one or more keys"),
        ("c2VjcmV0", "encryption key 1 has 6 bytes"),
        (&KEY[1..], "encryption key 1 is not base64"),
        (&[KEY, KEY].join(","), "encryption keys 1 and 2 are the same"),
    ] {
        let (status, text) = output(&[], &[(KEYS, keys)], directory.path());
        assert_eq!((status, text.lines().count()), (2, 1), "{text}");
        assert!(text.contains(words) && text.contains(KEYS), "{text}");
        assert!(keys.is_empty() || !text.contains(keys), "{text}");
    }
}

/// Nobody is logged out while requests overlap the first use after hashing was switched on.
#[test]
fn many_requests_at_once_find_a_session_that_moves() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let mut server = store.serve(&[]);
        let mut browser = server.client();
        browser.get_ok("/set?user=bob");
        server.terminate();
        for (name, value) in BOTH {
            server.configure(name, value);
        }
        server.restart();
        let requests: Vec<_> = (0..16)
            .map(|number| {
                let mut browser = browser.clone();
                thread::spawn(move || match number % 2 {
                    0 => browser.get_ok("/get?key=user"),
                    _ => browser.get_ok(&format!("/set?item{number}=1")),
                })
            })
            .collect();
        for (number, request) in requests.into_iter().enumerate() {
            let expected = if number % 2 == 0 { r#""bob""# } else { "ok" };
            assert_eq!(request.join().unwrap(), expected);
        }
        let items = browser.get_ok("/get");
        assert_eq!(items.matches("item").count(), 8, "{items}");
    }
}

#[test]
fn the_page_shows_the_command_that_edits_a_session_whose_id_is_hashed() {
    for store in [Store::key_value(), Store::hash_table()] {
        let mut server = store.serve(&BOTH);
        let mut browser = server.client();
        browser.get_ok("/set?user=bob");
        let key = store.redis().cli(&["KEYS", "session:*"]);
        let page = browser.get_ok("/status");
        assert!(
            page.contains(&key)
                && !page.contains(&format!("session:{}", browser.id.as_ref().unwrap()))
        );
        let command = match &store {
            Store::KeyValue(redis) => redis.cli(&["SET", &key, r#"{"user":"eve"}"#, "KEEPTTL"]),
            store => store.redis().cli(&["HSET", &key, "user", "eve"]),
        };
        assert!(["OK", "0"].contains(&command.as_str()), "{command}");
        assert_eq!(browser.get_ok("/get"), r#"{"user":"eve"}"#);
        server.terminate();
        server.configure("DEMO__SESSION__REQUIRE_ENCRYPTION", "true");
        server.restart();
        assert_eq!(browser.clone().get_ok("/get"), "{}");
        let mut browser = server.client();
        browser.get_ok("/set?user=bob");
        assert!(browser.get_ok("/status").contains("cannot be edited by hand"));
    }
}
