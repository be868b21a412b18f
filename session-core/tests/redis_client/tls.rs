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
        (Redis::cluster(["redis://h:1", "rediss://h:2"]), "redis cluster: the addresses must be"),
        (Redis::builder("rediss://h/#insecure"), "redis url: TLS without checking"),
    ] {
        let error = config_error(builder);
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
