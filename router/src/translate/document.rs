//! An answer in one piece.

use serde_json::{Value, json};

use crate::wire_api::Endpoint;

/// A chat completion as a message, or as a count of tokens; what is neither passes.
#[must_use]
pub fn answer(endpoint: Endpoint, bytes: Vec<u8>) -> Vec<u8> {
    let Ok(answer) = serde_json::from_slice::<Value>(&bytes) else { return bytes };
    let translated = match super::error(&answer) {
        Some(error) => error,
        None if endpoint == Endpoint::CountTokens => {
            json!({ "input_tokens": super::usage(&answer)["input_tokens"] })
        }
        None => message(&answer),
    };
    translated.to_string().into_bytes()
}

fn message(answer: &Value) -> Value {
    let choice = &answer["choices"][0];
    let said = &choice["message"];
    let text = said["content"].as_str().filter(|text| !text.is_empty());
    let text = text.map(|text| json!({ "type": "text", "text": text }));
    let calls = said["tool_calls"].as_array().into_iter().flatten().map(|call| {
        let function = &call["function"];
        json!({ "type": "tool_use", "id": call["id"], "name": function["name"], "input": input(&function["arguments"]) })
    });
    let mut content: Vec<Value> = text.into_iter().chain(calls).collect();
    if content.is_empty() {
        // A model that stopped while it was thinking has said that and nothing else: better than an answer without any.
        content.extend(super::thought(said).map(|text| json!({ "type": "text", "text": text })));
    }
    json!({
        "id": answer["id"], "type": "message", "role": "assistant", "model": answer["model"], "content": content,
        "stop_reason": super::stop_reason(choice["finish_reason"].as_str()), "stop_sequence": null,
        "usage": super::usage(answer),
    })
}

/// What a model wrote as arguments is an object, or nothing that a tool could take.
fn input(arguments: &Value) -> Value {
    let parsed = arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    parsed.filter(Value::is_object).unwrap_or_else(|| json!({}))
}
