//! What a person types to start the Redis of the settings, or to reach it.

use std::{net::IpAddr, path::Path, slice};

use url::Url;

use crate::settings::{Deployment, Redis, Secret};

/// Where `scripts/redis` has its sentinels, counted from its first server.
const SENTINELS_ABOVE: u16 = 20_000;
/// The name it gives them for the master.
const MASTER: &str = "mymaster";

/// The command that starts such a Redis, if it is to be one of this machine that needs no more.
pub(crate) fn start(redis: &Redis) -> Option<String> {
    let (option, usual, addresses, above) = match redis.deployment() {
        Deployment::Single(url) => ("", 6379, slice::from_ref(url), 0),
        Deployment::Sentinel { sentinels, master } if master == MASTER => {
            (" --sentinel", 6379, sentinels, SENTINELS_ABOVE)
        }
        Deployment::Sentinel { .. } => return None,
        Deployment::Cluster(nodes) => (" --cluster", 7000, nodes, 0),
    };
    let ports: Option<Vec<u16>> = addresses.iter().map(plain_port_of_this_machine).collect();
    let first = ports?.into_iter().min()?.checked_sub(above)?;
    let is_open = redis.password.is_none() && redis.tls_ca.is_none();
    is_open.then(|| match first {
        port if port == usual => format!("scripts/redis{option}"),
        port => format!("scripts/redis{option} --port {port}"),
    })
}

fn plain_port_of_this_machine(address: &Secret) -> Option<u16> {
    let url = Url::parse(address.reveal()).ok()?;
    let is_plain = url.scheme() == "redis" && url.password().is_none();
    (is_plain && is_loopback(url.host_str()?)).then(|| url.port().unwrap_or(6379))
}

/// `redis-cli` for the server that has the sessions. A password is asked for, not shown; nor are
/// files of the server's machine, unless `is_here`.
pub(crate) fn client(redis: &Redis, is_here: bool) -> String {
    let url = |address: &Secret| Url::parse(address.reveal()).ok();
    match redis.deployment() {
        Deployment::Single(address) => {
            let url = url(address);
            let place = url.as_ref().map(place).unwrap_or_default();
            format!("redis-cli{place}{}", greeting(redis, url.as_ref(), is_here))
        }
        Deployment::Sentinel { sentinels, master } => {
            let url = url(&sentinels[0]);
            let place = url.as_ref().map(place).unwrap_or_default();
            let own = url.as_ref().map(credentials).unwrap_or_default();
            let (tls, master) = (tls(redis, url.as_ref(), is_here), quoted(master));
            let ask =
                format!("redis-cli{place}{tls}{own} SENTINEL GET-MASTER-ADDR-BY-NAME {master}");
            let found = format!("$({ask} | xargs printf -- '-h %s -p %s')");
            // What a sentinel's address says is for itself alone.
            format!("redis-cli {found}{tls}{}", settled(redis))
        }
        Deployment::Cluster(nodes) => {
            let url = url(&nodes[0]);
            let place = url.as_ref().map(place).unwrap_or_default();
            format!("redis-cli -c{place}{}", greeting(redis, url.as_ref(), is_here))
        }
    }
}

/// The options that lead to an address.
fn place(url: &Url) -> String {
    let mut options = String::new();
    let mut option = |name: &str, value: &str| {
        options.push_str(&format!(" {name} {}", quoted(value)));
    };
    match url.host_str() {
        Some(host) => {
            if !is_loopback(host) {
                option("-h", host.trim_start_matches('[').trim_end_matches(']'));
            }
            if let Some(port) = url.port().filter(|port| *port != 6379) {
                option("-p", &port.to_string());
            }
        }
        None => option("-s", url.path()),
    }
    options
}

/// The options that say who asks, for what, and how; from the address and from the settings.
fn greeting(redis: &Redis, url: Option<&Url>, is_here: bool) -> String {
    let mut options = String::new();
    let database = url.map(database).unwrap_or_default();
    if !["", "0"].contains(&database.as_str()) {
        options.push_str(&format!(" -n {}", quoted(&database)));
    }
    options.push_str(&tls(redis, url, is_here));
    options.push_str(&url.map(credentials).unwrap_or_default());
    options + &settled(redis)
}

/// The database in an address.
fn database(url: &Url) -> String {
    if url.host_str().is_some() {
        return url.path().trim_matches('/').to_owned();
    }
    let mut query = url.query_pairs().filter(|(name, _)| name == "db");
    query.next().map_or_else(String::new, |(_, database)| database.into_owned())
}

fn credentials(url: &Url) -> String {
    let mut options = String::new();
    if !url.username().is_empty() {
        options.push_str(&format!(" --user {}", quoted(url.username())));
    }
    if url.password().is_some() {
        options.push_str(" --askpass");
    }
    options
}

/// What stands in settings of its own.
fn settled(redis: &Redis) -> String {
    let mut options = String::new();
    if let Some(database) = redis.database.filter(|database| *database > 0) {
        options.push_str(&format!(" -n {database}"));
    }
    if let Some(user) = &redis.user {
        options.push_str(&format!(" --user {}", quoted(user)));
    }
    if redis.password.is_some() {
        options.push_str(" --askpass");
    }
    options
}

