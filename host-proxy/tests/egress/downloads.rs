//! Downloads: what a server sends is judged by its bytes, and the agent gets all of it or nothing that passes for it.

use std::io::{Read, Write};
use std::sync::Arc;

use serde_json::Value;
use wire::proxy::ProxyEvent;

use crate::archives::{ELF, TEXT, deb, gzip, tar, zip};
use crate::bench::{Bench, PATIENCE, Setting};
use crate::digests::sha256;
use crate::forwarding::{self, NAME};
use crate::upstream::{Handler, Response, Upstream};

const DENY: &str = "executables: deny";

/// A policy whose rule for `/v1/**` says this of downloads, if anything.
pub(crate) fn policy(port: u16, downloads: &str) -> String {
    let level =
        if downloads.is_empty() { String::new() } else { format!("    downloads: {{{downloads}}}\n") };
    forwarding::policy(port) + &level
}

/// An answer with a body of its length.
fn answer(head: &str, body: &[u8]) -> Response {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    Response { bytes: [head.as_bytes(), body].concat(), close: false }
}

/// A picture, as the server says.
fn picture(body: &[u8]) -> Response {
    answer("200 OK\r\nContent-Type: image/png", body)
}

/// A proxy before a plain server.
fn site(downloads: &str, handler: impl Fn(&[u8]) -> Response + Send + Sync + 'static) -> (Bench, Upstream) {
    let handler: Handler = Arc::new(handler);
    let upstream = Upstream::start(None, handler);
    (Setting::new(policy(upstream.port, downloads)).host(NAME).start(), upstream)
}

fn serving(downloads: &str, body: &[u8]) -> (Bench, Upstream) {
    let body = body.to_vec();
    site(downloads, move |_| picture(&body))
}

/// What came back.
struct Got {
    head: String,
    body: Vec<u8>,
}

impl Got {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.head))
    }

    fn has_program(&self) -> bool {
        self.body.windows(4).any(|bytes| bytes == &ELF[..4])
    }
}

/// Asks for a file, and reads until the connection ends.
fn get((bench, upstream): &(Bench, Upstream), fields: &str) -> Got {
    let head = format!(
        "GET /v1/file HTTP/1.1\r\nHost: {NAME}:{}\r\nConnection: close\r\n{fields}\r\n",
        upstream.port
    );
    read(bench, upstream.port, &head)
}

