//! TLS: server and client certificates.

#[path = "../../../tests/support/tls.rs"]
mod certificates;

use std::{fs, path::Path};

use crate::common::{
    support::{cluster::RedisCluster, redis::free_port},
    *,
};
use certificates::Certificates;
use session_core::{Error, RedisBuilder};

struct TlsServer {
    certificates: Certificates,
    url: String,
    _server: RedisServer,
}

impl TlsServer {
    fn start(requires_client_certificate: bool) -> Self {
        let (certificates, port) = (Certificates::issue(), free_port());
        let settings = certificates.settings(port, requires_client_certificate);
        let settings: Vec<_> = settings.iter().map(String::as_str).collect();
        let server = RedisServer::start_with(&settings);
        Self { certificates, url: format!("rediss://127.0.0.1:{port}"), _server: server }
    }

    fn trusted(&self) -> RedisBuilder {
        Redis::builder(&self.url).tls_ca(self.certificates.path("ca.pem"))
    }
}

async fn round_trip(redis: RedisBuilder) -> Result<()> {
    let storage = RedisKeyValueStorage::new(redis.build().unwrap());
    let (id, item) = (SessionId::random(), changes(r#"{"a":1}"#, &[]));
    assert_eq!(storage.set_session(&id, &item, CREATE).await?, Written::Saved);
    assert_eq!(json(&storage, &id).await, r#"{"a":1}"#);
    Ok(())
}

fn config_error(redis: RedisBuilder) -> String {
    match redis.build() {
        Err(Error::Config(error)) => error,
        other => panic!("{other:?} instead of a configuration error"),
    }
}

#[tokio::test]
async fn only_servers_whose_certificate_a_trusted_authority_has_signed_are_accepted() {
    let server = TlsServer::start(false);
    round_trip(server.trusted()).await.unwrap();
    round_trip(server.trusted().near_cache(1 << 20)).await.unwrap();

    let others = Certificates::issue();
    for untrusting in
        [Redis::builder(&server.url).tls_ca(others.path("ca.pem")), Redis::builder(&server.url)]
    {
        let refused = format!("{:?}", round_trip(untrusting.clone()).await.unwrap_err());
        assert!(refused.contains("TLS: invalid peer certificate"), "{refused}");
    }
}

#[tokio::test]
async fn a_client_presents_its_certificate_if_the_server_requires_one() {
    let server = TlsServer::start(true);
    let file = |name| server.certificates.path(name);
    round_trip(server.trusted().tls_client(file("client.pem"), file("client.key"))).await.unwrap();
    assert!(round_trip(server.trusted()).await.unwrap_err().is_unavailable());
    let others = Certificates::issue();
    let stranger =
        server.trusted().tls_client(others.path("client.pem"), others.path("client.key"));
    assert!(round_trip(stranger).await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn every_node_of_a_cluster_is_connected_to_with_tls() {
    let certificates = Certificates::issue();
    let cluster = RedisCluster::start_with(3, false, |_| {
        let mut settings = certificates.settings(free_port(), true);
        settings.extend(["--tls-cluster".to_owned(), "yes".to_owned()]);
        settings
    });
    let ports = cluster.nodes.iter().map(|node| {
        let answer = node.cli(&["CONFIG", "GET", "tls-port"]);
        answer.lines().last().unwrap().to_owned()
    });
    let urls: Vec<_> = ports.map(|port| format!("rediss://127.0.0.1:{port}")).collect();
    let redis = Redis::cluster(&urls[..1])
        .tls_ca(certificates.path("ca.pem"))
        .tls_client(certificates.path("client.pem"), certificates.path("client.key"));
    for _ in 0..20 {
        round_trip(redis.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn the_name_of_a_certificate_may_differ_from_the_address() {
    let (certificates, port) = (Certificates::issue_for(&["redis.example.com"]), free_port());
    let settings = certificates.settings(port, false);
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let _server = RedisServer::start_with(&settings);
    let redis = || {
        let redis = Redis::builder(format!("rediss://127.0.0.1:{port}"));
        redis.tls_ca(certificates.path("ca.pem"))
    };
    round_trip(redis().tls_server_name("redis.example.com")).await.unwrap();
    for mismatched in [redis(), redis().tls_server_name("other.example.com")] {
        let refused = format!("{:?}", round_trip(mismatched).await.unwrap_err());
        assert!(refused.contains("not valid for name"), "{refused}");
    }
}

#[tokio::test]
async fn sentinels_without_tls_lead_to_servers_with_it() {
    let (certificates, port) = (Certificates::issue(), free_port());
    let settings = certificates.settings(port, false);
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let _server = RedisServer::start_with(&settings);
    let sentinel = free_port();
    // It names the server, whether it can speak to it or not.
    let lines = format!("sentinel monitor shop 127.0.0.1 {port} 1\n");
    let _sentinel = RedisServer::start_sentinel(sentinel, &lines);
    let redis = Redis::sentinel([format!("redis://127.0.0.1:{sentinel}")], "shop");
    let redis = redis.tls_ca(certificates.path("ca.pem"));
    round_trip(redis.clone().servers_tls(true)).await.unwrap();
    let refused = config_error(redis);
    assert!(refused.starts_with("redis tls: is spoken at rediss://"), "{refused}");
}

#[tokio::test]
async fn sentinels_with_tls_lead_to_servers_without_it() {
    let (certificates, server) = (Certificates::issue(), RedisServer::start());
    let (plain, port) = (free_port(), free_port());
    let mut lines = format!("sentinel monitor shop 127.0.0.1 {} 1\n", server.port());
    for pair in certificates.settings(port, false).chunks(2) {
        lines.push_str(&format!("{} {}\n", pair[0].trim_start_matches('-'), pair[1]));
    }
    let _sentinel = RedisServer::start_sentinel(plain, &lines);
    let redis = Redis::sentinel([format!("rediss://127.0.0.1:{port}")], "shop");
    let redis = redis.tls_ca(certificates.path("ca.pem"));
    round_trip(redis.clone().servers_tls(false)).await.unwrap();
    assert!(round_trip(redis).await.is_err(), "by default the servers are like the sentinels");
}

/// The authorities of the system are replaced by a variable, so this runs in a process of its own.
#[test]
fn the_authorities_of_the_system_are_a_choice() {
    let server = TlsServer::start(false);
    let run = |authorities: &Path| {
        let binary = std::env::current_exe().unwrap();
        let test = "tls::connect_trusting_the_system";
        std::process::Command::new(binary)
            .args([test, "--exact", "--ignored"])
            .env("SSL_CERT_FILE", authorities)
            .env("REDIS_URL", &server.url)
            .status()
            .unwrap()
            .success()
    };
    assert!(run(&server.certificates.path("ca.pem")));
    assert!(!run(&Certificates::issue().path("ca.pem")), "others are not trusted");
}

#[tokio::test]
#[ignore = "is the process of another test"]
async fn connect_trusting_the_system() {
    let Ok(url) = std::env::var("REDIS_URL") else { return };
    round_trip(Redis::builder(url).tls_system_roots(true)).await.unwrap();
}

#[test]
fn unusable_certificate_files_are_configuration_errors() {
    let (one, other) = (Certificates::issue(), Certificates::issue());
    let (ca, cert, key) = (one.path("ca.pem"), one.path("client.pem"), one.path("client.key"));
    let junk = one.path("junk.pem");
    fs::write(&junk, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let redis = || Redis::builder("rediss://localhost");
    assert!(redis().tls_ca(&ca).tls_client(&cert, &key).build().is_ok());
    let missing = Path::new("/nowhere/ca.pem");
    for (builder, expected) in [
        (redis().tls_ca(missing), "redis tls_ca: /nowhere/ca.pem: No such file"),
        (redis().tls_ca(&junk), "redis tls_ca: "),
        (redis().tls_ca(&key), "redis tls_ca: "),
        (redis().tls_client(missing, &key), "redis tls_cert: /nowhere/ca.pem: No such file"),
        (redis().tls_client(&key, &key), "redis tls_cert: "),
        (redis().tls_client(&cert, &cert), "redis tls_key: "),
        (redis().tls_client(&cert, other.path("client.key")), "redis tls_key: "),
        (Redis::builder("redis://localhost").tls_ca(&ca), "redis tls: is spoken at rediss://"),
        (redis().tls_server_name("no name"), "redis tls_server_name: "),
        (redis().tls_ca(&ca).tls_system_roots(true), "redis tls_ca: the system's"),
        (Redis::cluster(["redis://h:1", "rediss://h:2"]), "redis cluster: the addresses must be"),
        (Redis::builder("rediss://h/#insecure"), "redis url: TLS without checking"),
    ] {
        let error = config_error(builder);
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
