//! Whom we trust and who we are. A certificate is always verified, name included: there is no way around it.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Files in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate authorities to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate, with those between it and its authority.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not what it should be.
    #[error("{} is no PEM file of {what}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds nothing.
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    /// A certificate without a key, or a key without a certificate.
    #[error("a client certificate needs both its certificate and its key")]
    Half,
    /// A certificate or a key cannot be used.
    #[error("a certificate or a key cannot be used")]
    Unusable(#[source] rustls::Error),
    /// Clients cannot be told from strangers by the authority that is named.
    #[error("the authority of the clients cannot be used")]
    Clients(#[source] Box<rustls::server::VerifierBuilderError>),
}

pub(super) fn config(files: &TlsFiles) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_root_certificates(roots(files)?);
    let mut config = match (&files.certificate, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let (certificates, key) = (certificates(certificate)?, private_key(key)?);
            builder.with_client_auth_cert(certificates, key).map_err(TlsError::Unusable)?
        }
        _ => return Err(TlsError::Half),
    };
    // rsyslog with OpenSSL ends a session that is resumed by a client with a certificate; every other batch would fail.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

fn roots(files: &TlsFiles) -> Result<rustls::RootCertStore, TlsError> {
    let mut roots = rustls::RootCertStore::empty();
    // The system's store may hold certificates that cannot be used; without any, only `ca` is trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &files.ca {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(TlsError::Unusable)?;
        }
    }
    Ok(roots)
}

pub(crate) fn private_key(path: &PathBuf) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bad = |source| TlsError::Pem { path: path.clone(), what: "a private key", source };
    PrivateKeyDer::from_pem_file(path).map_err(bad)
}

pub(crate) fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |source| TlsError::Pem { path: path.clone(), what: "certificates", source };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(bad)?.collect::<Result<_, _>>().map_err(bad)?;
    if certificates.is_empty() { Err(TlsError::Empty(path.clone())) } else { Ok(certificates) }
}