fn read(bench: &Bench, port: u16, request: &str) -> Got {
    let mut stream = bench.connect(NAME, port);
    stream.write_all(request.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let _until_its_end_or_cut = stream.read_to_end(&mut seen);
    let end = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(seen.len(), |at| at + 4);
    Got { head: String::from_utf8_lossy(&seen[..end]).into_owned(), body: seen[end..].to_vec() }
}

fn outcome(bench: &Bench) -> Value {
    bench.audit.wait_for(|event| event["action"] == "network-outcome")
}

/// The download was refused, and nothing of it arrived.
fn is_refused(site: &(Bench, Upstream), fields: &str, why: &str) -> Value {
    let got = get(site, fields);
    assert_eq!((got.status(), got.has_program()), ("403", false), "{}", got.head);
    let told = got.json();
    assert_eq!((&told["level"], &told["rule"]), (&"download".into(), &"api".into()), "{told}");
    assert!(told["error"].as_str().unwrap().contains(why), "{told}");
    let record = outcome(&site.0);
    assert_eq!(
        (&record["decision"], &record["level"], &record["rule"], &record["request"]),
        (&"deny".into(), &"download".into(), &"api".into(), &told["request_id"])
    );
    assert_eq!(record["object"]["bytes_received"], 0, "{record}");
    record
}

#[test]
fn a_download_is_recorded_with_its_url_program_size_kind_and_digest() {
    let wheel = zip(&[("a.py", &TEXT.repeat(100)), ("a/RECORD", b"")]);
    let site = serving("max_bytes: 1MiB", &wheel);
    let got = get(&site, "");
    assert!(got.status() == "200" && got.body == wheel, "{}", got.head);
    assert!(got.head.contains("accept-ranges: none\r\n"), "{}", got.head);
    let record = outcome(&site.0);
    let object = &record["object"];
    assert_eq!((&object["host"], &object["path"]), (&NAME.into(), &"/v1/file".into()));
    assert_eq!((&object["kind"], &object["size"]), (&"zip".into(), &wheel.len().into()));
    assert_eq!((&object["sha256"], &object["received_sha256"]), (&sha256(&wheel), &sha256(&wheel)));
    assert_eq!(record["subject"]["owners"][0]["binary"], "/usr/bin/curl");
    assert_eq!(record["decision"], Value::Null);
}

#[test]
fn a_program_does_not_arrive_whatever_the_server_calls_it_and_whatever_it_is_in() {
    let program = [ELF, &[0; 100]].concat();
    let source = gzip(&tar(&[("a/setup.py", TEXT), ("a/bin/a", &program)]));
    let wheel = zip(&[("a.py", TEXT), ("a.so", &program)]);
    let package = deb("data.tar.gz", &gzip(&tar(&[("./usr/bin/a", &program)])));
    for (body, kind, why) in [
        (program, "elf", "it is a program (elf)"),
        (b"#!/bin/sh\nexit\n".to_vec(), "script", "it is a program (script)"),
        (source, "gzip", "there is a program in it (elf)"),
        (wheel, "zip", "there is a program in it (elf)"),
        (package, "deb", "there is a program in it (elf)"),
    ] {
        // Without the rule it arrives.
        let got = get(&serving("", &body), "");
        assert!(got.body == body, "{}", got.head);
        let site = serving(DENY, &body);
        let record = is_refused(&site, "", why);
        assert_eq!(
            (&record["object"]["kind"], &record["object"]["size"]),
            (&kind.into(), &body.len().into())
        );
    }
    // What has none does.
    let harmless = gzip(&tar(&[("a/setup.py", TEXT), ("a/run.sh", b"#!/bin/sh\n")]));
    let got = get(&serving(DENY, &harmless), "");
    assert!(got.status() == "200" && got.body == harmless, "{}", got.head);
}

/// A server of parts, as every file server is.
fn parts(body: Vec<u8>) -> impl Fn(&[u8]) -> Response {
    move |request| {
        let request = String::from_utf8_lossy(request).to_ascii_lowercase();
        let range = request.lines().find_map(|line| {
            line.strip_prefix("range: bytes=").or(line.strip_prefix("request-range: bytes="))
        });
        let Some((from, to)) = range.and_then(|range| range.split_once('-')) else { return picture(&body) };
        let from: usize = from.parse().unwrap();
        let to = to.parse().map_or(body.len(), |last: usize| last + 1);
        let head = format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", to - 1, body.len());
        answer(&head, &body[from..to])
    }
}

#[test]
fn a_program_cannot_be_fetched_in_parts() {
    let body = gzip(&tar(&[("a", TEXT), ("b", &[ELF, &[7; 3000]].concat())]));
    // Without the rule two halves make it whole.
    let open = site("", parts(body.clone()));
    let halves =
        [get(&open, "Range: bytes=0-99\r\n").body, get(&open, "Range: bytes=100-\r\n").body].concat();
    assert!(halves == body);
    for fields in [
        "Range: bytes=0-99\r\n",
        "Range: bytes=100-\r\n",
        "Range: bytes=100-\r\nIf-Range: \"etag\"\r\n",
        "Request-Range: bytes=100-\r\n",
        "Range: bytes=0-9,20-29\r\nA-IM: gdiff\r\n",
    ] {
        let site = site(DENY, parts(body.clone()));
        is_refused(&site, fields, "there is a program in it (elf)");
        let asked = site.1.received().to_ascii_lowercase();
        assert!(!asked.contains("range") && !asked.contains("a-im"), "{asked}");
    }
}

#[test]
fn a_part_that_nobody_asked_for_does_not_go_on() {
    for head in [
        "206 Partial Content\r\nContent-Range: bytes 100-199/1000",
        "206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=b",
        "226 IM Used\r\nIM: gdiff",
    ] {
        let site = site("max_bytes: 1MiB", move |_| answer(head, &[7; 100]));
        is_refused(&site, "", "the server sent a part of a file");
    }
}

#[test]
fn what_is_compressed_on_the_way_does_not_go_on_and_none_is_asked_for() {
    let packed = gzip(ELF);
    for coding in ["gzip", "br", "x-gzip", "identity, gzip"] {
        let (packed, head) = (packed.clone(), format!("200 OK\r\nContent-Encoding: {coding}"));
        let site = site("types: [gzip]", move |_| answer(&head, &packed));
        is_refused(&site, "Accept-Encoding: gzip, br\r\n", "the server sent it compressed");
        assert!(site.1.received().contains("accept-encoding: identity\r\n"), "{}", site.1.received());
    }
}

#[test]
fn a_type_is_what_the_bytes_say() {
    let site_of = |types: &str, body: &[u8]| serving(&format!("types: [{types}]"), body);
    is_refused(&site_of("zip", TEXT), "", "it is of type 'text'");
    is_refused(&site_of("text, zip", &gzip(TEXT)), "", "it is of type 'gzip'");
    is_refused(&site_of("zip", ELF), "", "it is of type 'elf'");
    let got = get(&site_of("gzip, text", TEXT), "");
    assert_eq!((got.status(), &*got.body), ("200", TEXT));
}

#[test]
fn a_digest_that_is_denied_or_not_listed_does_not_arrive() {
    let body = TEXT.repeat(10_000);
    let digest = sha256(&body);
    let digest = digest.as_str().unwrap();
    let other = "ab".repeat(32);
    let record = is_refused(&serving(&format!("sha256: {{deny: [{digest}]}}"), &body), "", "is denied");
    assert_eq!((&record["object"]["sha256"], &record["object"]["kind"]), (&digest.into(), &"text".into()));
    is_refused(&serving(&format!("sha256: {{allow: [{other}]}}"), &body), "", "is not listed");
    for lists in [format!("allow: [{digest}]"), format!("deny: [{other}]")] {
        let got = get(&serving(&format!("sha256: {{{lists}}}"), &body), "");
        assert!(got.status() == "200" && got.body == body, "{}", got.head);
    }
}

/// What an error or a redirect says in its body is no file that a list could name.
#[test]
fn an_error_and_a_redirect_arrive_without_the_body_that_no_list_names() {
    let lists = format!("sha256: {{allow: [{}]}}", "ab".repeat(32));
    for downloads in ["types: [zip]", &lists] {
        let redirect = site(downloads, |_| answer("302 Found\r\nLocation: https://files.test/a", TEXT));
        let got = get(&redirect, "");
        assert_eq!((got.status(), got.body.len()), ("302", 0), "{}", got.head);
        assert!(got.head.contains("location: https://files.test/a\r\n"), "{}", got.head);
        let record = outcome(&redirect.0);
        assert!(record["reason"].as_str().unwrap().contains("its body was left out"), "{record}");
    }
    // A program in it is refused all the same.
    is_refused(&site(DENY, |_| answer("404 Not Found", ELF)), "", "it is a program");
    let got = get(&site(DENY, |_| answer("404 Not Found", TEXT)), "");
    assert_eq!((got.status(), &*got.body), ("404", TEXT));
}

#[test]
fn a_body_that_is_too_long_is_refused_by_its_length_and_broken_off_without_one() {
    let long = TEXT.repeat(1000);
    is_refused(&serving("max_bytes: 8KiB", &long), "", "it has more than 8192 bytes");
    let chunks = move |_: &[u8]| {
        let chunk = [b"200\r\n", &[b'a'; 512][..], b"\r\n"].concat();
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Response { bytes: [head, &chunk.repeat(100)[..], b"0\r\n\r\n"].concat(), close: false }
    };
    let site_of = |downloads| site(downloads, chunks);
    assert!(get(&site_of(""), "").body.ends_with(b"\r\n0\r\n\r\n"));
    // Passing, it is cut: there is no last chunk.
    let passing = site_of("max_bytes: 8KiB");
    let got = get(&passing, "");
    assert!(
        got.status() == "200" && !got.body.ends_with(b"0\r\n\r\n") && got.body.len() < 10_000,
        "{}",
        got.head
    );
    let record = outcome(&passing.0);
    assert_eq!((&record["decision"], &record["level"]), (&"deny".into(), &"download".into()));
    assert_eq!(record["object"]["received_sha256"], Value::Null);
    // Held back, it is refused.
    is_refused(&site_of("max_bytes: 8KiB, executables: deny"), "", "it has more than 8192 bytes");
    // To a client that could not tell, it is not begun.
    let old = site_of("max_bytes: 8KiB");
    let got =
        read(&old.0, old.1.port, &format!("GET /v1/file HTTP/1.0\r\nHost: {NAME}:{}\r\n\r\n", old.1.port));
    assert_eq!((got.status(), got.json()["level"].as_str()), ("502", Some("download")));
}

#[test]
fn a_program_that_is_only_audited_arrives_and_the_record_says_so() {
    let wheel = zip(&[("a.py", TEXT), ("a.so", ELF)]);
    for (body, what) in [(ELF.to_vec(), "it is a program (elf)"), (wheel, "there is a program in it (elf)")] {
        let site = serving("executables: audit", &body);
        assert!(get(&site, "").body == body);
        let record = outcome(&site.0);
        assert_eq!((&record["decision"], &record["object"]["size"]), (&Value::Null, &body.len().into()));
        assert_eq!(record["reason"], format!("rule 'api' audits: {what}"));
    }
}

/// A client can use what it has of a body whose last chunk never came.
#[test]
fn a_body_that_never_ends_is_on_the_record_with_what_is_known_of_it() {
    let body = [ELF, &[0; 2000]].concat();
    let length = body.len();
    let site = site("executables: audit", move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
        Response { bytes: [head.as_bytes(), &body, b"\r\n"].concat(), close: true }
    });
    let _as_much_as_came = get(&site, "");
    let record = outcome(&site.0);
    assert_eq!((&record["object"]["kind"], &record["object"]["size"]), (&"elf".into(), &length.into()));
    let reason = record["reason"].as_str().unwrap();
    assert!(reason.contains("it is a program (elf)"), "{reason}");
    assert!(reason.contains("did not come to its end"), "{reason}");
}

