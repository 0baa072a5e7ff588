//! What a sandbox may spend, and that it spends no more however it asks.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;
use wire::router::{Api, Limits, ZoneLimits};

use crate::rig::{ANSWER, Plan, Rig, Script};

const CARD: &str = "4111111111111111";

fn cloud(limits: Limits) -> Plan {
    Plan { limits: ZoneLimits { cloud: limits, ..ZoneLimits::default() }, ..Plan::default() }
}

fn asking(tokens: u64) -> String {
    json!({"model":"m","max_tokens":tokens,"messages":[{"role":"user","content":"hello"}]}).to_string()
}

async fn refusal(rig: &Rig) -> Value {
    loop {
        let records = rig.records.lock().unwrap().clone();
        match records.into_iter().find(|record| record["decision"] == "deny") {
            Some(record) => return record,
            None => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_minute_are_counted_for_each_zone() {
    let rig = Rig::start(cloud(Limits { requests_per_minute: Some(2), ..Limits::default() })).await;
    for _ in 0..2 {
        assert_eq!(rig.chat("hello").await.status, 200);
    }
    let refused = rig.chat("hello").await;
    assert_eq!((refused.status, refused.code()), (429, "limit-reached".to_owned()), "{refused:?}");
    assert!(refused.head.contains("retry-after: ") && !refused.head.contains("x-should-retry"));
    assert_eq!(rig.seen_in_cloud().len(), 2);
    let record = refusal(&rig).await;
    assert_eq!((&record["level"], &record["rule"]), (&json!("limit"), &json!("limit-reached")), "{record}");
    assert!(record["reason"].as_str().unwrap().starts_with("2 cloud calls in a minute"), "{record}");
    assert_eq!(rig.chat(&format!("pay {CARD}")).await.status, 200, "the local server has its own account");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_counted_as_the_server_says_and_refused_before_they_are_spent() {
    // The server says 16 of each.
    assert!(ANSWER.contains(r#""prompt_tokens":7,"completion_tokens":9"#));
    let rig = Rig::start(cloud(Limits { tokens: Some(1000), ..Limits::default() })).await;
    for _ in 0..10 {
        assert_eq!(rig.post("/v1/chat/completions", &asking(500)).await.status, 200);
    }
    let refused = rig.post("/v1/chat/completions", &asking(900)).await;
    assert_eq!((refused.status, refused.code()), (429, "limit-reached".to_owned()), "{refused:?}");
    assert!(refused.head.contains("x-should-retry: false"), "no library tries it again: {refused:?}");
    assert!(refused.body.contains("of 1000 cloud tokens in all 840 are left"), "{refused:?}");
    assert_eq!(rig.post("/v1/chat/completions", &asking(700)).await.status, 200, "a shorter answer fits");
    assert_eq!(rig.seen_in_cloud().len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_cannot_go_over_together() {
    let gone = Arc::new(Notify::new());
    let plan = cloud(Limits { tokens_per_day: Some(1000), ..Limits::default() });
    let plan = Plan { cloud: Some(Script::Silence { gone: Arc::clone(&gone) }), ..plan };
    let rig = Arc::new(Rig::start(plan).await);
    let call = || {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move { rig.post("/v1/chat/completions", &asking(600)).await })
    };
    let first = call();
    rig.asked_in_cloud().await;
    let others: Vec<_> = (0..20).map(|_| call()).collect();
    for other in others {
        assert_eq!(other.await.unwrap().status, 429);
    }
    // Whoever leaves gets nothing back: the server may have worked.
    first.abort();
    gone.notified().await;
    assert_eq!(rig.post("/v1/chat/completions", &asking(600)).await.status, 429);
    assert_eq!(rig.seen_in_cloud().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_refuses_costs_nothing() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let plan = cloud(Limits { tokens: Some(1000), ..Limits::default() });
    let rig = Rig::start(Plan { cloud: Some(Script::Raw(busy)), ..plan }).await;
    for _ in 0..5 {
        assert_eq!(rig.post("/v1/chat/completions", &asking(900)).await.status, 503);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anthropic_client_reads_it_in_its_own_form() {
    let plan = cloud(Limits { tokens: Some(10), ..Limits::default() });
    let rig = Rig::start(Plan { apis: [Api::Anthropic; 2], ..plan }).await;
    let refused = rig.post("/v1/messages", &asking(600)).await;
    let body: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((refused.status, &body["error"]["type"]), (429, &json!("rate_limit_error")), "{body}");
    assert!(rig.seen_in_cloud().is_empty());
}
