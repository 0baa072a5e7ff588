//! Receivers that fail: nothing is lost, and what was not taken comes again.

use std::time::Duration;

use audit_export::Format;
use audit_export::cursor::State;
use audit_export::service::Notice;
use audit_export::sink::{Acknowledgement, HttpTarget, Splunk, Target, Webhook};

use crate::http::{Answer, Receiver, ok};
use crate::rig::{Rig, all, http, secret, webhook};

/// Fails in this way `times` times, then takes everything.
fn failing(times: u32, fail: impl Fn() -> Answer + Send + 'static) -> Receiver {
    let mut left = times;
    Receiver::start(move |_request| {
        if left == 0 {
            return ok("");
        }
        left -= 1;
        fail()
    })
}

#[tokio::test]
async fn what_a_failing_receiver_did_not_take_comes_again() {
    type Failure = (&'static str, fn() -> Answer, &'static str);
    let failures: [Failure; 8] = [
        (
            "busy",
            || Answer::Status(500, "", "oops\u{1b}[2J".to_owned()),
            "500 Internal Server Error: oops [2J",
        ),
        ("gone", || Answer::Status(404, "", String::new()), "404"),
        ("moved", || Answer::Status(302, "location: http://127.0.0.1:1/\r\n", String::new()), "302"),
        ("denied", || Answer::Status(403, "", String::new()), "403"),
        ("closed", || Answer::Nothing, "closed"),
        ("half closed", || Answer::HalfClosed, "closed"),
        ("garbage", || Answer::Garbage(b"\x00\xffSSH-2.0-x\r\n\r\n"), "invalid HTTP"),
        ("cut off", || Answer::Garbage(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nab"), "broke off"),
    ];
    for (name, fail, cause) in failures {
        let (rig, _log) = Rig::with(3);
        let receiver = failing(2, fail);
        let notices = rig.drain(webhook(&receiver.url()), Format::Json).await;
        let [
            Notice::NotNow { cause: first, attempt: 1, .. },
            Notice::NotNow { attempt: 2, .. },
            Notice::Again,
        ] = &notices[..]
        else {
            panic!("{name}: {notices:?}")
        };
        assert!(first.contains(cause), "{name}: {first}");
        assert_eq!(receiver.sequences(), [1, 2, 3, 1, 2, 3, 1, 2, 3], "{name}");
        assert_eq!((rig.cursor().delivered, rig.cursor().trouble), (3, None), "{name}");
    }
}

#[tokio::test]
async fn a_receiver_says_when_it_is_asked_again() {
    for (status, head, least) in [
        (429, "retry-after: 17\r\n", 17),
        (503, "Retry-After: 3\r\n", 3),
        (503, "Retry-After: Fri, 06 Nov 2093 08:49:37 GMT\r\n", 3600),
    ] {
        let (rig, _log) = Rig::with(1);
        let receiver = Receiver::start(move |_any| Answer::Status(status, head, String::new()));
        let Notice::NotNow { wait, .. } = rig.until_notice(webhook(&receiver.url()), Format::Json).await
        else {
            panic!()
        };
        assert!(wait >= Duration::from_secs(least), "{wait:?}");
        let trouble = rig.cursor().trouble.unwrap();
        assert_eq!((trouble.state, trouble.attempts), (State::Retrying, 1));
        assert_eq!(rig.cursor().mark.sequence, 0);
    }
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    let (rig, _log) = Rig::with(700);
    let receiver = Receiver::start(|_any| Answer::Slowly("x".repeat(20_000)));
    assert_eq!(rig.drain(webhook(&receiver.url()), Format::Json).await, []);
    assert_eq!(receiver.sequences(), all(700));
}

#[tokio::test]
async fn a_receiver_that_is_silent_is_given_up() {
    let (rig, _log) = Rig::with(1);
    let receiver = Receiver::start(|_any| Answer::Silence);
    let http = HttpTarget { patience: Duration::from_secs(1), ..http(&receiver.url()) };
    let webhook = Target::Webhook(Webhook { http, secret: None });
    let Notice::NotNow { cause, .. } = rig.until_notice(webhook, Format::Json).await else { panic!() };
    assert_eq!(cause, "no answer within 1 s");
    assert_eq!(rig.cursor().delivered, 0);
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_kept() {
    let (rig, _log) = Rig::with(1);
    let receiver = failing(1, || Answer::Status(200, "", "x".repeat(3 * 1024 * 1024)));
    let notices = rig.drain(webhook(&receiver.url()), Format::Json).await;
    assert!(matches!(&notices[..], [Notice::NotNow { .. }, Notice::Again]), "{notices:?}");
}

/// A token that is replaced while Splunk refuses the old one is read again.
#[tokio::test]
async fn a_refused_secret_is_read_again() {
    let (rig, _log) = Rig::with(1);
    let receiver = Receiver::start(|request| {
        if request.head.contains("authorization: Splunk new\r\n") {
            return ok("{}");
        }
        Answer::Status(401, "", r#"{"text":"Invalid token","code":4}"#.to_owned())
    });
    let tokens = std::sync::Mutex::new(vec!["new", "old"]);
    let token = audit_export::secret::SecretReader::new(move || {
        let next = tokens.lock().unwrap().pop().ok_or("there is none")?;
        Ok(wire::secret::Secret::new(next.to_owned()))
    });
    let splunk = Splunk { http: http(&receiver.url()), token, acknowledgement: Acknowledgement::Request };
    let notices = rig.drain(Target::Splunk(splunk), Format::Json).await;
    assert!(matches!(&notices[..], [Notice::NotNow { .. }, Notice::Again]), "{notices:?}");
}

#[tokio::test]
async fn splunk_without_acknowledgement_for_the_token_is_told_of() {
    let (rig, _log) = Rig::with(1);
    let receiver = Receiver::start(|_any| ok(r#"{"text":"Success","code":0}"#));
    let splunk = Splunk {
        http: http(&receiver.url()),
        token: secret("tok"),
        acknowledgement: Acknowledgement::Indexed,
    };
    let notice = rig.until_notice(Target::Splunk(splunk), Format::Json).await;
    assert!(matches!(notice, Notice::NotNow { cause, .. } if cause.contains("gave no ackId")));
    assert_eq!(rig.cursor().delivered, 0);
}