#[test]
fn a_rule_on_trial_lets_pass_what_it_would_refuse_and_says_so() {
    let upstream = Upstream::start(None, Arc::new(|_| picture(ELF)));
    let text = policy(upstream.port, DENY) + "    enforcement: audit\n";
    let site = (Setting::new(text).host(NAME).start(), upstream);
    assert_eq!(get(&site, "").body, ELF);
    let reason = outcome(&site.0)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("on trial, rule 'api' would refuse it: it is a program (elf)"), "{reason}");
}

#[test]
fn what_is_held_back_ends_when_a_new_policy_asks_something_else() {
    let begun = |_: &[u8]| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        Response { bytes: [&head[..], &[b'a'; 5000]].concat(), close: false }
    };
    let (bench, upstream) = site(DENY, begun);
    let mut stream = bench.connect(NAME, upstream.port);
    let host = format!("{NAME}:{}", upstream.port);
    stream.write_all(format!("GET /v1/file HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
    bench.audit.wait_for(|event| event["action"] == "network-request");
    let event = bench.set_policy(&policy(upstream.port, "types: [zip]"));
    assert!(matches!(event, ProxyEvent::PolicyApplied { closed: 1, .. }), "{event:?}");
    let record = outcome(&bench);
    assert_eq!((&record["decision"], &record["level"]), (&"deny".into(), &"download".into()));
    let mut seen = Vec::new();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut piece = [0; 4096];
    while !seen.windows(8).any(|bytes| bytes == b"download") {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&piece[..count]);
    }
    assert!(!seen.windows(100).any(|bytes| bytes == [b'a'; 100]));
}

