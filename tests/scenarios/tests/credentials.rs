//! A credential that the agent uses and never has: on the wire to its host, masked in what comes back, nowhere in the
//! guest's memory, replaced while the agent runs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ChildStdout;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use scenarios::{Session, openshell};

const HOST: &str = "api.example.test";
const OLD: &str = "the-0ld-s3cret-of-the-operator";
const NEW: &str = "a-n3wer-s3cret-of-the-operator";

/// A server with a certificate of an authority, whose PEM comes with its port.
fn upstream() -> (u16, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("randomness"));
    let authority = authority.expect("an authority signs itself");
    let key = KeyPair::generate().expect("randomness");
    let certificate = CertificateParams::new(vec![HOST.to_owned()]).expect("a name");
    let certificate = certificate.signed_by(&key, &authority).expect("an authority signs");
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("the key is the certificate's");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let config = Arc::clone(&config);
            std::thread::spawn(move || answer(stream, config));
        }
    });
    (port, authority.pem())
}

/// Reads a request to its end, tells which secret came, and repeats the head.
fn answer(stream: TcpStream, config: Arc<ServerConfig>) {
    let Ok(connection) = ServerConnection::new(config) else { return };
    let mut stream = StreamOwned::new(connection, stream);
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let word =
        match (head.contains(&format!("Bearer {OLD}\r\n")), head.contains(&format!("Bearer {NEW}\r\n"))) {
            (true, false) => "old",
            (false, true) => "new",
            _ => "neither",
        };
    let body = format!("{word}\n{head}");
    let _client_is_gone = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.conn.send_close_notify();
    let _client_is_gone = stream.flush();
}

/// Reads until the agent says `word`.
fn hear(agent: &mut BufReader<ChildStdout>, word: &str) -> String {
    let mut heard = String::new();
    while agent.read_line(&mut heard).expect("the agent's output can be read") > 0 {
        if heard.ends_with(&format!("{word}\n")) {
            return heard;
        }
    }
    panic!("'{word}' was never said: {heard}");
}

/// Processes of the product, by name.
fn processes(name: &str) -> Vec<PathBuf> {
    let all =
        fs::read_dir("/proc").expect("there is a /proc").filter_map(Result::ok).map(|entry| entry.path());
    let named = |path: &PathBuf| {
        // The kernel keeps 15 characters of a name.
        fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == &name[..name.len().min(15)])
    };
    all.filter(named).collect()
}

/// Whether the memory of a process holds a text.
fn remembers(process: &Path, text: &str) -> bool {
    let maps = fs::read_to_string(process.join("maps")).expect("scenarios run as root");
    let memory = fs::File::open(process.join("mem")).expect("scenarios run as root");
    maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with('r'))).any(|line| {
        let (from, to) = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        holds(&memory, address(from)..address(to), text.as_bytes())
    })
}

fn holds(memory: &fs::File, range: std::ops::Range<u64>, text: &[u8]) -> bool {
    let mut piece = vec![0; 1 << 20];
    let mut at = range.start;
    while at < range.end {
        let most = usize::try_from(range.end - at).map_or(piece.len(), |left| left.min(piece.len()));
        let Ok(read @ 1..) = memory.read_at(&mut piece[..most], at) else { return false };
        if piece[..read].windows(text.len()).any(|window| window[0] == text[0] && window == text) {
            return true;
        }
        // What stands across two pieces is seen in the next one.
        let step = if at + read as u64 >= range.end { read } else { read.saturating_sub(text.len()).max(1) };
        at += step as u64;
    }
    false
}

