//! What the log and the page say about a Redis that fails, in words that an operator can act on.

#[path = "support/demo.rs"]
mod demo;
mod support;
#[path = "support/tls.rs"]
mod tls;

use demo::{
    server::{Server, eventually},
    store::Store,
};
use serde_json::Value;
use support::{
    proxy::{Harm, Proxy},
    redis::{RedisServer, free_port},
};
use tls::Certificates;

fn serve(url: &str, settings: &[(&str, &str)]) -> Server {
    let redis = [("DEMO__SESSION__BACKEND", "redis-key-value"), ("DEMO__REDIS__URL", url)];
    Server::start(&[&redis[..], settings].concat())
}

/// Asserts that log and page name the problem and what to do about it.
fn assert_tells(server: &Server, problem: &str, help: &str) {
    let mut browser = server.client();
    let mut status = Value::Null;
    eventually(&format!("{problem}: {help}"), || {
        // A request of a visitor: a store that is full or read-only refuses its writes only.
        let _ = browser.get("/set?a=1");
        status = serde_json::from_str(&browser.get("/status").body).unwrap();
        let shown = status["store"]["problem"].as_str().unwrap_or_default();
        let is_shown = shown.contains(problem) && status["store"]["help"] == help;
        is_shown && server.log().contains(problem)
    });
    let plain = browser.get_ok("/plain");
    assert!(plain.contains(help), "{plain}");
}

#[test]
fn a_refused_connection_is_told() {
    let server = serve(&format!("redis://127.0.0.1:{}", free_port()), &[]);
    assert_tells(&server, "connection refused", "Start one in a terminal:");
    eventually("the log says how to start it", || server.log().contains("scripts/redis --port"));
}

#[test]
fn a_timeout_is_told() {
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    proxy.harm(Harm::Swallow);
    let server = serve(&proxy.url(), &[("DEMO__REDIS__CONNECT_TIMEOUT", "200ms")]);
    let help = "Check the address and the network, or raise redis.connect_timeout and \
                redis.response_timeout.";
    assert_tells(&server, "timed out", help);
}

#[test]
fn a_wrong_password_is_told() {
    let redis = RedisServer::start_with(&["--requirepass", "right"]);
    let help = "Correct redis.user and redis.password or redis.password_file.";
    let server = serve(&redis.url(), &[("DEMO__REDIS__PASSWORD", "wrong")]);
    assert_tells(&server, "refuses the connection: wrong user or password (WRONGPASS)", help);
    assert!(!server.log().contains("is not reachable"), "{}", server.log());
    let server = serve(&redis.url(), &[]);
    assert_tells(&server, "refuses the connection: a password is required (NOAUTH)", help);
}

#[test]
fn a_missing_permission_is_told() {
    let redis = RedisServer::start();
    redis.cli(&["ACL", "SETUSER", "default", "-evalsha"]);
    let server = serve(&redis.url(), &[]);
    let help = "Give the user the permissions that docs/REDIS.md lists.";
    assert_tells(&server, "no permission for evalsha (NOPERM)", help);
}

#[test]
fn a_full_server_is_told() {
    let redis = RedisServer::start_with(&["--maxmemory", "1"]);
    let server = serve(&redis.url(), &[]);
    let help = "Raise maxmemory in Redis, or choose a policy of eviction: docs/REDIS.md.";
    assert_tells(&server, "out of memory (OOM)", help);
}

#[test]
fn a_replica_is_told() {
    let redis = RedisServer::start();
    redis.cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    let server = serve(&redis.url(), &[]);
    let help = "Point redis.url at the master, or set redis.sentinels and redis.master.";
    assert_tells(&server, "is a replica and takes no writes", help);
}

