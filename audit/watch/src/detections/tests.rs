use std::collections::BTreeMap;
use std::time::Instant;

use audit::record::Owner;
use audit::{Action, ChainHash, Decision, Event, Inference, Object, Record, Response, Subject};
use wire::id::{SandboxId, TenantId};

use crate::seen::SECOND;
use crate::settings::Settings;
use crate::{Detector, FeedEvent, Finding, Kind};

/// Records of one sandbox, each a second after the one before unless told otherwise.
struct Play {
    detector: Detector,
    record: Record,
    findings: Vec<Finding>,
}

impl Play {
    fn new(settings: Settings) -> Self {
        let record = Record {
            version: audit::VERSION,
            sequence: 0,
            time: "2026-11-29T03:00:00.000000Z".to_owned(),
            monotonic_ns: 1_000 * SECOND,
            tenant: TenantId::default(),
            sandbox: SandboxId::try_from("test-0a1b2c3d".to_owned()).unwrap(),
            agent: "test".to_owned(),
            client: "proxy".to_owned(),
            event: Event::new(Action::Lifecycle),
            prev: ChainHash::START,
            hash: ChainHash::START,
        };
        Self { detector: Detector::new(settings), record, findings: Vec::new() }
    }

    fn see(&mut self, event: Event) -> &mut Self {
        self.record.sequence += 1;
        self.record.monotonic_ns += SECOND;
        self.record.event = event;
        self.findings.extend(self.detector.observe(&self.record));
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.record.monotonic_ns += seconds * SECOND;
        self
    }

    fn kinds(&self) -> Vec<Kind> {
        self.findings.iter().map(|finding| finding.kind).collect()
    }
}

fn by(binary: &str) -> Option<Subject> {
    let sha256 = Some(format!("{:064x}", binary.bytes().fold(7_u64, |sum, byte| sum * 31 + u64::from(byte))));
    let owner =
        Owner { binary: binary.to_owned(), sha256, script: None, pid: 9, uid: 1000, parents: Vec::new() };
    Some(Subject::Owners(vec![owner]))
}

fn request(host: &str, decision: Decision) -> Event {
    Event {
        subject: by("/usr/bin/curl"),
        object: Some(Object::destination(host, 443)),
        decision: Some(decision),
        ..Event::new(Action::NetworkRequest)
    }
}

fn outcome(sent: u64, received: u64) -> Event {
    Event {
        object: Some(Object::destination("api.test", 443).with_bytes(sent, received)),
        status: Some(200),
        ..Event::new(Action::NetworkOutcome)
    }
}

fn name(name: &str) -> Event {
    Event {
        object: Some(Object::name(name, "A")),
        decision: Some(Decision::Allow),
        ..Event::new(Action::NameQuery)
    }
}

#[test]
fn the_same_denial_again_and_again() {
    let mut play = Play::new(Settings::default());
    for _ in 0..9 {
        play.see(request("evil.test", Decision::Deny));
    }
    assert_eq!(play.kinds(), []);
    play.see(request("evil.test", Decision::Deny));
    assert_eq!(play.kinds(), [Kind::RepeatedDenials]);
    assert_eq!(play.findings[0].evidence, (1..=10).collect::<Vec<_>>());
    assert!(play.findings[0].reason.contains("evil.test 10 times in 60 s"), "{}", play.findings[0].reason);
    // Slowly, it is a misconfigured program.
    let mut play = Play::new(Settings::default());
    for _ in 0..50 {
        play.wait(10).see(request("evil.test", Decision::Deny));
    }
    assert_eq!(play.kinds(), []);
}

/// The proxy itself answers there: an agent that asks wrongly for help is not one that tries doors.
#[test]
fn what_the_proxy_refuses_at_its_own_name_is_no_door() {
    let mut play = Play::new(Settings::default());
    for _ in 0..500 {
        play.see(request("policy.local", Decision::Deny));
    }
    assert_eq!(play.kinds(), []);
}

/// Whoever is outside and not let in cannot have a sandbox stopped: he has no part in what the agent does.
#[test]
fn who_is_not_let_in_from_outside_is_not_the_agent() {
    for action in [Action::InboundConnection, Action::InboundRequest, Action::InboundOutcome] {
        let mut play = Play::new(Settings::default());
        for number in 0..500 {
            let source = Some(format!("192.0.2.7:{}", 1024 + number).parse().unwrap());
            let object = Some(Object::destination("127.0.0.1", 8080));
            play.see(Event { source, object, decision: Some(Decision::Deny), ..Event::new(action) });
        }
        assert_eq!(play.kinds(), [], "{action:?}");
    }
}

