//! Credentials in bodies: in the place of a placeholder that stands where it should, and nowhere else.

use wire::credential::{Binding, Credential, Form};
use wire::secret::Secret;

use crate::bench::{Answer, Bench, Setting};
use crate::upstream::{Root, Upstream};

const NAME: &str = "login.example";
const SECRET: &str = "s3cr3t \"&=+/\u{e9}";
const PLACEHOLDER: &str = "openshell-TOKEN-0011223344556677";

struct Site {
    bench: Bench,
    upstream: Upstream,
}

impl Site {
    fn new(form: Form) -> Self {
        let root = Root::new();
        let upstream = Upstream::tls(&root, &[NAME]);
        let port = upstream.port;
        let policy = format!(
            "version: 1\nnetwork:\n  - name: login\n    binary: {{allow: [curl]}}\n    \
             destination: {{allow: ['{NAME}:{port}']}}\n    method: {{allow: [GET, POST]}}\n    \
             path: {{allow: ['/**']}}\n"
        );
        let credential = Credential {
            name: "TOKEN".to_owned(),
            placeholder: PLACEHOLDER.to_owned(),
            secret: Secret::new(SECRET.to_owned()),
            bindings: vec![Binding {
                hosts: vec![format!("{NAME}:{port}")],
                paths: vec!["/token".to_owned()],
                form,
            }],
        };
        let bench = Setting::new(policy).host(NAME).trusting(&root.pem()).with(credential).start();
        Self { bench, upstream }
    }

    fn json() -> Self {
        Self::new(Form::Json { pointer: "/auth/secret".to_owned() })
    }

    fn form() -> Self {
        Self::new(Form::Urlencoded { name: "client_secret".to_owned() })
    }

    fn post(&self, path: &str, fields: &str, body: &str) -> Answer {
        let port = self.upstream.port;
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {NAME}:{port}\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
        );
        self.bench.https(NAME, port, head)
    }

    fn refused(&self, answer: &Answer, status: u16, cause: &str) {
        let told = answer.json();
        assert_eq!((answer.status(), &told["level"]), (status, &"credential".into()), "{answer:?}");
        assert!(told["error"].as_str().unwrap().contains(cause), "{told}");
        assert!(!self.upstream.received().contains("s3cr3t"), "{}", self.upstream.received());
        let denied = self.bench.audit.wait_for(|event| event["decision"] == "deny");
        assert_eq!(denied["level"], "credential", "{denied}");
    }
}

const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn json_gets_it_and_stays_as_it_is_otherwise() {
    let site = Site::json();
    let body = |secret: &str| {
        format!(
            "{{ \"n\": 1.00, \"big\":123456789012345678901234567890,\n\"auth\": {{\"user\":\"\\u0061\", \"secret\" : {secret}}}, \"n2\":[]}}"
        )
    };
    let answer = site.post("/token", JSON, &body(&format!("\"{PLACEHOLDER}\"")));
    assert_eq!(answer.status(), 200, "{answer:?}");
    let written = body(&serde_json::to_string(SECRET).unwrap());
    let received = site.upstream.received();
    assert!(received.ends_with(&written), "{received}");
    assert!(received.contains(&format!("content-length: {}\r\n", written.len())), "{received}");
    let events =
        site.bench.audit.wait_until(|events| events.iter().any(|event| event["action"] == "network-outcome"));
    let outcome = events.iter().find(|event| event["action"] == "network-outcome").unwrap();
    let came = body(&format!("\"{PLACEHOLDER}\""));
    assert_eq!(outcome["object"]["bytes_sent"], came.len(), "{outcome}");
    assert_eq!(outcome["object"]["sent_sha256"], crate::digests::sha256(came.as_bytes()), "{outcome}");
    assert!(events.iter().any(|event| event["credentials"] == serde_json::json!(["TOKEN"])), "{events:#?}");
    assert!(!format!("{events:?}").contains("s3cr3t"), "{events:?}");
}

#[test]
fn a_form_gets_it_in_chunks_too() {
    let site = Site::form();
    let port = site.upstream.port;
    let body = format!("grant_type=client_credentials&client_secret={PLACEHOLDER}&scope=a+b");
    let (one, two) = body.split_at(50);
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: {NAME}:{port}\r\n{FORM}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    let answer = site.bench.https(NAME, port, head);
    assert!(answer.text.contains("200 OK"), "{answer:?}");
    let received = site.upstream.received();
    let written = "grant_type=client_credentials&client_secret=s3cr3t%20%22%26%3D%2B%2F%C3%A9&scope=a+b";
    assert!(received.ends_with(&format!("\r\n\r\n{written}")), "{received}");
    assert!(received.contains(&format!("content-length: {}\r\n", written.len())), "{received}");
    assert!(!received.to_ascii_lowercase().contains("transfer-encoding"), "{received}");
}

