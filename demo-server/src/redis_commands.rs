//! Shell commands for the configured Redis: one that starts it, one that opens `redis-cli` on it.

use std::slice;

use url::Url;

use crate::{
    loopback::is_loopback,
    settings::{Deployment, Redis, Secret},
    shell::{quote, quote_path},
};

/// The distance from the port of the first server to that of the first sentinel in
/// `scripts/redis --sentinel`.
const SENTINEL_PORT_OFFSET: u16 = 20_000;
/// The name under which the sentinels of `scripts/redis` know the master.
const SCRIPT_MASTER: &str = "mymaster";

/// Returns the command that starts the configured Redis.
///
/// `None` if `scripts/redis` cannot start such a one: it runs on another machine, or needs a
/// password, TLS or another name for the master.
pub(crate) fn start_command(redis: &Redis) -> Option<String> {
    let (option, default_port, addresses, offset) = match redis.deployment() {
        Deployment::Single(url) => ("", 6379, slice::from_ref(url), 0),
        Deployment::Sentinel { sentinels, master } if master == SCRIPT_MASTER => {
            (" --sentinel", 6379, sentinels, SENTINEL_PORT_OFFSET)
        }
        Deployment::Sentinel { .. } => return None,
        Deployment::Cluster(nodes) => (" --cluster", 7000, nodes, 0),
    };
    let ports: Option<Vec<u16>> = addresses.iter().map(plain_loopback_port).collect();
    let first = ports?.into_iter().min()?.checked_sub(offset)?;
    let is_open = redis.password.is_none() && redis.tls_ca.is_none();
    is_open.then(|| match first {
        port if port == default_port => format!("scripts/redis{option}"),
        port => format!("scripts/redis{option} --port {port}"),
    })
}

/// Returns the port of an address on this machine without TLS and password.
fn plain_loopback_port(address: &Secret) -> Option<u16> {
    let url = Url::parse(address.reveal()).ok()?;
    let is_plain = url.scheme() == "redis" && url.password().is_none();
    (is_plain && is_loopback(url.host_str()?)).then(|| url.port().unwrap_or(6379))
}

/// Returns the `redis-cli` command for the server that has the sessions.
///
/// The command prompts for a password and never contains one. It names the server's certificate
/// files only with `shows_files`.
pub(crate) fn client_command(redis: &Redis, shows_files: bool) -> String {
    let url = |address: &Secret| Url::parse(address.reveal()).ok();
    match redis.deployment() {
        Deployment::Single(address) => {
            let url = url(address);
            let address = url.as_ref().map(address_options).unwrap_or_default();
            let connection = connection_options(redis, url.as_ref(), shows_files);
            format!("redis-cli{address}{connection}")
        }
        Deployment::Sentinel { sentinels, master } => {
            let url = url(&sentinels[0]);
            let address = url.as_ref().map(address_options).unwrap_or_default();
            let credentials = url.as_ref().map(credential_options).unwrap_or_default();
            let (tls, master) = (tls_options(redis, url.as_ref(), shows_files), quote(master));
            let query = format!(
                "redis-cli{address}{tls}{credentials} SENTINEL GET-MASTER-ADDR-BY-NAME {master}"
            );
            let master_options = format!("$({query} | xargs printf -- '-h %s -p %s')");
            // The credentials in a sentinel's address are not valid for the master.
            format!("redis-cli {master_options}{tls}{}", settings_options(redis))
        }
        Deployment::Cluster(nodes) => {
            let url = url(&nodes[0]);
            let address = url.as_ref().map(address_options).unwrap_or_default();
            let connection = connection_options(redis, url.as_ref(), shows_files);
            format!("redis-cli -c{address}{connection}")
        }
    }
}

/// Returns the options for host and port, or for the Unix socket.
fn address_options(url: &Url) -> String {
    let mut options = String::new();
    let mut option = |name: &str, value: &str| {
        options.push_str(&format!(" {name} {}", quote(value)));
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

/// Returns the options for database, TLS and credentials, from the address and the settings.
fn connection_options(redis: &Redis, url: Option<&Url>, shows_files: bool) -> String {
    let mut options = String::new();
    let database = url.map(database).unwrap_or_default();
    if !["", "0"].contains(&database.as_str()) {
        options.push_str(&format!(" -n {}", quote(&database)));
    }
    options.push_str(&tls_options(redis, url, shows_files));
    options.push_str(&url.map(credential_options).unwrap_or_default());
    options + &settings_options(redis)
}

/// Returns the database in an address, or an empty string.
fn database(url: &Url) -> String {
    if url.host_str().is_some() {
        return url.path().trim_matches('/').to_owned();
    }
    let mut query = url.query_pairs().filter(|(name, _)| name == "db");
    query.next().map_or_else(String::new, |(_, database)| database.into_owned())
}

/// Returns the options for the user and the password in an address.
fn credential_options(url: &Url) -> String {
    let mut options = String::new();
    if !url.username().is_empty() {
        options.push_str(&format!(" --user {}", quote(url.username())));
    }
    if url.password().is_some() {
        options.push_str(" --askpass");
    }
    options
}

/// Returns the options for database, user and password from the settings beside the address.
fn settings_options(redis: &Redis) -> String {
    let mut options = String::new();
    if let Some(database) = redis.database.filter(|database| *database > 0) {
        options.push_str(&format!(" -n {database}"));
    }
    if let Some(user) = &redis.user {
        options.push_str(&format!(" --user {}", quote(user)));
    }
    if redis.password.is_some() {
        options.push_str(" --askpass");
    }
    options
}

/// Returns the options for TLS, if the address asks for it.
fn tls_options(redis: &Redis, url: Option<&Url>, shows_files: bool) -> String {
    let mut options = String::new();
    if url.is_some_and(|url| url.scheme().starts_with("rediss")) {
        options.push_str(" --tls");
        let files =
            [("--cacert", &redis.tls_ca), ("--cert", &redis.tls_cert), ("--key", &redis.tls_key)];
        for (option, file) in files.into_iter().filter(|_| shows_files) {
            let file = file.as_ref().map(|file| quote_path(file));
            options.extend(file.map(|file| format!(" {option} {file}")));
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::read;

    fn redis(lines: &str) -> Redis {
        read(&format!("[redis]\n{lines}"), &[]).unwrap().redis
    }

    fn start_of(lines: &str) -> Option<String> {
        start_command(&redis(lines))
    }

    #[test]
    fn the_script_starts_a_plain_redis_on_this_machine() {
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
    fn the_script_starts_no_remote_or_protected_redis() {
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
    fn the_client_command_reaches_the_server_that_has_the_sessions() {
        let found = |lines, command: &str| {
            assert_eq!(client_command(&redis(lines), true), command);
        };
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
    fn g12_the_client_command_prompts_for_the_password_and_hides_files_from_other_machines() {
        let of = |lines, shows_files| client_command(&redis(lines), shows_files);
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
}
