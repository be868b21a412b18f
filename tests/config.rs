//! The errors of a server that cannot run as configured.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use demo::{server::run_until_exit, store::Store};

/// Expects exit code 2 and an error of one line that contains these words.
fn refused(settings: &[(&str, &str)], arguments: &[&str], file: &str, words: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("config.toml"), file).unwrap();
    fs::write(directory.path().join("occupied"), "").unwrap();
    let (code, errors) = run_until_exit(directory.path(), settings, arguments);
    assert_eq!(code, Some(2), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    for word in words {
        assert!(errors.contains(word), "{word:?} is not in {errors}");
    }
    assert!(!errors.contains("secret"), "{errors}");
    assert!(!errors.contains("   "), "a break in the source shows: {errors}");
}

#[test]
fn a_bad_value_is_reported_in_one_line_with_its_place_and_the_allowed_values() {
    refused(&[], &[], "[server]\nport = 99999", &["config.toml", "server.port", "99999", "65535"]);
    refused(
        &[("DEMO__SESSION__MAX_AGE", "0s")],
        &[],
        "[session]\nmax_age = \"1m\"",
        &["DEMO__SESSION__MAX_AGE", "\"0s\"", "100ms"],
    );
    let backend = [("DEMO__SESSION__BACKEND", "disk")];
    refused(&backend, &[], "", &["DEMO__SESSION__BACKEND", "\"disk\"", "`redis-key-value`"]);
}

#[test]
fn an_unknown_key_is_refused_in_the_file_and_in_the_environment() {
    refused(
        &[],
        &[],
        "[session]\nmaxage = \"1m\"",
        &["config.toml", "session.maxage", "`max_age`"],
    );
    refused(&[("DEMO__SEVER__PORT", "1")], &[], "", &["DEMO__SEVER__PORT", "server"]);
}

#[test]
fn a_cookie_that_browsers_would_refuse_is_refused() {
    refused(
        &[("DEMO__SESSION__COOKIE__SAME_SITE", "none")],
        &[],
        "[session.cookie]\nsecure = false",
        &[
            "config.toml: session.cookie.secure = false",
            "DEMO__SESSION__COOKIE__SAME_SITE",
            "secure",
        ],
    );
    refused(
        &[("DEMO__SESSION__COOKIE__DOMAIN", "example.com")],
        &[],
        "[session.cookie]\nname = \"__Host-id\"\nsecure = true",
        &["config.toml", "__Host-id", "DEMO__SESSION__COOKIE__DOMAIN", "no domain"],
    );
    refused(
        &[("DEMO__SESSION__COOKIE__NAME", "a b")],
        &[],
        "",
        &["DEMO__SESSION__COOKIE__NAME", "a b"],
    );
    refused(&[("DEMO__SESSION__HEADER", "a b")], &[], "", &["DEMO__SESSION__HEADER", "a b"]);
    refused(
        &[("DEMO__SESSION__COOKIE__MAX_AGE", "3s")],
        &[],
        "[session]\ntouch_interval = \"6s\"",
        &["DEMO__SESSION__COOKIE__MAX_AGE", "config.toml: session.touch_interval", "3s", "6s"],
    );
}

#[test]
fn turning_off_cookies_needs_a_header() {
    let file = "[session.cookie]\nenabled = false";
    let words = ["config.toml: session.cookie.enabled = false", "needs a header"];
    refused(&[], &[], file, &words);
    refused(&[("DEMO__SESSION__HEADER", "a b")], &[], file, &["DEMO__SESSION__HEADER", "a b"]);
}

#[test]
fn an_unusable_directory_is_refused() {
    let file = "[file]\npath = \"occupied/sessions\"";
    refused(&[], &[], file, &["config.toml", "file.path", "occupied/sessions", "allowed"]);
}

#[test]
fn a_lock_file_that_cannot_be_used_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir(directory.path().join(".lock-17")).unwrap();
    let words = ["DEMO__FILE__PATH", path, "lock file .lock-17: Is a directory", "remove it, or"];
    refused(&[("DEMO__FILE__PATH", path)], &[], "", &words);
}

#[test]
fn a_port_in_use_is_refused() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = occupied.local_addr().unwrap().port().to_string();
    refused(&[("DEMO__SERVER__PORT", &port)], &[], "", &["DEMO__SERVER__PORT", &port, "in use"]);
    let nowhere = [("DEMO__SERVER__HOST", "no-such-host.invalid")];
    refused(&nowhere, &[], "", &["DEMO__SERVER__HOST", "no-such-host.invalid"]);
}

#[test]
fn a_bad_redis_url_is_refused_without_showing_its_password() {
    for url in ["http://:secret@localhost", "redis://:secret@[", "redis://:secret@h:port", "secret"]
    {
        let settings = [("DEMO__SESSION__BACKEND", "redis-key-value"), ("DEMO__REDIS__URL", url)];
        refused(&settings, &[], "", &["DEMO__REDIS__URL"]);
    }
}

