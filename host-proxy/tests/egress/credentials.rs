//! Credentials: on the wire to the hosts that they are bound to, and nowhere else, whatever a client writes.

use std::io::{Read, Write};
use std::sync::Arc;

use wire::credential::{Binding, Credential, Form};
use wire::proxy::ProxyEvent;
use wire::secret::Secret;

use crate::bench::{Answer, Bench, Setting};
use crate::upstream::{Response, Root, Upstream, ok};

const NAME: &str = "api.example";
const OTHER: &str = "other.example";
const SECRET: &str = "xoxb-c0rrect-h0rse-b4ttery";
const PLACEHOLDER: &str = "openshell-TOKEN-0011223344556677";

fn bearer() -> Form {
    Form::Header { name: "Authorization".to_owned(), format: "Bearer {}".to_owned() }
}

fn credential(port: u16, paths: &[&str], form: Form) -> Credential {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Credential {
        name: "TOKEN".to_owned(),
        placeholder: PLACEHOLDER.to_owned(),
        secret: Secret::new(SECRET.to_owned()),
        bindings: vec![Binding { hosts: vec![format!("{NAME}:{port}")], paths, form }],
    }
}

fn policy(port: u16) -> String {
    format!(
        "version: 1\nnetwork:\n  - name: api\n    binary: {{allow: [curl]}}\n    \
         destination: {{allow: ['{NAME}:{port}', '{OTHER}:{port}']}}\n    \
         method: {{allow: [GET, POST, WEBSOCKET]}}\n    path: {{allow: ['/**']}}\n"
    )
}

/// A server for both names, and a proxy with one credential for the first of them.
struct Site {
    bench: Bench,
    upstream: Upstream,
}

impl Site {
    fn new(paths: &[&str], form: Form) -> Self {
        Self::answering(paths, form, |_| ok("hello"))
    }

    fn answering(
        paths: &[&str],
        form: Form,
        answer: impl Fn(&[u8]) -> Response + Send + Sync + 'static,
    ) -> Self {
        let root = Root::new();
        let upstream = Upstream::start(Some(root.server_config(&[NAME, OTHER], |_| {})), Arc::new(answer));
        let setting = Setting::new(policy(upstream.port)).host(NAME).host(OTHER).trusting(&root.pem());
        let bench = setting.with(credential(upstream.port, paths, form)).start();
        Self { bench, upstream }
    }

    fn ask(&self, line: &str, fields: &str) -> Answer {
        self.ask_at(NAME, line, fields)
    }

    fn ask_at(&self, name: &str, line: &str, fields: &str) -> Answer {
        let port = self.upstream.port;
        let head = format!("{line} HTTP/1.1\r\nHost: {name}:{port}\r\n{fields}\r\n");
        self.bench.https(name, port, head)
    }

    /// The secret did not leave.
    fn kept(&self) {
        let received = self.upstream.received();
        assert!(!received.contains(SECRET) && !received.contains(PLACEHOLDER), "{received}");
    }

    fn refused(&self, answer: &Answer) {
        assert_eq!((answer.status(), &answer.json()["level"]), (403, &"credential".into()), "{answer:?}");
        self.kept();
        self.bench.audit.denied_at("credential");
    }
}

#[test]
fn it_replaces_what_the_agent_wrote() {
    let site = Site::new(&[], bearer());
    for fields in [
        String::new(),
        format!("Authorization: Bearer {PLACEHOLDER}\r\n"),
        format!("Authorization: Bearer {PLACEHOLDER}\r\nAuthorization: Bearer attacker\r\n"),
        "Authorization: Bearer attacker\r\nX-Api-Key: attacker\r\n".to_owned(),
        "authorization: attacker\r\nx_api_key: attacker\r\n".to_owned(),
    ] {
        assert_eq!(site.ask("GET /a", &fields).status(), 200, "{fields}");
    }
    let received = site.upstream.received();
    assert_eq!(received.matches(&format!("authorization: Bearer {SECRET}\r\n")).count(), 5, "{received}");
    assert!(!received.contains("attacker") && !received.contains(PLACEHOLDER), "{received}");
    let events = site.bench.audit.events();
    let uses = events.iter().filter(|event| event["credentials"] == serde_json::json!(["TOKEN"]));
    assert_eq!(uses.count(), 5, "{events:#?}");
    assert!(!format!("{events:?}").contains(SECRET));
}