#[test]
fn nobody_judges_what_a_websocket_carries_so_none_is_opened_there() {
    let upstream = Upstream::plain();
    let text = policy(upstream.port, DENY)
        + &forwarding::policy(upstream.port)
            .replace("version: 1\nnetwork:\n", "")
            .replace("name: api", "name: sockets")
            .replace("[GET, ", "[WEBSOCKET, GET, ");
    let bench = Setting::new(text).host(NAME).start();
    let handshake = format!(
        "GET /v1/file HTTP/1.1\r\nHost: {NAME}:{}\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        upstream.port
    );
    let got = read(&bench, upstream.port, &handshake);
    assert_eq!((got.status(), got.json()["level"].as_str()), ("403", Some("download")));
    bench.audit.denied_at("download");
    upstream.saw_nothing();
}

#[test]
fn there_is_no_more_room_than_a_sandbox_has_and_it_comes_back() {
    let begun = |request: &[u8]| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunk = [b"100000\r\n", &vec![b'a'; 1 << 20][..], b"\r\n"].concat();
        let whole = !String::from_utf8_lossy(request).contains("half");
        let end = if whole { &b"0\r\n\r\n"[..] } else { b"" };
        let count = if whole { 1 } else { 200 };
        Response { bytes: [head, &chunk.repeat(count)[..], end].concat(), close: false }
    };
    let site = site("executables: deny, max_bytes: 256MiB", begun);
    let (bench, upstream) = &site;
    let ask = |path: &str| {
        let mut stream = bench.connect(NAME, upstream.port);
        let head =
            format!("GET /v1/{path} HTTP/1.1\r\nHost: {NAME}:{}\r\nConnection: close\r\n\r\n", upstream.port);
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    // Of two that take 200 MiB each, one does not fit.
    let waiting = [ask("half"), ask("half")];
    let record = outcome(bench);
    assert!(record["reason"].as_str().unwrap().contains("too many downloads"), "{record}");
    drop(waiting);
    let got = get(&site, "");
    assert_eq!(got.status(), "200", "{}", got.head);
}
