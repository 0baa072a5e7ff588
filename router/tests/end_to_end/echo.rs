//! A model that repeats what it is told, in every API.

use serde_json::{Value, json};

/// Characters of a piece of a stream.
const PIECE: usize = 5;

/// The answer to a call, head included.
pub(crate) fn answer(body: &str) -> String {
    let call: Value = serde_json::from_str(body).unwrap();
    let text = said(&call);
    let document = if call["input"].is_null() { chat(&text) } else { response(&text) };
    if call["stream"] == true {
        let events = if call["input"].is_null() { chat_events(&text) } else { response_events(&text) };
        return format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{events}",
            events.len()
        );
    }
    let document = document.to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{document}",
        document.len()
    )
}

/// What the last message of a call says.
fn said(call: &Value) -> String {
    let last = call["messages"].as_array().and_then(|messages| messages.last());
    let content = last.map_or(&call["input"], |message| &message["content"]);
    content.as_str().map_or_else(|| content.to_string(), str::to_owned)
}

fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(PIECE).map(|piece| piece.iter().collect()).collect()
}

fn call_of(text: &str) -> Value {
    let arguments = json!({ "said": text }).to_string();
    json!({"id":"c1","type":"function","function":{"name":"f","arguments":arguments}})
}

fn chat(text: &str) -> Value {
    let message = json!({"role":"assistant","content":text,"tool_calls":[call_of(text)]});
    json!({"id":"x","object":"chat.completion","model":"served","usage":{"prompt_tokens":7,"completion_tokens":9},
        "choices":[{"index":0,"message":message,"finish_reason":"stop"}]})
}

fn chat_events(text: &str) -> String {
    let chunk = |delta: Value, end: Value| {
        let choice = json!({"index":0,"delta":delta,"finish_reason":end});
        format!("data: {}\n\n", json!({"object":"chat.completion.chunk","model":"served","choices":[choice]}))
    };
    let arguments = call_of(text)["function"]["arguments"].as_str().unwrap().to_owned();
    let mut events: Vec<String> =
        pieces(text).into_iter().map(|piece| chunk(json!({"content":piece}), Value::Null)).collect();
    events.extend(
        pieces(&arguments).into_iter().map(|piece| {
            chunk(json!({"tool_calls":[{"index":0,"function":{"arguments":piece}}]}), Value::Null)
        }),
    );
    events.push(chunk(json!({}), json!("stop")));
    events.push("data: [DONE]\n\n".to_owned());
    events.concat()
}

fn response(text: &str) -> Value {
    let message =
        json!({"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":text}]});
    let arguments = json!({ "said": text }).to_string();
    let call = json!({"type":"function_call","id":"c","call_id":"c1","name":"f","arguments":arguments});
    json!({"id":"x","object":"response","model":"served","usage":{"input_tokens":7,"output_tokens":9},
        "output":[message,call]})
}

fn response_events(text: &str) -> String {
    let mut number = 0;
    let mut event = |kind: &str, mut body: Value| {
        body["type"] = kind.into();
        body["sequence_number"] = number.into();
        number += 1;
        format!("event: {kind}\ndata: {body}\n\n")
    };
    let whole = response(text);
    let mut events = vec![event("response.created", json!({"response":{"model":"served"}}))];
    for piece in pieces(text) {
        events.push(event(
            "response.output_text.delta",
            json!({"output_index":0,"content_index":0,"delta":piece}),
        ));
    }
    events.push(event("response.output_text.done", json!({"output_index":0,"content_index":0,"text":text})));
    let arguments = whole["output"][1]["arguments"].as_str().unwrap();
    for piece in pieces(arguments) {
        events.push(event("response.function_call_arguments.delta", json!({"output_index":1,"delta":piece})));
    }
    events.push(event(
        "response.function_call_arguments.done",
        json!({"output_index":1,"arguments":arguments}),
    ));
    events.push(event("response.completed", json!({"response":whole})));
    events.concat()
}