#[test]
fn it_goes_to_its_own_places_only() {
    let site = Site::new(&["/v1/**"], bearer());
    // At its host nobody else's goes out either, also where a server may read another path than we do.
    for (name, line, mine) in
        [(OTHER, "GET /v1/a", 1), (NAME, "GET /v2/a", 0), (NAME, "GET /V1/a", 0), (NAME, "GET /v1%2Fa", 0)]
    {
        let before = site.upstream.received().matches("Bearer mine").count();
        assert_eq!(site.ask_at(name, line, "Authorization: Bearer mine\r\n").status(), 200, "{name} {line}");
        let after = site.upstream.received().matches("Bearer mine").count();
        assert_eq!(after - before, mine, "{name} {line}");
    }
    site.kept();
    assert_eq!(site.ask("GET /v1/a", "").status(), 200);
    assert!(site.upstream.received().contains(SECRET));
}

#[test]
fn another_credential_in_the_query_is_refused() {
    for query in [
        "access_token=his",
        "x=1&private_token=his",
        "Private-Token[]=his",
        "a=1;api_key=his",
        "%61pikey=his",
    ] {
        let site = Site::new(&["/v1/**"], bearer());
        let answer = site.ask(&format!("GET /v2/a?{query}"), "");
        site.refused(&answer);
        site.upstream.saw_nothing();
        assert_eq!(site.ask_at(OTHER, &format!("GET /v2/a?{query}"), "").status(), 200);
    }
}

#[test]
fn an_answer_comes_whole() {
    let site = Site::new(&["/v1/**"], bearer());
    assert_eq!(site.ask("GET /v2/a", "Range: bytes=0-7\r\nIf-Range: \"x\"\r\n").status(), 200);
    assert!(!site.upstream.received().to_lowercase().contains("range"), "{}", site.upstream.received());
}

#[test]
fn a_placeholder_elsewhere_is_refused() {
    use base64::Engine;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("user:{PLACEHOLDER}"));
    for (name, line, fields) in [
        (OTHER, "GET /v1/a".to_owned(), format!("Authorization: Bearer {PLACEHOLDER}\r\n")),
        (OTHER, "GET /v1/a".to_owned(), format!("Authorization: Basic {basic}\r\n")),
        (NAME, "GET /v2/a".to_owned(), format!("Authorization: Bearer {PLACEHOLDER}\r\n")),
        (NAME, "GET /v1/a".to_owned(), format!("X-Note: see {PLACEHOLDER}\r\n")),
        (NAME, "GET /v1/a".to_owned(), format!("Referer: https://a.example/?t={PLACEHOLDER}\r\n")),
        (NAME, "GET /v1/a".to_owned(), format!("Cookie: t={PLACEHOLDER}\r\n")),
        (NAME, format!("GET /v1/{PLACEHOLDER}"), String::new()),
        (NAME, format!("GET /v1/a?q=1&t={PLACEHOLDER}"), String::new()),
        (NAME, format!("GET /v1/a?{PLACEHOLDER}"), String::new()),
        (NAME, format!("GET /v1/a?t={}", PLACEHOLDER.replace('-', "%2D")), String::new()),
        (OTHER, "GET /v1/a".to_owned(), format!("Authorization: Basic {}\r\n", basic.trim_end_matches('='))),
    ] {
        let site = Site::new(&["/v1/**"], bearer());
        let answer = site.ask_at(name, &line, &fields);
        site.refused(&answer);
        site.upstream.saw_nothing();
    }
}