#[test]
fn a_request_that_has_no_body_needs_none() {
    let site = Site::json();
    let port = site.upstream.port;
    let answer = site.bench.https(NAME, port, format!("GET /token HTTP/1.1\r\nHost: {NAME}:{port}\r\n\r\n"));
    assert_eq!(answer.status(), 200, "{answer:?}");
    let events = site.bench.audit.events();
    assert!(!events.iter().any(|event| event["credentials"].is_array()), "{events:#?}");
}

/// Who can add to the body must not choose which of two values a server believes, nor have the secret written elsewhere.
#[test]
fn what_a_server_could_read_in_two_ways_is_refused() {
    let stands = format!("\"{PLACEHOLDER}\"");
    for (body, cause) in [
        (format!("{{\"auth\":{{\"secret\":{stands},\"secret\":\"his\"}}}}"), "more than one field"),
        (format!("{{\"auth\":{{\"Secret\":\"his\",\"secret\":{stands}}}}}"), "more than one field"),
        (format!("{{\"auth\":{{}},\"auth\":{{\"secret\":{stands}}}}}"), "more than one field"),
        (
            format!("{{\"auth\":{{\"secret\":{stands},\"note\":{stands}}}}}"),
            "in the body, where it is not used",
        ),
        (
            format!("{{\"note\":{stands},\"auth\":{{\"secret\":{stands}}}}}"),
            "in the body, where it is not used",
        ),
        (format!("{{\"note\":{stands}}}"), "does not stand there"),
        ("{\"auth\":{\"secret\":\"his\"}}".to_owned(), "does not stand there"),
        (format!("{{\"auth\":{{\"secret\":\"x{PLACEHOLDER}\"}}}}"), "does not stand there"),
        (format!("{{\"auth\":{{\"secret\":{stands}}}"), "not what its Content-Type says"),
    ] {
        let site = Site::json();
        let answer = site.post("/token", JSON, &body);
        site.refused(&answer, 403, cause);
        site.upstream.saw_nothing();
    }
    for (body, cause) in [
        (format!("client_secret={PLACEHOLDER}&client_secret=his"), "more than one field"),
        (format!("client_secret=his;a=b&client_secret={PLACEHOLDER}"), "more than one field"),
        (format!("client%5Fsecret[]=his&client_secret={PLACEHOLDER}"), "more than one field"),
        (format!("client_secret={PLACEHOLDER}&note={PLACEHOLDER}"), "where it is not used"),
        ("client_secret=his".to_owned(), "does not stand there"),
        (format!("client_secret={PLACEHOLDER}&_charset_=utf-16"), "not what its Content-Type says"),
    ] {
        let site = Site::form();
        let answer = site.post("/token", FORM, &body);
        site.refused(&answer, 403, cause);
        site.upstream.saw_nothing();
    }
}

#[test]
fn another_type_another_path_and_too_much_are_refused() {
    let body = format!("{{\"auth\":{{\"secret\":\"{PLACEHOLDER}\"}}}}");
    for (fields, cause) in [
        (String::new(), "of type application/json"),
        ("Content-Type: text/plain\r\n".to_owned(), "of type application/json"),
        (format!("{JSON}Content-Encoding: gzip\r\n"), "uncompressed"),
        ("Content-Type: application/json; charset=utf-16\r\n".to_owned(), "of type application/json"),
        ("Content-Type: application/json; charset =utf-16\r\n".to_owned(), "of type application/json"),
        (format!("{JSON}Content_Type: text/plain\r\n"), "of type application/json"),
    ] {
        let site = Site::json();
        let answer = site.post("/token", &fields, &body);
        site.refused(&answer, 403, cause);
        site.upstream.saw_nothing();
    }
    // At another path of the same host it is a stray one.
    let site = Site::json();
    let answer = site.post("/other", JSON, &body);
    site.refused(&answer, 403, "where it is not used");
    let site = Site::json();
    let port = site.upstream.port;
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: {NAME}:{port}\r\n{JSON}Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n"
    );
    let answer = site.bench.https(NAME, port, head);
    site.refused(&answer, 413, "1048576 bytes");
    assert!(!answer.text.contains("100 Continue"), "{answer:?}");
}

#[test]
fn so_much_is_held_of_all_requests_and_no_more() {
    let site = Site::json();
    let port = site.upstream.port;
    // Each announces what it may, sends most of it, and waits.
    let head =
        format!("POST /token HTTP/1.1\r\nHost: {NAME}:{port}\r\n{JSON}Content-Length: 1048576\r\n\r\n");
    let mut open = Vec::new();
    for _request in 0..32 {
        let mut stream = site.bench.tls(site.bench.connect(NAME, port), NAME);
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        std::io::Write::write_all(&mut stream, &vec![b' '; 1_048_575]).unwrap();
        open.push(stream);
    }
    let answer = site.post("/token", JSON, &" ".repeat(1_000_000));
    assert_eq!((answer.status(), &answer.json()["level"]), (503, &"credential".into()), "{answer:?}");
    drop(open);
}
