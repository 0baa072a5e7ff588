//! Every receiver gets the bytes that it is promised, of every record, once, in order.

use std::fs;

use audit::Record;
use audit_export::Format;
use audit_export::sink::{Acknowledgement, Elastic, Splunk, Target, Webhook};
use hmac::{Hmac, KeyInit as _, Mac as _};

use crate::http::{Receiver, Request, ok};
use crate::rig::{Rig, all, http, secret, webhook};

/// More than one batch takes.
const MANY: u64 = 1203;

fn rendered(format: Format, record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    format.render(record, &mut out);
    out
}

fn joined(records: &[Record], render: impl Fn(&Record) -> Vec<u8>) -> Vec<u8> {
    records.iter().flat_map(render).collect()
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    let line = request.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in {}", request.head))
}

#[tokio::test]
async fn a_file_gets_every_format_that_is_text() {
    for (name, format) in Format::BY_NAME {
        let (rig, log) = Rig::with(MANY);
        let path = rig.folder.path().join("out");
        assert_eq!(rig.drain(Target::File(path.clone()), format).await, [], "{name}");
        let expected = joined(&log.records(), |record| [rendered(format, record), b"\n".to_vec()].concat());
        assert!(fs::read(&path).unwrap() == expected, "{name}");
        assert_eq!((rig.cursor().mark.sequence, rig.cursor().delivered), (MANY, MANY));
    }
}

#[tokio::test]
async fn a_file_that_was_moved_away_or_torn_loses_no_line() {
    let (rig, mut log) = Rig::with(3);
    let path = rig.folder.path().join("out");
    rig.drain(Target::File(path.clone()), Format::Json).await;
    fs::rename(&path, rig.folder.path().join("old")).unwrap();
    log.append(2);
    rig.drain(Target::File(path.clone()), Format::Json).await;
    // A crash of whoever else writes there.
    fs::write(&path, [&fs::read(&path).unwrap()[..], b"torn"].concat()).unwrap();
    log.append(1);
    rig.drain(Target::File(path.clone()), Format::Json).await;
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[2]), (4, "torn"));
    assert_eq!(fs::read_to_string(rig.folder.path().join("old")).unwrap().lines().count(), 3);
}

#[tokio::test]
async fn a_webhook_gets_signed_arrays() {
    let (rig, log) = Rig::with(MANY);
    let receiver = Receiver::willing();
    let target = || {
        Target::Webhook(Webhook {
            http: http(&format!("{}/hook", receiver.url())),
            secret: Some(secret("s3cret")),
        })
    };
    assert_eq!(rig.drain(target(), Format::Json).await, []);
    assert_eq!(receiver.sequences(), all(MANY));
    let requests = receiver.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!((&*request.path, header(request, "content-type")), ("/hook", "application/json"));
        let (time, claimed) =
            header(request, "x-openshell-signature").strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret").unwrap();
        mac.update(format!("{time}.").as_bytes());
        mac.update(&request.body);
        let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(claimed, digest);
    }
    // The records are the log's own bytes.
    let records = log.records();
    let body = [b"[", &rendered(Format::Json, &records[0])[..], b",{"].concat();
    assert!(requests[0].body.starts_with(&body));
}

#[tokio::test]
async fn a_webhook_gets_lines_of_formats_that_are_no_json() {
    let (rig, log) = Rig::with(2);
    let receiver = Receiver::willing();
    rig.drain(webhook(&receiver.url()), Format::Cef).await;
    let body: Vec<Vec<u8>> = log.records().iter().map(|record| rendered(Format::Cef, record)).collect();
    assert_eq!(receiver.requests()[0].body, [&body[0][..], b"\n", &body[1], b"\n"].concat());
}