#[test]
fn a_placeholder_in_a_body_stops_it() {
    let site = Site::new(&[], bearer());
    let body = format!("{{\"token\": \"{PLACEHOLDER}\"}}");
    let answer = site.ask("POST /a", &format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"credential".into()), "{answer:?}");
    let received = site.upstream.received();
    assert!(!received.contains(PLACEHOLDER), "{received}");
    // Cut in two by its sender.
    let (one, two) = body.split_at(25);
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n",
        one.len(),
        two.len()
    );
    let answer = site.ask("POST /b", &chunked);
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"credential".into()), "{answer:?}");
    let outcome = site
        .bench
        .audit
        .wait_for(|event| event["action"] == "network-outcome" && event["decision"] == "deny");
    assert_eq!(outcome["level"], "credential", "{outcome}");
}

#[test]
fn a_server_that_does_not_wait_for_the_body_changes_nothing() {
    // It answers as soon as it has the head: the client would never hear what was wrong with the body.
    let root = Root::new();
    let eager = eager(root.server_config(&[NAME], |_| {}));
    let setting = Setting::new(policy(eager)).host(NAME).trusting(&root.pem());
    let bench = setting.with(credential(eager, &[], bearer())).start();
    let body = format!("t={PLACEHOLDER}");
    let head =
        format!("POST /a HTTP/1.1\r\nHost: {NAME}:{eager}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = bench.https(NAME, eager, head);
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"credential".into()), "{answer:?}");
}

/// A server that answers every head at once.
fn eager(tls: Arc<rustls::ServerConfig>) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&tls)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            let mut seen = Vec::new();
            let mut byte = [0];
            while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                seen.push(byte[0]);
            }
            let _client_is_gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    port
}

#[test]
fn it_goes_over_tls_only() {
    let upstream = Upstream::plain();
    let setting = Setting::new(policy(upstream.port)).host(NAME);
    let bench = setting.with(credential(upstream.port, &[], bearer())).start();
    let answer =
        bench.http(NAME, upstream.port, format!("GET /a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port));
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"credential".into()), "{answer:?}");
    upstream.saw_nothing();
}

#[test]
fn a_server_that_is_not_its_own_gets_nothing() {
    // The certificate is of an authority that nobody trusts.
    let stranger = Root::new();
    let upstream = Upstream::tls(&stranger, &[NAME]);
    let setting = Setting::new(policy(upstream.port)).host(NAME);
    let bench = setting.with(credential(upstream.port, &[], bearer())).start();
    let answer = bench.https(
        NAME,
        upstream.port,
        format!("GET /a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port),
    );
    assert_eq!(answer.status(), 502, "{answer:?}");
    assert!(!upstream.received().contains(SECRET));
}

#[test]
fn the_forms_of_carrying_it() {
    let basic = Form::Basic { user: "bot".to_owned() };
    let site = Site::new(&[], basic);
    site.ask("GET /a", "Authorization: Basic eDp5\r\n");
    use base64::Engine;
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("bot:{SECRET}"));
    assert!(site.upstream.received().contains(&format!("authorization: Basic {expected}\r\n")));

    let site = Site::new(&[], Form::Query { name: "token".to_owned() });
    site.ask(&format!("GET /a?x=1&token={PLACEHOLDER}&%74oken=attacker&y=2"), "");
    site.ask("GET /b", "");
    // Servers differ on what is a parameter of which name.
    site.ask("GET /c?token[]=attacker&Token=attacker&tokens=2", "");
    let received = site.upstream.received();
    assert!(received.contains(&format!("GET /c?tokens=2&token={SECRET} HTTP/1.1")), "{received}");
    assert!(received.contains(&format!("GET /a?x=1&y=2&token={SECRET} HTTP/1.1")), "{received}");
    assert!(received.contains(&format!("GET /b?token={SECRET} HTTP/1.1")), "{received}");

    // What stands beside it in the same part was judged, and would be gone.
    let site = Site::new(&[], Form::Query { name: "token".to_owned() });
    let answer = site.ask("GET /c?dry_run=true;token=attacker", "");
    site.refused(&answer);

    let site = Site::new(&[], Form::Segment { format: "bot{}".to_owned() });
    assert_eq!(site.ask(&format!("GET /bot{PLACEHOLDER}/sendMessage?x=1"), "").status(), 200);
    let received = site.upstream.received();
    assert!(received.contains(&format!("GET /bot{SECRET}/sendMessage?x=1 HTTP/1.1")), "{received}");
    // The record has what the agent wrote.
    let events = format!("{:?}", site.bench.audit.events());
    assert!(events.contains(PLACEHOLDER) && !events.contains(SECRET), "{events}");
    for path in ["/botattacker/sendMessage", "/sendMessage", &format!("/x/bot{PLACEHOLDER}")] {
        let site = Site::new(&[], Form::Segment { format: "bot{}".to_owned() });
        let answer = site.ask(&format!("GET {path}"), "");
        site.refused(&answer);
    }
}

