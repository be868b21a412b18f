//! Where Redis is, and how it is spoken to.

use std::{fmt, path::PathBuf, time::Duration};

use super::{MILLISECOND, MINUTE, Problem, SECOND, Source, non_empty};

#[derive(Debug, PartialEq)]
pub(crate) struct Redis {
    pub(crate) place: Place,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Option<u32>,
    pub(crate) tls_ca: Option<PathBuf>,
    /// Certificate and key.
    pub(crate) tls_client: Option<(PathBuf, PathBuf)>,
    pub(crate) wait_replicas: usize,
    pub(crate) prefix: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    /// In bytes; 0 is none.
    pub(crate) near_cache: usize,
}

/// One server, or who leads to several. Each address is a URL.
#[derive(Debug, PartialEq)]
pub(crate) enum Place {
    Single(Secret),
    Sentinel { sentinels: Vec<Secret>, master: String },
    Cluster(Vec<Secret>),
}

/// A text that is, or may hold, a password.
#[derive(Clone, PartialEq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl Redis {
    pub(super) fn read(source: &mut Source) -> Result<Self, Problem> {
        let place = Place::read(source)?;
        let file = |path: String| PathBuf::from(path);
        let redis = Self {
            user: source.optional("redis.user")?,
            password: source.optional("redis.password")?.map(Secret),
            database: source.number("redis.database", 0..=i32::MAX as u32)?,
            tls_ca: source.optional("redis.tls_ca")?.map(file),
            tls_client: tls_client(source)?,
            wait_replicas: source.number("redis.wait_replicas", 0..=100_u8)?.unwrap_or(0).into(),
            prefix: source
                .text("redis.prefix", "a text", |text| Some(text.to_owned()))?
                .unwrap_or_else(|| "session:".into()),
            connect_timeout: source
                .duration("redis.connect_timeout", MILLISECOND..=MINUTE)?
                .unwrap_or(SECOND),
            response_timeout: source
                .duration("redis.response_timeout", MILLISECOND..=MINUTE)?
                .unwrap_or(SECOND),
            near_cache: source.text("redis.near_cache", SIZES, size)?.unwrap_or(0),
            place,
        };
        if redis.database.is_some() && matches!(redis.place, Place::Cluster(_)) {
            let allowed = "a cluster has no numbered databases; allowed is one of the two";
            return Err(source.problem(&["redis.cluster", "redis.database"], allowed));
        }
        Ok(redis)
    }
}

impl Place {
    fn read(source: &mut Source) -> Result<Self, Problem> {
        let url = source
            .text("redis.url", "a URL such as \"redis://127.0.0.1:6379/0\"", non_empty)?
            .unwrap_or_else(|| "redis://127.0.0.1:6379/0".into());
        let mut list = |key| -> Result<Vec<Secret>, Problem> {
            Ok(source.list(key, ADDRESSES, address)?.into_iter().map(Secret).collect())
        };
        let (sentinels, cluster) = (list("redis.sentinels")?, list("redis.cluster")?);
        let master = source.optional("redis.master")?;
        if !sentinels.is_empty() && !cluster.is_empty() {
            let allowed = "sentinels watch over one master, a cluster has several; allowed is one \
                           of the two, the other one empty";
            return Err(source.problem(&["redis.sentinels", "redis.cluster"], allowed));
        }
        match (sentinels.is_empty(), master) {
            (false, Some(master)) => Ok(Self::Sentinel { sentinels, master }),
            (true, None) if cluster.is_empty() => Ok(Self::Single(Secret(url))),
            (true, None) => Ok(Self::Cluster(cluster)),
            (false, None) => {
                let missing = "the name of the master is missing; allowed is redis.sentinels with \
                               redis.master, or neither";
                Err(source.problem(&["redis.sentinels"], missing))
            }
            (true, Some(_)) => {
                let missing = "there are no sentinels to ask for it; allowed is redis.master with \
                               redis.sentinels, or neither";
                Err(source.problem(&["redis.master"], missing))
            }
        }
    }
}

/// In words, where it can hold no secret.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(_) => f.write_str("one server"),
            Self::Sentinel { master, .. } => write!(f, "the master {master} of the sentinels"),
            Self::Cluster(_) => f.write_str("a cluster"),
        }
    }
}

