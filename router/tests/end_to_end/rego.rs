//! Rego of the operator's: it makes decisions stricter, and what goes wrong with it makes them strictest.

use serde_json::{Value, json};
use wire::router::{AfterLocal, Directive, Sensitive};

use crate::rig::{ANSWER, CONTEXT, Plan, Reply, Rig, Script, all};

const CARD: &str = "4111111111111111";
const MAIL: &str = "jane.roe@example.com";

fn plan(word: Sensitive, rego: &'static str) -> Plan {
    Plan { directive: all(word), rego: Some(rego), ..Plan::default() }
}

fn zone(reply: &Reply) -> Option<&'static str> {
    ["local", "cloud"]
        .into_iter()
        .find(|zone| reply.head.contains(&format!("openshell-inference-zone: {zone}")))
}

/// The last record of a decision.
async fn decided(rig: &Rig) -> Value {
    rig.record("inference").await;
    let records = rig.records.lock().unwrap();
    records.iter().rfind(|record| record["action"] == "inference").cloned().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_of_rego_is_stricter_than_the_rules_and_is_on_record() {
    for (word, said, to, rule, reason) in [
        ("pass", format!("to {MAIL}"), Ok("cloud"), "passed-to-cloud", None),
        (
            "redact",
            format!("to {MAIL}"),
            Ok("cloud"),
            "rego/night",
            Some("redacted-to-cloud; placeholders: 1"),
        ),
        ("local", format!("to {MAIL}"), Ok("local"), "rego/night", Some("rego-to-local")),
        ("local", "hello".to_owned(), Ok("local"), "rego/night", Some("rego-plain-to-local")),
        ("block", "hello".to_owned(), Err("rego-blocked"), "rego/night", Some("rego-blocked")),
        // Nothing is there to replace.
        ("redact", "hello".to_owned(), Ok("cloud"), "plain-to-cloud", None),
    ] {
        let text: &'static str = format!("route = \"{word}\"").leak();
        let plan = Plan { cloud: Some(Script::Echo), ..plan(Sensitive::Pass, text) };
        let rig = Rig::start(plan).await;
        let reply = rig.chat(&said).await;
        let case = format!("{word} {said}: {reply:?}");
        match to {
            Ok(to) => assert_eq!((reply.status, zone(&reply)), (200, Some(to)), "{case}"),
            Err(code) => assert_eq!((reply.status, reply.code().as_str()), (403, code), "{case}"),
        }
        let is_in_cloud = rig.seen_in_cloud().iter().any(|seen| seen.body.contains(MAIL));
        assert_eq!(is_in_cloud, word == "pass", "{case}");
        assert_eq!(rig.seen_in_cloud().is_empty(), to != Ok("cloud"), "{case}");
        let record = decided(&rig).await;
        assert_eq!((&record["rule"], &record["reason"]), (&json!(rule), &json!(reason)), "{case}");
        assert!(!record.to_string().contains("jane.roe"), "{record}");
    }
}

/// The attack: a module of somebody's who would rather have the data in the cloud.
#[tokio::test(flavor = "multi_thread")]
async fn no_word_of_rego_loosens_a_rule() {
    for word in ["pass", "redact", "local"] {
        let text: &'static str = format!("route = \"{word}\"").leak();
        for (rule, refused) in [(Sensitive::Local, false), (Sensitive::Block, true)] {
            let rig = Rig::start(plan(rule, text)).await;
            let reply = rig.chat(&format!("pay {CARD}")).await;
            assert_eq!(reply.status, if refused { 403 } else { 200 }, "{word} {rule:?}: {reply:?}");
            assert!(rig.seen_in_cloud().is_empty(), "{word} {rule:?}");
            let expected = if refused { "sensitive-blocked" } else { "sensitive-to-local" };
            assert_eq!(decided(&rig).await["rule"], expected, "{word} {rule:?}");
        }
    }
    // Nor what the policy asks for.
    let rig = Rig::start(plan(Sensitive::Pass, "route = \"pass\"")).await;
    let context = CONTEXT.replace("sensitive=pass", "sensitive=block");
    let body = json!({"model":"m","messages":[{"role":"user","content":MAIL}]}).to_string();
    let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let reply = rig.raw(&format!("POST /v1/chat/completions HTTP/1.1\r\n{context}{head}\r\n{body}")).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "sensitive-blocked"), "{reply:?}");
    assert!(rig.seen_in_cloud().is_empty());
}

/// The attack: a call for which a module fails, does not end, or says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_verdict_nothing_is_sent_anywhere() {
    let digits = "l := [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]\ndefault route = \"pass\"\n\
         route = \"local\" { a := l[_]; b := l[_]; c := l[_]; d := l[_]; e := l[_]; f := l[_]; a + b + c + d + e + f > 1000 }";
    for (text, why) in [
        ("route = \"pass\" { input.tools > 9 }", "its 'route' has no value"),
        ("route = input.model", "none of pass, redact, local and block"),
        ("route = \"pass\" { input.model * 2 > 1 }", "it failed"),
        (digits, "it exceeds its budget"),
    ] {
        let rig = Rig::start(plan(Sensitive::Pass, text)).await;
        for said in ["hello", CARD] {
            let reply = rig.chat(said).await;
            assert_eq!((reply.status, reply.code().as_str()), (403, "rego-failed"), "{text}: {reply:?}");
            // What the engine says is the operator's to read.
            assert!(!reply.body.contains(why), "{reply:?}");
        }
        assert!(rig.seen_in_cloud().is_empty() && rig.seen_locally().is_empty(), "{text}");
        let record = decided(&rig).await;
        assert_eq!(
            (&record["rule"], &record["decision"]),
            (&json!("rego/night"), &json!("deny")),
            "{record}"
        );
        let reason = record["reason"].as_str().unwrap();
        assert!(reason.starts_with("rego-failed: ") && reason.contains(why), "{record}");
        assert!(!record.to_string().contains(CARD), "{record}");
    }
}

