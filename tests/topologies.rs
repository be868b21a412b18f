//! A server whose settings name sentinels, a cluster, or a Redis that speaks TLS.

#[path = "support/demo.rs"]
mod demo;
mod support;
#[path = "support/tls.rs"]
mod tls;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use demo::{
    client::Client,
    server::{Server, eventually},
};
use support::redis::{RedisServer, free_port, is_free};
use tls::Certificates;

#[test]
fn what_the_script_says_about_sentinels_is_all_it_takes() {
    let script = Script::start("--sentinel");
    survives_the_death_of_a_master(&script, "the master mymaster of the sentinels");
    script.ends_and_leaves_nothing();
}

#[test]
fn what_the_script_says_about_a_cluster_is_all_it_takes() {
    let script = Script::start("--cluster");
    survives_the_death_of_a_master(&script, "a cluster");
    script.ends_and_leaves_nothing();
}

#[test]
fn a_store_that_is_down_is_started_by_the_script_with_its_option() {
    let nobody = free_port();
    let [sentinel, node] = [nobody + 20_000, nobody].map(|port| format!("127.0.0.1:{port}"));
    for (settings, command) in [
        (
            vec![("DEMO__REDIS__SENTINELS", &*sentinel), ("DEMO__REDIS__MASTER", "mymaster")],
            "sentinel",
        ),
        (vec![("DEMO__REDIS__CLUSTER", &*node)], "cluster"),
    ] {
        let settings = [&settings[..], &[("DEMO__SESSION__BACKEND", "redis-hash-table")]].concat();
        let server = Server::start(&settings);
        let hint = format!("`scripts/redis --{command} --port {nobody}` starts one");
        eventually("the log says what to do", || server.log().contains(&hint));
        let status = server.client().expect("/status");
        assert!(status.contains(&format!("scripts/redis --{command} --port {nobody}")), "{status}");
    }
}

#[test]
fn a_redis_that_speaks_tls_is_trusted_and_shown_the_certificate() {
    let (certificates, port) = (Certificates::issue(), free_port());
    let settings = certificates.settings(port, true);
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let redis = RedisServer::start_with(&[&settings[..], &["--requirepass", "secret"]].concat());
    let file = |name| certificates.path(name).to_str().expect("UTF-8").to_owned();
    let (url, ca) = (format!("rediss://127.0.0.1:{port}"), file("ca.pem"));
    let (cert, key) = (file("client.pem"), file("client.key"));
    let usual = [
        ("DEMO__SESSION__BACKEND", "redis-hash-table"),
        ("DEMO__REDIS__URL", &url),
        ("DEMO__REDIS__TLS_CA", &ca),
        ("DEMO__REDIS__PASSWORD", "secret"),
        ("DEMO__REDIS__DATABASE", "3"),
    ];
    let shown = [("DEMO__REDIS__TLS_CERT", &*cert), ("DEMO__REDIS__TLS_KEY", &*key)];
    let server = Server::start(&[&usual[..], &shown].concat());
    works(&mut server.client());
    assert_eq!(redis.cli(&["-a", "secret", "-n", "3", "DBSIZE"]), "1");
    assert!(!server.log().contains("secret"), "{}", server.log());

    let stranger = Server::start(&usual);
    assert_eq!(stranger.client().ask("/set").status, 503);
    assert!(!stranger.log().contains("secret"), "{}", stranger.log());
}

fn works(browser: &mut Client) {
    assert_eq!(browser.expect("/set?a=1"), "ok");
    assert_eq!(browser.expect("/get"), r#"{"a":1}"#);
}

fn survives_the_death_of_a_master(script: &Script, place: &str) {
    let server = Server::start(&script.settings());
    let storage = format!("storage redis-key-value ({place})");
    assert!(server.log().contains(&storage), "{}", server.log());
    works(&mut server.client());
    script.kill_a_master();
    let killed = Instant::now();
    // In a cluster every third new session belongs to the master that was killed.
    let mut good = 0;
    while good < 30 {
        let is_good = server.client().ask("/set?a=1").status == 200;
        good = if is_good { good + 1 } else { 0 };
        assert!(killed.elapsed() < Duration::from_secs(15), "{}", server.log());
    }
    println!("{place}: all is well {:?} after a master was killed", killed.elapsed());
}

/// `scripts/redis`, running.
struct Script {
    process: Child,
    said: String,
    ports: Vec<u16>,
    temporary: tempfile::TempDir,
}

impl Script {
    /// Starts it and reads what it says, until it has said all.
    fn start(option: &str) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let (first, ports) = ports(option);
        let mut process = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/redis"))
            .args([option, "--port", &first.to_string()])
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let mut said = String::new();
        while !said.contains("\nAsk who ") {
            let line = lines.next().expect("it goes on speaking").expect("UTF-8");
            said.push_str(&line);
            said.push('\n');
        }
        // What it says later has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, said, ports, temporary }
    }

    /// The settings in the line that starts the demo.
    fn settings(&self) -> Vec<(&str, &str)> {
        let line =
            self.said.lines().find_map(|line| line.strip_suffix(" cargo run -p demo-server"));
        let words = line.expect("it says how").split_whitespace();
        words.map(|word| word.split_once('=').expect("a setting")).collect()
    }

    fn kill_a_master(&self) {
        let line = self.said.lines().find(|line| line.contains("kill -9 ")).expect("it says how");
        let done = Command::new("sh").args(["-c", line]).status();
        assert!(done.expect("there is a shell").success(), "{line}");
    }

    fn ends_and_leaves_nothing(mut self) {
        let status = self.end();
        assert_eq!(status.code(), Some(143));
        let left: Vec<_> = fs::read_dir(self.temporary.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        for &port in &self.ports {
            assert!(is_free(port), "{port}");
        }
    }

    fn end(&mut self) -> ExitStatus {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        self.process.wait().expect("it ends")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.end();
        }
    }
}

/// The first of the ports that the script takes, and all of them: below those of other tests.
fn ports(option: &str) -> (u16, Vec<u16>) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = (std::process::id() % 150) as u16 * 12;
    loop {
        let first = 10_000 + (offset + NEXT.fetch_add(6, Ordering::Relaxed)) % 1_990;
        let offsets = match option {
            "--sentinel" => vec![0, 1, 2, 20_000, 20_001, 20_002],
            _ => (0..6).flat_map(|number| [number, number + 10_000]).collect(),
        };
        let all: Vec<u16> = offsets.into_iter().map(|offset| first + offset).collect();
        if all.iter().all(|&port| is_free(port)) {
            return (first, all);
        }
    }
}
