//! Where servers are: sockets, IPv6, and host names with several addresses or with changing ones.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use crate::common::{support::redis::free_port, *};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

const HOST: &str = "redis.test";

async fn create(storage: &dyn Storage) -> Result<Written> {
    storage.set_session(&SessionId::random(), &changes(r#"{"a":1}"#, &[]), CREATE).await
}

#[tokio::test]
async fn a_host_name_with_several_addresses_is_tried_at_each() {
    // `localhost` is ::1 as well on most machines, and the server listens on 127.0.0.1 only.
    let server = RedisServer::start();
    let redis = Redis::builder(format!("redis://localhost:{}", server.port())).build().unwrap();
    create(&RedisKeyValueStorage::new(redis)).await.unwrap();
}

#[tokio::test]
async fn servers_at_sockets_and_ipv6_addresses_are_reached() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("redis.sock");
    let socket = socket.to_str().unwrap();
    let server = RedisServer::start_with(&["--unixsocket", socket]);
    for url in [format!("unix://{socket}"), format!("unix://{socket}?db=2")] {
        let redis = Redis::builder(url).build().unwrap();
        create(&RedisKeyValueStorage::new(redis.clone())).await.unwrap();
        create(&RedisHashTableStorage::new(redis)).await.unwrap();
    }
    assert!(server.info("db2").starts_with("keys=2"), "{}", server.info("db2"));

    let server = RedisServer::start_with(&["--bind", "127.0.0.1 ::1"]);
    let redis = Redis::builder(format!("redis://[::1]:{}", server.port())).build().unwrap();
    create(&RedisKeyValueStorage::new(redis)).await.unwrap();
}

#[tokio::test]
async fn a_socket_that_nobody_listens_at_is_named_in_the_error() {
    let path = format!("/tmp/no-such-redis-{}.sock", free_port());
    let storage =
        RedisKeyValueStorage::new(Redis::builder(format!("unix://{path}")).build().unwrap());
    let failure = storage.get_session(&id("a")).await.unwrap_err();
    assert!(format!("{failure:?}").contains("is not reachable"), "{failure:?}");
}

/// The resolver is told where to look by variables, so this runs in a process of its own.
#[cfg(target_os = "linux")]
#[test]
fn g8_a_host_name_that_changes_its_address_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let wrapper =
        ["/usr/lib64", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
            .map(|directory| Path::new(directory).join("libnss_wrapper.so"));
    let wrapper = wrapper.iter().find(|file| file.exists());
    let wrapper = wrapper.expect("libnss_wrapper.so is missing: install libnss-wrapper");
    let hosts = directory.path().join("hosts");
    fs::write(&hosts, format!("127.0.0.1 {HOST}\n")).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["addresses::follow_a_host_name", "--exact", "--ignored", "--nocapture"])
        .env("LD_PRELOAD", wrapper)
        .env("NSS_WRAPPER_HOSTS", &hosts)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "is the process of another test"]
async fn follow_a_host_name() {
    let Ok(hosts) = std::env::var("NSS_WRAPPER_HOSTS") else { return };
    let mut written = SystemTime::now();
    let mut lead_to = |address: &str| {
        fs::write(&hosts, format!("{address} {HOST}\n")).unwrap();
        // The resolver compares whole seconds.
        written += Duration::from_secs(1);
        fs::File::options().append(true).open(&hosts).unwrap().set_modified(written).unwrap();
    };
    // A master that ends, and one that has become a replica before its name leads elsewhere.
    for ends in [true, false] {
        lead_to("127.0.0.1");
        let (mut old, new) = (RedisServer::start(), RedisServer::start());
        let listener = TcpListener::bind(("127.0.0.2", old.port())).await.unwrap();
        let forwarder = tokio::spawn(forward(listener, new.port()));
        let redis = Redis::builder(format!("redis://{HOST}:{}", old.port())).build().unwrap();
        let storage = RedisKeyValueStorage::new(redis);
        create(&storage).await.unwrap();
        if ends {
            old.kill();
        } else {
            old.cli(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
        }
        assert!(create(&storage).await.is_err());
        lead_to("127.0.0.2");
        let began = Instant::now();
        while create(&storage).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(5));
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(new.cli(&["DBSIZE"]), "1");
        forwarder.abort();
    }
}

/// Serves the connections of a listener by a server at a port of its own.
async fn forward(listener: TcpListener, port: u16) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