#[test]
fn contradicting_redis_settings_are_refused() {
    const SENTINELS: &str = "sentinels = [\"a:1\"]\nmaster = \"shop\"\n";
    const CLUSTER: &str = "cluster = [\"b:2\", \"c:3\"]\n";
    let both = ["config.toml: redis.sentinels = [\"a:1\"]", "redis.cluster = [\"b:2\",\"c:3\"]"];
    redis_refused(&[], &[SENTINELS, CLUSTER].concat(), &both);
    let cluster = [("DEMO__REDIS__CLUSTER", "b:2,c:3")];
    redis_refused(&cluster, SENTINELS, &["redis.sentinels", "DEMO__REDIS__CLUSTER = \"b:2,c:3\""]);
    let master = [("DEMO__REDIS__MASTER", "shop")];
    redis_refused(&master, "", &["DEMO__REDIS__MASTER = \"shop\"", "redis.sentinels"]);
    redis_refused(&[], "sentinels = [\"a:1\"]", &["redis.sentinels = [\"a:1\"]", "redis.master"]);
    redis_refused(&[], "cluster = [\"a\"]", &["redis.cluster = [\"a\"]", "10.0.0.1:7000"]);
    let database = [("DEMO__REDIS__DATABASE", "1")];
    redis_refused(&database, CLUSTER, &["DEMO__REDIS__DATABASE = \"1\"", "redis.cluster"]);
    redis_refused(&[], "tls_key = \"k.pem\"", &["redis.tls_key = \"k.pem\"", "redis.tls_cert"]);
    redis_refused(&[], "wait_replicas = 101", &["redis.wait_replicas = 101", "0 to 100"]);
}

#[test]
fn redis_errors_of_the_library_name_the_setting() {
    let url = |url| format!("url = \"{url}\"\n");
    redis_refused(&[], "user = \"bob\"", &["redis.user = \"bob\"", "with a password"]);
    let password = [("DEMO__REDIS__PASSWORD", "secret")];
    let twice = url("redis://:secret@h");
    redis_refused(
        &password,
        &twice,
        &["DEMO__REDIS__PASSWORD = (not shown)", "redis.url", "one place"],
    );
    let two = [url("redis://h/2"), "database = 3".to_owned()].concat();
    redis_refused(&[], &two, &["redis.database = 3", "redis.url", "one place"]);
    let other = "cluster = [\"redis://h:1\", \"rediss://h:2\"]";
    redis_refused(&[], other, &["redis.cluster = [\"redis://h:1\"", "all rediss://", "host:port"]);
    let secret = "cluster = [\"redis://:secret@h:1\"]";
    redis_refused(&[], secret, &["redis.cluster = (not shown)", "host:port"]);
    let scheme = "sentinels = [\"http://h:1\"]\nmaster = \"shop\"";
    redis_refused(&[], scheme, &["redis.sentinels = [\"http://h:1\"]", "redis[s]://"]);
    let plain = [url("redis://h"), "tls_ca = \"occupied\"".to_owned()].concat();
    redis_refused(&[], &plain, &["redis.tls_ca = \"occupied\"", "rediss://"]);
    let empty = [url("rediss://h"), "tls_ca = \"occupied\"".to_owned()].concat();
    redis_refused(&[], &empty, &["redis.tls_ca = \"occupied\"", "PEM"]);
    let nowhere = [url("rediss://h"), "tls_ca = \"nowhere.pem\"".to_owned()].concat();
    redis_refused(&[], &nowhere, &["redis.tls_ca = \"nowhere.pem\"", "No such file"]);
    let key = [url("rediss://h"), "tls_cert = \"occupied\"\ntls_key = \"occupied\"".to_owned()];
    redis_refused(&[], &key.concat(), &["redis.tls_cert = \"occupied\"", "PEM"]);
}

fn redis_refused(settings: &[(&str, &str)], section: &str, words: &[&str]) {
    let file = format!("[session]\nbackend = \"redis-key-value\"\n[redis]\n{section}");
    refused(settings, &[], &file, words);
}

#[test]
fn a_config_file_given_on_the_command_line_must_exist_and_be_valid_toml() {
    refused(&[], &["--config", "other.toml"], "", &["other.toml"]);
    refused(&[], &["--config", "occupied/other.toml"], "", &["occupied/other.toml"]);
    refused(&[], &[], "[server]\nport = = 1", &["config.toml", "line 2"]);
    refused(&[], &["--port", "1"], "", &["--port", "--config"]);
}

#[test]
fn the_environment_overrides_the_file_and_the_file_overrides_the_default() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("named.toml");
    let text =
        "[session]\nbackend = \"memory\"\n[session.cookie]\npath = \"/file\"\nmax_age = \"20s\"";
    fs::write(&file, text).unwrap();
    let server = demo::server::Server::start_with(
        &[("DEMO__SESSION__COOKIE__PATH", "/environment")],
        &["--config", file.to_str().unwrap()],
    );
    let cookie = server.client().get("/set").set_cookie.expect("a cookie");
    assert!(cookie.contains("Path=/environment"), "{cookie}");
    assert!(cookie.contains("Max-Age=20"), "{cookie}");
    assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
}

#[test]
fn the_id_travels_in_a_header_only_if_one_is_configured() {
    let server = Store::Memory.serve(&[("DEMO__SESSION__HEADER", "x-session-id")]);
    let set = |server: &demo::server::Server| {
        let request = ureq::get(format!("http://127.0.0.1:{}/set?a=1", server.port()));
        request.header("x-session-id", "").call().unwrap()
    };
    let response = set(&server);
    let id = response.headers().get("x-session-id").expect("the id").clone();
    let get = |server: &demo::server::Server| {
        let request = ureq::get(format!("http://127.0.0.1:{}/get", server.port()));
        request.header("x-session-id", &id).call().unwrap().body_mut().read_to_string().unwrap()
    };
    assert_eq!(get(&server), r#"{"a":1}"#);
    let without_header = Store::Memory.serve(&[]);
    assert_eq!(get(&without_header), "{}");
    assert!(!set(&without_header).headers().contains_key("x-session-id"));
}