/// With another host each time no pair is seen twice; the sum is.
#[test]
fn denials_of_many_hosts_are_counted_together() {
    let mut settings = Settings::default();
    settings.repeated_denials.window = 3600;
    let mut play = Play::new(settings);
    for number in 0..3000 {
        play.see(request(&format!("h{number}.test"), Decision::Deny));
    }
    assert_eq!(play.kinds(), [Kind::RepeatedDenials]);
}

#[test]
fn a_placeholder_where_it_has_no_use() {
    let mut play = Play::new(Settings::default());
    let misuse = Event { level: Some("credential".to_owned()), ..request("evil.test", Decision::Deny) };
    play.see(misuse.clone()).see(misuse);
    assert_eq!(play.kinds(), [Kind::CredentialMisuse]);
    assert_eq!(play.findings[0].event().detection.unwrap().references, ["T1552", "T1078", "ASI03"]);
}

#[test]
fn names_that_carry_data() {
    let mut play = Play::new(Settings::default());
    for number in 0..8 {
        // Base 32 of what somebody wants out, as a tunnel cuts it.
        play.see(name(&format!("{number}mfzwizltorqxezjamrqxiyjaor2w43tfnrswiidpov2a.t.evil.test")));
    }
    assert_eq!(play.kinds(), [Kind::DnsTunnelling]);
    let mut play = Play::new(Settings::default());
    for number in 0..150 {
        play.record.monotonic_ns -= SECOND / 2;
        play.see(name(&format!("a{number}.evil.test")));
    }
    assert_eq!(play.kinds(), [Kind::DnsTunnelling], "many short names");
    let mut play = Play::new(Settings::default());
    for usual in [
        "index.example.org",
        "files.example.org",
        "d1a2b3c4d5e6f7.cloudfront.net",
        "api.eu-west-1.amazonaws.com",
    ] {
        for _ in 0..100 {
            play.see(name(usual));
        }
    }
    assert_eq!(play.kinds(), []);
}

/// First a name is asked for, then it is connected to, then it is told how often it was asked for: that is one name, wherever a
/// minute ends between them.
#[test]
fn a_name_that_is_asked_for_and_used_counts_once() {
    for before in 0..120 {
        let mut play = Play::new(Settings::default());
        play.see(name("first.wild.test")).wait(before);
        for number in 0..7 {
            play.see(name(&format!("{number}mfzwizltorqxezjamrqxiyjaor2w43tfnrswiidpov2a.cdn.wild.test")));
        }
        for number in 0..7 {
            let host = format!("{number}mfzwizltorqxezjamrqxiyjaor2w43tfnrswiidpov2a.cdn.wild.test");
            play.see(request(&host, Decision::Allow));
        }
        assert_eq!(play.kinds(), [], "{before} s after the first name");
    }
}

/// Of so many names none can be remembered any more: the same one, asked again and again, must not pass for many odd ones.
#[test]
fn one_odd_name_among_very_many_is_one() {
    let mut play = Play::new(Settings::default());
    for number in 0..100 {
        play.record.monotonic_ns -= SECOND;
        play.see(name(&format!("a{number}.cdn.test")));
    }
    assert_eq!(play.kinds(), [Kind::DnsTunnelling], "they are many");
    for _again in 0..20 {
        play.see(name("mfzwizltorqxezjamrqxiyjaor2w43tfnrswiidpov2a.cdn.test"));
    }
    assert_eq!(play.kinds().len(), 1, "{:?}", play.findings);
}

/// Below a wildcard every name is allowed: what goes out in them is in the hosts of what was sent.
#[test]
fn names_below_a_wildcard_carry_data_too() {
    for action in [Action::NetworkFlow, Action::NetworkRequest] {
        let mut play = Play::new(Settings::default());
        for number in 0..8 {
            let host = format!("{number}mfzwizltorqxezjamrqxiyjaor2w43tfnrswiidpov2a.t.wild.test");
            play.see(Event { action, ..request(&host, Decision::Allow) });
        }
        assert_eq!(play.kinds(), [Kind::DnsTunnelling], "{action:?}");
    }
    // One host with a random name, asked often, says nothing new; nor do addresses.
    let mut play = Play::new(Settings::default());
    for number in 0..500 {
        play.record.monotonic_ns -= SECOND / 2;
        play.see(request("mfzwizltorqxezjamrqxiyjaor2w43tfnrswiidpov2a.cdn.test", Decision::Allow));
        play.see(request(&format!("198.51.{}.{}", number / 256, number % 256), Decision::Allow));
    }
    assert_eq!(play.kinds(), []);
}

