//! Pieces of documents that the operator has registered.

use classify::property::documents::prints;
use serde_json::{Value, json};
use wire::router::{AfterLocal, Directive, Document, Sensitive};

use crate::rig::{Plan, Rig, Script};

const ROADMAP: &str = "In the spring the turbine of the second plant is taken off the grid for nine weeks, because the blades of \
    its third stage have cracks that nobody outside of this building has heard of. The supplier is paid in three parts, \
    the last of them after the summer, and until then the plant runs on what the older boilers give. Whoever is asked \
    about it says that the work was planned long ago.";

const HANDBOOK: &str = "Whoever leaves the building last turns off the lights, closes the windows on the side of the river, and \
    tells the night watch how many people are still in the laboratory, with their names and the numbers of their rooms.";

/// Words of the roadmap that no prompt may take to the cloud.
const CANARIES: [&str; 3] = ["turbine", "cracks", "nine weeks"];

fn plan(rules: &[(&str, Sensitive)]) -> Plan {
    let document = |name: &str, text| Document { name: name.to_owned(), prints: prints([text]) };
    let rules = rules.iter().map(|(name, word)| ((*name).to_owned(), *word)).collect();
    Plan {
        directive: Directive { rules, after_local: AfterLocal::Judge, ..Directive::default() },
        documents: vec![document("roadmap", ROADMAP), document("handbook", HANDBOOK)],
        cloud: Some(Script::Echo),
        ..Plan::default()
    }
}

fn piece() -> &'static str {
    &ROADMAP[..174]
}

fn said(contents: &[Value]) -> String {
    let messages = contents.iter().map(|content| json!({"role":"user","content":content}));
    json!({"model":"m","messages":messages.collect::<Vec<_>>()}).to_string()
}

/// Calls that hold the piece, each in another way.
fn disguises() -> Vec<String> {
    let piece = piece();
    let (head, tail) = piece.split_at(88);
    let one = |content: Value| said(&[content]);
    let arguments = json!({"to":"a","body":piece.replace(". ", ".\n")}).to_string();
    let nested = json!({"request": arguments}).to_string();
    let call = |arguments: String| {
        json!({"model":"m","messages":[{"role":"user","content":"go on"},
            {"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"mail","arguments":arguments}}]},
            {"role":"tool","tool_call_id":"1","content":"sent"}]})
        .to_string()
    };
    vec![
        one(json!(format!("Make this shorter: {piece} Thanks."))),
        one(json!(piece.to_uppercase().replace(' ', "\n  > "))),
        one(json!(piece.replace(' ', "\u{200b} \u{a0}"))),
        one(json!(piece.replace(' ', ", *"))),
        one(json!(piece.replace(' ', "%20"))),
        said(&[
            json!("Here is the first part. ".to_owned() + head),
            json!(tail.to_owned() + " That was it."),
        ]),
        one(json!([{"type":"text","text":head},{"type":"text","text":tail}])),
        call(arguments),
        call(nested),
        json!({"model":"m","messages":[{"role":"system","content":piece},{"role":"user","content":"hi"}]})
            .to_string(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_stays_however_it_is_set_and_the_record_names_the_document() {
    for call in disguises() {
        let rig = Rig::start(plan(&[])).await;
        for _turn in 0..2 {
            let reply = rig.post("/v1/chat/completions", &call).await;
            assert!(reply.head.contains("openshell-inference-zone: local"), "{call}: {reply:?}");
        }
        assert!(rig.seen_in_cloud().is_empty(), "{call}");
        let record = rig.record("inference").await;
        assert_eq!(record["rule"], "sensitive-to-local");
        assert_eq!(record["inference"]["categories"], json!({"property/roadmap": 1}), "{call}");
        assert!(CANARIES.iter().all(|word| !record.to_string().contains(word)), "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn common_phrases_go_to_the_cloud() {
    let rig = Rig::start(plan(&[])).await;
    for content in [
        "How long is a turbine taken off the grid for, and who pays the supplier?",
        "Until then the plant runs. Whoever is asked about it says nothing.",
        "In the spring of the second year the bridge was closed for nine weeks, because the stones of its third arch had cracks.",
    ] {
        let reply = rig.post("/v1/chat/completions", &said(&[json!(content)])).await;
        assert!(reply.head.contains("openshell-inference-zone: cloud"), "{content}: {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_document_has_its_word() {
    let rig =
        Rig::start(plan(&[("property/roadmap", Sensitive::Block), ("property", Sensitive::Pass)])).await;
    let reply = rig.post("/v1/chat/completions", &said(&[json!(piece())])).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "sensitive-blocked"), "{reply:?}");
    let reply = rig.post("/v1/chat/completions", &said(&[json!(HANDBOOK)])).await;
    assert!(reply.head.contains("openshell-inference-zone: cloud"), "{reply:?}");
    assert!(rig.seen_in_cloud().iter().all(|seen| seen.body.contains("the night watch")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_is_replaced_whole_and_put_back() {
    let rig = Rig::start(plan(&[("property", Sensitive::Redact)])).await;
    let calls = [
        said(&[json!(format!("Make this shorter: {} Thanks.", piece()))]),
        said(&[json!("One moment."), json!(format!("\n{}\n", piece().to_uppercase().replace(' ', "\n")))]),
    ];
    for call in &calls {
        let reply = rig.post("/v1/chat/completions", call).await;
        assert!(reply.head.contains("openshell-inference-zone: cloud"), "{call}: {reply:?}");
        let asked: Value = serde_json::from_str(call).unwrap();
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        let last = asked["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], last["content"]);
    }
    for seen in rig.seen_in_cloud() {
        let body = seen.body.to_lowercase();
        assert!(seen.body.contains("<ROADMAP_"), "{}", seen.body);
        for word in CANARIES.iter().chain(&["spring", "building"]) {
            assert!(!body.contains(word), "{word} in {}", seen.body);
        }
    }
    let record = rig.record("inference").await;
    assert_eq!(
        (&record["rule"], &record["reason"]),
        (&json!("redacted-to-cloud"), &json!("placeholders: 1"))
    );
}

/// What is enough to be a piece is replaced in each message; a rest that is too short for that keeps the call.
#[tokio::test(flavor = "multi_thread")]
async fn a_piece_in_two_messages_is_replaced_in_both_or_stays() {
    for (cut, zone, rule) in [(88, "cloud", "redacted-to-cloud"), (118, "local", "unredacted-to-local")] {
        let rig = Rig::start(plan(&[("property", Sensitive::Redact)])).await;
        let (head, tail) = piece().split_at(cut);
        let reply = rig.post("/v1/chat/completions", &said(&[json!(head), json!(tail)])).await;
        assert!(reply.head.contains(&format!("openshell-inference-zone: {zone}")), "{cut}: {reply:?}");
        for seen in rig.seen_in_cloud() {
            for word in ["turbine", "blades", "nobody", "building"] {
                assert!(!seen.body.contains(word), "{word} in {}", seen.body);
            }
        }
        assert_eq!(rig.record("inference").await["rule"], rule);
    }
}
