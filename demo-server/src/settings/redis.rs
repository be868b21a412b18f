//! Where Redis is, and how to connect to it.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use smart_default::SmartDefault;

use super::{
    parse::{addresses, duration, non_empty, number, size},
    secret::Secret,
};

#[derive(Debug, Deserialize, PartialEq, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Redis {
    #[default(Secret::from("redis://127.0.0.1:6379/0".to_owned()))]
    #[serde(deserialize_with = "non_empty")]
    url: Secret,
    #[serde(deserialize_with = "addresses")]
    sentinels: Vec<Secret>,
    master: Option<String>,
    #[serde(deserialize_with = "addresses")]
    cluster: Vec<Secret>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) password_file: Option<PathBuf>,
    #[serde(deserialize_with = "number::<_, _, 0, { i32::MAX as u32 }>")]
    pub(crate) database: Option<u32>,
    pub(crate) tls_ca: Option<PathBuf>,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) tls_server_name: Option<String>,
    pub(crate) tls_system_roots: bool,
    /// For the servers that sentinels name.
    pub(crate) servers_tls: Option<bool>,
    #[serde(deserialize_with = "number::<_, _, 1, 10_000>")]
    pub(crate) max_connections: Option<u32>,
    #[serde(deserialize_with = "number::<_, _, 0, 100>")]
    pub(crate) wait_replicas: usize,
    #[default = "session:"]
    pub(crate) prefix: String,
    #[default(Duration::from_secs(1))]
    #[serde(deserialize_with = "duration::<_, _, 1, 60_000>")]
    pub(crate) connect_timeout: Duration,
    #[default(Duration::from_secs(1))]
    #[serde(deserialize_with = "duration::<_, _, 1, 60_000>")]
    pub(crate) response_timeout: Duration,
    /// In bytes. 0 turns the cache off.
    #[serde(deserialize_with = "size")]
    pub(crate) near_cache: usize,
}