#[test]
fn programs_that_were_not_there_before() {
    let mut settings = Settings::default();
    settings.new_binary.learn = 60;
    let mut play = Play::new(settings);
    let of = |binary| Event { subject: by(binary), ..request("api.test", Decision::Allow) };
    play.see(of("/usr/bin/curl")).wait(100).see(of("/usr/bin/curl"));
    assert_eq!(play.kinds(), []);
    play.see(of("/opt/miner")).see(of("/opt/miner"));
    assert_eq!(play.kinds(), [Kind::NewBinary]);
    let executed = |path: &str, decision| Event {
        subject: by("/usr/bin/curl"),
        object: Some(Object { sha256: Some("ab".repeat(32)), ..Object::program(path, 1) }),
        decision: Some(decision),
        ..Event::new(Action::Execution)
    };
    play.see(executed("/tmp/refused", Decision::Deny));
    assert_eq!(play.kinds().len(), 1, "it did not run");
    play.see(executed("/tmp/x", Decision::Allow)).see(executed("/tmp/same-content", Decision::Allow));
    assert_eq!(play.kinds(), [Kind::NewBinary, Kind::NewBinary]);
    assert!(play.findings[1].reason.starts_with("/tmp/x "), "{}", play.findings[1].reason);
}

#[test]
fn a_program_after_a_download() {
    let decided = |path: &str, decision| Event {
        subject: by("/bin/bash"),
        object: Some(Object::program(path, 1)),
        decision: Some(decision),
        ..Event::new(Action::Execution)
    };
    let execution = |path: &str| decided(path, Decision::Deny);
    let mut play = Play::new(Settings::default());
    play.see(execution("/tmp/x"));
    assert_eq!(play.kinds(), [], "nothing was downloaded");
    play.see(outcome(10, 4096))
        .see(execution("/usr/bin/gcc"))
        .see(execution("/tmp/x"))
        .see(execution("/tmp/x"));
    assert_eq!(play.kinds(), [Kind::DownloadedProgram]);
    assert_eq!(play.findings[0].evidence, [2, 4]);
    play.see(Event { subject: by("/work/tool"), ..request("api.test", Decision::Allow) });
    assert_eq!(play.kinds().len(), 2, "one that runs");
    play.see(decided("/work/y", Decision::Allow));
    assert!(play.findings[2].reason.starts_with("/work/y was executed, "), "{}", play.findings[2].reason);
}

/// `python3 /tmp/evil.py` executes an interpreter; that its script was not there before shows when it uses the network.
#[test]
fn a_script_after_a_download() {
    let by_script = |script: &str| {
        let mut event = request("api.test", Decision::Allow);
        if let Some(Subject::Owners(owners)) = &mut event.subject {
            owners[0].script = Some(script.to_owned());
        }
        event
    };
    let mut play = Play::new(Settings::default());
    play.see(by_script("/work/agent.py")).see(outcome(10, 4096)).see(by_script("/work/agent.py"));
    assert_eq!(play.kinds(), [], "the agent's own script was there before");
    play.see(by_script("/usr/lib/tool.py")).see(by_script("/tmp/evil.py")).see(by_script("/tmp/evil.py"));
    assert_eq!(play.kinds(), [Kind::DownloadedProgram]);
    assert!(play.findings[0].reason.starts_with("/tmp/evil.py is run"), "{}", play.findings[0].reason);
    // An interpreter that was told of hides no script that it runs.
    let mut by_own = by_script("/tmp/worse.py");
    if let Some(Subject::Owners(owners)) = &mut by_own.subject {
        owners[0].binary = "/work/venv/python".to_owned();
    }
    play.see(Event { subject: by("/work/venv/python"), ..request("api.test", Decision::Allow) }).see(by_own);
    assert!(play.findings[2].reason.starts_with("/tmp/worse.py is run"), "{}", play.findings[2].reason);
}

#[test]
fn the_same_path_with_other_content_is_another_program() {
    let executed = |sha256: Option<&str>| Event {
        subject: by("/bin/bash"),
        object: Some(Object { sha256: sha256.map(|two| two.repeat(32)), ..Object::program("/tmp/x", 1) }),
        decision: Some(Decision::Allow),
        ..Event::new(Action::Execution)
    };
    let mut play = Play::new(Settings::default());
    play.see(outcome(10, 4096)).see(executed(Some("aa"))).see(executed(Some("aa"))).see(executed(None));
    assert_eq!(play.kinds().len(), 1);
    play.see(outcome(10, 4096)).see(executed(Some("bb"))).see(executed(Some("bb")));
    assert_eq!(play.kinds(), [Kind::DownloadedProgram, Kind::DownloadedProgram]);
    assert_eq!(play.findings[1].evidence, [5, 6]);
}

#[test]
fn much_more_than_before() {
    let mut play = Play::new(Settings::default());
    for _ in 0..50 {
        play.wait(59).see(outcome(1_000_000, 10));
    }
    assert_eq!(play.kinds(), []);
    for _ in 0..20 {
        play.see(outcome(5_000_000, 10));
    }
    assert_eq!(play.kinds(), [Kind::SuddenVolume]);
    // Who always sends much sends nothing unusual, but at the beginning.
    let mut play = Play::new(Settings::default());
    for _ in 0..600 {
        play.see(outcome(30_000_000, 10));
    }
    assert!(play.findings.iter().all(|finding| finding.evidence[0] < 200), "{:?}", play.findings);
}

