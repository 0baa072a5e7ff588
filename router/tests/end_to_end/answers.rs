//! How answers come back.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use crate::rig::{CONTEXT, Plan, Rig, Script};

fn streaming() -> (Plan, Arc<Notify>, Arc<Notify>) {
    let (go_on, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let script = Script::Events { go_on: Arc::clone(&go_on), gone: Arc::clone(&gone) };
    (Plan { cloud: Some(script), ..Plan::default() }, go_on, gone)
}

async fn ask(rig: &Rig) -> tokio::net::UnixStream {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    let length = body.len();
    let mut stream = rig.connect().await;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\n{CONTEXT}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn read_until(stream: &mut tokio::net::UnixStream, mark: &str) -> String {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains(mark) {
        assert_ne!(
            stream.read_buf(&mut bytes).await.unwrap(),
            0,
            "ended: {}",
            String::from_utf8_lossy(&bytes)
        );
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_passes_before_the_next_one_is_sent() {
    let (plan, go_on, _gone) = streaming();
    let rig = Rig::start(plan).await;
    let mut stream = ask(&rig).await;
    let first = read_until(&mut stream, "\"served\"").await;
    assert!(first.contains("content-type: text/event-stream"));
    assert!(!first.contains("usage"));
    // Only now the server may send the rest: the first event came through alone.
    go_on.notify_one();
    read_until(&mut stream, "[DONE]").await;
    let record = rig.record("inference-outcome").await;
    assert_eq!(record["reason"], "complete");
    assert_eq!(record["status"], 200);
    assert_eq!(record["inference"]["model_served"], "served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_the_call_at_the_server() {
    let (plan, _go_on, gone) = streaming();
    let rig = Rig::start(plan).await;
    let mut stream = ask(&rig).await;
    read_until(&mut stream, "\"served\"").await;
    drop(stream);
    tokio::time::timeout(std::time::Duration::from_secs(10), gone.notified())
        .await
        .expect("the server is told");
    assert_eq!(rig.record("inference-outcome").await["reason"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_answer_is_recorded_too() {
    let gone = Arc::new(Notify::new());
    let rig =
        Rig::start(Plan { cloud: Some(Script::Silence { gone: Arc::clone(&gone) }), ..Plan::default() })
            .await;
    let stream = ask(&rig).await;
    rig.asked_in_cloud().await;
    drop(stream);
    tokio::time::timeout(std::time::Duration::from_secs(10), gone.notified())
        .await
        .expect("the server is told");
    assert_eq!(rig.record("inference-outcome").await["reason"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_must_not_do_is_a_bad_gateway() {
    for (raw, code) in [
        (
            "HTTP/1.1 307 T\r\nlocation: https://elsewhere.test/v1\r\ncontent-length: 0\r\n\r\n",
            "server-redirects",
        ),
        ("HTTP/1.1 401 U\r\ncontent-length: 18\r\n\r\nbad key sk-operato", "server-refuses-operator"),
        ("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx", "answer-encoded"),
        ("garbage\r\n\r\n", "server-unreachable"),
    ] {
        let rig = Rig::start(Plan { cloud: Some(Script::Raw(raw)), ..Plan::default() }).await;
        let reply = rig.chat("hello").await;
        assert_eq!((reply.status, reply.code().as_str()), (502, code), "{reply:?}");
        assert!(!reply.body.contains("sk-operato"));
        assert!(rig.seen_locally().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_own_error_passes() {
    let raw = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}";
    let rig = Rig::start(Plan { cloud: Some(Script::Raw(raw)), ..Plan::default() }).await;
    let reply = rig.chat("hello").await;
    assert_eq!((reply.status, reply.body.as_str()), (429, "{}"));
    assert!(reply.head.contains("retry-after: 7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_of_both_servers_are_listed() {
    let rig = Rig::start(Plan::default()).await;
    let reply = rig.get("/v1/models").await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains("local-model") && reply.body.contains("cloud-model"), "{reply:?}");
    assert_eq!(rig.get("/v1/models/cloud-model").await.status, 200);
    assert_eq!(rig.get("/v1/models/other").await.status, 404);
    assert!(rig.seen_in_cloud().is_empty(), "a pinned model needs no question");
}
