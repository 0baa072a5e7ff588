//! The real program against a stand-in that answers as the documentation of the HTTP API says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use wire::secret::Secret;
use wire::vault::{Engine, VaultAnswer, VaultQuestion};

const TOKEN: &str = "hvs.CAESIJtheToken";

struct StandIn {
    port: u16,
    pem: String,
    asked: Arc<Mutex<String>>,
}

impl StandIn {
    fn start(status: &'static str, body: &'static str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::<Mutex<String>>::default());
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                seen.lock().unwrap().push_str(&String::from_utf8(head).unwrap());
                let length = body.len();
                let _gone = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
            }
        });
        Self { port, pem: issuer.pem(), asked }
    }

    fn question(&self, engine: Engine, field: Option<&str>) -> VaultQuestion {
        VaultQuestion {
            version: wire::VERSION,
            address: format!("https://localhost:{}", self.port),
            path: "secret/data/agents/slack".to_owned(),
            engine,
            field: field.map(str::to_owned),
            namespace: Some("team-a".to_owned()),
            token: Secret::new(TOKEN.to_owned()),
            roots_pem: Some(self.pem.clone()),
        }
    }

    fn asked(&self) -> String {
        self.asked.lock().unwrap().clone()
    }
}

fn ask(question: &VaultQuestion) -> VaultAnswer {
    let mut child = Command::new(env!("CARGO_BIN_EXE_openshell-vault"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(question).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(question: &VaultQuestion, cause: &str, remedy: &str) {
    let VaultAnswer::Refused { cause: told, remedy: hint } = ask(question) else { panic!("{cause}") };
    assert!(told.contains(cause) && hint.contains(remedy), "{told}: {hint}");
    assert!(!told.contains(TOKEN) && !told.contains("correct-horse"), "{told}");
}

const VERSIONED: &str = r#"{"request_id":"1","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"token":"correct-horse","port":8200},"metadata":{"version":3,"deletion_time":""}},"wrap_info":null,"auth":null}"#;
const MADE: &str = r#"{"lease_id":"aws/creds/r/1","renewable":true,"lease_duration":3600,"data":{"access_key":"AKIA1","secret_key":"k3y","security_token":null}}"#;

#[test]
fn both_versions_of_the_engine_give_their_fields() {
    let vault = StandIn::start("200 OK", VERSIONED);
    let answer = ask(&vault.question(Engine::Versioned, Some("token")));
    assert_eq!(answer, VaultAnswer::Secret(Secret::new("correct-horse".to_owned())));
    let asked = vault.asked();
    assert!(asked.starts_with("GET /v1/secret/data/agents/slack HTTP/1.1\r\n"), "{asked}");
    for line in ["x-vault-token: hvs.CAESIJtheToken", "x-vault-namespace: team-a", "x-vault-request: true"] {
        assert!(asked.contains(&format!("{line}\r\n")), "{asked}");
    }
    let answer = ask(&vault.question(Engine::Versioned, Some("port")));
    assert_eq!(answer, VaultAnswer::Secret(Secret::new("8200".to_owned())));
    let vault = StandIn::start("200 OK", r#"{"data":{"token":"correct-horse","data":"x"}}"#);
    let answer = ask(&vault.question(Engine::Plain, Some("token")));
    assert_eq!(answer, VaultAnswer::Secret(Secret::new("correct-horse".to_owned())));
}

#[test]
fn all_fields_are_one_document() {
    let vault = StandIn::start("200 OK", MADE);
    let VaultAnswer::Secret(all) = ask(&vault.question(Engine::Plain, None)) else { panic!() };
    assert_eq!(all.expose(), r#"{"access_key":"AKIA1","secret_key":"k3y","security_token":null}"#);
}

#[test]
fn what_a_vault_refuses_has_a_cause_and_a_remedy() {
    for (status, body, cause, remedy) in [
        (
            "403 Forbidden",
            r#"{"errors":["permission denied"]}"#,
            "does not let the token read",
            "capabilities",
        ),
        ("404 Not Found", r#"{"errors":[]}"#, "has nothing at 'secret/data/agents/slack'", "'mount'"),
        (
            "503 Service Unavailable",
            r#"{"errors":["Vault is sealed"]}"#,
            "does not serve now (503)",
            "unseal",
        ),
        ("473 Standby", "", "does not serve now (473)", "active node"),
        ("307 Temporary Redirect", "", "redirects (307)", "active node"),
        ("500 Internal Server Error", "correct-horse", "answers with 500", "log"),
        ("200 OK", "correct-horse", "not written as this engine", "kv: 1"),
        ("200 OK", r#"{"data":{"token":"correct-horse"}}"#, "not written as this engine", "kv: 1"),
        ("200 OK", r#"{"data":{"data":null,"metadata":{}}}"#, "has nothing", "'path'"),
        ("200 OK", r#"{"data":{"data":{"other":"correct-horse"}}}"#, "no field 'token'", "vault kv get"),
    ] {
        let vault = StandIn::start(status, body);
        refused(&vault.question(Engine::Versioned, Some("token")), cause, remedy);
    }
}

#[test]
fn a_vault_that_is_not_certified_gets_no_token() {
    let vault = StandIn::start("200 OK", VERSIONED);
    let stranger = VaultQuestion { roots_pem: None, ..vault.question(Engine::Versioned, Some("token")) };
    refused(&stranger, "cannot connect", "'ca'");
    let unreal = VaultQuestion {
        roots_pem: Some("-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n".to_owned()),
        ..stranger
    };
    refused(&unreal, "roots", "'ca'");
    let none = VaultQuestion { roots_pem: Some(String::new()), ..unreal };
    refused(&none, "roots", "'ca'");
    let plain = vault.question(Engine::Versioned, Some("token"));
    let plain = VaultQuestion { address: format!("http://localhost:{}", vault.port), ..plain };
    refused(&plain, "is no address", "https://");
    assert_eq!(vault.asked(), "");
}