/// The router's own record, as its test of a marked prompt writes it.
#[test]
fn what_the_router_marks_is_a_finding_with_any_response() {
    let marked: Event = serde_json::from_str(include_str!("../../tests/golden/marked-prompt.json")).unwrap();
    for response in [Response::Record, Response::Pause, Response::Quarantine, Response::Stop] {
        let mut settings = Settings::default();
        settings.prompt_injection.response = response;
        let mut play = Play::new(settings);
        play.see(marked.clone());
        assert_eq!(play.kinds(), [Kind::PromptInjection]);
        assert_eq!(play.findings[0].response, response);
    }
    let mut play = Play::new(Settings::default());
    let mut plain = marked;
    plain.inference.as_mut().unwrap().categories.retain(|name, _| !name.starts_with("prompt-injection/"));
    play.see(plain);
    assert!(play.findings.is_empty());
}

#[test]
fn marks_and_hours() {
    let mut settings = Settings::default();
    (settings.out_of_hours_change.from, settings.out_of_hours_change.to) = (7, 19);
    settings.prompt_injection.response = Response::Quarantine;
    let mut play = Play::new(settings);
    let categories = BTreeMap::from([("prompt-injection".to_owned(), 2), ("personal/email".to_owned(), 9)]);
    let inference = Some(Inference { categories, ..Inference::default() });
    play.see(Event { inference, ..Event::new(Action::Inference) });
    play.see(Event::new(Action::PolicyChange));
    assert_eq!(play.kinds(), [Kind::PromptInjection, Kind::OutOfHoursChange]);
    assert_eq!(play.findings[0].response, Response::Quarantine);
}

/// Whoever provokes findings fills no log, and a finding is no evidence.
#[test]
fn findings_are_bounded_and_lead_to_none() {
    let mut settings = Settings::default();
    settings.credential_misuse.quiet = 0;
    let mut play = Play::new(settings);
    for number in 0..10_000 {
        play.record.monotonic_ns -= SECOND - 1;
        let host = format!("h{number}.test\u{1b}[2J{}", "x".repeat(5000));
        play.see(Event { level: Some("credential".to_owned()), ..request(&host, Decision::Deny) });
    }
    assert!(play.findings.len() <= 40, "{}", play.findings.len());
    assert!(
        play.findings.iter().all(|finding| finding.reason.len() < 600 && !finding.reason.contains('\u{1b}'))
    );
    let before = play.findings.len();
    let events: Vec<_> = play.findings.iter().map(Finding::event).collect();
    for event in events {
        play.see(event);
    }
    assert_eq!(play.findings.len(), before);
}

/// A day of ordinary work: what is found in it is found wrongly. The figure printed last is the cost of one record.
#[test]
fn ordinary_work_leads_to_nothing() {
    const HOSTS: [&str; 5] =
        ["api.github.com", "index.example.org", "files.example.org", "inference.local", "api.slack.com"];
    const RECORDS: u64 = 200_000;
    let mut play = Play::new(Settings::default());
    let began = Instant::now();
    for number in 0..RECORDS {
        let host = HOSTS[usize::try_from(number / 3 % 5).unwrap()];
        play.record.monotonic_ns -= SECOND / 2;
        play.see(match number % 50 {
            // A request in fifty is refused, as a program that asks for updates is.
            0 => request("telemetry.test", Decision::Deny),
            step if step % 3 == 0 => name(host),
            step if step % 3 == 1 => request(host, Decision::Allow),
            _step => outcome(number % 20_000, 40_000),
        });
    }
    println!("{} ns per record", began.elapsed().as_nanos() / u128::from(RECORDS));
    assert_eq!(play.kinds(), []);
}

#[test]
fn the_feed_is_as_its_schema_says() {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("feed", serde_json::from_str(crate::feed::SCHEMA).unwrap()).unwrap();
    let schema = compiler.compile("feed", &mut schemas).unwrap();
    let golden = include_str!("../../tests/golden/feed-v1.jsonl");
    let records = include_str!("../../../tests/golden/record-v2.jsonl");
    let feed: Vec<String> = records
        .lines()
        .map(|line| FeedEvent::from(serde_json::from_str::<Record>(line).unwrap()).to_json())
        .collect();
    for line in &feed {
        schemas.validate(&serde_json::from_str(line).unwrap(), schema).unwrap();
    }
    assert_eq!(feed.join("\n"), golden.trim_end());
    let changed = feed[0].replace("\"feed\":1", "\"feed\":2");
    assert!(schemas.validate(&serde_json::from_str(&changed).unwrap(), schema).is_err());
}
