//! Receivers that take some records of a batch and refuse others for what they hold.

use std::fs;

use audit_export::Format;
use audit_export::service::Notice;
use audit_export::sink::{Acknowledgement, Elastic, Splunk, Target};

use crate::http::{Answer, Receiver, Request, ok};
use crate::logs::TestLog;
use crate::rig::{Rig, SANDBOX, all, http, secret, webhook};

/// A sandbox whose turn comes behind that of [`SANDBOX`].
const OTHER: &str = "zest-0a1b2c3d";

/// Numbers of the records that were kept aside, and why.
fn rejected(rig: &Rig) -> Vec<(u64, String)> {
    let text = fs::read_to_string(rig.folder.path().join("state/rejected.jsonl")).unwrap();
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let record: serde_json::Value = serde_json::from_str(line["record"].as_str().unwrap()).unwrap();
        assert_eq!((&record["sequence"], &record["hash"]), (&line["sequence"], &line["hash"]));
        (line["sequence"].as_u64().unwrap(), line["reason"].as_str().unwrap().to_owned())
    };
    text.lines().map(line).collect()
}

fn holds(request: &Request, path: &str) -> bool {
    String::from_utf8_lossy(&request.body).contains(path)
}

#[tokio::test]
async fn one_bad_record_is_found_and_the_others_go_on() {
    for status in [400, 413, 422] {
        let (rig, _log) = Rig::with(600);
        let receiver = Receiver::start(move |request| {
            if holds(request, "\"/77\"") || holds(request, "\"/501\"") {
                return Answer::Status(status, "", "no".to_owned());
            }
            ok("")
        });
        let notices = rig.drain(webhook(&receiver.url()), Format::Json).await;
        let sandbox = || SANDBOX.to_owned();
        let told =
            |reason: &str| Notice::Rejected { sandbox: sandbox(), records: 1, reason: reason.to_owned() };
        let reason = rejected(&rig)[0].1.clone();
        assert!(reason.starts_with(&format!("{status} ")) && reason.ends_with(": no"), "{reason}");
        assert_eq!(notices, [told(&reason), told(&reason)]);
        assert_eq!(rejected(&rig).into_iter().map(|(at, _)| at).collect::<Vec<_>>(), [77, 501]);
        assert_eq!((rig.cursor().delivered, rig.cursor().rejected), (598, 2));
        // Whoever was refused as part of a batch was taken alone.
        let mut taken: Vec<u64> = receiver
            .requests()
            .iter()
            .filter(|request| !holds(request, "\"/77\"") && !holds(request, "\"/501\""))
            .flat_map(crate::http::sequences)
            .collect();
        taken.sort_unstable();
        assert_eq!(taken, all(600).into_iter().filter(|at| ![77, 501].contains(at)).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_everything_is_at_fault_itself() {
    let (rig, _log) = Rig::with(400);
    let receiver = Receiver::start(|_any| Answer::Status(400, "", "never".to_owned()));
    let notice = rig.until_notice(webhook(&receiver.url()), Format::Json).await;
    assert!(
        matches!(&notice, Notice::NotNow { cause, .. } if cause.contains("refuses every record")),
        "{notice:?}"
    );
    assert_eq!((rig.cursor().mark.sequence, rig.cursor().rejected), (0, 0));
}

/// A filter before the receiver that dislikes a path: nobody says that the record is at fault.
#[tokio::test]
async fn a_record_that_is_always_denied_is_set_aside_and_holds_up_no_other_sandbox() {
    for status in [403, 406, 500] {
        let (rig, _log) = Rig::with(50);
        let mut other = TestLog::new(&rig.root(), OTHER);
        other.append(3);
        let is_bad = |request: &Request| holds(request, SANDBOX) && holds(request, "\"/33\"");
        let receiver = Receiver::start(move |request| {
            if is_bad(request) { Answer::Status(status, "", "blocked".to_owned()) } else { ok("") }
        });
        let notices = rig.drain(webhook(&receiver.url()), Format::Json).await;
        // The other sandbox has its turn before the second attempt.
        let requests = receiver.requests();
        assert!(holds(&requests[0], SANDBOX) && holds(&requests[1], OTHER), "{status}");
        let [tries @ .., Notice::Again, Notice::Rejected { sandbox, records: 1, reason }] = &notices[..]
        else {
            panic!("{status}: {notices:?}")
        };
        assert!(matches!(tries, [Notice::NotNow { .. }, .., Notice::NotNow { attempt: 4, .. }]), "{tries:?}");
        assert_eq!(sandbox, SANDBOX);
        assert!(reason.starts_with(&format!("{status} ")) && reason.contains("others are taken"), "{reason}");
        assert_eq!(rejected(&rig).iter().map(|(at, _)| *at).collect::<Vec<_>>(), [33]);
        let cursor = rig.cursor();
        assert_eq!((cursor.delivered, cursor.rejected, cursor.trouble), (49, 1, None));
        let mut taken: Vec<u64> = requests
            .iter()
            .filter(|request| holds(request, SANDBOX) && !is_bad(request))
            .flat_map(crate::http::sequences)
            .collect();
        taken.sort_unstable();
        // What showed that others are taken comes twice.
        assert_eq!(taken.len(), 50);
        taken.dedup();
        assert_eq!(taken, all(50).into_iter().filter(|at| *at != 33).collect::<Vec<_>>());
    }
}

/// A token that ran out, a receiver that is down, or one that goes down while it is asked: no record is to blame.
#[tokio::test]
async fn a_receiver_that_takes_nothing_sets_no_record_aside() {
    for (status, up) in [(403, None), (503, None), (401, None), (503, Some(7))] {
        let (rig, _log) = Rig::with(100);
        let mut attempt = 0;
        let receiver = Receiver::start(move |_any| {
            attempt += 1;
            if up == Some(attempt) { ok("") } else { Answer::Status(status, "", "no".to_owned()) }
        });
        let notices = rig.until_notices(webhook(&receiver.url()), Format::Json, 8).await;
        assert!(notices.iter().all(|notice| matches!(notice, Notice::NotNow { .. })), "{notices:?}");
        assert_eq!((rig.cursor().mark.sequence, rig.cursor().rejected), (0, 0), "{status}");
        assert!(!rig.folder.path().join("state/rejected.jsonl").exists());
        // It is not asked more and more.
        assert!(receiver.requests().len() < 8 * 40);
    }
}

fn elastic(receiver: &Receiver) -> Target {
    Target::Elastic(Elastic { http: http(&receiver.url()), index: "i".to_owned(), api_key: None })
}

/// Each document has its own outcome: taken, there already, refused, or not now.
#[tokio::test]
async fn elasticsearch_says_of_each_document_what_became_of_it() {
    let (rig, _log) = Rig::with(4);
    let mut second_try = false;
    let receiver = Receiver::start(move |_request| {
        let outcome = |status: u16| {
            format!("{{\"create\":{{\"status\":{status},\"error\":{{\"reason\":\"r{status}\"}}}}}}")
        };
        let statuses = if second_try { [409, 400, 409, 201] } else { [201, 400, 201, 429] };
        second_try = true;
        ok(&format!("{{\"errors\":true,\"items\":[{}]}}", statuses.map(outcome).join(",")))
    });
    let notices = rig.drain(elastic(&receiver), Format::Ecs).await;
    let [Notice::NotNow { cause, .. }, Notice::Again, Notice::Rejected { records: 1, .. }] = &notices[..]
    else {
        panic!("{notices:?}")
    };
    assert_eq!(cause, "429: r429");
    assert_eq!(rejected(&rig), [(2, "400: r400".to_owned())]);
    assert_eq!((rig.cursor().delivered, rig.cursor().rejected), (3, 1));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_batch_moves_no_cursor() {
    for body in ["", "{}", "[]", r#"{"errors":true,"items":[{"create":{"status":201}}]}"#, "<html>"] {
        let (rig, _log) = Rig::with(2);
        let receiver = Receiver::start(move |_any| ok(body));
        let notice = rig.until_notice(elastic(&receiver), Format::Ecs).await;
        assert!(
            matches!(&notice, Notice::NotNow { cause, .. } if cause.starts_with("not an answer")),
            "{notice:?}"
        );
        assert_eq!(rig.cursor().mark.sequence, 0);
    }
}

/// OpenTelemetry says how many were rejected and not which: they are found by dividing.
#[tokio::test]
async fn a_partial_success_of_opentelemetry_is_divided_until_it_is_known() {
    let bad = |request: &Request| holds(request, "/33");
    let (rig, _log) = Rig::with(64);
    let receiver = Receiver::start(move |request| {
        if !bad(request) {
            return ok("{}");
        }
        ok(r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too odd"}}"#)
    });
    let notices = rig.drain(Target::Otlp(http(&receiver.url())), Format::OtlpJson).await;
    assert!(matches!(&notices[..], [Notice::Rejected { records: 1, .. }]), "{notices:?}");
    assert_eq!(rejected(&rig), [(33, "1 rejected: too odd".to_owned())]);
    assert_eq!(rig.cursor().delivered, 63);
    // A warning without a number is none of ours.
    let (rig, _log) = Rig::with(2);
    let warning = r#"{"partialSuccess":{"errorMessage":"use the new endpoint"}}"#;
    let receiver = Receiver::start(move |_any| ok(warning));
    assert_eq!(rig.drain(Target::Otlp(http(&receiver.url())), Format::OtlpJson).await, []);
}

fn splunk(receiver: &Receiver) -> Target {
    let token = secret("tok");
    let acknowledgement = Acknowledgement::Request;
    Target::Splunk(Splunk { http: http(&receiver.url()), token, acknowledgement })
}

/// Splunk names an event as well as a wrong index with 400: only the first is about a record.
#[tokio::test]
async fn splunk_tells_events_from_its_own_configuration() {
    let (rig, _log) = Rig::with(8);
    let receiver = Receiver::start(|request| {
        if !holds(request, "\"/5\"") {
            return ok(r#"{"text":"Success","code":0}"#);
        }
        let body = r#"{"text":"Invalid data format","code":6,"invalid-event-number":0}"#;
        Answer::Status(400, "", body.to_owned())
    });
    rig.drain(splunk(&receiver), Format::Json).await;
    assert_eq!(rejected(&rig).len(), 1);
    assert_eq!((rig.cursor().delivered, rig.cursor().rejected), (7, 1));
    for code in [7, 10, 11, 14] {
        let (rig, _log) = Rig::with(1);
        let receiver = Receiver::start(move |_any| {
            Answer::Status(400, "", format!("{{\"text\":\"x\",\"code\":{code}}}"))
        });
        let notice = rig.until_notice(splunk(&receiver), Format::Json).await;
        assert!(matches!(notice, Notice::NotNow { .. }), "{code}: {notice:?}");
    }
}
