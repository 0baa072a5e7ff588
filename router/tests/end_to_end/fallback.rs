//! Servers that are asked when the first one of a zone gives no answer: of the same zone, and of no other.

use serde_json::{Value, json};
use wire::router::{Limits, Sensitive, ZoneLimits};

use crate::rig::{ANSWER, Plan, Rig, Script, all};

const CARD: &str = "4111111111111111";

/// Ways in which a server gives no answer.
const FAILURES: [&str; 7] = [
    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\ncontent-length: 4\r\n\r\nwait",
    "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 529 Overloaded\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://cloud.test/\r\ncontent-length: 0\r\n\r\n",
    // It hangs up.
    "",
];

fn answers() -> Option<Script> {
    Some(Script::Document(ANSWER))
}

/// Records of a kind, when so many are there.
async fn records(rig: &Rig, action: &str, count: usize) -> Vec<Value> {
    loop {
        let all = rig.records.lock().unwrap().clone();
        let found: Vec<Value> = all.into_iter().filter(|record| record["action"] == action).collect();
        if found.len() >= count {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_is_asked_and_each_is_on_record_before() {
    for failure in FAILURES {
        let plan = Plan { cloud: Some(Script::Raw(failure)), after: [None, answers()], ..Plan::default() };
        let rig = Rig::start(plan).await;
        let reply = rig.chat("hello").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ANSWER), "{failure}: {reply:?}");
        let [local, cloud] = rig.seen_after();
        assert_eq!((rig.seen_in_cloud().len(), local.len(), cloud.len()), (1, 0, 1), "{failure}");
        // Its own key, its own model, and nothing of what the first one was told.
        assert!(cloud[0].head.contains("authorization: Bearer cloud2\r\n"), "{:?}", cloud[0]);
        assert!(cloud[0].body.contains("\"model\":\"cloud2-model\""), "{:?}", cloud[0]);
        let cleared = records(&rig, "inference", 2).await;
        let servers: Vec<&Value> = cleared.iter().map(|record| &record["inference"]["server"]).collect();
        assert_eq!(servers, [&json!("cloud.test"), &json!("cloud2.test")], "{cleared:#?}");
        assert!(cleared.iter().all(|record| record["rule"] == "plain-to-cloud"), "{cleared:#?}");
        assert!(cloud[0].records_before >= 2, "{:?}", cloud[0]);
        let outcomes = records(&rig, "inference-outcome", 2).await;
        assert_eq!(outcomes[0]["inference"]["server"], "cloud.test", "{outcomes:#?}");
        assert_ne!(outcomes[0]["reason"], "complete", "{outcomes:#?}");
        assert_eq!(outcomes[1]["reason"], "complete", "{outcomes:#?}");
    }
}

/// The attack: a local server that fails, so that a prompt that must stay would go where there is an answer.
#[tokio::test(flavor = "multi_thread")]
async fn what_must_stay_stays_when_every_local_server_fails() {
    for failure in FAILURES {
        let plan = Plan {
            local: Some(Script::Raw(failure)),
            after: [Some(Script::Raw(failure)), answers()],
            ..Plan::default()
        };
        let rig = Rig::start(plan).await;
        let reply = rig.chat(&format!("pay {CARD}")).await;
        assert!(reply.status >= 400, "{failure}: {reply:?}");
        let [local, cloud] = rig.seen_after();
        assert_eq!((rig.seen_locally().len(), local.len()), (1, 1), "{failure}");
        assert!(rig.seen_in_cloud().is_empty() && cloud.is_empty(), "{failure}");
    }
    // Nor the other way round.
    let plan = Plan { cloud: Some(Script::Raw(FAILURES[2])), after: [answers(), None], ..Plan::default() };
    let rig = Rig::start(plan).await;
    assert_eq!(rig.chat("hello").await.status, 503);
    assert!(rig.seen_locally().is_empty() && rig.seen_after()[0].is_empty());
}

/// What reached the client cannot be taken back, and what the call itself is to blame for fails everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_begun_is_the_answer() {
    for (said, status) in [
        ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"id\":", 200),
        ("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", 400),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404),
    ] {
        let plan = Plan { cloud: Some(Script::Raw(said)), after: [None, answers()], ..Plan::default() };
        let rig = Rig::start(plan).await;
        assert_eq!(rig.chat("hello").await.status, status, "{said}");
        assert!(rig.seen_after()[1].is_empty(), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_stays_replaced() {
    let plan = Plan {
        directive: all(Sensitive::Redact),
        cloud: Some(Script::Raw(FAILURES[2])),
        after: [None, Some(Script::Echo)],
        ..Plan::default()
    };
    let rig = Rig::start(plan).await;
    let reply = rig.chat("write to jane.roe@example.com").await;
    assert!(reply.body.contains("jane.roe@example.com"), "{reply:?}");
    for seen in [rig.seen_in_cloud(), rig.seen_after()[1].clone()] {
        let body = &seen[0].body;
        assert!(body.contains("<EMAIL_ADDRESS_1>") && !body.contains("jane.roe"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_is_where_calls_may_be_served() {
    let plan = Plan {
        in_region: Some("us-east-1"),
        after_in_region: Some("eu-west-1"),
        regions: Some(&["eu"]),
        after: [None, answers()],
        ..Plan::default()
    };
    let rig = Rig::start(plan).await;
    assert_eq!(rig.chat("hello").await.status, 200);
    assert!(rig.seen_in_cloud().is_empty());
    let cleared = records(&rig, "inference", 1).await;
    assert_eq!(cleared[0]["inference"]["region"], "eu-west-1", "{cleared:#?}");
    let plan = Plan {
        in_region: Some("eu-west-1"),
        after_in_region: Some("us-east-1"),
        regions: Some(&["eu"]),
        cloud: Some(Script::Raw(FAILURES[2])),
        after: [None, answers()],
        ..Plan::default()
    };
    let rig = Rig::start(plan).await;
    assert_eq!(rig.chat("hello").await.status, 503);
    assert!(rig.seen_after()[1].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_try_is_a_call_of_its_minute() {
    let cloud = Limits { requests_per_minute: Some(1), ..Limits::default() };
    let plan = Plan {
        limits: ZoneLimits { cloud, ..ZoneLimits::default() },
        cloud: Some(Script::Raw(FAILURES[2])),
        after: [None, answers()],
        ..Plan::default()
    };
    let rig = Rig::start(plan).await;
    let reply = rig.chat("hello").await;
    assert_eq!((reply.status, reply.code()), (429, "limit-reached".to_owned()), "{reply:?}");
    assert!(rig.seen_after()[1].is_empty());
}

/// A name of the agent's is a model of each server's own; the record has what was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_a_model_of_the_server_that_is_asked() {
    let plan = Plan {
        models: &[("asked", "large")],
        cloud: Some(Script::Raw(FAILURES[2])),
        after: [None, answers()],
        ..Plan::default()
    };
    let rig = Rig::start(plan).await;
    assert_eq!(rig.chat("hello").await.status, 200);
    assert!(rig.seen_in_cloud()[0].body.contains("\"model\":\"cloud-large\""));
    assert!(rig.seen_after()[1][0].body.contains("\"model\":\"cloud2-large\""));
    assert_eq!(rig.chat(&format!("pay {CARD}")).await.status, 200);
    assert!(rig.seen_locally()[0].body.contains("\"model\":\"local-large\""));
    let cleared = records(&rig, "inference", 3).await;
    assert!(cleared.iter().all(|record| record["inference"]["model_asked"] == "asked"), "{cleared:#?}");
    // Another name goes as it is.
    let other = json!({"model": "other", "messages": [{"role": "user", "content": "hello"}]});
    rig.post("/v1/chat/completions", &other.to_string()).await;
    assert!(rig.seen_in_cloud()[1].body.contains("\"model\":\"other\""));
    let list = rig.get("/v1/models").await;
    assert!(list.body.contains("\"id\":\"asked\""), "{list:?}");
}