/// Files under `folder` that hold a text.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let (path, kind) = (entry.path(), entry.file_type().expect("an entry has a type"));
        if kind.is_dir() {
            found.extend(files_with(&path, text));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn an_agent_uses_what_it_never_has() {
    let (port, pem) = upstream();
    let session = Session::new("base");
    let (secret, roots) = (session.dir().join("secret"), session.dir().join("ca.pem"));
    fs::write(&secret, format!("{OLD}\n")).expect("the session's directory is writable");
    fs::write(&roots, pem).expect("the session's directory is writable");
    let url = format!("https://{HOST}:{port}");
    let script = format!(
        "echo mine $API_TOKEN; \
         until curl -sm 20 {url}/v1/me | grep -qx old; do sleep 0.2; done; echo old; \
         until curl -sm 20 {url}/v1/me | grep -qx new; do sleep 0.5; done; echo new; \
         curl -sm 20 -H \"Authorization: Bearer $API_TOKEN\" {url}/v1/echo | grep -i ^authorization; \
         curl -sm 20 -o /dev/null -w 'body %{{http_code}}\\n' -d t=$API_TOKEN {url}/v1/me; \
         curl -sm 20 -o /dev/null -w 'elsewhere %{{http_code}}\\n' -H \"X: $API_TOKEN\" {url}/v2/me"
    );
    let mut session = session
        .script(&script)
        .yaml(&format!(
            "policy:\n  network:\n    - name: api\n      binary: {{allow: [curl]}}\n      destination: {{allow: ['{HOST}:{port}']}}\n      \
             method: {{allow: [GET, POST]}}\n      path: {{allow: ['/**']}}"
        ))
        .yaml(&format!(
            "egress: {{hosts: {{{HOST}: 127.0.0.1}}, allow_addresses: [127.0.0.1/32], ca: {}}}",
            roots.display()
        ))
        .yaml(&format!(
            "credentials:\n  - name: API_TOKEN\n    from: {{file: secret}}\n    inject: {{host: '{HOST}:{port}', path: /v1/**, header: \
             Authorization, format: 'Bearer {{}}'}}"
        ))
        .start();
    let mut agent = BufReader::new(session.child.stdout.take().expect("it is piped"));
    let said = hear(&mut agent, "old");
    let placeholder = said.split_whitespace().nth(1).expect("the agent has a placeholder").to_owned();
    assert!(placeholder.starts_with("openshell-API_TOKEN-"), "{said}");

    // The machine holds the guest's memory: the placeholder is there, the secret is not.
    for machine in processes("openshell-vmm") {
        assert!(remembers(&machine, &placeholder), "the guest's memory is not where it is looked for");
        assert!(!remembers(&machine, OLD), "the secret is in the guest's memory");
    }
    assert_eq!(processes("openshell-vmm").len(), 1);
    assert!(
        processes("openshell-proxy").iter().any(|proxy| remembers(proxy, OLD)),
        "the search finds nothing"
    );
    for process in ["openshell", "openshell-vmm", "openshell-proxy", "openshell-audit"] {
        assert!(!processes(process).is_empty(), "{process} does not run");
        for folder in processes(process) {
            for file in ["cmdline", "environ"] {
                let text = fs::read(folder.join(file)).expect("scenarios run as root");
                assert!(!String::from_utf8_lossy(&text).contains(OLD), "{process}: {file}");
            }
        }
    }

    fs::write(&secret, format!("{NEW}\n")).expect("the session's directory is writable");
    let refresh = |home: &Path| {
        openshell(home).args(["vm", "refresh-credentials", "scenario"]).output().expect("openshell is built")
    };
    let done = refresh(session.dir());
    let words = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && words.contains("API_TOKEN read again"), "{words} {done:?}");
    hear(&mut agent, "new");
    // A source that gives nothing changes nothing.
    fs::remove_file(&secret).expect("it is there");
    let failed = refresh(session.dir());
    let words = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(
        failed.status.code() == Some(1) && words.contains("from before stay") && words.contains("remedy: "),
        "{words}"
    );

    let mut rest = String::new();
    agent.read_to_string(&mut rest).expect("the agent's output can be read");
    let (home, outcome) = session.finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let masked = format!("authorization: Bearer {}", "*".repeat(NEW.len()));
    assert!(rest.contains(&masked), "{rest}");
    assert!(rest.contains("body 403\n") && rest.contains("elsewhere 403\n"), "{rest}");
    for secret in [OLD, NEW] {
        assert_eq!(files_with(home.path(), secret), Vec::<PathBuf>::new());
        assert!(!format!("{rest}{outcome}").contains(secret));
    }
    let used = |record: &&serde_json::Value| {
        record["action"] == "network-request" && record["credentials"] == serde_json::json!(["API_TOKEN"])
    };
    assert!(outcome.audit.iter().filter(used).count() >= 3, "{outcome}");
    let changes: Vec<&str> = outcome
        .audit
        .iter()
        .filter(|record| record["action"] == "credential-change")
        .map(|record| record["decision"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(changes, ["allow", "deny"], "{outcome}");
}
