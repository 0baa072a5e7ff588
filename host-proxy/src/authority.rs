//! The sandbox's certificate authority: one key for the sandbox's life, one leaf per name, made when needed.
//!
//! The guest trusts this authority and no other sandbox does. Its key is made here at start, is never written
//! and never leaves the process. Leaves share one key: a leaf then costs one signature (17 µs).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::canonical::Host;

/// Most leaves kept. A sandbox uses tens; an attacker who asks for more only makes his own requests slower.
const MOST_LEAVES: usize = 512;

/// How far back certificates start: a guest restored from a snapshot has an old clock.
const BACKDATE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the authority and its leaves are valid. Sandboxes that live longer make new leaves.
const LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How old a leaf may be when it is handed out again.
const LEAF_LIFE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// Makes and keeps leaves.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    leaf_key: KeyPair,
    provider: Arc<CryptoProvider>,
    leaves: Mutex<Leaves>,
}

/// The kept leaves, and a clock that counts uses.
#[derive(Default)]
struct Leaves {
    by_host: HashMap<Host, Leaf>,
    uses: u64,
}

struct Leaf {
    config: Arc<ServerConfig>,
    made: SystemTime,
    last_use: u64,
}

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Key or certificate.
    #[error("making a certificate")]
    Certificate(#[from] rcgen::Error),
    /// TLS does not take it.
    #[error("using a certificate")]
    Tls(#[from] rustls::Error),
    /// No randomness.
    #[error("no random numbers")]
    Random,
}

impl Authority {
    /// Makes a new authority. `sandbox` stands in its name, so that people can tell two apart.
    ///
    /// # Errors
    /// No key or certificate could be made.
    pub fn new(sandbox: &str) -> Result<Self, AuthorityError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let name: String = format!("openshell {sandbox}").chars().take(64).collect();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial(&provider)?);
        params.use_authority_key_identifier_extension = true;
        let now = SystemTime::now();
        params.not_before = (now - BACKDATE).into();
        params.not_after = (now + LIFE).into();
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer, leaf_key: KeyPair::generate()?, provider, leaves: Mutex::default() })
    }

    /// The authority's certificate, for the guest's trust stores.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// TLS as `host`, with a leaf that the guest trusts.
    ///
    /// # Errors
    /// No leaf could be made.
    pub fn server_config(&self, host: &Host) -> Result<Arc<ServerConfig>, AuthorityError> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        if let Some(config) = leaves.recall(host, now) {
            return Ok(config);
        }
        let config = self.config(self.leaf(host, now)?.der().clone())?;
        leaves.keep(host.clone(), Arc::clone(&config), now);
        Ok(config)
    }

    fn leaf(&self, host: &Host, now: SystemTime) -> Result<Certificate, AuthorityError> {
        let mut params = CertificateParams::default();
        // The name stands in the alternative names only: a common name is limited to 64 characters.
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![match host {
            Host::Name(name) => SanType::DnsName(name.as_str().try_into()?),
            Host::Address(address) => SanType::IpAddress(IpAddr::clone(address)),
        }];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(&self.provider)?);
        params.not_before = (now - BACKDATE).into();
        params.not_after = (now + LEAF_LIFE).into();
        Ok(params.signed_by(&self.leaf_key, &self.issuer)?)
    }

    fn config(&self, leaf: CertificateDer<'static>) -> Result<Arc<ServerConfig>, AuthorityError> {
        let chain = vec![leaf, self.issuer.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let certified = CertifiedKey::from_der(chain, key, &self.provider)?;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Early data can be replayed; a request that was judged once must arrive once.
        config.max_early_data_size = 0;
        Ok(Arc::new(config))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(<redacted>)")
    }
}

impl Leaves {
    fn recall(&mut self, host: &Host, now: SystemTime) -> Option<Arc<ServerConfig>> {
        self.uses += 1;
        let leaf = self.by_host.get_mut(host)?;
        // Replaced at half its life, or when the clock jumped back before it was made.
        if now.duration_since(leaf.made).is_ok_and(|age| age < LEAF_LIFE / 2) {
            leaf.last_use = self.uses;
            Some(Arc::clone(&leaf.config))
        } else {
            None
        }
    }

    fn keep(&mut self, host: Host, config: Arc<ServerConfig>, made: SystemTime) {
        if self.by_host.len() >= MOST_LEAVES && !self.by_host.contains_key(&host) {
            let oldest =
                self.by_host.iter().min_by_key(|(_, leaf)| leaf.last_use).map(|(host, _)| host.clone());
            oldest.and_then(|oldest| self.by_host.remove(&oldest));
        }
        self.by_host.insert(host, Leaf { config, made, last_use: self.uses });
    }
}

/// A random serial number of 127 bits (at least 64 are required, and the number must be positive).
fn serial(provider: &CryptoProvider) -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0; 16];
    provider.secure_random.fill(&mut bytes).map_err(|_no_entropy| AuthorityError::Random)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Name;

    fn name(text: &str) -> Host {
        Host::Name(Name::parse(text).unwrap())
    }

    #[test]
    fn a_leaf_is_made_once_per_name() {
        let authority = Authority::new("test").unwrap();
        let first = authority.server_config(&name("a.example")).unwrap();
        assert!(Arc::ptr_eq(&first, &authority.server_config(&name("a.example")).unwrap()));
        assert!(!Arc::ptr_eq(&first, &authority.server_config(&name("b.example")).unwrap()));
    }

    #[test]
    fn the_cache_is_bounded_and_forgets_the_least_used() {
        let authority = Authority::new("test").unwrap();
        let kept = authority.server_config(&name("kept.example")).unwrap();
        for number in 0..MOST_LEAVES + 50 {
            authority.server_config(&name(&format!("n{number}.example"))).unwrap();
            authority.server_config(&name("kept.example")).unwrap();
        }
        assert_eq!(authority.leaves.lock().unwrap().by_host.len(), MOST_LEAVES);
        assert!(Arc::ptr_eq(&kept, &authority.server_config(&name("kept.example")).unwrap()));
    }

    #[test]
    fn openssl_accepts_the_chain_strictly() {
        let authority = Authority::new("test").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let long = format!("{}.{}.example", "a".repeat(63), "b".repeat(60));
        for host in [name("a.example"), name(&long), Host::Address("192.0.2.1".parse().unwrap())] {
            let leaf = authority.leaf(&host, SystemTime::now()).unwrap();
            std::fs::write(folder.path().join("leaf.pem"), leaf.pem()).unwrap();
            let verified = std::process::Command::new("openssl")
                .current_dir(folder.path())
                .args(["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", "leaf.pem"])
                .output()
                .unwrap();
            assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        }
    }
}
