//! `demo-server sessions` on real stores.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Output, Stdio},
};

use demo::store::{Store, key};
use serde_json::Value;
use support::redis::RedisServer;

const DEMO: &str = env!("CARGO_BIN_EXE_demo-server");

/// Returns the command with the settings for a store.
fn sessions(store: &Store, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(DEMO);
    command.env_clear().current_dir(std::env::temp_dir());
    command.envs(store.settings());
    command.envs(settings.iter().copied()).arg("sessions").args(arguments);
    command
}

/// Runs the command. Returns exit code, standard output and standard error.
fn run(store: &Store, settings: &[(&str, &str)], arguments: &[&str]) -> (i32, String, String) {
    let output = sessions(store, settings, arguments).output();
    let Output { status, stdout, stderr } = output.expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("it exits"), text(stdout), text(stderr))
}

fn ok(store: &Store, settings: &[(&str, &str)], arguments: &[&str]) -> String {
    let (code, output, errors) = run(store, settings, arguments);
    assert_eq!((code, &*errors), (0, ""), "{arguments:?}: {output}");
    output
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn stores() -> [Store; 3] {
    [Store::file(), Store::key_value(), Store::hash_table()]
}

const HASHED: (&str, &str) = ("DEMO__SESSION__HASH_IDS", "true");
const KEYS: (&str, &str) =
    ("DEMO__SESSION__ENCRYPTION_KEYS", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");

#[test]
fn sessions_are_listed_shown_and_ended_by_their_fingerprint() {
    for (store, settings) in
        stores().iter().flat_map(|store| [(store, &[][..]), (store, &[HASHED, KEYS])])
    {
        assert_eq!(json(&ok(store, settings, &["list", "--json"])), Value::Array(vec![]));
        let server = store.serve(settings);
        let (mut bob, mut eve) = (server.client(), server.client());
        bob.get_ok("/set?name=bob&age=42");
        eve.get_ok("/set?name=eve");

        let list = json(&ok(store, settings, &["list", "--json"]));
        let list = list.as_array().expect("an array");
        assert_eq!(list.len(), 2);
        let of_bob = list.iter().find(|entry| entry["items"] == 2).expect("a session");
        let left = of_bob["expires_in_ms"].as_u64().expect("a number");
        assert!((30_000..=60_000).contains(&left), "{left}");
        let fingerprint = of_bob["fingerprint"].as_str().expect("a text");
        let table = ok(store, settings, &["list"]);
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(table.contains(fingerprint), "{table}");

        let id = bob.id.clone().expect("an id");
        for name in [fingerprint, &id] {
            let shown = json(&ok(store, settings, &["show", name, "--json", "--values"]));
            assert_eq!(shown["items"][1]["key"], "name");
            assert_eq!(shown["items"][1]["value"], "bob");
            let shown = ok(store, settings, &["show", name]);
            assert!(shown.contains("  name  5 bytes\n"), "{shown}");
        }
        let stats = json(&ok(store, settings, &["stats", "--json"]));
        assert_eq!((&stats["sessions"], &stats["items"]), (&2.into(), &3.into()));
        assert_eq!(stats["expires_in"]["under 1 minute"], 2);

        ok(store, settings, &["end", fingerprint]);
        let (code, output, errors) = run(store, settings, &["end", fingerprint]);
        assert_eq!((code, &*output, errors.lines().count()), (1, "", 1), "{errors}");
        assert_eq!(run(store, settings, &["show", &id]).0, 1);
        assert_eq!(bob.get_ok("/get"), "{}");
        assert_eq!(eve.get_ok("/get"), r#"{"name":"eve"}"#);
        ok(store, settings, &["end", eve.id.as_deref().expect("an id")]);
        assert_eq!(json(&ok(store, settings, &["list", "--json"])), Value::Array(vec![]));
        ok(store, settings, &["sweep"]);
    }
}

#[test]
fn g12_administration_prints_no_id_and_no_value_unless_asked() {
    for store in stores() {
        let server = store.serve(&[]);
        let mut bob = server.client();
        bob.get_ok("/set?name=valuable");
        let id = bob.id.clone().expect("an id");
        let mut all = String::new();
        for arguments in [
            &["list"][..],
            &["list", "--json"],
            &["show", &id],
            &["show", &id, "--json"],
            &["stats"],
            &["sweep"],
            &["end", &id],
            &["end", &id],
        ] {
            let (_, output, errors) = run(&store, &[], arguments);
            all.extend([output, errors]);
        }
        assert!(!all.contains(&id) && !all.contains("valuable"), "{all}");
        bob.get_ok("/set?name=valuable");
        let id = bob.id.clone().expect("an id");
        assert!(ok(&store, &[], &["list", "--ids"]).contains(&id));
        assert!(ok(&store, &[], &["show", &id, "--values"]).contains("valuable"));
    }
}

#[test]
fn what_cannot_be_done_is_one_line_with_an_exit_code() {
    let one_line = |(code, output, errors): (i32, String, String), expected, word: &str| {
        assert_eq!((code, &*output, errors.lines().count()), (expected, "", 1), "{errors}");
        assert!(errors.contains(word), "{errors}");
    };
    one_line(run(&Store::Memory, &[], &["stats"]), 2, "memory");
    let file = Store::file();
    one_line(run(&file, &[], &["lst"]), 2, "lst");
    one_line(run(&file, &[], &[]), 2, "list");
    one_line(run(&file, &[], &["show", "nobody"]), 1, "no such session");
    let mut redis = Store::key_value();
    redis.redis_mut().kill();
    one_line(run(&redis, &[], &["stats"]), 3, "connection refused");
}

/// Writes sessions without a server.
fn fill(redis: &RedisServer, count: usize) {
    let mut cli = Command::new("redis-cli");
    cli.args(["-p", &redis.port().to_string(), "--pipe"]).stdin(Stdio::piped());
    let mut cli = cli.stdout(Stdio::null()).spawn().expect("redis-cli runs");
    let mut input = cli.stdin.take().expect("it is piped");
    for number in 0..count {
        let (key, text) = (key(&format!("id-{number}")), r#"{"a":1}"#);
        writeln!(input, "SET {key} '{text}' EX 600").expect("redis-cli reads");
    }
    writeln!(input, "SADD {} x", key("@bob")).expect("redis-cli reads");
    drop(input);
    assert!(cli.wait().expect("redis-cli ends").success());
}

#[test]
fn thousands_of_sessions_are_listed_in_pages_without_keys() {
    let store = Store::key_value();
    fill(store.redis(), 3000);
    let list = json(&ok(&store, &[], &["list", "--json"]));
    assert_eq!(list.as_array().expect("an array").len(), 3000);
    let commands = store.redis().cli(&["INFO", "commandstats"]).to_lowercase();
    assert!(!commands.contains("cmdstat_keys:"), "{commands}");
    let scans = commands.lines().find_map(|line| line.strip_prefix("cmdstat_scan:calls="));
    let scans = scans.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0);
    assert!(scans >= 5, "{scans} pages");

    // A reader that has read enough is no failure.
    let mut list = sessions(&store, &[], &["list"]);
    let mut list = list.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(list.stdout.take().expect("it is piped"));
    lines.read_line(&mut String::new()).expect("a line");
    drop(lines);
    let output = list.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
}

#[test]
fn g17_the_sessions_of_a_user_are_listed_and_ended() {
    for store in stores() {
        for settings in [&[][..], &[HASHED, KEYS]] {
            let server = store.serve(settings);
            let mut clients: Vec<_> = ["bob", "bob", "alice"]
                .into_iter()
                .map(|user| {
                    let mut client = server.client();
                    client.get_ok(&format!("/login?user={user}"));
                    client
                })
                .collect();
            let list = json(&ok(&store, settings, &["list", "--json"]));
            let users = list.as_array().unwrap().iter().filter(|entry| entry["user"] == "bob");
            assert_eq!(users.count(), 2, "{list}");
            assert!(ok(&store, settings, &["list"]).contains("  alice"));
            assert_eq!(ok(&store, settings, &["end-user", "bob"]), "ended 2 sessions\n");
            let (code, _, errors) = run(&store, settings, &["end-user", "bob"]);
            assert_eq!((code, &*errors), (1, "demo-server: there is no such session\n"));
            assert_eq!(clients[0].get_ok("/get"), "{}");
            assert_ne!(clients[2].get_ok("/get"), "{}");
            assert_eq!(ok(&store, settings, &["end-user", "alice"]), "ended 1 session\n");
        }
    }
}