/// A server that repeats what it was sent, in head and body.
fn parrot(request: &[u8]) -> Response {
    let text = String::from_utf8_lossy(request).into_owned();
    let secret = text.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
    Response {
        bytes: format!(
            "HTTP/1.1 200 OK\r\nLocation: https://{NAME}/?t={secret}\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
        .into_bytes(),
        close: false,
    }
}

#[test]
fn a_server_that_repeats_it_does_not_give_it_away() {
    let site = Site::answering(&["/v1/**"], bearer(), parrot);
    let answer = site.ask("GET /v1/a", "Accept-Encoding: gzip\r\n");
    assert_eq!(answer.status(), 200);
    assert!(!answer.text.contains(SECRET) && answer.text.contains("Bearer ******"), "{answer:?}");
    assert!(site.upstream.received().contains("accept-encoding: identity\r\n"));
    let outcome = site.bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert!(outcome["reason"].as_str().unwrap().contains("taken out"), "{outcome}");
}

#[test]
fn an_answer_that_cannot_be_searched_is_not_given() {
    let site = Site::answering(&["/v1/**"], bearer(), |_| Response {
        bytes: b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc".to_vec(),
        close: false,
    });
    // Also where it was not sent to: the server may have kept it.
    for line in ["GET /v1/a", "GET /v2/a"] {
        let answer = site.ask(line, "");
        assert_eq!((answer.status(), &answer.json()["level"]), (502, &"upstream".into()), "{answer:?}");
    }
    assert_eq!(site.ask_at(OTHER, "GET /v1/a", "").status(), 200);
}

#[test]
fn a_redirect_is_not_followed_with_it() {
    let site = Site::answering(&[], bearer(), |_| {
        crate::upstream::raw(&format!(
            "HTTP/1.1 302 Found\r\nLocation: https://{OTHER}/\r\nContent-Length: 0\r\n\r\n"
        ))
    });
    assert_eq!(site.ask("GET /a", "").status(), 302);
    let answer = site.ask_at(OTHER, "GET /", &format!("Authorization: Bearer {PLACEHOLDER}\r\n"));
    assert_eq!(answer.status(), 403);
    assert_eq!(site.upstream.connections(), 1);
}

#[test]
fn another_secret_takes_its_place_at_once() {
    let site = Site::new(&[], bearer());
    assert_eq!(site.ask("GET /a", "").status(), 200);
    let newer = Credential {
        secret: Secret::new("a-newer-secret".to_owned()),
        ..credential(site.upstream.port, &[], bearer())
    };
    assert_eq!(site.bench.set_credentials(vec![newer]), ProxyEvent::CredentialsApplied);
    assert_eq!(site.ask("GET /b", "").status(), 200);
    let received = site.upstream.received();
    assert_eq!(
        (received.matches(SECRET).count(), received.matches("a-newer-secret").count()),
        (1, 1),
        "{received}"
    );
    let unfit = Credential {
        secret: Secret::new("short".to_owned()),
        ..credential(site.upstream.port, &[], bearer())
    };
    let ProxyEvent::CredentialsRefused { cause } = site.bench.set_credentials(vec![unfit]) else { panic!() };
    assert!(cause.contains("TOKEN") && !cause.contains("short"), "{cause}");
    assert_eq!(site.ask("GET /c", "").status(), 200);
    assert_eq!(site.upstream.received().matches("a-newer-secret").count(), 2);
}

#[test]
fn two_for_one_field_are_none() {
    let root = Root::new();
    let upstream = Upstream::tls(&root, &[NAME]);
    let setting = Setting::new(policy(upstream.port)).host(NAME).trusting(&root.pem());
    let other = Credential {
        name: "OTHER".to_owned(),
        placeholder: "openshell-OTHER-0011223344556677".to_owned(),
        ..credential(upstream.port, &["/v1/**"], Form::Basic { user: "x".to_owned() })
    };
    let bench = setting.with(credential(upstream.port, &[], bearer())).with(other).start();
    let ask = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port);
        bench.https(NAME, upstream.port, head)
    };
    assert_eq!(ask("/a").status(), 200);
    let answer = ask("/v1/a");
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"credential".into()), "{answer:?}");
}

