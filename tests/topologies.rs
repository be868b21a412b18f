//! Servers on Redis with Sentinel, Cluster or TLS.

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
fn the_instructions_of_the_script_suffice_to_run_on_sentinels() {
    let script = Script::start("--sentinel");
    assert_survives_the_loss_of_a_master(&script, "the master mymaster of the sentinels");
    script.assert_stops_and_cleans_up();
}

#[test]
fn the_instructions_of_the_script_suffice_to_run_on_a_cluster() {
    let script = Script::start("--cluster");
    assert_survives_the_loss_of_a_master(&script, "a cluster");
    script.assert_stops_and_cleans_up();
}

#[test]
fn the_hint_for_a_store_that_is_down_names_the_option_of_the_script() {
    // The script gives its first sentinel a port that other servers may have.
    let mut ports = std::iter::repeat_with(free_port).map(|port| [port + 20_000, port]);
    let ports = ports.find(|[sentinel, _]| is_free(*sentinel)).expect("some port is free");
    let (port, [sentinel, node]) = (ports[1], ports.map(|port| format!("127.0.0.1:{port}")));
    for (settings, command) in [
        (
            vec![("DEMO__REDIS__SENTINELS", &*sentinel), ("DEMO__REDIS__MASTER", "mymaster")],
            "sentinel",
        ),
        (vec![("DEMO__REDIS__CLUSTER", &*node)], "cluster"),
    ] {
        let settings = [&settings[..], &[("DEMO__SESSION__BACKEND", "redis-hash-table")]].concat();
        let server = Server::start(&settings);
        let hint = format!("`scripts/redis --{command} --port {port}` starts one");
        eventually("a hint in the log", || server.log().contains(&hint));
        let status = server.client().get_ok("/status");
        assert!(status.contains(&format!("scripts/redis --{command} --port {port}")), "{status}");
    }
}

#[test]
fn the_server_verifies_a_tls_redis_and_presents_its_client_certificate() {
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
    assert_works(&mut server.client());
    assert_eq!(redis.cli(&["-a", "secret", "-n", "3", "DBSIZE"]), "1");
    assert!(!server.log().contains("secret"), "{}", server.log());

    let stranger = Server::start(&usual);
    assert_eq!(stranger.client().get("/set").status, 503);
    assert!(!stranger.log().contains("secret"), "{}", stranger.log());
}

fn assert_works(browser: &mut Client) {
    assert_eq!(browser.get_ok("/set?a=1"), "ok");
    assert_eq!(browser.get_ok("/get"), r#"{"a":1}"#);
}

fn assert_survives_the_loss_of_a_master(script: &Script, description: &str) {
    let server = Server::start(&script.settings());
    let storage = format!("storage redis-key-value ({description})");
    assert!(server.log().contains(&storage), "{}", server.log());
    assert_works(&mut server.client());
    script.kill_a_master();
    let killed = Instant::now();
    // In a cluster every third new session belongs to the master that was killed.
    let mut good = 0;
    while good < 30 {
        let is_good = server.client().get("/set?a=1").status == 200;
        good = if is_good { good + 1 } else { 0 };
        assert!(killed.elapsed() < Duration::from_secs(15), "{}", server.log());
    }
    println!(
        "{description}: all requests succeed {:?} after a master was killed",
        killed.elapsed()
    );
}

/// A running `scripts/redis`.
struct Script {
    process: Child,
    output: String,
    ports: Vec<u16>,
    temporary: tempfile::TempDir,
}

impl Script {
    /// Starts the script and reads its instructions.
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
        let mut output = String::new();
        while !output.contains("\nAsk who ") {
            let line = lines.next().expect("more instructions").expect("UTF-8");
            output.push_str(&line);
            output.push('\n');
        }
        // A full pipe would block the script.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, output, ports, temporary }
    }

    /// Returns the settings in the command that starts the demo.
    fn settings(&self) -> Vec<(&str, &str)> {
        let line =
            self.output.lines().find_map(|line| line.strip_suffix(" cargo run -p demo-server"));
        let words = line.expect("the command").split_whitespace();
        words.map(|word| word.split_once('=').expect("a setting")).collect()
    }

    fn kill_a_master(&self) {
        let line = self.output.lines().find(|line| line.contains("kill -9 ")).expect("the command");
        let done = Command::new("sh").args(["-c", line]).status();
        assert!(done.expect("a shell").success(), "{line}");
    }

    fn assert_stops_and_cleans_up(mut self) {
        let status = self.stop();
        assert_eq!(status.code(), Some(143));
        let left: Vec<_> = fs::read_dir(self.temporary.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        for &port in &self.ports {
            assert!(is_free(port), "{port}");
        }
    }

    fn stop(&mut self) -> ExitStatus {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        self.process.wait().expect("the script exits")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.stop();
        }
    }
}

/// Returns the first port for the script and all ports that it uses, below those of other tests.
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
