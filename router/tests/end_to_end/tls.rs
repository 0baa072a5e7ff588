//! Whom the router believes to be the cloud server.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::rig::{Plan, Rig, Tls};

/// An authority and a server of it that calls itself `name`.
fn authority(name: &str) -> Tls {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    Tls { acceptor: TlsAcceptor::from(Arc::new(config)), trusted_pem: authority.pem() }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_server_of_the_right_name_gets_a_prompt() {
    let trusted = authority("cloud.test");
    let other_name = authority("evil.test");
    let untrusted = Tls { trusted_pem: authority("cloud.test").trusted_pem, ..authority("cloud.test") };
    for (tls, status, seen) in [(trusted, 200, 1), (other_name, 502, 0), (untrusted, 502, 0)] {
        let rig = Rig::start(Plan { cloud_tls: Some(tls), ..Plan::default() }).await;
        let reply = rig.chat("hello").await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!((rig.seen_in_cloud().len(), rig.seen_locally().len()), (seen, 0));
    }
}
