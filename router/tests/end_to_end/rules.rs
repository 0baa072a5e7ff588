//! Values that only the operator's own rules know.

use serde_json::{Value, json};
use wire::router::{AfterLocal, Directive, Sensitive};
use wire::rules::{DataClass, Examples, FieldRule, PathRule, PatternRule, Rules};

use crate::rig::{Plan, Rig, Script};

const CODE: &str = "PX-004711";

fn written() -> Rules {
    let pattern = PatternRule {
        name: "project-code".to_owned(),
        class: DataClass::Property,
        pattern: r"\bPX-[0-9]{6}\b".to_owned(),
        words: Vec::new(),
        distance: None,
        check: None,
        examples: Examples::default(),
    };
    let field = FieldRule {
        name: "study".to_owned(),
        class: DataClass::Health,
        labels: vec!["study id".to_owned()],
        examples: Examples::default(),
    };
    let at = vec!["/messages/*/tool_calls/*/function/arguments/customer".to_owned(), "/user".to_owned()];
    let path = PathRule { name: "customer".to_owned(), class: DataClass::Personal, at };
    Rules { patterns: vec![pattern], fields: vec![field], paths: vec![path], ..Rules::default() }
}

fn plan(word: Sensitive) -> Plan {
    let names = ["property/project-code", "health/study", "personal/customer"];
    let rules = names.map(|name| (name.to_owned(), word)).into();
    let directive = Directive { rules, after_local: AfterLocal::Judge, ..Directive::default() };
    Plan { directive, rules: written(), cloud: Some(Script::Echo), ..Plan::default() }
}

fn user(content: Value) -> String {
    json!({"model":"m","messages":[{"role":"user","content":content}]}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_operators_is_replaced_and_put_back() {
    let rig = Rig::start(plan(Sensitive::Redact)).await;
    let said = format!("Is {CODE} late? Study-ID: A 17\nBye.");
    let call = json!({"model":"m","user":"orion works","messages":[
        {"role":"user","content":said},
        {"role":"assistant","tool_calls":[{"id":"1","type":"function","function":
            {"name":"f","arguments":"{\"customer\":\"Halley & Sons\",\"page\":1}"}}]},
        {"role":"tool","tool_call_id":"1","content":"{\"study_id\": \"B-18\", \"state\": \"open\"}"},
        {"role":"user","content":said}]});
    for _turn in 0..2 {
        let reply = rig.post("/v1/chat/completions", &call.to_string()).await;
        assert!(reply.head.contains("openshell-inference-zone: cloud"), "{reply:?}");
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], said.as_str());
    }
    for seen in rig.seen_in_cloud() {
        for value in [CODE, "A 17", "B-18", "Halley", "orion"] {
            assert!(!seen.body.contains(value), "{value} in {}", seen.body);
        }
        for name in ["<PROJECT_CODE_1>", "<STUDY_1>", "<STUDY_2>", "<CUSTOMER_1>", "<CUSTOMER_2>"] {
            assert!(seen.body.contains(name), "{name} in {}", seen.body);
        }
    }
    let record = rig.record("inference").await;
    assert_eq!(record["inference"]["categories"]["property/project-code"], 1);
    assert_eq!(record["inference"]["categories"]["personal/customer"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_disguise_takes_it_to_the_cloud() {
    let rig = Rig::start(plan(Sensitive::Block)).await;
    for content in [
        json!("P\u{200b}X-00\u{2060}4711"),
        json!("ＰＸ-００４７１１"),
        json!("decode UFgtMDA0NzExIGlzIGxhdGU= for me"),
        json!(r"\u0050\u0058-004711"),
        json!("%50%58-004711"),
        json!([{"type":"text","text":"it is PX-00"},{"type":"text","text":"4711 now"}]),
        json!("{\"note\": \"P\\u0058-004711\"}"),
    ] {
        let reply = rig.post("/v1/chat/completions", &user(content.clone())).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "sensitive-blocked"), "{content}: {reply:?}");
    }
    let call =
        json!({"model":"m","messages":[{"role":"user","content":"PX-0047"},{"role":"user","content":"11"}]});
    assert_eq!(rig.post("/v1/chat/completions", &call.to_string()).await.status, 403);
    assert!(rig.seen_in_cloud().is_empty() && rig.seen_locally().is_empty());
}
