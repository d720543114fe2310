//! Certificates and roots, from PEM, for TLS 1.3 and nothing older.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use thiserror::Error;

/// Why a certificate, key, root or name is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected {expected}: {reason}")]
pub struct TlsError {
    /// What was expected, in words.
    pub expected: &'static str,
    /// What the library says.
    pub reason: String,
}

/// A server's certificate chain and key.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

/// Whom a client believes, and by which name it knows the server.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl ServerTls {
    /// A chain, the server's certificate first, and its key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(expected("a private key in PEM"))?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(expected("TLS 1.3"))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(expected("a chain whose first certificate fits the key"))?;
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn session(&self) -> Result<rustls::Connection, TlsError> {
        let session = ServerConnection::new(Arc::clone(&self.0));
        session.map(Into::into).map_err(expected("a TLS session"))
    }
}

impl ClientTls {
    /// Believes these roots only, and only a server that has a certificate for `name`.
    pub fn trusting_pem(roots: &[u8], name: &str) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for root in certificates(roots)? {
            store.add(root).map_err(expected("a root certificate"))?;
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(expected("TLS 1.3"))?
            .with_root_certificates(store)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned());
        let name = name.map_err(expected("the server's name as in its certificate"))?;
        Ok(Self { config: Arc::new(config), name })
    }

    pub(crate) fn session(&self) -> Result<rustls::Connection, TlsError> {
        let session = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        session.map(Into::into).map_err(expected("a TLS session"))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "certificates in PEM";
    let all: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(expected(what))?;
    if all.is_empty() {
        return Err(TlsError { expected: what, reason: "got none".to_owned() });
    }
    Ok(all)
}

fn expected<E: core::fmt::Display>(expected: &'static str) -> impl Fn(E) -> TlsError {
    move |error| TlsError { expected, reason: error.to_string() }
}
