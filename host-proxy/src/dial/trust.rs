//! Whom upstreams must be certified by: the system's roots and the operator's.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// Why there is no set of trusted roots.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The operator's PEM text is not PEM.
    #[error("the extra roots are not PEM certificates")]
    Pem(#[source] pem::Error),
    /// One of the operator's certificates cannot be a root.
    #[error("an extra root is not a usable certificate")]
    Root(#[source] rustls::Error),
    /// The provider does not support TLS 1.2 and 1.3.
    #[error("the TLS provider has no usable protocol version")]
    Provider(#[source] rustls::Error),
}

/// TLS 1.2 and 1.3 towards upstreams, for HTTP/1.1 alone, no early data; sessions are resumed per server name.
///
/// # Errors
/// The operator's roots cannot be used. A broken root among the system's is skipped, as every client does.
pub fn client_config(extra_roots_pem: &str) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a system root could not be read");
    }
    let (_added, _skipped) = roots.add_parsable_certificates(system.certs);
    for certificate in CertificateDer::pem_slice_iter(extra_roots_pem.as_bytes()) {
        roots.add(certificate.map_err(TrustError::Pem)?).map_err(TrustError::Root)?;
    }
    let provider = rustls::crypto::ring::default_provider().into();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Provider)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