#[tokio::test]
async fn splunk_gets_events_with_its_token() {
    let (rig, log) = Rig::with(MANY);
    let receiver = Receiver::start(|_any| ok(r#"{"text":"Success","code":0}"#));
    let target = Target::Splunk(Splunk {
        http: http(&receiver.url()),
        token: secret("tok"),
        acknowledgement: Acknowledgement::Request,
    });
    assert_eq!(rig.drain(target, Format::Json).await, []);
    let requests = receiver.requests();
    let expected =
        joined(&log.records(), |record| [rendered(Format::SplunkHec, record), b"\n".to_vec()].concat());
    assert!(requests.iter().flat_map(|request| request.body.clone()).eq(expected));
    for request in &requests {
        assert_eq!(request.path, "/services/collector/event");
        assert_eq!(header(request, "authorization"), "Splunk tok");
        assert_eq!(header(request, "x-splunk-request-channel").len(), 36);
    }
}

/// Splunk has taken a batch when it says that it has indexed it, and not before.
#[tokio::test]
async fn splunk_is_asked_until_it_has_indexed_a_batch() {
    let (rig, _log) = Rig::with(3);
    let mut asked = 0;
    let receiver = Receiver::start(move |request| {
        if request.path == "/services/collector/event" {
            return ok(r#"{"text":"Success","code":0,"ackId":7}"#);
        }
        assert_eq!((&*request.path, &*request.body), ("/services/collector/ack", &br#"{"acks":[7]}"#[..]));
        asked += 1;
        ok(&format!("{{\"acks\":{{\"7\":{}}}}}", asked == 2))
    });
    let target = Target::Splunk(Splunk {
        http: http(&receiver.url()),
        token: secret("tok"),
        acknowledgement: Acknowledgement::Indexed,
    });
    assert_eq!(rig.drain(target, Format::Json).await, []);
    let paths: Vec<String> = receiver.requests().into_iter().map(|request| request.path).collect();
    let ack = "/services/collector/ack";
    assert_eq!(paths, ["/services/collector/event", ack, ack]);
    assert_eq!(rig.cursor().delivered, 3);
}

#[tokio::test]
async fn a_collector_of_opentelemetry_gets_protobuf_or_json() {
    let (rig, log) = Rig::with(MANY);
    let receiver = Receiver::willing();
    assert_eq!(rig.drain(Target::Otlp(http(&receiver.url())), Format::OtlpProtobuf).await, []);
    let messages: Vec<Vec<u8>> =
        log.records().iter().map(|record| rendered(Format::OtlpProtobuf, record)).collect();
    for (request, batch) in receiver.requests().iter().zip(messages.chunks(500)) {
        assert_eq!((&*request.path, header(request, "content-type")), ("/v1/logs", "application/x-protobuf"));
        assert!(
            request.body == audit_export::format::otlp_request(batch.iter().map(Vec::as_slice)),
            "another request"
        );
    }
    assert_eq!(receiver.requests().len(), 3);
    let (rig, log) = Rig::with(2);
    let receiver = Receiver::willing();
    rig.drain(Target::Otlp(http(&receiver.url())), Format::OtlpJson).await;
    let body: serde_json::Value = serde_json::from_slice(&receiver.requests()[0].body).unwrap();
    let records = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
    for (at, record) in log.records().iter().enumerate() {
        let expected: serde_json::Value =
            serde_json::from_slice(&rendered(Format::OtlpJson, record)).unwrap();
        assert_eq!(records[at], expected);
    }
}

#[tokio::test]
async fn elasticsearch_gets_documents_by_their_hash() {
    let (rig, log) = Rig::with(MANY);
    let receiver = Receiver::start(|_any| ok(r#"{"errors":false}"#));
    let target = Target::Elastic(Elastic {
        http: http(&receiver.url()),
        index: "logs-openshell-default".to_owned(),
        api_key: Some(secret("key")),
    });
    assert_eq!(rig.drain(target, Format::Ecs).await, []);
    let requests = receiver.requests();
    let expected = joined(&log.records(), |record| {
        let action = format!("{{\"create\":{{\"_id\":\"{}\"}}}}\n", record.hash);
        [action.into_bytes(), rendered(Format::Ecs, record), b"\n".to_vec()].concat()
    });
    assert!(requests.iter().flat_map(|request| request.body.clone()).eq(expected));
    for request in &requests {
        assert!(request.path.starts_with("/logs-openshell-default/_bulk?"), "{}", request.path);
        assert_eq!(header(request, "authorization"), "ApiKey key");
        assert_eq!(header(request, "content-type"), "application/x-ndjson");
    }
}
