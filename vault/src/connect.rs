//! A connection to the vault: TLS with the operator's roots, or else the system's, or plain to this machine.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::Uri;
use http_body_util::Empty;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::VaultError;

/// Where the vault is.
pub(crate) struct Address {
    /// As in a `Host` field.
    pub(crate) authority: String,
    host: String,
    port: u16,
    is_secure: bool,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, VaultError> {
        let wrong = || VaultError::Address(text.to_owned());
        let uri: Uri = text.parse().map_err(|_invalid| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let is_plain =
            matches!(uri.path(), "" | "/") && uri.query().is_none() && !authority.as_str().contains('@');
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()) => {
                false
            }
            _ => return Err(wrong()),
        };
        if !is_plain || host.is_empty() {
            return Err(wrong());
        }
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, digits)) if !digits.ends_with(']') => {
                digits.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?
            }
            _ if is_secure => 443,
            _ => 80,
        };
        Ok(Self { authority: authority.to_string(), host, port, is_secure })
    }

    pub(crate) async fn connect(
        &self,
        roots_pem: Option<&str>,
    ) -> Result<SendRequest<Empty<Bytes>>, VaultError> {
        let config = if self.is_secure { Some(config(roots_pem)?) } else { None };
        let failed = |source: io::Error| VaultError::Connect { address: self.authority.clone(), source };
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        let Some(config) = config else { return open(stream).await };
        let name =
            ServerName::try_from(self.host.clone()).map_err(|error| failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)?;
        open(stream).await
    }
}

async fn open<S>(stream: S) -> Result<SendRequest<Empty<Bytes>>, VaultError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(VaultError::Http)?;
    // What goes wrong on it is told to the sender.
    tokio::spawn(connection);
    Ok(sender)
}

/// `roots_pem`: the only roots that hold, if there are any.
fn config(roots_pem: Option<&str>) -> Result<ClientConfig, VaultError> {
    let mut roots = RootCertStore::empty();
    match roots_pem {
        // A broken root among the system's is skipped, as every client does.
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_broken| VaultError::Roots)?;
                roots.add(certificate).map_err(|_broken| VaultError::Roots)?;
            }
            if roots.is_empty() {
                return Err(VaultError::Roots);
            }
        }
    }
    let provider = rustls::crypto::ring::default_provider().into();
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| VaultError::Question(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_out_over_tls_or_stays_here() {
        for text in
            ["https://vault.example", "https://10.0.0.1:8200/", "http://127.0.0.1:8200", "http://[::1]:8200"]
        {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
        for text in [
            "http://vault.example:8200",
            "http://localhost:8200",
            "http://10.0.0.1",
            "https://",
            "vault.example",
            "https://u:p@vault.example",
            "https://vault.example:99999",
            "https://vault.example:",
            "https://vault.example:0",
            "https://[::1]:82000",
            "https://vault.example/v1",
            "https://vault.example/?a",
            "ftp://vault.example",
        ] {
            assert!(matches!(Address::parse(text), Err(VaultError::Address(_))), "{text}");
        }
    }
}
