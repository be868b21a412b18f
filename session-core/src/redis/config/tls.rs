//! The certificates for connections with TLS.

use std::{
    fs,
    path::{Path, PathBuf},
};

use deadpool_redis::redis::{Client, ClientTlsConfig, ConnectionAddr, TlsCertificates};
use pem::Pem;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use rustls_native_certs::load_native_certs;

use super::super::client::Endpoint;
use crate::{Error, Result};

#[derive(Clone, Default)]
pub(super) struct Tls {
    /// The file of trusted authorities.
    pub(super) ca: Option<PathBuf>,
    /// Trust the authorities that this system trusts.
    pub(super) system_roots: bool,
    /// The files of the client certificate and its key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    /// The name that certificates must be for.
    pub(super) server_name: Option<String>,
}

impl Tls {
    pub(super) fn is_asked_for(&self) -> bool {
        let has_authorities = self.ca.is_some() || self.system_roots;
        has_authorities || self.client.is_some() || self.server_name.is_some()
    }

    /// Reads the files and adds their certificates to an address with TLS.
    pub(super) fn secure(&self, endpoint: Endpoint) -> Result<Endpoint> {
        if !matches!(endpoint.info.addr(), ConnectionAddr::TcpTls { .. }) {
            return Ok(endpoint);
        }
        if CryptoProvider::get_default().is_none() {
            // Fails if the application has installed a provider meanwhile, which is as good.
            let _ = ring::default_provider().install_default();
        }
        if let Some(name) = &self.server_name
            && ServerName::try_from(name.as_str()).is_err()
        {
            let problem = format!("redis tls_server_name: {name:?} is no host name");
            return Err(Error::Config(problem));
        }
        let root_cert = match (&self.ca, self.system_roots) {
            (Some(_), true) => {
                let problem = "redis tls_ca: the system's authorities are asked for as well";
                return Err(Error::Config(problem.to_owned()));
            }
            (Some(file), false) => Some(authorities(file)?),
            (None, true) => Some(system_authorities()?),
            (None, false) => None,
        };
        let client = self.client.as_ref().map(|(cert, key)| identity(cert, key));
        let certificates = TlsCertificates { client_tls: client.transpose()?, root_cert };
        let client = Client::build_with_tls(endpoint.info, certificates);
        let client = client.map_err(|_| Error::Config("redis tls: not usable".to_owned()))?;
        let info = client.get_connection_info().clone();
        Ok(Endpoint { info, tls_name: self.server_name.clone(), ..endpoint })
    }
}

/// Returns the certificates that this system trusts.
fn system_authorities() -> Result<Vec<u8>> {
    let found = load_native_certs();
    let mut trusted = RootCertStore::empty();
    // Systems have certificates that no library accepts; one that is left out is not trusted.
    let usable = found.certs.into_iter().filter(|cert| trusted.add(cert.clone()).is_ok());
    let pem: String =
        usable.map(|cert| pem::encode(&Pem::new("CERTIFICATE", cert.to_vec()))).collect();
    if pem.is_empty() {
        let problem = "redis tls_system_roots: this system trusts no authority";
        return Err(Error::Config(problem.to_owned()));
    }
    Ok(pem.into_bytes())
}

fn authorities(file: &Path) -> Result<Vec<u8>> {
    let pem = read("redis tls_ca", file)?;
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate.ok().map(|certificate| trusted.add(certificate));
        if !matches!(added, Some(Ok(()))) {
            return Err(unusable("redis tls_ca", file, "a certificate"));
        }
    }
    if trusted.is_empty() {
        return Err(unusable("redis tls_ca", file, "a certificate"));
    }
    Ok(pem)
}

fn identity(cert: &Path, key: &Path) -> Result<ClientTlsConfig> {
    let (cert_pem, key_pem) = (read("redis tls_cert", cert)?, read("redis tls_key", key)?);
    let chain = CertificateDer::pem_slice_iter(&cert_pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| unusable("redis tls_cert", cert, "a certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(&key_pem);
    let private = private.map_err(|_| unusable("redis tls_key", key, "a private key"))?;
    // Checks that certificate and key belong together.
    ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_client_auth_cert(chain, private)
        .map_err(|_| unusable("redis tls_key", key, "the certificate's private key"))?;
    Ok(ClientTlsConfig { client_cert: cert_pem, client_key: key_pem })
}

fn read(what: &str, file: &Path) -> Result<Vec<u8>> {
    let problem = |error| Error::Config(format!("{what}: {}: {error}", file.display()));
    fs::read(file).map_err(problem)
}

fn unusable(what: &str, file: &Path, expected: &str) -> Error {
    Error::Config(format!("{what}: {} holds no PEM of {expected}", file.display()))
}