/// The attack: programs that the proxy had no room for in what it tells the router.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_told_counts_as_the_worst() {
    let rego = "default route = \"block\"\nroute = \"pass\" { input.binary == \"python3.11\" }";
    let rig = Rig::start(plan(Sensitive::Pass, rego)).await;
    assert_eq!(rig.chat("hello").await.status, 200);
    let sent = rig.seen_in_cloud().len();
    for (from, to) in [
        ("x-openshell-programs: 1", "x-openshell-programs: 2"),
        ("x-openshell-programs: 1", "x-openshell-programs: 0"),
        ("/usr/bin/python3.11", "/usr/bin/python3.11…"),
        (
            "{\"owners\":[{\"binary\":\"/usr/bin/python3.11\",\"pid\":7,\"uid\":1000}]}",
            "{\"unknown\":\"gone\"}",
        ),
    ] {
        let (context, body) = (CONTEXT.replace(from, to), json!({"model":"m","messages":[]}).to_string());
        assert_ne!(context, CONTEXT);
        let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let reply =
            rig.raw(&format!("POST /v1/chat/completions HTTP/1.1\r\n{context}{head}\r\n{body}")).await;
        assert_eq!(reply.status, 403, "{to}: {reply:?}");
    }
    assert_eq!(rig.seen_in_cloud().len(), sent);
}

/// The attack: a name for a model that no record may hold, to slip past a comparison with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_models_name_that_is_withheld_is_compared_all_the_same() {
    let rego = "default route = \"pass\"\nroute = \"block\" { input.model != \"small\" }";
    let rig = Rig::start(plan(Sensitive::Pass, rego)).await;
    let chat = |model: &str| json!({"model":model,"messages":[{"role":"user","content":"hi"}]}).to_string();
    for (model, status) in [("small", 200), ("large", 403), ("sm\u{200b}all", 403), (MAIL, 403), ("", 403)] {
        assert_eq!(rig.post("/v1/chat/completions", &chat(model)).await.status, status, "{model:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_that_may_be_asked_are_told() {
    let rego = "default route = \"pass\"\n\
        route = \"local\" { not startswith(input.cloud[_].region, \"eu\") }";
    let with = |after| Plan {
        in_region: Some("eu-west-1"),
        after_in_region: Some(after),
        after: [None, Some(Script::Document(ANSWER))],
        ..plan(Sensitive::Pass, rego)
    };
    let rig = Rig::start(with("eu-central-1")).await;
    assert_eq!(zone(&rig.chat("hello").await), Some("cloud"));
    let rig = Rig::start(with("us-east-1")).await;
    assert_eq!(zone(&rig.chat("hello").await), Some("local"));
    // One that is never asked does not count.
    let rig = Rig::start(Plan { regions: Some(&["eu"]), ..with("us-east-1") }).await;
    assert_eq!(zone(&rig.chat("hello").await), Some("cloud"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rego_keeps_stays_in_its_zone_and_keeps_the_session_if_it_holds_data() {
    let rego = "default route = \"pass\"\nroute = \"local\" { input.bytes > 200 }";
    let directive = || Directive {
        sensitive: Some(Sensitive::Pass),
        after_local: AfterLocal::Local,
        ..Directive::default()
    };
    let long = "word ".repeat(60);
    let rig = Rig::start(Plan { directive: directive(), ..plan(Sensitive::Pass, rego) }).await;
    assert_eq!(zone(&rig.chat(&long).await), Some("local"));
    assert_eq!(zone(&rig.chat("hello").await), Some("cloud"), "nothing was found in the one before");
    assert_eq!(zone(&rig.chat(&format!("{long} {MAIL}")).await), Some("local"));
    assert_eq!(zone(&rig.chat("hello").await), Some("local"));
    assert_eq!(rig.seen_in_cloud().len(), 1);
    // A local server that fails, or none, is no reason to go elsewhere.
    let failing = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    for local in [Some(Script::Raw(failing)), None] {
        let rig = Rig::start(Plan { local, ..plan(Sensitive::Pass, rego) }).await;
        assert!(rig.chat(&long).await.status >= 400);
        assert!(rig.seen_in_cloud().is_empty());
    }
}

/// Where what is found cannot be replaced, Rego's word to replace it keeps the call.
#[tokio::test(flavor = "multi_thread")]
async fn what_rego_wants_replaced_and_cannot_be_stays() {
    let rig = Rig::start(plan(Sensitive::Pass, "route = \"redact\"")).await;
    let picture = json!({"model":"m","messages":[{"role":"user","content":[
        {"type":"image_url","image_url":{"url":"https://x.test/y.png"}}]}]});
    let reply = rig.post("/v1/chat/completions", &picture.to_string()).await;
    assert_eq!((reply.status, zone(&reply)), (200, Some("local")), "{reply:?}");
    assert!(rig.seen_in_cloud().is_empty());
    let record = decided(&rig).await;
    assert_eq!((&record["rule"], &record["reason"]), (&json!("rego/night"), &json!("unredacted-to-local")));
}
