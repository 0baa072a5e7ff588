//! Scanners: what they are asked, and that nothing but their plain word lets a file pass.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use wire::scanner::{Scanner, ScannerProtocol};

use crate::archives::{TEXT, gzip};
use crate::bench::{Answer, Bench, PATIENCE, Setting};
use crate::downloads::policy;
use crate::forwarding::NAME;
use crate::upstream::{Upstream, ok};

/// What is found in these tests.
const BAD: &str = "this is the file that nobody may have, and it is long enough";

/// A scanner that answers with `answer` what it read to the end, as `is_whole` knows it.
struct Fake {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Fake {
    fn start(is_whole: fn(&[u8]) -> bool, answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let shared = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let question = read(&mut stream.unwrap(), is_whole, &answer);
                shared.lock().unwrap().push(question);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<Vec<u8>> {
        self.asked.lock().unwrap().clone()
    }
}

/// Reads one question and answers it.
fn read(stream: &mut TcpStream, is_whole: fn(&[u8]) -> bool, answer: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    while !is_whole(&seen) {
        match stream.read(&mut piece).unwrap() {
            0 => break,
            count => seen.extend_from_slice(&piece[..count]),
        }
    }
    let _gone = stream.write_all(&answer(&seen));
    seen
}

/// The content of an `INSTREAM` of ClamAV, once all of it is there.
fn streamed(question: &[u8]) -> Option<Vec<u8>> {
    let mut rest = question.strip_prefix(b"zINSTREAM\0")?;
    let mut content = Vec::new();
    loop {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().unwrap()) as usize;
        if length == 0 {
            return (rest.len() == 4).then_some(content);
        }
        content.extend_from_slice(rest.get(4..4 + length)?);
        rest = &rest[4 + length..];
    }
}

/// As ClamAV's daemon answers.
fn clamd() -> Fake {
    Fake::start(
        |seen| streamed(seen).is_some(),
        |seen| {
            let content = streamed(seen).unwrap();
            let is_bad = content.windows(BAD.len()).any(|bytes| bytes == BAD.as_bytes());
            if is_bad { b"stream: Test.Bad FOUND\0".to_vec() } else { b"stream: OK\0".to_vec() }
        },
    )
}

/// A proxy whose rule has this scanner judge what comes back.
fn site(scanner: Option<(ScannerProtocol, SocketAddr)>, more: &str, body: &str) -> (Bench, Upstream) {
    let body = body.to_owned();
    let upstream = Upstream::start(None, Arc::new(move |_| ok(&body)));
    let mut setting = Setting::new(policy(upstream.port, &format!("scanner: av{more}"))).host(NAME);
    setting.upstream.scanners.extend(scanner.map(|(protocol, address)| Scanner {
        name: "av".to_owned(),
        protocol,
        address,
        path: "/scan".to_owned(),
    }));
    (setting.start(), upstream)
}

fn get((bench, upstream): &(Bench, Upstream)) -> Answer {
    let host = format!("{NAME}:{}", upstream.port);
    bench.http(NAME, upstream.port, format!("GET /v1/file HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

/// The file was refused for this reason, and the record says so.
fn is_refused(site: &(Bench, Upstream), why: &str) {
    let answer = get(site);
    assert_eq!(
        (answer.status(), answer.json()["level"].as_str()),
        (403, Some("download")),
        "{}",
        answer.text
    );
    assert!(answer.json()["error"].as_str().unwrap().contains(why), "{}", answer.text);
    let record = site.0.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!((&record["decision"], &record["rule"]), (&"deny".into(), &"api".into()));
    assert_eq!(record["object"]["bytes_received"], 0);
}

fn arrives(site: &(Bench, Upstream), body: &str) {
    let answer = get(site);
    assert!(answer.status() == 200 && answer.body() == body, "{}", answer.head());
}

#[test]
fn clamd_is_asked_for_every_byte_and_has_the_word() {
    let scanner = clamd();
    let long = "a".repeat(200_000);
    arrives(&site(Some((ScannerProtocol::Clamd, scanner.address)), "", &long), &long);
    is_refused(
        &site(Some((ScannerProtocol::Clamd, scanner.address)), "", &format!("{long}{BAD}")),
        "scanner 'av' found Test.Bad",
    );
    assert!(streamed(&scanner.asked()[0]).unwrap() == long.as_bytes());
}

#[test]
fn an_icap_server_lets_pass_by_204_and_by_nothing_else() {
    let whole = |seen: &[u8]| seen.ends_with(b"0\r\n\r\n");
    let replaced = "ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat=Test.Bad;\r\nEncapsulated: res-hdr=0, null-body=19\r\n\r\nHTTP/1.1 403 No\r\n\r\n";
    for (answer, refused) in [
        ("ICAP/1.0 204 No modifications needed\r\nISTag: \"a\"\r\n\r\n", None),
        (replaced, Some("scanner 'av' found Type=0; Resolution=2; Threat=Test.Bad;")),
        ("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0\r\n\r\n", Some("another response")),
        ("ICAP/1.0 204 OK\r\nX-Virus-ID: Test.Bad\r\n\r\n", Some("found Test.Bad")),
        ("ICAP/1.0 404 No service\r\n\r\n", Some("neither that it is clean")),
        ("HTTP/1.1 204 No Content\r\n\r\n", Some("neither that it is clean")),
        ("ICAP/1.0 204", Some("neither that it is clean")),
    ] {
        let scanner = Fake::start(whole, move |_| answer.as_bytes().to_vec());
        let site = site(Some((ScannerProtocol::Icap, scanner.address)), "", BAD);
        match refused {
            Some(why) => is_refused(&site, why),
            None => arrives(&site, BAD),
        }
        let asked = String::from_utf8(scanner.asked().remove(0)).unwrap();
        assert!(
            asked.starts_with(&format!("RESPMOD icap://{}/scan ICAP/1.0\r\n", scanner.address)),
            "{asked}"
        );
        assert!(
            asked.contains("Allow: 204\r\n")
                && asked.contains(&format!("\r\n\r\n{:x}\r\n{BAD}\r\n0\r\n\r\n", BAD.len()))
        );
        let (head, encapsulated) = asked.split_once("\r\n\r\n").unwrap();
        let at = |name: &str| {
            head.split_once(&format!("{name}="))
                .unwrap()
                .1
                .split([',', '\r'])
                .next()
                .unwrap()
                .parse::<usize>()
                .unwrap()
        };
        assert!(
            encapsulated[at("req-hdr")..]
                .starts_with(&format!("GET http://{NAME}:{}/v1/file HTTP/1.1\r\n", site.1.port))
        );
        assert!(encapsulated[at("res-hdr")..].starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(encapsulated[at("res-body")..].starts_with(&format!("{:x}\r\n", BAD.len())));
    }
}

#[test]
fn a_verdict_by_http_is_what_its_json_says() {
    let whole = |seen: &[u8]| seen.ends_with(BAD.as_bytes());
    let json = |status: &str, text: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len())
    };
    for (answer, refused) in [
        (json("200 OK", r#"{"verdict":"clean"}"#), None),
        (json("200 OK", r#"{"verdict":"infected","name":"Test.Bad\u001b[2J"}"#), Some("found Test.Bad[2J")),
        (json("200 OK", r#"{"verdict":"infected"}"#), Some("found something")),
        (json("500 Error", r#"{"verdict":"clean"}"#), Some("neither that it is clean")),
        (json("200 OK", r#"{"verdict":"unsure"}"#), Some("neither that it is clean")),
        (json("200 OK", r#"{"verdict":"clean","verdict":"infected"}"#), Some("neither that it is clean")),
        (json("200 OK", r#"{"verdict":"clean"}"#).replace("19", "20"), Some("neither that it is clean")),
        ("clean".to_owned(), Some("neither that it is clean")),
    ] {
        let scanner = Fake::start(whole, move |_| answer.clone().into_bytes());
        let site = site(Some((ScannerProtocol::Http, scanner.address)), "", BAD);
        match refused {
            Some(why) => is_refused(&site, why),
            None => arrives(&site, BAD),
        }
        let asked = String::from_utf8(scanner.asked().remove(0)).unwrap();
        assert!(
            asked.starts_with("POST /scan HTTP/1.1\r\n") && asked.contains("X-Openshell-Path: /v1/file\r\n"),
            "{asked}"
        );
    }
}

#[test]
fn a_scanner_that_is_away_or_says_nothing_lets_pass_only_by_the_rules_word() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = Fake::start(|seen| streamed(seen).is_some(), |_| Vec::new());
    let confused =
        Fake::start(|seen| streamed(seen).is_some(), |_| b"INSTREAM size limit exceeded. ERROR\0".to_vec());
    for (address, why) in [
        (Some(nobody), "scanner 'av' cannot be asked"),
        (Some(silent.address), "scanner 'av' said neither"),
        (Some(confused.address), "scanner 'av' said neither"),
        (None, "scanner 'av' is not configured"),
    ] {
        let scanner = address.map(|address| (ScannerProtocol::Clamd, address));
        is_refused(&site(scanner, "", BAD), why);
        is_refused(&site(scanner, ", on_absence: deny", BAD), why);
        let open = site(scanner, ", on_absence: allow", BAD);
        arrives(&open, BAD);
        let record = open.0.audit.wait_for(|event| event["action"] == "network-outcome");
        assert!(record["reason"].as_str().unwrap().contains(why), "{record}");
    }
}

/// ClamAV itself, with one signature made here.
struct Daemon {
    child: Child,
    _folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let hex: String = BAD.bytes().map(|byte| format!("{byte:02x}")).collect();
        std::fs::create_dir(path("signatures")).unwrap();
        std::fs::write(path("signatures/test.ndb"), format!("Test.Bad:0:*:{hex}\n")).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = format!(
            "Foreground yes\nTCPSocket {}\nTCPAddr 127.0.0.1\nDatabaseDirectory {}\nPidFile {}\nTemporaryDirectory {}\n",
            free.port(),
            path("signatures"),
            path("pid"),
            folder.path().display()
        );
        std::fs::write(path("clamd.conf"), settings).unwrap();
        let mut command = Command::new("clamd");
        command.args(["--config-file", &path("clamd.conf")]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The last that it says before it takes questions; its socket listens by then.
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_ready = |line: &std::io::Result<String>| {
            line.as_ref().is_ok_and(|line| line.starts_with("Self checking"))
        };
        assert!(said.into_iter().any(|line| is_ready(&line)), "clamd did not start");
        Self { child, _folder: folder, address: free }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn clamav_itself_finds_what_it_has_a_signature_of() {
    let daemon = Daemon::start();
    let scanner = Some((ScannerProtocol::Clamd, daemon.address));
    let harmless = String::from_utf8(TEXT.repeat(5000)).unwrap();
    arrives(&site(scanner, "", &harmless), &harmless);
    is_refused(&site(scanner, "", &format!("{harmless}{BAD}")), "scanner 'av' found Test.Bad");
    // It looks into archives, too.
    let packed = gzip(format!("{harmless}{BAD}").as_bytes());
    let upstream = Upstream::start(
        None,
        Arc::new(move |_| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", packed.len());
            crate::upstream::Response { bytes: [head.as_bytes(), &packed].concat(), close: false }
        }),
    );
    let mut setting = Setting::new(policy(upstream.port, "scanner: av")).host(NAME);
    let path = "/".to_owned();
    let (name, protocol, address) = ("av".to_owned(), ScannerProtocol::Clamd, daemon.address);
    setting.upstream.scanners.push(Scanner { name, protocol, address, path });
    is_refused(&(setting.start(), upstream), "found Test.Bad");
}
