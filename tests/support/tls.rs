//! TLS certificates for tests.

#![allow(dead_code, unreachable_pub, missing_docs)]

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// A certificate authority that has issued a certificate for this machine and one for a client.
pub struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Issues certificates for this machine.
    pub fn issue() -> Self {
        Self::issue_for(&["127.0.0.1", "localhost"])
    }

    /// Issues certificates for these names.
    pub fn issue_for(names: &[&str]) -> Self {
        let issued = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        let key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.distinguished_name.push(DnType::CommonName, "authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&key).expect("a certificate");
        issued.write("ca.pem", &certificate.pem());
        let issuer = Issuer::new(authority, key);
        for name in ["server", "client"] {
            let key = KeyPair::generate().expect("a key");
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let mut params = CertificateParams::new(names).expect("names");
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            issued.write(&format!("{name}.pem"), &certificate.pem());
            issued.write(&format!("{name}.key"), &key.serialize_pem());
        }
        issued
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the command line options of a Redis with TLS on this port. With `demand`, it
    /// requires client certificates.
    pub fn settings(&self, port: u16, demand: bool) -> Vec<String> {
        let file = |name| self.path(name).to_str().expect("UTF-8").to_owned();
        let settings = [
            ("--tls-port", port.to_string()),
            ("--tls-ca-cert-file", file("ca.pem")),
            ("--tls-cert-file", file("server.pem")),
            ("--tls-key-file", file("server.key")),
            ("--tls-auth-clients", if demand { "yes" } else { "no" }.to_owned()),
        ];
        settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    fn write(&self, name: &str, pem: &str) {
        let path: &Path = &self.path(name);
        std::fs::write(path, pem).expect("a file");
    }
}