#[test]
fn too_many_clients_are_told() {
    let redis = RedisServer::start_with(&["--maxclients", "1"]);
    let _taken = std::net::TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    let server = serve(&redis.url(), &[]);
    let help = "Raise maxclients in Redis, or set redis.max_connections.";
    assert_tells(&server, "it has too many clients (maxclients)", help);
    assert!(!server.log().contains("is not reachable"), "{}", server.log());
}

#[test]
fn a_certificate_for_another_name_is_told() {
    let (certificates, port) = (Certificates::issue_for(&["redis.example.com"]), free_port());
    let settings = certificates.settings(port, false);
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let _redis = RedisServer::start_with(&settings);
    let ca = certificates.path("ca.pem");
    let trust = [("DEMO__REDIS__TLS_CA", ca.to_str().unwrap())];
    let url = format!("rediss://127.0.0.1:{port}");
    let server = serve(&url, &trust);
    let help = "Set redis.tls_server_name to a name that the certificate is for.";
    assert_tells(&server, "not valid for name", help);

    let named = [trust[0], ("DEMO__REDIS__TLS_SERVER_NAME", "redis.example.com")];
    let server = serve(&url, &named);
    assert_eq!(server.client().get_ok("/set?a=1"), "ok");
}

#[test]
fn g9_times_to_live_that_the_server_refuses_are_told_before_anybody_is_logged_out() {
    for store in [Store::key_value(), Store::hash_table()] {
        store.redis().cli(&["ACL", "SETUSER", "default", "-pexpire"]);
        // A hash is written with PEXPIRE.
        if matches!(store, Store::HashTable(_)) {
            store.redis().cli(&["ACL", "SETUSER", "default", "+pexpire"]);
        }
        let server = store.serve(&[("DEMO__SESSION__MAX_AGE", "20s")]);
        let mut browsers: Vec<_> = (0..10).map(|_| server.client()).collect();
        for browser in &mut browsers {
            browser.get_ok("/set?a=1");
        }
        store.redis().cli(&["ACL", "SETUSER", "default", "-pexpire"]);
        eventually("a line in the log", || {
            for browser in &mut browsers {
                assert_eq!(browser.get_ok("/get"), r#"{"a":1}"#);
            }
            server.log().contains("times to live of sessions cannot be written: ")
                && server.log().contains("(NOPERM)")
        });
        assert_eq!(browsers[0].get("/readyz").status, 503);
        store.redis().cli(&["ACL", "SETUSER", "default", "+pexpire"]);
        eventually("readiness", || browsers[0].get("/readyz").status == 200);
    }
}

#[test]
fn a_changed_password_in_a_file_is_followed_by_a_running_server() {
    let redis = RedisServer::start_with(&["--requirepass", "first"]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let setting = [("DEMO__REDIS__PASSWORD_FILE", file.to_str().unwrap())];
    let server = serve(&redis.url(), &setting);
    let mut browser = server.client();
    browser.get_ok("/set?a=1");
    let admin = |arguments: &[&str], password: &str| {
        redis.cli(&[&["-a", password, "--no-auth-warning"], arguments].concat())
    };
    assert_eq!(admin(&["CONFIG", "SET", "requirepass", "second"], "first"), "OK");
    std::fs::write(&file, "second\n").unwrap();
    admin(&["CLIENT", "KILL", "TYPE", "normal"], "second");
    eventually("a successful request", || browser.get("/get").status == 200);
    assert_eq!(browser.get_ok("/get"), r#"{"a":1}"#);
}

#[test]
fn the_server_reaches_redis_at_a_socket() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("redis.sock");
    let socket = socket.to_str().unwrap();
    let _redis = RedisServer::start_with(&["--unixsocket", socket]);
    let server = serve(&format!("unix://{socket}"), &[("DEMO__REDIS__MAX_CONNECTIONS", "1")]);
    let mut browser = server.client();
    browser.get_ok("/set?a=1");
    assert_eq!(browser.get_ok("/get"), r#"{"a":1}"#);
    assert!(browser.get_ok("/plain").contains("answers"));
}
