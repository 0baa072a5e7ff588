//! The proxy's own name: what an agent reads and proposes there, and what it cannot make of it.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};
use wire::flow::EXPLICIT_PROXY;
use wire::proposal::{MAX_ASKER, Standing, Terms};
use wire::proxy::ProxyEvent;

use crate::bench::{Answer, Bench, Setting, curl, owner, program};
use crate::forwarding::{NAME, policy, site};
use crate::upstream::{Response, Upstream, ok};
use wire::subject::Subject;

const HERE: &str = "policy.local";

fn bench() -> Bench {
    Setting::new(policy(443)).start()
}

/// curl asks here.
fn get(bench: &Bench, path: &str) -> Answer {
    bench.http(HERE, 80, format!("GET {path} HTTP/1.1\r\nHost: {HERE}\r\n\r\n"))
}

fn posted(body: &str) -> String {
    let length = body.len();
    format!("POST /v1/proposals HTTP/1.1\r\nHost: {HERE}\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn post(bench: &Bench, body: &Value) -> Answer {
    bench.http(HERE, 80, posted(&body.to_string()))
}

/// A wish that nothing allows yet.
fn wish() -> Value {
    json!({
        "binary": "/usr/bin/curl", "host": "new.example.com", "port": 443, "method": "POST", "path": "/v1/notes",
        "reason": "to save the notes", "expiry": 600,
    })
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut wish = wish();
    wish[key] = value.into();
    wish
}

#[test]
fn the_agent_reads_what_it_may_do_and_no_more_than_that() {
    let bench = bench();
    let answer = get(&bench, "/v1/policy");
    assert_eq!(
        (answer.status(), answer.field("content-type")),
        (200, Some("application/json")),
        "{}",
        answer.text
    );
    let told = answer.json();
    assert_eq!((&told["policy"], &told["quarantined"]), (&1.into(), &false.into()));
    assert_eq!(
        told["rules"],
        json!([{
            "name": "api",
            "binary": {"allow": ["curl"]},
            "destination": {"allow": ["api.test:443"]},
            "method": {"allow": ["GET", "HEAD", "POST", "OPTIONS", "PUT"]},
            "path": {"allow": ["/v1/**"], "deny": ["/v1/admin/*"]},
        }])
    );
    assert_eq!(told["propose"]["post"], "http://policy.local/v1/proposals");
    let read = bench.audit.wait_for(|event| event["object"]["path"] == "/v1/policy");
    assert_eq!((&read["decision"], &read["object"]["host"]), (&"allow".into(), &HERE.into()), "{read}");
    bench.set_policy("version: 1\nnetwork: []\n");
    assert_eq!(get(&bench, "/v1/policy").json()["rules"], json!([]));
}

#[test]
fn the_name_has_an_address_under_every_policy_also_in_quarantine() {
    let bench = bench();
    bench.resolve(HERE);
    bench.set_policy("version: 1\nnetwork: []\n");
    bench.resolve(HERE);
    bench.quarantine();
    bench.resolve(HERE);
    assert_eq!(get(&bench, "/v1/policy").json()["quarantined"], true);
    let wrong = post(&bench, &wish());
    assert_eq!(wrong.status(), 403, "{}", wrong.text);
    assert!(wrong.json()["error"].as_str().unwrap().contains("quarantine"), "{}", wrong.text);
    for other in ["a.policy.local", "policylocal", "policy.local.example.com"] {
        assert!(bench.ask(other, RecordType::A).answers.is_empty(), "{other}");
    }
}

#[test]
fn every_denial_says_where_it_is_explained_and_is_explained_there() {
    let (bench, upstream) = site();
    let host = format!("{NAME}:{}", upstream.port);
    let denied = bench.https(
        NAME,
        upstream.port,
        format!("DELETE /v1/a?token=secret HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    );
    assert_eq!(denied.json()["see"], "http://policy.local/v1/denials", "{}", denied.text);
    bench.ask("evil.example", RecordType::A);
    let answer = get(&bench, "/v1/denials");
    let told = answer.json();
    let [name, request] = [&told["denials"][0], &told["denials"][1]];
    assert_eq!((&name["host"], &name["level"]), (&"evil.example".into(), &"destination".into()), "{told}");
    assert_eq!(request["request_id"], denied.json()["request_id"]);
    assert_eq!((&request["level"], &request["rule"]), (&"method".into(), &"api".into()), "{told}");
    assert_eq!(
        (&request["binary"], &request["method"]),
        (&"/usr/bin/curl".into(), &"DELETE".into()),
        "{told}"
    );
    assert_eq!((&request["host"], &request["path"]), (&NAME.into(), &"/v1/a".into()), "{told}");
    assert!(request["hint"].as_str().unwrap().contains("GET, HEAD"), "{told}");
    assert!(!answer.text.contains("secret"), "{}", answer.text);
}

#[test]
fn a_proposal_is_on_the_record_with_who_held_the_socket_and_then_told() {
    let bench = bench();
    let mut stream = bench.flow((bench.resolve(HERE), 80).into(), program("/usr/bin/python3.11"));
    let answer = Answer::of(&mut stream, posted(&wish().to_string()).as_bytes());
    assert_eq!(answer.status(), 201, "{}", answer.text);
    let made = answer.json();
    assert_eq!((&made["state"], &made["asked_by"]), (&"pending".into(), &"/usr/bin/python3.11".into()));
    let recorded = bench.audit.wait_for(|event| event["action"] == "proposal");
    assert_eq!((&recorded["request"], &recorded["reason"]), (&made["id"], &"to save the notes".into()));
    assert_eq!(recorded["subject"]["owners"][0]["binary"], "/usr/bin/python3.11", "{recorded}");
    assert_eq!(recorded["proposal"]["binary"], "/usr/bin/curl");
    assert_eq!(recorded["decision"], Value::Null, "nothing is granted by asking");
    let ProxyEvent::Proposed { proposal } = bench.told() else { panic!("not told") };
    assert_eq!(
        (proposal.id.0.as_str(), proposal.wish.host.as_str()),
        (made["id"].as_str().unwrap(), "new.example.com")
    );
    assert_eq!((proposal.asker.as_str(), proposal.expires - proposal.made), ("/usr/bin/python3.11", 600));
    // The same again, by anybody and for whatever reason, is the same; and nothing has changed by asking.
    let again = post(&bench, &with("reason", "please, please"));
    assert_eq!((again.status(), &again.json()["id"]), (200, &made["id"]), "{}", again.text);
    assert!(bench.ask("new.example.com", RecordType::A).answers.is_empty());
}

#[test]
fn the_agent_reads_how_its_proposals_stand() {
    let bench = bench();
    let id = post(&bench, &wish()).json()["id"].as_str().unwrap().to_owned();
    let stands = || get(&bench, &format!("/v1/proposals/{id}")).json();
    assert_eq!(stands()["state"], "pending");
    bench.stands(&id, Standing::Approved(Terms::Until(1_800_000_000)));
    // The command and the question go by different ways.
    while stands()["state"] == "pending" {}
    assert_eq!(
        (&stands()["state"], &stands()["until"]),
        (&"approved".into(), &"2027-01-15T08:00:00Z".into())
    );
    assert_eq!(stands()["rule"], format!("approved-{id}"));
    bench.stands(&id, Standing::Over("its time is up".to_owned()));
    while stands()["state"] == "approved" {}
    assert_eq!((&stands()["state"], &stands()["why"]), (&"over".into(), &"its time is up".into()));
    // What is over may be asked for anew.
    let second = post(&bench, &wish());
    assert_eq!(second.status(), 201, "{}", second.text);
    let id = second.json()["id"].as_str().unwrap().to_owned();
    bench.stands(&id, Standing::Rejected("use\u{1b}[2J the mirror".to_owned()));
    let stands = || get(&bench, &format!("/v1/proposals/{id}")).json();
    while stands()["state"] == "pending" {}
    assert_eq!(
        (&stands()["state"], &stands()["why"]),
        (&"rejected".into(), &"use\u{1b}[2J the mirror".into())
    );
    assert_eq!(get(&bench, "/v1/proposals").json()["proposals"].as_array().unwrap().len(), 2);
    assert_eq!(get(&bench, "/v1/proposals/0000000000000000").status(), 404);
}

#[test]
fn what_is_not_one_exact_request_is_no_proposal() {
    let bench = bench();
    let wrong = [
        with("binary", "curl"),
        with("binary", "/usr/bin/*"),
        with("host", "*.example.com"),
        with("host", "policy.local"),
        with("host", "NEW.example.com"),
        with("port", 0),
        with("port", 65_536),
        with("port", "443"),
        with("method", "*"),
        with("method", "post"),
        with("method", "FOO"),
        with("host", "a.1x"),
        with("path", "/v1/notes%2F7"),
        with("path", "/v1/**"),
        with("path", "/v1/notes?q=1"),
        with("path", "/v1/../notes"),
        with("query", json!(["*"])),
        with("reason", ""),
        with("reason", "x".repeat(501)),
        with("expiry", 0),
        with("expiry", -1),
        with("expiry", 10_000_000),
        // Who asks is not for the asker to say.
        with("asked_by", "/usr/bin/root-of-all"),
        with("asker", "/usr/bin/root-of-all"),
        with("rule", "network: ['*']"),
        json!([wish()]),
        json!("allow everything"),
    ];
    for body in wrong {
        let answer = post(&bench, &body);
        assert_eq!(answer.status(), 422, "{body} {}", answer.text);
        assert!(!answer.json()["error"].as_str().unwrap().is_empty());
    }
    let twice = wish().to_string().replacen('{', "{\"host\":\"good.example\",", 1);
    for body in [twice.as_str(), "", "{}", "{\"binary\":", "\u{0}", "{\"a\":1}{\"b\":2}"] {
        assert_eq!(bench.http(HERE, 80, posted(body)).status(), 422, "{body}");
    }
    assert_eq!(get(&bench, "/v1/proposals").json()["proposals"], json!([]));
    assert!(bench.audit.events().iter().all(|event| event["action"] != "proposal"));
}

#[test]
fn what_no_answer_could_help_is_refused_at_once() {
    let bench = bench();
    let here = |path: &str| {
        let mut wish = with("path", path);
        (wish["host"], wish["method"]) = (NAME.into(), "GET".into());
        post(&bench, &wish)
    };
    let allowed = here("/v1/notes");
    assert_eq!(allowed.status(), 409, "{}", allowed.text);
    assert!(allowed.json()["error"].as_str().unwrap().contains("rule 'api' allows it already"));
    let bound = here("/v1/admin/keys");
    assert_eq!(bound.status(), 409, "{}", bound.text);
    assert!(bound.json()["error"].as_str().unwrap().contains("no approval could allow it"), "{}", bound.text);
    // Nor is anything noted for a program that could not be told.
    let nobody = bench.flow((bench.resolve(HERE), 80).into(), Subject::Unknown("gone".to_owned()));
    let answer = Answer::of(&mut { nobody }, posted(&wish().to_string()).as_bytes());
    assert_eq!(answer.status(), 403, "{}", answer.text);
}

#[test]
fn several_owners_of_the_socket_are_all_named() {
    let bench = bench();
    let owners = Subject::Owners(vec![owner("/usr/bin/curl"), owner("/tmp/evil")]);
    let mut stream = bench.flow((bench.resolve(HERE), 80).into(), owners);
    let answer = Answer::of(&mut stream, posted(&wish().to_string()).as_bytes());
    assert_eq!(answer.json()["asked_by"], "/usr/bin/curl, /tmp/evil", "{}", answer.text);
}

/// The manager ends a sandbox whose proxy says a line that is too long.
#[test]
fn who_asks_is_told_in_few_bytes_however_long_it_is() {
    let bench = bench();
    let long = |number: usize| owner(&format!("/{}{number}", "\u{1}é".repeat(1000)));
    let owners = Subject::Owners((0..12).map(long).collect());
    let mut stream = bench.flow((bench.resolve(HERE), 80).into(), owners);
    let answer = Answer::of(&mut stream, posted(&wish().to_string()).as_bytes());
    assert_eq!(answer.status(), 201, "{}", answer.text);
    let ProxyEvent::Proposed { proposal } = bench.told() else { panic!("not told") };
    let told = serde_json::to_string(&proposal).unwrap();
    assert!(proposal.asker.len() <= MAX_ASKER && told.len() < 8192, "{}", told.len());
    assert!(proposal.asker.ends_with('…'), "{}", proposal.asker);
}

/// Each could leave a whole answer unread.
#[test]
fn no_more_than_a_few_connections_are_held_at_once() {
    let bench = bench();
    let address = bench.resolve(HERE);
    let text = format!("GET /v1/denials HTTP/1.1\r\nHost: {HERE}\r\n\r\n");
    let ask = |stream: &mut std::os::unix::net::UnixStream| Answer::of(stream, text.as_bytes()).status();
    let open = || bench.flow((address, 80).into(), curl());
    let mut held: Vec<_> = (0..16).map(|_number| open()).collect();
    assert!(held.iter_mut().all(|stream| ask(stream) == 200));
    assert_eq!(ask(&mut open()), 0);
    let refused = bench.audit.wait_for(|event| event["level"] == "limit");
    assert_eq!(
        (&refused["decision"], &refused["object"]["host"]),
        (&"deny".into(), &HERE.into()),
        "{refused}"
    );
    assert!(held.iter_mut().all(|stream| ask(stream) == 200), "those that are held go on");
    held.pop();
    // The proxy hears of the end when it reads.
    while ask(&mut open()) != 200 {}
}

#[test]
fn a_flood_of_proposals_is_cut_off_and_a_long_one_is_not_read() {
    let bench = bench();
    let mut statuses = Vec::new();
    for number in 0..15 {
        statuses.push(post(&bench, &with("path", format!("/v1/{number}"))).status());
    }
    assert_eq!(statuses, [[201; 10].as_slice(), &[429; 5]].concat());
    let told = bench.audit.events().into_iter().filter(|event| event["action"] == "proposal").count();
    assert_eq!(told, 10);
    let long = bench.http(HERE, 80, posted(&with("reason", "x".repeat(100_000)).to_string()));
    assert_eq!((long.status(), long.field("connection")), (413, Some("close")), "{}", long.text);
    let endless =
        format!("POST /v1/proposals HTTP/1.1\r\nHost: {HERE}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut stream = bench.connect(HERE, 80);
    stream.write_all(endless.as_bytes()).unwrap();
    let chunk = format!("800\r\n{}\r\n", "x".repeat(0x800));
    assert_eq!(Answer::of(&mut stream, chunk.repeat(3).as_bytes()).status(), 413);
}

#[test]
fn nothing_is_taken_or_told_that_is_not_on_the_record() {
    let bench = bench();
    let address = bench.resolve(HERE);
    bench.audit.fail();
    let ask = |text: &str| Answer::of(&mut bench.flow((address, 80).into(), curl()), text.as_bytes());
    assert_eq!(ask(&posted(&wish().to_string())).status(), 503);
    assert_eq!(ask(&format!("GET /v1/policy HTTP/1.1\r\nHost: {HERE}\r\n\r\n")).status(), 503);
    // What the manager hears next is the answer to its own command.
    let set = bench.set_policy("version: 1\nnetwork: []\n");
    assert!(matches!(set, ProxyEvent::PolicyApplied { .. }), "{set:?}");
    assert!(bench.audit.but_names().is_empty());
}

#[test]
fn there_is_no_other_way_to_the_name_than_its_own() {
    let bench = bench();
    let address = bench.resolve(HERE);
    let status = |destination: std::net::SocketAddr, text: String| {
        Answer::of(&mut bench.flow(destination, curl()), text.as_bytes()).status()
    };
    let request = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let plain = request("/v1/policy", HERE);
    assert_eq!(status((address, 80).into(), plain.clone()), 200);
    assert_eq!(status((address, 80).into(), request("/v1/policy", "policy.local:80")), 200);
    // Other hosts on its connection, and its name on others'.
    let by_address = address.to_string();
    for host in [by_address.as_str(), NAME, "localhost", "policy.local:81", "a.policy.local"] {
        assert_eq!(status((address, 80).into(), request("/v1/policy", host)), 421, "{host}");
    }
    assert_eq!(status((bench.resolve(NAME), 8080).into(), plain.clone()), 403);
    assert_eq!(status("127.0.0.1:80".parse().unwrap(), plain.clone()), 403);
    assert_eq!(status("192.0.2.7:80".parse().unwrap(), plain.clone()), 403);
    // Other forms, methods and questions.
    for target in ["http://policy.local/v1/policy", "/v1/policy?a=1", "*", "/v1/%70olicy/../x"] {
        assert_eq!(status((address, 80).into(), request(target, HERE)), 400, "{target}");
    }
    for method in ["DELETE", "PUT", "OPTIONS", "PATCH"] {
        let text = plain.replacen("GET", method, 1);
        assert_eq!(status((address, 80).into(), text), 405, "{method}");
    }
    assert_eq!(status((address, 80).into(), posted("{}").replace("proposals", "policy")), 405);
    for path in ["/", "/v1", "/v1/policy/", "/v1/proposals/", "/v2/policy", "/v1/Policy"] {
        assert_eq!(status((address, 80).into(), request(path, HERE)), 404, "{path}");
    }
    // Other ports, and TLS: closed without a word.
    for port in [443, 8080, 81] {
        assert_eq!(status((address, port).into(), plain.clone()), 0, "{port}");
    }
    let mut tls = bench.tls(bench.flow((address, 443).into(), curl()), HERE);
    assert_eq!(Answer::of(&mut tls, plain.as_bytes()).status(), 0);
    let mut tls = bench.tls(bench.flow((address, 80).into(), curl()), HERE);
    assert_eq!(Answer::of(&mut tls, plain.as_bytes()).status(), 0);
    // Through the explicit proxy it is a destination like every other, and no policy allows it.
    assert_eq!(status(EXPLICIT_PROXY, request("http://policy.local/v1/policy", HERE)), 403);
    let connect = format!("CONNECT {HERE}:80 HTTP/1.1\r\nHost: {HERE}:80\r\n\r\n");
    assert_eq!(status(EXPLICIT_PROXY, connect), 403);
    let rule = policy(443).replace(NAME, HERE);
    let refused = bench.set_policy(&rule);
    assert!(
        matches!(&refused, ProxyEvent::PolicyRefused { cause, .. } if cause.contains(HERE)),
        "{refused:?}"
    );
}

/// Nothing dials the name, though the host that runs the proxy may know one.
#[test]
fn the_name_never_leads_to_an_upstream() {
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    upstream.set_nonblocking(true).unwrap();
    let port = upstream.local_addr().unwrap().port();
    let bench = Setting::new(policy(port)).host(HERE).start();
    assert_eq!(get(&bench, "/v1/policy").status(), 200);
    bench.http(HERE, port, format!("GET / HTTP/1.1\r\nHost: {HERE}:{port}\r\n\r\n"));
    assert_eq!(upstream.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn of_eight_requests_at_once_by_an_approval_for_one_one_passes() {
    let (bench, upstream) = site();
    let once = policy(upstream.port) + "    limits: {requests: 1}\n";
    bench.set_policy(&once);
    let host = format!("{NAME}:{}", upstream.port);
    let request = format!("GET /v1/a HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let (start, passed) = (Barrier::new(8), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _client in 0..8 {
            scope.spawn(|| {
                let mut stream = bench.tls(bench.connect(NAME, upstream.port), NAME);
                stream.flush().unwrap();
                start.wait();
                let answer = Answer::of(&mut stream, request.as_bytes());
                match answer.status() {
                    200 => passed.fetch_add(1, Ordering::Relaxed),
                    429 => 0,
                    other => panic!("{other} {}", answer.text),
                };
            });
        }
    });
    assert_eq!(passed.load(Ordering::Relaxed), 1);
    assert_eq!(bench.told(), ProxyEvent::RuleSpent { rule: "api".to_owned() });
    assert_eq!(bench.https(NAME, upstream.port, &request).status(), 429);
}

/// A server that takes a request and closes the connection without an answer gets other requests again.
#[test]
fn what_is_approved_for_one_request_is_never_sent_twice() {
    for (limits, sent) in [("", 3), ("    limits: {requests: 2}\n", 2)] {
        let answered = AtomicUsize::new(0);
        let upstream = Upstream::start(
            None,
            Arc::new(move |_request| match answered.fetch_add(1, Ordering::Relaxed) {
                1 => Response { bytes: Vec::new(), close: true },
                _ => ok("hello"),
            }),
        );
        let bench = Setting::new(policy(upstream.port) + limits).host(NAME).start();
        let text = format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port);
        let mut stream = bench.connect(NAME, upstream.port);
        assert_eq!(Answer::of(&mut stream, text.as_bytes()).status(), 200);
        let second = Answer::of(&mut stream, text.as_bytes());
        assert_eq!(second.status(), if sent == 3 { 200 } else { 502 }, "{}", second.text);
        assert_eq!(upstream.received().matches("GET /v1/a").count(), sent);
    }
}
