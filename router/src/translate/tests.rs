use serde_json::{Value, json};

use super::events::Events;
use super::{document, request};
use crate::json::Node;
use crate::wire_api::Endpoint;

fn translated(body: &Value) -> Value {
    let node = Node::parse(body.to_string().as_bytes()).unwrap();
    serde_json::from_slice(&request(Endpoint::Messages, &node).unwrap()).unwrap()
}

#[test]
fn a_conversation_with_tools_is_told_in_the_other_api() {
    let chat = translated(&json!({
        "model": "m", "max_tokens": 9, "stream": true, "stop_sequences": ["x"], "thinking": {"type": "enabled"},
        "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "let me"},
                {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [
                {"type": "text", "text": "and"},
                {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "42"}]},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]},
        ],
    }));
    assert_eq!(
        chat,
        json!({
            "model": "m", "max_tokens": 9, "stream": true, "stream_options": {"include_usage": true}, "stop": ["x"],
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false,
            "messages": [
                {"role": "system", "content": "a\n\nb"},
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "let me", "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
                {"role": "tool", "tool_call_id": "1", "content": "42"},
                {"role": "user", "content": [
                    {"type": "text", "text": "and"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
            ],
        })
    );
}

#[test]
fn what_has_no_words_there_is_refused() {
    for body in [
        json!({"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "file"}}]}]}),
        json!({"messages": [], "tools": [{"type": "bash_20250124", "name": "bash"}]}),
    ] {
        let node = Node::parse(body.to_string().as_bytes()).unwrap();
        assert!(request(Endpoint::Messages, &node).is_err(), "{body}");
    }
}

#[test]
fn an_answer_comes_back_as_a_message() {
    let said = json!({
        "id": "c", "model": "served", "usage": {"prompt_tokens": 3, "completion_tokens": 5},
        "choices": [{"finish_reason": "tool_calls", "message": {"content": "text", "tool_calls": [
            {"id": "1", "function": {"name": "f", "arguments": "{\"a\":1}"}},
            {"id": "2", "function": {"name": "g", "arguments": "nonsense"}}]}}],
    });
    let answer = |endpoint, said: &Value| -> Value {
        serde_json::from_slice(&document::answer(endpoint, said.to_string().into_bytes())).unwrap()
    };
    let message = answer(Endpoint::Messages, &said);
    assert_eq!(message["stop_reason"], "tool_use");
    assert_eq!(message["usage"], json!({"input_tokens": 3, "output_tokens": 5}));
    assert_eq!(
        message["content"],
        json!([{"type": "text", "text": "text"}, {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "2", "name": "g", "input": {}}])
    );
    assert_eq!(answer(Endpoint::CountTokens, &said), json!({"input_tokens": 3}));
    let error = answer(Endpoint::Messages, &json!({"error": {"message": "too long"}}));
    assert_eq!(error["error"], json!({"type": "api_error", "message": "too long"}));
    assert_eq!(document::answer(Endpoint::Messages, b"no json".to_vec()), b"no json");
}

fn events(chunks: &[Value], end: &str, size: usize) -> Vec<Value> {
    let stream: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>() + end;
    let (mut events, mut out) = (Events::default(), Vec::new());
    for piece in stream.as_bytes().chunks(size) {
        out.extend(events.push(piece).unwrap());
    }
    out.extend(events.finish());
    let out = String::from_utf8(out).unwrap();
    out.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[test]
fn a_stream_comes_back_block_by_block_however_it_is_cut() {
    let delta = |delta: Value| json!({"id": "c", "model": "served", "choices": [{"delta": delta}]});
    let call = |call: Value| delta(json!({ "tool_calls": [call] }));
    let chunks = [
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"content": "Hel"})),
        delta(json!({"content": "lo"})),
        call(json!({"index": 0, "id": "1", "function": {"name": "f", "arguments": "{\"a\""}})),
        call(json!({"index": 0, "function": {"arguments": ":1}"}})),
        call(json!({"index": 1, "id": "2", "function": {"name": "g", "arguments": "{}"}})),
        json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}),
    ];
    for (size, end) in [(1, "data: [DONE]\n\n"), (17, "data: [DONE]\n\n"), (4096, "")] {
        let events = events(&chunks, end, size);
        let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        let (start, delta, stop) = ("content_block_start", "content_block_delta", "content_block_stop");
        let blocks = [start, delta, delta, stop, start, delta, delta, stop, start, delta, stop];
        let expected = [&["message_start"][..], &blocks, &["message_delta", "message_stop"]].concat();
        assert_eq!(kinds, expected, "{size}");
        assert_eq!(
            events[5]["content_block"],
            json!({"type": "tool_use", "id": "1", "name": "f", "input": {}})
        );
        assert_eq!(events[10]["delta"], json!({"type": "input_json_delta", "partial_json": "{}"}));
        assert_eq!(events[10]["index"], 2);
        assert_eq!(events[12]["delta"]["stop_reason"], "tool_use");
        assert_eq!(events[12]["usage"], json!({"input_tokens": 3, "output_tokens": 5}));
    }
}