#[test]
fn the_proxys_memory_is_not_dumped() {
    let site = Site::new(&[], bearer());
    let process = format!("/proc/{}", site.bench.child.id());
    let limits = std::fs::read_to_string(format!("{process}/limits")).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().nth(4), Some("0"), "{cores}");
    let arguments = std::fs::read(format!("{process}/cmdline")).unwrap();
    assert!(!String::from_utf8_lossy(&arguments).contains(SECRET));
}

#[test]
fn a_stream_of_http2_carries_it() {
    // The client's side is HTTP/2, the server's is not: the exchange is one for both.
    let site = Site::answering(&[], bearer(), parrot);
    let mut config = site.bench.client_config();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let port = site.upstream.port;
    let stream = site.bench.connect(NAME, port);
    let body = runtime.block_on(async {
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::UnixStream::from_std(stream).unwrap();
        let name = rustls::pki_types::ServerName::try_from(NAME).unwrap();
        let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let (mut client, connection) = h2::client::handshake(tls).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get(format!("https://{NAME}:{port}/a"))
            .header("authorization", format!("Bearer {PLACEHOLDER}"))
            .body(())
            .unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        let mut body = response.await.unwrap().into_body();
        let mut text = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece.unwrap();
            body.flow_control().release_capacity(piece.len()).unwrap();
            text.extend_from_slice(&piece);
        }
        String::from_utf8(text).unwrap()
    });
    assert!(site.upstream.received().contains(&format!("authorization: Bearer {SECRET}\r\n")));
    assert!(body.contains("Bearer ****") && !body.contains(SECRET) && !body.contains(PLACEHOLDER), "{body}");
}

#[test]
fn a_websocket_carries_it_and_no_placeholder() {
    let site = Site::answering(&[], bearer(), |request| {
        let text = String::from_utf8_lossy(request).into_owned();
        let key = text.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap().trim();
        let accept = host_proxy::websocket::accept_of(key);
        crate::upstream::raw(&format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ))
    });
    let port = site.upstream.port;
    let mut client = site.bench.tls(site.bench.connect(NAME, port), NAME);
    let head = format!(
        "GET /socket HTTP/1.1\r\nHost: {NAME}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    client.write_all(head.as_bytes()).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    assert!(String::from_utf8_lossy(&seen).starts_with("HTTP/1.1 101"));
    assert!(site.upstream.received().contains(&format!("authorization: Bearer {SECRET}\r\n")));
    // One text message, masked with zeros.
    let message = format!("say {PLACEHOLDER}");
    let mut frame = vec![0x81, 0x80 | u8::try_from(message.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(message.as_bytes());
    client.write_all(&frame).unwrap();
    let mut end = Vec::new();
    let _closed = client.read_to_end(&mut end);
    assert_eq!(end.first(), Some(&0x88), "{end:?}");
    let outcome = site.bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert!(outcome["reason"].as_str().unwrap().contains("placeholder of credential 'TOKEN'"), "{outcome}");
    assert!(!site.upstream.received().contains(PLACEHOLDER));
}
