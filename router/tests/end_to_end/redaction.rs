//! What the cloud gets in place of data, and what the client gets back.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wire::router::{AfterLocal, Directive, Sensitive};

use crate::rig::{Plan, Reply, Rig, Script, all, context_under};

const MAIL: &str = "jane@example.com";
const CARD: &str = "4111 1111 1111 1111";
const KEY: &str = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";

fn rules(rules: &[(&str, Sensitive)]) -> Directive {
    let rules = rules.iter().map(|(name, word)| ((*name).to_owned(), *word)).collect();
    Directive { rules, ..Directive::default() }
}

fn echoing(directive: Directive) -> Plan {
    Plan { directive, cloud: Some(Script::Echo), ..Plan::default() }
}

fn user(text: &str, stream: bool) -> String {
    json!({"model":"m","stream":stream,"messages":[{"role":"user","content":text}]}).to_string()
}

/// The texts of a streamed answer, and its tool's arguments.
fn streamed(reply: &Reply) -> (String, String) {
    let events = reply.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = events.filter_map(|data| serde_json::from_str(data).ok()).collect();
    let join = |read: &dyn Fn(&Value) -> Option<String>| events.iter().filter_map(read).collect();
    let of = |event: &Value, path: &str| event.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let text = join(&|event| {
        of(event, "/choices/0/delta/content").or_else(|| {
            (event["type"] == "response.output_text.delta").then(|| of(event, "/delta")).flatten()
        })
    });
    let arguments = join(&|event| {
        of(event, "/choices/0/delta/tool_calls/0/function/arguments").or_else(|| {
            (event["type"] == "response.function_call_arguments.delta").then(|| of(event, "/delta")).flatten()
        })
    });
    (text, arguments)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloud_sees_placeholders_and_the_client_its_values() {
    let rig = Rig::start(echoing(Directive::default())).await;
    let said = format!("Write to {MAIL}, and use {KEY} \"now\".");
    let reply = rig.post("/v1/chat/completions", &user(&said, false)).await;
    assert!(reply.head.contains("openshell-inference-zone: cloud"), "{reply:?}");
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["content"], said.as_str());
    let arguments = message["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    let arguments: Value = serde_json::from_str(arguments).unwrap();
    let for_the_tool = said.replace(KEY, "<GITHUB_TOKEN_1>");
    assert_eq!(arguments["said"], for_the_tool.as_str(), "a credential is not put into a tool's arguments");
    for (path, call) in [
        ("/v1/chat/completions", user(&said, true)),
        ("/v1/responses", json!({"model":"m","stream":true,"input":said}).to_string()),
    ] {
        let reply = rig.post(path, &call).await;
        let (text, arguments) = streamed(&reply);
        assert_eq!(text, said, "{}", reply.body);
        let arguments: Value = serde_json::from_str(&arguments).unwrap();
        assert_eq!(arguments["said"], for_the_tool.as_str());
        assert!(!reply.body.contains("<EMAIL_ADDRESS_1>"), "{}", reply.body);
    }
    for seen in rig.seen_in_cloud() {
        assert!(!seen.body.contains(MAIL) && !seen.body.contains(KEY), "{}", seen.body);
        assert!(seen.body.contains("<EMAIL_ADDRESS_1>") && seen.body.contains("<GITHUB_TOKEN_1>"));
        assert!(seen.body.contains("placeholder"), "the model is told");
    }
    assert_eq!(rig.record("inference").await["reason"], "placeholders: 2");
    let records = format!("{:?}", rig.records.lock().unwrap());
    assert!(records.contains("redacted-to-cloud") && !records.contains(MAIL) && !records.contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_category_has_its_word_and_the_strictest_holds() {
    use Sensitive::{Block, Pass, Redact};
    let table = [("personal", Redact), ("financial/iban", Block), ("credential", Pass)];
    let judged = Directive { after_local: AfterLocal::Judge, ..rules(&table) };
    let rig = Rig::start(echoing(judged)).await;
    for (said, zone, rule) in [
        ("hello".to_owned(), "cloud", "plain-to-cloud"),
        (KEY.to_owned(), "cloud", "passed-to-cloud"),
        (format!("{KEY} {MAIL}"), "cloud", "redacted-to-cloud"),
        (format!("{CARD} {MAIL}"), "local", "sensitive-to-local"),
        (format!("{CARD} {MAIL} DE89 3704 0044 0532 0130 00"), "", "sensitive-blocked"),
    ] {
        let reply = rig.chat(&said).await;
        let went = format!("openshell-inference-zone: {zone}");
        assert_eq!(reply.head.contains(&went), !zone.is_empty(), "{said}: {reply:?}");
        let records = rig.records.lock().unwrap().clone();
        let decided = records.iter().rfind(|record| record["action"] == "inference").unwrap();
        assert_eq!(decided["rule"], rule, "{said}");
    }
    let mixed = &rig.seen_in_cloud()[2].body;
    assert!(mixed.contains(KEY) && !mixed.contains(MAIL), "{mixed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_makes_the_word_stricter() {
    let rig = Rig::start(echoing(rules(&[("personal", Sensitive::Pass)]))).await;
    let body = user(MAIL, false);
    let ask = async |word: &str| {
        let context = context_under(&format!("sensitive={word} providers=local,cloud"));
        let (json, length) = ("content-type: application/json", body.len());
        rig.raw(&format!(
            "POST /v1/chat/completions HTTP/1.1\r\n{context}{json}\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await
    };
    assert!(ask("pass").await.head.contains("zone: cloud"));
    assert!(rig.seen_in_cloud()[0].body.contains(MAIL));
    assert!(ask("redact").await.head.contains("zone: cloud"));
    assert!(!rig.seen_in_cloud()[1].body.contains(MAIL));
    assert!(ask("local").await.head.contains("zone: local"));
    assert_eq!(ask("block").await.code(), "sensitive-blocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replaced_stays_or_is_refused() {
    let image =
        json!([{"type":"text","text":MAIL},{"type":"image_url","image_url":{"url":"https://x.test/y.png"}}]);
    let hidden = [
        json!("amFuZUBleGFtcGxlLmNvbSBhbmQgbW9yZQ=="),
        json!("jane%40example.com"),
        json!([{"type":"text","text":"jane@exam"},{"type":"text","text":"ple.com"}]),
        image,
    ];
    for local in [Some(Script::Echo), None] {
        let (zone, has_local) = (if local.is_some() { 200 } else { 403 }, local.is_some());
        let rig = Rig::start(Plan { local, ..echoing(all(Sensitive::Redact)) }).await;
        for content in &hidden {
            let call = json!({"model":"m","messages":[{"role":"user","content":content}]}).to_string();
            let reply = rig.post("/v1/chat/completions", &call).await;
            assert_eq!(reply.status, zone, "{content}: {reply:?}");
            assert!(has_local || reply.code() == "unredacted-without-local", "{reply:?}");
        }
        assert!(rig.seen_in_cloud().is_empty());
    }
}

/// Characters of another kind stand where the plain ones would: all of them are replaced, and come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_other_characters_is_replaced_as_it_stands() {
    let rig = Rig::start(echoing(all(Sensitive::Redact))).await;
    let disguised = "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ";
    let call = json!({"model":"m","messages":[{"role":"user","content":format!("to {disguised} now")}]});
    let reply = rig.post("/v1/chat/completions", &call.to_string()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let seen = rig.seen_in_cloud();
    assert!(seen.len() == 1 && seen[0].body.contains("EMAIL_ADDRESS_1") && !seen[0].body.contains('ｊ'));
    assert!(reply.body.contains(disguised), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_local_once_it_holds_what_is_local() {
    let rig = Rig::start(echoing(Directive::default())).await;
    assert!(rig.chat("hello").await.head.contains("zone: cloud"));
    assert!(rig.chat(MAIL).await.head.contains("zone: cloud"), "what was redacted is not in it");
    assert!(rig.chat(CARD).await.head.contains("zone: local"));
    for said in ["hello", MAIL] {
        assert!(rig.chat(said).await.head.contains("zone: local"), "{said}");
    }
    assert_eq!(rig.seen_in_cloud().len(), 2);
    let rules: Vec<Value> = rig.records.lock().unwrap().iter().map(|record| record["rule"].clone()).collect();
    assert!(rules.contains(&json!("session-to-local")), "{rules:?}");
    let context = context_under("sensitive=pass providers=cloud");
    let (json, body) = ("content-type: application/json", user("hello", false));
    let reply = rig
        .raw(&format!(
            "POST /v1/chat/completions HTTP/1.1\r\n{context}{json}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    assert_eq!(reply.code(), "session-without-local", "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_value_has_the_same_name_every_turn() {
    let rig = Rig::start(echoing(Directive::default())).await;
    rig.chat("a@example.com").await;
    rig.chat("b@example.com and a@example.com").await;
    let reply = rig.chat("EMAIL_ADDRESS_1 is a@example.com; c@example.com").await;
    let bodies: Vec<String> = rig.seen_in_cloud().into_iter().map(|seen| seen.body).collect();
    assert!(bodies[0].contains("\"<EMAIL_ADDRESS_1>\""));
    assert!(bodies[1].contains("<EMAIL_ADDRESS_2> and <EMAIL_ADDRESS_1>"));
    assert!(bodies[2].contains("EMAIL_ADDRESS_1 is <EMAIL_ADDRESS_X1>; <EMAIL_ADDRESS_X3>"), "{}", bodies[2]);
    assert!(reply.body.contains("EMAIL_ADDRESS_1 is a@example.com; c@example.com"), "{}", reply.body);
}

/// A call that was begun before another one stayed local, and goes on after it was answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_open_before_the_session_stays_stays_too() {
    let rig = Rig::start(echoing(Directive::default())).await;
    let body = user("what the local model said, in other words", false);
    let mut early = rig.connect().await;
    let context = context_under("sensitive=pass providers=local,cloud");
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\n{context}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    early.write_all(head.as_bytes()).await.unwrap();
    // The router has read the head when the next call is answered: it takes one connection after the other.
    assert!(rig.chat(CARD).await.head.contains("zone: local"));
    early.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _reset = early.read_to_string(&mut answer).await;
    assert!(answer.contains("zone: local"), "{answer}");
    assert!(rig.seen_in_cloud().is_empty());
}

/// What only the text beside it shows to be a value.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_its_neighbour_gives_away_does_not_go_out() {
    let rig = Rig::start(echoing(all(Sensitive::Redact))).await;
    let parts = json!([
        {"type":"text","text":"Maria Schmidt, Mercy Hospital"},
        {"type":"text","text":"Serial number 48291734"},
    ]);
    let call = json!({"model":"m","messages":[{"role":"user","content":parts}]});
    rig.post("/v1/chat/completions", &call.to_string()).await;
    assert!(rig.seen_in_cloud().iter().all(|seen| !seen.body.contains("48291734")));
    let records = rig.records.lock().unwrap().clone();
    let decided = records.iter().find(|record| record["action"] == "inference").unwrap();
    assert!(decided["inference"]["categories"]["personal/device-id"] == 1, "{decided}");
}