/// How Redis is deployed, with the addresses to connect to first. Each address is a URL.
#[derive(Debug, PartialEq)]
pub(crate) enum Deployment<'a> {
    Single(&'a Secret),
    Sentinel { sentinels: &'a [Secret], master: &'a str },
    Cluster(&'a [Secret]),
}

impl Redis {
    pub(crate) fn deployment(&self) -> Deployment<'_> {
        match &self.master {
            Some(master) => Deployment::Sentinel { sentinels: &self.sentinels, master },
            None if self.cluster.is_empty() => Deployment::Single(&self.url),
            None => Deployment::Cluster(&self.cluster),
        }
    }

    /// Returns the keys of two settings that contradict each other, and how many are allowed.
    pub(super) fn contradiction(&self) -> Option<([&'static str; 2], &'static str)> {
        let [sentinels, cluster] = [&self.sentinels, &self.cluster].map(|list| !list.is_empty());
        let half_named = sentinels != self.master.is_some();
        let half_tls = self.tls_cert.is_some() != self.tls_key.is_some();
        // A cluster has no numbered databases.
        let numbered = cluster && self.database.is_some();
        let two_passwords = self.password.is_some() && self.password_file.is_some();
        let two_authorities = self.tls_ca.is_some() && self.tls_system_roots;
        let no_sentinels = self.servers_tls.is_some() && !sentinels;
        let checks = [
            (sentinels && cluster, ["redis.sentinels", "redis.cluster"], "one of the two"),
            (half_named, ["redis.sentinels", "redis.master"], "both or neither"),
            (half_tls, ["redis.tls_cert", "redis.tls_key"], "both or neither"),
            (numbered, ["redis.cluster", "redis.database"], "one of the two"),
            (two_passwords, ["redis.password", "redis.password_file"], "one of the two"),
            (two_authorities, ["redis.tls_ca", "redis.tls_system_roots"], "one of the two"),
            (no_sentinels, ["redis.servers_tls", "redis.sentinels"], "both or neither"),
        ];
        checks.into_iter().find(|(found, ..)| *found).map(|(_, keys, allowed)| (keys, allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{read, refused},
        *,
    };

    fn redis(lines: &str, environment: &[(&str, &str)]) -> Redis {
        read(&format!("[redis]\n{lines}"), environment).expect("it is allowed").redis
    }

    fn secrets(urls: &[&str]) -> Vec<Secret> {
        urls.iter().map(|&url| Secret::from(url.to_owned())).collect()
    }

    #[test]
    fn a_list_of_addresses_in_the_file_or_the_environment_leads_to_several_servers() {
        let expected = secrets(&["redis://a:1", "rediss://b:2", "redis://[::1]:3"]);
        let file = r#"cluster = ["a:1", "rediss://b:2", "[::1]:3"]"#;
        assert_eq!(redis(file, &[]).deployment(), Deployment::Cluster(&expected));
        let variable = [("DEMO__REDIS__CLUSTER", "a:1, rediss://b:2,[::1]:3")];
        assert_eq!(redis("", &variable).deployment(), Deployment::Cluster(&expected));
        let master = [("DEMO__REDIS__MASTER", "shop")];
        let sentinels = r#"sentinels = ["a:1", "rediss://b:2", "[::1]:3"]"#;
        let named = Deployment::Sentinel { sentinels: &expected, master: "shop" };
        assert_eq!(redis(sentinels, &master).deployment(), named);
    }

    #[test]
    fn the_url_counts_where_no_list_is_given_and_an_empty_list_is_none() {
        let url = "url = \"redis://h:1\"\n";
        let expected = Secret::from("redis://h:1".to_owned());
        let single = Deployment::Single(&expected);
        assert_eq!(redis(url, &[]).deployment(), single);
        assert_eq!(redis(&format!("{url}cluster = []"), &[]).deployment(), single);
        let emptied = [("DEMO__REDIS__CLUSTER", "")];
        assert_eq!(redis(&format!("{url}cluster = [\"a:1\"]"), &emptied).deployment(), single);
        let expected = secrets(&["redis://a:1"]);
        let cluster = redis(&format!("{url}cluster = [\"a:1\"]"), &[]);
        assert_eq!(cluster.deployment(), Deployment::Cluster(&expected));
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let bad = |lines: &str, words: &[&str]| refused(&format!("[redis]\n{lines}"), &[], words);
        bad(
            "sentinels = [\"a:1\"]\nmaster = \"shop\"\ncluster = [\"b:2\"]",
            &["redis.sentinels = [\"a:1\"]", "redis.cluster = [\"b:2\"]", "allowed is one"],
        );
        bad("master = \"shop\"", &["demo.toml: redis.master = \"shop\"", "redis.sentinels"]);
        bad("sentinels = [\"a:1\"]", &["redis.sentinels = [\"a:1\"]", "redis.master"]);
        bad("tls_cert = \"c.pem\"", &["redis.tls_cert = \"c.pem\"", "redis.tls_key"]);
        bad("tls_key = \"c.key\"", &["redis.tls_key = \"c.key\"", "redis.tls_cert"]);
        bad(
            "cluster = [\"a:1\"]\ndatabase = 1",
            &["redis.cluster = [\"a:1\"]", "redis.database = 1", "allowed is one"],
        );
        bad(
            "password = \"x\"\npassword_file = \"y\"",
            &["redis.password_file = \"y\"", "allowed is one"],
        );
        bad("tls_ca = \"x\"\ntls_system_roots = true", &["redis.tls_system_roots", "one of"]);
        bad("servers_tls = true", &["redis.servers_tls = true", "redis.sentinels"]);
        bad("max_connections = 0", &["redis.max_connections = 0", "1 to 10000"]);
        bad("wait_replicas = -1", &["redis.wait_replicas = -1", "0 to 100"]);
        bad("database = \"x\"", &["redis.database = \"x\"", "whole number"]);
    }

    #[test]
    fn what_is_no_list_of_addresses_is_refused() {
        for bad in
            ["\"a:1\"", "[\"a\"]", "[\"a:x\"]", "[\":1\"]", "[\"a:0\"]", "[1]", "[\"a b:1\"]"]
        {
            refused(&format!("[redis]\ncluster = {bad}"), &[], &["redis.cluster", "10.0.0.1:7000"]);
        }
        let variable = [("DEMO__REDIS__CLUSTER", "a:1,,b:2")];
        refused("", &variable, &["DEMO__REDIS__CLUSTER = \"a:1,,b:2\"", "commas"]);
    }

    #[test]
    fn g12_neither_debug_nor_a_problem_shows_a_password() {
        let lines = "password = \"secret\"\nurl = \"redis://u:secret@h\"";
        let shown = format!("{:?}", read(&format!("[redis]\n{lines}"), &[]).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
        for lines in [
            "password = [\"secret\"]",
            "sentinels = [\"redis://:secret@h:1\"]",
            "sentinels = [\"secret@h:1\"]",
            "cluster = [\"redis://h:1?pass=secret\"]\ndatabase = 1",
            "password = \"secret\"\nmaster = \"shop\"",
        ] {
            let problem = read(&format!("[redis]\n{lines}"), &[]).unwrap_err();
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
