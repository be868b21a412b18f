//! What an operator can do about a store that fails.

use session_core::Error;

/// A failure of the store in words that an operator can act on.
pub(crate) struct Advice {
    /// What the store has said, without ids and values.
    pub(crate) problem: String,
    pub(crate) help: &'static str,
    /// Whether nothing listens at the store's address.
    pub(crate) is_down: bool,
}

/// Words in a problem, and what helps. The first that matches counts.
const HELP: &[(&[&str], &str)] = &[
    (&["connection refused", "No such file", "os error 2)"], "Start Redis, or correct redis.url."),
    (
        &["WRONGPASS", "NOAUTH", "no password", "password file"],
        "Correct redis.user and redis.password or redis.password_file.",
    ),
    (&["NOPERM"], "Give the user the permissions that docs/REDIS.md lists."),
    (&["maxclients"], "Raise maxclients in Redis, or set redis.max_connections."),
    (&["(OOM)"], "Raise maxmemory in Redis, or choose a policy of eviction: docs/REDIS.md."),
    (&["(MISCONF)"], "Redis cannot write to its disk: free space there."),
    (&["(NOREPLICAS)", "too few replicas"], "Start the missing replicas of Redis."),
    (
        &["is a replica", "name a replica"],
        "Point redis.url at the master, or set redis.sentinels and redis.master.",
    ),
    (
        &["not valid for", "NotValidForName"],
        "Set redis.tls_server_name to a name that the certificate is for.",
    ),
    (&["UnknownIssuer", "invalid peer certificate"], "Set redis.tls_ca to the authority's file."),
    (&["TLS:"], "Check that the server speaks TLS at this address, and the redis.tls_ settings."),
    (&["(LOADING)", "(BUSY)"], "Wait until Redis is done."),
    (&["(DENIED)"], "Set a password in Redis, or turn its protected mode off."),
    (
        &["timed out", "in time"],
        "Check the address and the network, or raise redis.connect_timeout and \
         redis.response_timeout.",
    ),
];

impl Advice {
    pub(crate) fn on(error: &Error) -> Self {
        let causes =
            std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
        Self::about(causes.last().map(ToString::to_string).unwrap_or_default())
    }

    pub(crate) fn about(problem: String) -> Self {
        let is_said = |words: &[&str]| words.iter().any(|word| problem.contains(word));
        let help = HELP.iter().find(|(words, _)| is_said(words)).map(|(_, help)| *help);
        let is_down = is_said(HELP[0].0);
        Self { help: help.unwrap_or("The log of the server says more."), problem, is_down }
    }
}
