//! Recognizes addresses of this machine.

use std::net::IpAddr;

/// Returns whether a host is certain to be this machine. A host name other than `localhost` is
/// not resolved and counts as another machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

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
