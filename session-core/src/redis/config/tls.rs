//! The certificates for connections with TLS.

use std::{
    fs,
    path::{Path, PathBuf},
};

use deadpool_redis::redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{Error, Result};

#[derive(Clone, Default)]
pub(super) struct Tls {
    /// The file of trusted authorities.
    pub(super) ca: Option<PathBuf>,
    /// The files of the client certificate and its key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// Reads the files and adds their certificates to an address.
    pub(super) fn secure(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            let is_asked_for = self.ca.is_some() || self.client.is_some();
            let problem = "redis tls: is spoken at rediss:// addresses only";
            return if is_asked_for { Err(Error::Config(problem.to_owned())) } else { Ok(info) };
        }
        if CryptoProvider::get_default().is_none() {
            // Fails if the application has installed a provider meanwhile, which is as good.
            let _ = ring::default_provider().install_default();
        }
        let root_cert = self.ca.as_deref().map(authorities).transpose()?;
        let client = self.client.as_ref().map(|(cert, key)| identity(cert, key));
        let client_tls = client.transpose()?;
        let client = Client::build_with_tls(info, TlsCertificates { client_tls, root_cert });
        let client = client.map_err(|_| Error::Config("redis tls: not usable".to_owned()))?;
        Ok(client.get_connection_info().clone())
    }
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
