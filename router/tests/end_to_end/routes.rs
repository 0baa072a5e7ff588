//! Where a call goes, and where it never goes.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::router::Sensitive;

use crate::rig::{CONTEXT, Plan, Reply, Rig, Script, all, context_under};

const CARD: &str = "4111111111111111";

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_call_goes_to_the_cloud_and_takes_nothing_of_the_guest_along() {
    let rig = Rig::start(Plan::default()).await;
    let reply = rig.chat("What is a microVM?").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.body.contains("chat.completion"));
    assert!(reply.head.contains("openshell-inference-zone: cloud"));
    assert!(!reply.head.contains("set-cookie"));
    assert!(rig.seen_locally().is_empty());
    let [seen] = &rig.seen_in_cloud()[..] else { panic!("one request") };
    assert!(seen.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    assert!(seen.head.contains("authorization: Bearer cloud"));
    let head = seen.head.to_ascii_lowercase();
    for guest in ["x-openshell", "guest-key", "guest-cookie", "inference.local", "box-1"] {
        assert!(!head.contains(guest), "{guest} in {head}");
    }
    assert_eq!(seen.records_before, 1, "recorded before it was sent");
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body["model"], "cloud-model");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensitive_call_never_reaches_the_cloud() {
    let rig = Rig::start(Plan::default()).await;
    let chat = |messages: serde_json::Value| json!({"model":"m","messages":messages});
    let user = |content: serde_json::Value| chat(json!([{"role":"user","content":content}]));
    let calls = [
        ("chat/completions", user(json!(format!("pay {CARD}")))),
        ("chat/completions", user(json!("4111\u{200b}1111\u{200b}1111\u{200b}1111"))),
        ("chat/completions", user(json!("NDExMTExMTExMTExMTExMQ=="))),
        ("chat/completions", user(json!("%34%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31"))),
        (
            "chat/completions",
            user(json!([{"type":"text","text":"41111111"},{"type":"text","text":"11111111"}])),
        ),
        ("chat/completions", user(json!([{"type":"image_url","image_url":{"url":"https://x.test/y.png"}}]))),
        ("chat/completions", chat(json!([{"role":"system","content":CARD}]))),
        ("chat/completions", chat(json!([{"role":"user","content":"x","name":CARD}]))),
        (
            "chat/completions",
            chat(json!([{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function",
                "function":{"name":"f","arguments":format!("{{\"pan\":\"{CARD}\"}}")}}]}])),
        ),
        (
            "chat/completions",
            chat(json!([{"role":"tool","tool_call_id":"1","content":format!("found {CARD}")}])),
        ),
        (
            "chat/completions",
            json!({"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f","description":CARD}}]}),
        ),
        ("chat/completions", json!({"model":"m","messages":[],"metadata":{"k":CARD}})),
        ("chat/completions", json!({"model":"m","messages":[],"user":"jane@example.com"})),
        ("chat/completions", json!({"model":"m","messages":[],"stop":[CARD]})),
        ("chat/completions", json!({"model":CARD,"messages":[]})),
        ("chat/completions", json!({"model":"m","messages":[],"seed":4_111_111_111_111_111_u64})),
        ("completions", json!({"model":"m","prompt":["4111 1111","1111 1111"]})),
        ("completions", json!({"model":"m","prompt":[4111, 1111]})),
        ("embeddings", json!({"model":"m","input":"IBAN DE89 3704 0044 0532 0130 00"})),
        ("responses", json!({"model":"m","instructions":"SSN 536-22-1234","input":"x"})),
        (
            "responses",
            json!({"model":"m","input":[{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}]}),
        ),
        ("responses", json!({"model":"m","input":"x","previous_response_id":"resp_1"})),
    ];
    for (path, call) in &calls {
        let reply = rig.post(&format!("/v1/{path}"), &call.to_string()).await;
        assert_eq!(reply.status, 200, "{call} {reply:?}");
        assert!(reply.head.contains("openshell-inference-zone: local"), "{call}");
    }
    assert_eq!(rig.seen_in_cloud().len(), 0);
    let seen = rig.seen_locally();
    assert_eq!(seen.len(), calls.len());
    assert!(seen.iter().all(|seen| seen.head.contains("authorization: Bearer local")));
    let records = format!("{:?}", rig.records.lock().unwrap());
    for secret in [CARD, "jane@example.com", "536-22-1234", "DE89"] {
        assert!(!records.contains(secret), "{secret} in a record");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_split_over_chunks_of_the_transfer_is_found() {
    let rig = Rig::start(Plan::default()).await;
    let mut stream = rig.connect().await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\n{CONTEXT}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let body = json!({"model":"m","messages":[{"role":"user","content":CARD}]}).to_string();
    for piece in body.as_bytes().chunks(3) {
        let size = piece.len();
        let chunk = [format!("{size:x}\r\n").as_bytes(), piece, b"\r\n"].concat();
        stream.write_all(&chunk).await.unwrap();
        stream.flush().await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    assert_eq!((rig.seen_locally().len(), rig.seen_in_cloud().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_where_the_operator_says_so_or_has_no_local_server() {
    let block = Plan { directive: all(Sensitive::Block), ..Plan::default() };
    let no_local = Plan { local: None, ..Plan::default() };
    for (plan, code) in [(block, "sensitive-blocked"), (no_local, "sensitive-without-local")] {
        let rig = Rig::start(plan).await;
        let reply = rig.chat(&format!("pay {CARD} and 5555555555554444")).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, code), "{reply:?}");
        assert!(reply.body.contains(r#""financial/payment-card":2"#), "{reply:?}");
        assert!(!reply.body.contains(CARD));
        assert_eq!((rig.seen_locally().len(), rig.seen_in_cloud().len()), (0, 0));
        let record = rig.record("inference").await;
        assert_eq!(record["decision"], "deny");
        assert_eq!((&record["rule"], &record["level"]), (&code.into(), &"inference".into()));
        assert_eq!(record["inference"]["route"], "refused");
        assert_eq!(record["inference"]["categories"]["financial/payment-card"], 2);
        assert!(!record.to_string().contains(CARD));
        assert_eq!(rig.chat("hello").await.status, 200, "a plain call still goes out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_local_server_is_no_reason_for_the_cloud() {
    let rig = Rig::start(Plan { local: Some(Script::Raw("")), ..Plan::default() }).await;
    let reply = rig.chat(CARD).await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "server-unreachable"), "{reply:?}");
    assert_eq!(rig.seen_in_cloud().len(), 0);
    assert_eq!(rig.record("inference-outcome").await["reason"], "server-unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cloud_everything_is_local_and_without_servers_nothing_goes() {
    let rig = Rig::start(Plan { cloud: None, ..Plan::default() }).await;
    assert_eq!(rig.chat("hello").await.status, 200);
    assert_eq!(rig.seen_locally().len(), 1);
    let rig = Rig::start(Plan { cloud: None, local: None, ..Plan::default() }).await;
    let reply = rig.chat("hello").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "no-server"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_out_without_its_record() {
    let mut rig = Rig::start(Plan::default()).await;
    rig.kill_auditor();
    for content in ["hello", CARD] {
        let reply = rig.chat(content).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "audit-unavailable"), "{reply:?}");
    }
    assert_eq!((rig.seen_locally().len(), rig.seen_in_cloud().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_refused() {
    let rig = Rig::start(Plan::default()).await;
    let ok = r#"{"model":"m","messages":[]}"#;
    for (path, body, status, code) in [
        ("/v1/chat/completions", r#"{"model":"m","model":"n","messages":[]}"#, 400, "not-strict-json"),
        ("/v1/chat/completions", "{", 400, "not-strict-json"),
        ("/v1/chat/completions", r#"{"model":"m","messages":[],"plugins":[]}"#, 400, "not-understood"),
        ("/v1/chat/completions?x=y", ok, 404, "unknown-path"),
        ("/v1/chat/completions/", ok, 404, "unknown-path"),
        ("/v1/files", ok, 404, "unknown-path"),
        ("/v1/audio/speech", ok, 404, "unknown-path"),
        ("/v2/chat/completions", ok, 404, "unknown-path"),
        ("/v1/models", ok, 405, "wrong-method"),
    ] {
        let reply = rig.post(path, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{path} {body}");
    }
    assert_eq!(rig.get("/v1/chat/completions").await.status, 405);
    for (headers, status) in [
        ("content-type: text/plain\r\n", 415),
        ("content-type: application/json; charset=utf-16\r\n", 415),
        ("content-type: application/json\r\ncontent-type: application/json\r\n", 415),
        ("content-type: application/json\r\ncontent-encoding: gzip\r\n", 415),
        ("", 415),
    ] {
        let length = ok.len();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\n{CONTEXT}{headers}content-length: {length}\r\n\r\n{ok}"
        );
        assert_eq!(rig.raw(&request).await.status, status, "{headers}");
    }
    let bare = "POST /v1/chat/completions HTTP/1.1\r\nhost: inference.local\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(rig.raw(bare).await.status, 400, "without the proxy's headers");
    assert_eq!((rig.seen_locally().len(), rig.seen_in_cloud().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_a_body_is_refused() {
    let rig = Rig::start(Plan::default()).await;
    let content = "a".repeat(9 << 20);
    let reply = rig.chat(&content).await;
    assert_eq!(reply.status, 413, "{}", reply.head);
    assert_eq!(rig.seen_in_cloud().len(), 0);
}

async fn chat_under(rig: &Rig, conditions: &str, content: &str) -> Reply {
    let body = json!({"model":"m","messages":[{"role":"user","content":content}]}).to_string();
    let (context, length) = (context_under(conditions), body.len());
    let json = "content-type: application/json";
    rig.raw(&format!(
        "POST /v1/chat/completions HTTP/1.1\r\n{context}{json}\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policys_conditions_hold_for_the_call_that_carries_them() {
    let rig = Rig::start(Plan::default()).await;
    let pan = format!("pay {CARD}");
    let cases = [
        ("sensitive=local providers=local", "hello", 200, ""),
        ("sensitive=block providers=local,cloud", &*pan, 403, "sensitive-blocked"),
        ("sensitive=local providers=cloud", &pan, 403, "sensitive-without-local"),
        ("sensitive=local providers=cloud", "hello", 200, ""),
        ("sensitive=allow providers=local,cloud", "hello", 400, "no-context"),
        ("", "hello", 400, "no-context"),
    ];
    for (conditions, content, status, code) in cases {
        let reply = chat_under(&rig, conditions, content).await;
        assert_eq!((reply.status, &*reply.code()), (status, code), "{conditions}: {reply:?}");
    }
    assert_eq!((rig.seen_locally().len(), rig.seen_in_cloud().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_the_policy_does_not_name_is_not_spoken_to() {
    let rig = Rig::start(Plan { local: None, ..Plan::default() }).await;
    let reply = chat_under(&rig, "sensitive=local providers=local", "hello").await;
    assert_eq!((reply.status, &*reply.code()), (403, "provider-not-permitted"), "{reply:?}");
    assert!(reply.body.contains("inference.providers"), "{}", reply.body);
    let context = context_under("sensitive=local providers=local");
    let models = rig.raw(&format!("GET /v1/models HTTP/1.1\r\n{context}\r\n")).await;
    assert_eq!((models.status, models.body.contains("cloud-model")), (200, false), "{}", models.body);
    assert!(rig.seen_in_cloud().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_providers_host_is_judged_like_every_other() {
    let rig = Rig::start(Plan::default()).await;
    let to = async |host: &str, path: &str, content: &str| {
        let body = json!({"model":"m","messages":[{"role":"user","content":content}]}).to_string();
        let (context, length) = (CONTEXT.replace("inference.local", host), body.len());
        let json = "content-type: application/json";
        rig.raw(&format!("POST {path} HTTP/1.1\r\n{context}{json}\r\ncontent-length: {length}\r\n\r\n{body}"))
            .await
    };
    for host in ["api.provider.test", "api.provider.test:8443"] {
        let reply = to(host, "/v1/chat/completions", "hello").await;
        assert!(reply.status == 200 && reply.head.contains("zone: cloud"), "{reply:?}");
        let reply = to(host, "/v1/chat/completions", CARD).await;
        assert!(reply.status == 200 && reply.head.contains("zone: local"), "{reply:?}");
    }
    assert!(rig.seen_in_cloud().iter().all(|seen| seen.head.contains("authorization: Bearer provider")));
    // Whose call it was is on both records, as the proxy said.
    for action in ["inference", "inference-outcome"] {
        let record = rig.record(action).await;
        let whose = [&record["subject"]["owners"][0]["binary"], &record["flow"], &record["policy"]];
        assert_eq!(json!(whose), json!(["/usr/bin/python3.11", 12, 3]), "{record}");
    }
    let record = rig.record("inference").await;
    assert_eq!(record["object"]["host"], "api.provider.test");
    for (host, path, code) in [
        ("api.provider.test", "/v1/files", "unknown-path"),
        ("api.provider.test", "/v1/realtime", "unknown-path"),
        ("api.provider.test", "/dashboard", "unknown-path"),
        ("other.provider.test", "/v1/chat/completions", "unknown-host"),
    ] {
        let reply = to(host, path, "hello").await;
        assert_eq!(reply.code(), code, "{reply:?}");
        assert!(reply.body.contains("hint"), "{reply:?}");
    }
    assert_eq!((rig.seen_in_cloud().len(), rig.seen_locally().len()), (2, 2));
}