fn tls_client(source: &mut Source) -> Result<Option<(PathBuf, PathBuf)>, Problem> {
    let (cert, key) = (source.optional("redis.tls_cert")?, source.optional("redis.tls_key")?);
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert.into(), key.into()))),
        (None, None) => Ok(None),
        _ => {
            let keys = ["redis.tls_cert", "redis.tls_key"];
            let allowed = "a certificate is shown together with its key; allowed is \
                           redis.tls_cert with redis.tls_key, or neither";
            Err(source.problem(&keys, allowed))
        }
    }
}

const ADDRESSES: &str = "a list of addresses such as \"10.0.0.1:7000\" or \
     \"redis://10.0.0.1:7000\", separated by commas in the environment";

/// The URL of an address. What is wrong with one that is a URL already shows later.
fn address(text: &str) -> Option<String> {
    if text.contains("://") {
        return Some(text.to_owned());
    }
    let (host, port) = text.rsplit_once(':')?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let is_good = !host.is_empty() && host.bytes().all(is_host);
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    (is_good && is_port).then(|| format!("redis://{text}"))
}

const SIZES: &str = "\"0\" or a size such as \"512KiB\", \"16MiB\" or \"1GiB\"";

/// Bytes in powers of 1024, which a size always names except in `0`.
fn size(text: &str) -> Option<usize> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let Some((count, unit)) =
        units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
    else {
        return (text == "0").then_some(0);
    };
    count.trim_end().parse::<usize>().ok()?.checked_mul(*unit)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{read, refused},
        *,
    };

    fn place(file: &str, environment: &[(&str, &str)]) -> Place {
        read(&format!("[redis]\n{file}"), environment).expect("it is allowed").redis.place
    }

    fn secrets(urls: &[&str]) -> Vec<Secret> {
        urls.iter().map(|&url| Secret(url.to_owned())).collect()
    }

    #[test]
    fn a_list_of_addresses_in_the_file_or_the_environment_leads_to_several_servers() {
        let expected = secrets(&["redis://a:1", "rediss://b:2", "redis://[::1]:3"]);
        let file = r#"cluster = ["a:1", "rediss://b:2", "[::1]:3"]"#;
        assert_eq!(place(file, &[]), Place::Cluster(expected.clone()));
        let variable = [("DEMO__REDIS__CLUSTER", "a:1, rediss://b:2,[::1]:3")];
        assert_eq!(place("", &variable), Place::Cluster(expected.clone()));
        let master = [("DEMO__REDIS__MASTER", "shop")];
        let sentinels = r#"sentinels = ["a:1", "rediss://b:2", "[::1]:3"]"#;
        let named = Place::Sentinel { sentinels: expected, master: "shop".into() };
        assert_eq!(place(sentinels, &master), named);
    }

    #[test]
    fn the_url_counts_where_no_list_is_given_and_an_empty_list_is_none() {
        let url = "url = \"redis://h:1\"\n";
        let single = Place::Single(Secret("redis://h:1".to_owned()));
        assert_eq!(place(url, &[]), single);
        assert_eq!(place(&format!("{url}cluster = []"), &[]), single);
        let emptied = [("DEMO__REDIS__CLUSTER", "")];
        assert_eq!(place(&format!("{url}cluster = [\"a:1\"]"), &emptied), single);
        let cluster = Place::Cluster(secrets(&["redis://a:1"]));
        assert_eq!(place(&format!("{url}cluster = [\"a:1\"]"), &[]), cluster);
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

    #[test]
    fn sizes_are_counted_in_powers_of_1024() {
        assert_eq!(size("0"), Some(0));
        assert_eq!((size("512KiB"), size("16 MiB")), (Some(512 << 10), Some(16 << 20)));
        for bad in ["", "16", "KiB", "-1KiB", "1.5MiB", "16mib", "99999999999999999GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
        let settings = read("", &[("DEMO__REDIS__NEAR_CACHE", "1MiB")]).unwrap();
        assert_eq!(settings.redis.near_cache, 1 << 20);
    }
}
