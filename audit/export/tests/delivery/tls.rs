//! Authorities, certificates, and receivers that are not who they say.

use std::fs;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use audit_export::Format;
use audit_export::service::Notice;
use audit_export::sink::{HttpTarget, Target, TlsFiles, Webhook};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::http;
use crate::rig::Rig;

/// An authority, and where its files are.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    pub(crate) ca: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let ca = folder.join("ca.pem");
        fs::write(&ca, issuer.pem()).unwrap();
        Self { issuer, folder, ca }
    }

    /// Files of a certificate for `name` and its key.
    pub(crate) fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let files = (self.folder.join(format!("{name}.pem")), self.folder.join(format!("{name}.key")));
        fs::write(&files.0, leaf.pem()).unwrap();
        fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }

    /// A server that calls itself `name`, and takes only clients of this authority, if `mutual`.
    pub(crate) fn server(&self, name: &str, clients: Clients) -> Arc<rustls::ServerConfig> {
        let (certificate, key) = self.issue(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Clients::Anybody => builder.with_no_client_auth(),
            Clients::OfThisAuthority => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(self.issuer.der().clone()).unwrap();
                let verifier =
                    rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let certificates = vec![CertificateDer::from_pem_file(certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        Arc::new(builder.with_single_cert(certificates, key).unwrap())
    }
}

/// Whom a server takes.
pub(crate) enum Clients {
    Anybody,
    OfThisAuthority,
}

/// Numbers of the records that came.
type Seen = Arc<Mutex<Vec<u64>>>;

/// A receiver of HTTPS that takes everything.
fn start(config: Arc<rustls::ServerConfig>) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let numbers = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut reader = BufReader::new(rustls::StreamOwned::new(connection, stream.unwrap()));
            while let Some(request) = http::read(&mut reader) {
                numbers.lock().unwrap().extend(http::sequences(&request));
                reader.get_mut().write_all(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        }
    });
    (address, seen)
}

fn target(host: &str, address: SocketAddr, tls: TlsFiles) -> Target {
    let url = format!("https://{host}:{}", address.port());
    Target::Webhook(Webhook {
        http: HttpTarget { url, tls, headers: Vec::new(), patience: HttpTarget::PATIENCE },
        secret: None,
    })
}

#[tokio::test]
async fn only_the_receiver_that_was_meant_gets_records() {
    let (rig, _log) = Rig::with(3);
    let folder = rig.folder.path();
    let (ours, theirs) = (Authority::new(folder, "ours"), Authority::new(folder, "theirs"));
    let trusting = || TlsFiles { ca: Some(ours.ca.clone()), ..TlsFiles::default() };
    let impostors = [
        ("another authority", theirs.server("localhost", Clients::Anybody)),
        ("another name", ours.server("elsewhere.test", Clients::Anybody)),
        ("a client that is asked who it is", ours.server("localhost", Clients::OfThisAuthority)),
    ];
    for (what, config) in impostors {
        let (address, seen) = start(config);
        let notice = rig.until_notice(target("localhost", address, trusting()), Format::Json).await;
        assert!(matches!(&notice, Notice::NotNow { .. }), "{what}: {notice:?}");
        assert_eq!((seen.lock().unwrap().len(), rig.cursor().delivered), (0, 0), "{what}");
    }
    // The same impostors with a client that trusts them get what they want.
    let (address, seen) = start(theirs.server("localhost", Clients::Anybody));
    let fooled = TlsFiles { ca: Some(theirs.ca.clone()), ..TlsFiles::default() };
    assert_eq!(rig.drain(target("localhost", address, fooled), Format::Json).await, []);
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn a_receiver_that_asks_who_we_are_is_told() {
    let (rig, _log) = Rig::with(2);
    let ours = Authority::new(rig.folder.path(), "ours");
    let (address, seen) = start(ours.server("localhost", Clients::OfThisAuthority));
    let (certificate, key) = ours.issue("sender.test");
    let files = TlsFiles { ca: Some(ours.ca.clone()), certificate: Some(certificate), key: Some(key) };
    assert_eq!(rig.drain(target("localhost", address, files), Format::Json).await, []);
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
}
