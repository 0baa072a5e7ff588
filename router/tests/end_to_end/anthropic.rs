//! The Anthropic API, in and out.

use serde_json::{Value, json};
use wire::router::{Api, Directive, Sensitive};

use crate::echo;
use crate::rig::{CONTEXT, Plan, Reply, Rig, Script, all};

const MAIL: &str = "jane@example.com";
const KEY: &str = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";
const CARD: &str = "4111111111111111";

fn plan() -> Plan {
    let echo = Some(Script::Echo);
    Plan {
        apis: [Api::Anthropic; 2],
        cloud: echo.clone(),
        local: echo,
        directive: Directive::default(),
        ..Plan::default()
    }
}

fn body(content: &Value, stream: bool) -> String {
    json!({"model":"m","max_tokens":9,"stream":stream,"system":"Be kind.","messages":[{"role":"user","content":content}]})
        .to_string()
}

async fn post(rig: &Rig, path: &str, headers: &str, body: &str) -> Reply {
    let headers = format!(
        "content-type: application/json\r\nanthropic-version: 2023-06-01\r\nx-api-key: guest\r\n{headers}"
    );
    let length = body.len();
    rig.raw(&format!("POST {path} HTTP/1.1\r\n{CONTEXT}{headers}content-length: {length}\r\n\r\n{body}"))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_out_redacted_and_comes_back_whole() {
    let rig = Rig::start(plan()).await;
    let said = format!("Ask {MAIL} \"for\" {KEY}");
    let path = "/v1/messages?beta=true";
    let reply =
        post(&rig, path, "anthropic-beta: context-1m-2025-08-07\r\n", &body(&json!(said), false)).await;
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(answer["content"][1]["text"], said.as_str(), "{reply:?}");
    let for_the_tool = said.replace(KEY, "<GITHUB_TOKEN_1>");
    assert_eq!(answer["content"][2]["input"]["said"], for_the_tool.as_str());
    let redacted = "Ask <EMAIL_ADDRESS_1> \"for\" <GITHUB_TOKEN_1>";
    assert_eq!(answer["content"][0], echo::thought(redacted), "what is signed stays");
    let [seen] = &rig.seen_in_cloud()[..] else { panic!("one request") };
    assert!(seen.head.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{}", seen.head);
    for field in
        ["x-api-key: cloud", "anthropic-version: 2023-06-01", "anthropic-beta: context-1m-2025-08-07"]
    {
        assert!(seen.head.contains(field), "{}", seen.head);
    }
    assert!(
        !seen.head.contains("guest") && !seen.body.contains(MAIL) && !seen.body.contains(KEY),
        "{seen:?}"
    );
    let sent: Value = serde_json::from_str(&seen.body).unwrap();
    assert!(sent["system"].as_str().unwrap().starts_with("Be kind.\n\n"), "{sent}");
    let outcome = rig.record("inference-outcome").await["inference"].clone();
    assert_eq!((&outcome["tokens_in"], &outcome["tokens_out"]), (&json!(7), &json!(9)));
    // The next turn brings the signed block back as it was.
    let history = json!([echo::thought(redacted), {"type":"text","text":said}]);
    post(&rig, path, "", &body(&history, false)).await;
    let again: Value = serde_json::from_str(&rig.seen_in_cloud()[1].body).unwrap();
    assert_eq!(again["messages"][0]["content"][0], echo::thought(redacted));
    assert_eq!(again["messages"][0]["content"][1]["text"], redacted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_message_comes_back_whole() {
    let rig = Rig::start(plan()).await;
    let said = format!("Ask {MAIL} \"for\" {KEY}");
    let reply = post(&rig, "/v1/messages", "", &body(&json!(said), true)).await;
    let data = reply.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    let block = |index: u64, key: &str| -> String {
        let deltas =
            events.iter().filter(|event| event["type"] == "content_block_delta" && event["index"] == index);
        deltas.filter_map(|event| event["delta"][key].as_str()).collect()
    };
    let redacted = "Ask <EMAIL_ADDRESS_1> \"for\" <GITHUB_TOKEN_1>";
    assert_eq!(block(0, "thinking"), format!("They say {redacted}"));
    assert_eq!(block(1, "text"), said);
    let arguments: Value = serde_json::from_str(&block(2, "partial_json")).unwrap();
    assert_eq!(arguments["said"], said.replace(KEY, "<GITHUB_TOKEN_1>").as_str());
    let mut open = None;
    for event in &events {
        match event["type"].as_str().unwrap() {
            "content_block_start" => open = Some(event["index"].clone()),
            "content_block_delta" => {
                assert_eq!(open.as_ref(), Some(&event["index"]), "after its block's end")
            }
            "content_block_stop" => assert_eq!(open.take().as_ref(), Some(&event["index"])),
            _ => {}
        }
    }
    assert!(reply.body.contains("event: content_block_delta\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_stays_wherever_it_stands() {
    let rig = Rig::start(Plan { directive: all(Sensitive::Local), ..plan() }).await;
    let with = |key: &str, value: Value| {
        let mut call = json!({"model":"m","max_tokens":9,"messages":[]});
        call[key] = value;
        call
    };
    let block = |block: Value| with("messages", json!([{"role":"user","content":[block]}]));
    let calls = [
        with("system", json!(CARD)),
        with("system", json!([{"type":"text","text":CARD}])),
        with("metadata", json!({"user_id":MAIL})),
        with("stop_sequences", json!([CARD])),
        with("tools", json!([{"name":"f","description":CARD,"input_schema":{}}])),
        with("tools", json!([{"name":"f","input_schema":{"properties":{"x":{"enum":[CARD]}}}}])),
        block(json!({"type":"text","text":CARD})),
        block(json!({"type":"thinking","thinking":CARD,"signature":"x"})),
        block(json!({"type":"thinking","thinking":"x","signature":MAIL})),
        block(json!({"type":"redacted_thinking","data":"x"})),
        block(
            json!({"type":"tool_use","id":"1","name":"f","input":{"deep":[{"n":4_111_111_111_111_111_u64}]}}),
        ),
        block(json!({"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":MAIL}]})),
        block(json!({"type":"document","title":MAIL,"source":{"type":"text","data":"x"}})),
        block(json!({"type":"document","source":{"type":"text","data":CARD}})),
        block(
            json!({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}),
        ),
        block(json!({"type":"image","source":{"type":"url","url":"https://x.test/y.png"}})),
        block(json!({"type":"text","text":"NDExMTExMTExMTExMTExMQ=="})),
    ];
    for call in &calls {
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let reply = post(&rig, path, "", &call.to_string()).await;
            assert!(reply.status == 200 && reply.head.contains("zone: local"), "{call}: {reply:?}");
        }
    }
    assert!(rig.seen_in_cloud().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_one_that_the_clients_of_the_api_read() {
    let rig = Rig::start(Plan { local: None, ..plan() }).await;
    let search =
        json!({"model":"m","messages":[],"tools":[{"type":"web_search_20250305","name":"s"}]}).to_string();
    let card = body(&json!(CARD), false);
    for (path, headers, body, status, kind, part) in [
        ("/v1/messages", "", &*search, 400, "invalid_request_error", "tools[0].type: is not a tool"),
        ("/v1/messages", "", "{", 400, "invalid_request_error", "strict JSON"),
        (
            "/v1/messages",
            "anthropic-beta: jane@example.com\r\n",
            "{\"model\":\"m\",\"messages\":[]}",
            400,
            "invalid_request_error",
            "anthropic-beta",
        ),
        ("/v1/messages/batches", "", &search, 404, "not_found_error", "no call"),
        ("/v1/messages?x=y", "", &search, 404, "not_found_error", "no call"),
        ("/v1/messages", "", &card, 403, "permission_error", "no local model server"),
    ] {
        let reply = post(&rig, path, headers, body).await;
        let refusal: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(
            (reply.status, &refusal["type"], &refusal["error"]["type"]),
            (status, &json!("error"), &json!(kind))
        );
        assert!(refusal["error"]["message"].as_str().unwrap().contains(part), "{refusal}");
        assert!(!reply.body.contains(CARD) && !reply.body.contains("jane"), "{reply:?}");
    }
    assert!(rig.seen_in_cloud().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_only_calls_that_it_speaks() {
    let rig = Rig::start(plan()).await;
    let reply = rig.chat("hello").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "no-server"), "{reply:?}");
    let models =
        rig.raw(&format!("GET /v1/models HTTP/1.1\r\n{CONTEXT}anthropic-version: 2023-06-01\r\n\r\n")).await;
    let listed: Value = serde_json::from_str(&models.body).unwrap();
    assert_eq!(
        (&listed["data"][0]["type"], &listed["has_more"]),
        (&json!("model"), &json!(false)),
        "{listed}"
    );
    assert!(rig.seen_in_cloud().is_empty() && rig.seen_locally().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_server_of_the_other_api_serves_what_must_stay() {
    let rig = Rig::start(Plan { apis: [Api::Anthropic, Api::OpenAi], ..plan() }).await;
    let said = format!("Pay with {CARD}");
    let whole = post(&rig, "/v1/messages", "", &body(&json!(said), false)).await;
    assert!(whole.head.contains("zone: local"), "{whole:?}");
    let answer: Value = serde_json::from_str(&whole.body).unwrap();
    assert_eq!((&answer["type"], &answer["content"][0]["text"]), (&json!("message"), &json!(said)));
    assert_eq!(answer["content"][1]["input"]["said"], said.as_str());
    let streamed = post(&rig, "/v1/messages", "", &body(&json!(said), true)).await;
    assert!(streamed.body.starts_with("event: message_start\n"), "{streamed:?}");
    assert!(streamed.body.ends_with("data: {\"type\":\"message_stop\"}\n\n"), "{streamed:?}");
    let counted = post(&rig, "/v1/messages/count_tokens", "", &body(&json!(said), false)).await;
    assert_eq!(counted.body, r#"{"input_tokens":7}"#);
    let paths: Vec<String> = rig.seen_locally().into_iter().map(|seen| seen.head).collect();
    assert!(paths.iter().all(|head| head.starts_with("POST /v1/chat/completions ")), "{paths:?}");
    assert!(rig.seen_in_cloud().is_empty());
    let bash =
        json!({"model":"m","messages":[],"tools":[{"type":"bash_20250124","name":"bash"}],"system":CARD});
    let refused = post(&rig, "/v1/messages", "", &bash.to_string()).await;
    assert!(refused.status == 400 && refused.body.contains("not-translatable"), "{refused:?}");
    assert_eq!(rig.seen_locally().len(), 3);
}