#[test]
fn a_model_that_only_thought_has_said_that() {
    let answer = |message: Value| -> Value {
        let said = json!({"choices": [{"finish_reason": "stop", "message": message}]});
        serde_json::from_slice(&document::answer(Endpoint::Messages, said.to_string().into_bytes())).unwrap()
    };
    let text = json!([{"type": "text", "text": "The user wants"}]);
    assert_eq!(answer(json!({"content": null, "reasoning_content": "The user wants"}))["content"], text);
    assert_eq!(answer(json!({"content": "", "reasoning": "The user wants"}))["content"], text);
    // What it said is its answer.
    let both = answer(json!({"content": "yes", "reasoning_content": "The user wants"}));
    assert_eq!(both["content"], json!([{"type": "text", "text": "yes"}]));

    let chunk = |delta: Value| json!({"choices": [{"delta": delta}]});
    let thoughts = [chunk(json!({"reasoning_content": "The user "})), chunk(json!({"reasoning": "wants"}))];
    let alone = events(&thoughts, "data: [DONE]\n\n", 9);
    let kinds: Vec<&str> = alone.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[1..4], ["content_block_start", "content_block_delta", "content_block_stop"]);
    assert_eq!(alone[2]["delta"], json!({"type": "text_delta", "text": "The user wants"}));
    assert_eq!(kinds[4..], ["message_delta", "message_stop"]);
    let said = [thoughts.to_vec(), vec![chunk(json!({"content": "yes"}))]].concat();
    let said = events(&said, "data: [DONE]\n\n", 9);
    assert_eq!((said[2]["delta"]["text"].as_str(), said.len()), (Some("yes"), 6));
    let long = [chunk(json!({"reasoning": "é".repeat(200_000)})), chunk(json!({"reasoning": "é"}))];
    let long = events(&long, "", 4096);
    assert_eq!(long[2]["delta"]["text"].as_str().unwrap().len(), 256 * 1024);
}

#[test]
fn an_error_ends_a_stream() {
    let text = json!({"choices": [{"delta": {"content": "x"}}]});
    let call = |index: u32| json!({"choices": [{"delta": {"tool_calls": [{"index": index, "id": "1"}]}}]});
    let gone = json!({"error": {"message": "gone"}});
    for (chunks, count) in [(vec![gone], 4), (vec![call(0), call(1), call(0)], 8)] {
        let chunks = [vec![text.clone()], chunks, vec![text.clone()]].concat();
        let events = events(&chunks, "data: [DONE]\n\n", 9);
        assert_eq!(events.last().unwrap()["type"], "error", "{events:?}");
        assert_eq!(events.len(), count, "{events:?}");
    }
}