fn tls(redis: &Redis, url: Option<&Url>, is_here: bool) -> String {
    let mut options = String::new();
    if url.is_some_and(|url| url.scheme().starts_with("rediss")) {
        options.push_str(" --tls");
        let files =
            [("--cacert", &redis.tls_ca), ("--cert", &redis.tls_cert), ("--key", &redis.tls_key)];
        for (option, file) in files.into_iter().filter(|_| is_here) {
            let file = file.as_ref().map(|file| quoted(&absolute(file)));
            options.extend(file.map(|file| format!(" {option} {file}")));
        }
    }
    options
}

/// The command has to work wherever it is pasted.
fn absolute(file: &Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string()
}

/// Whether a host is surely this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A word of a shell's command line.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::read;

    fn redis(lines: &str) -> Redis {
        read(&format!("[redis]\n{lines}"), &[]).unwrap().redis
    }

    fn start_of(lines: &str) -> Option<String> {
        start(&redis(lines))
    }

    #[test]
    fn a_redis_of_this_machine_can_be_started() {
        let started = |lines: &str, command: &str| {
            assert_eq!(start_of(lines).as_deref(), Some(command), "{lines}");
        };
        started(r#"url = "redis://localhost""#, "scripts/redis");
        started(r#"url = "redis://127.0.0.1:6380/0""#, "scripts/redis --port 6380");
        let sentinels = r#"sentinels = ["127.0.0.1:26380", "127.0.0.1:26379"]"#;
        started(&format!("{sentinels}\nmaster = \"mymaster\""), "scripts/redis --sentinel");
        let elsewhere = "sentinels = [\"127.0.0.1:27000\"]\nmaster = \"mymaster\"";
        started(elsewhere, "scripts/redis --sentinel --port 7000");
        started(r#"cluster = ["[::1]:7000", "localhost:7001"]"#, "scripts/redis --cluster");
        started(r#"cluster = ["localhost:8001"]"#, "scripts/redis --cluster --port 8001");
    }

    #[test]
    fn another_one_is_started_where_it_runs() {
        for lines in [
            r#"url = "redis://redis.example""#,
            r#"url = "rediss://localhost""#,
            r#"url = "redis://:secret@localhost""#,
            "password = \"secret\"",
            "sentinels = [\"127.0.0.1:26379\"]\nmaster = \"shop\"",
            "sentinels = [\"127.0.0.1:17000\"]\nmaster = \"mymaster\"",
            r#"cluster = ["127.0.0.1:7000", "10.0.0.1:7001"]"#,
        ] {
            assert_eq!(start_of(lines), None, "{lines}");
        }
    }

    #[test]
    fn the_client_finds_the_server_that_has_the_sessions() {
        let found = |lines, command: &str| assert_eq!(client(&redis(lines), true), command);
        found("", "redis-cli");
        found("url = \"redis://127.0.0.1:6380/2\"", "redis-cli -p 6380 -n 2");
        found("url = \"redis://h\"\ndatabase = 2", "redis-cli -h h -n 2");
        found("url = \"unix:///run/redis.sock?db=3\"", "redis-cli -s /run/redis.sock -n 3");
        found("cluster = [\"10.0.0.1:7000\"]", "redis-cli -c -h 10.0.0.1 -p 7000");
        found(
            "sentinels = [\"localhost:26379\"]\nmaster = \"shop\"\ndatabase = 1",
            "redis-cli $(redis-cli -p 26379 SENTINEL GET-MASTER-ADDR-BY-NAME shop | xargs printf \
             -- '-h %s -p %s') -n 1",
        );
    }

    #[test]
    fn g12_the_client_asks_for_the_password_and_shows_strangers_no_file() {
        let of = |lines, is_here| client(&redis(lines), is_here);
        assert_eq!(
            of("url = \"rediss://bob:secret@redis.example:7000/1\"", false),
            "redis-cli -h redis.example -p 7000 -n 1 --tls --user bob --askpass"
        );
        let lines = "url = \"rediss://h\"\nuser = \"bob\"\npassword = \"secret\"\n\
                     tls_ca = \"/ca.pem\"\ntls_cert = \"/c.pem\"\ntls_key = \"/c.key\"";
        let command = of(lines, true);
        assert_eq!(
            command,
            "redis-cli -h h --tls --cacert /ca.pem --cert /c.pem --key /c.key --user bob --askpass"
        );
        assert_eq!(of(lines, false), "redis-cli -h h --tls --user bob --askpass");
        let sentinels = "sentinels = [\"redis://:secret@h:1\"]\nmaster = \"shop\"";
        assert!(!of(sentinels, true).contains("secret"));
        assert!(of(sentinels, true).contains("-p 1 --askpass SENTINEL"));
    }

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for host in ["127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["0.0.0.0", "::", "192.168.0.1", "example.com", "localhost.example.com", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
