//! A model that repeats what it is told, in every API.

use serde_json::{Value, json};

/// Characters of a piece of a stream.
const PIECE: usize = 5;

/// An API's answer to a text, as a document and as events.
type Form = (fn(&str) -> Value, fn(&str) -> String);

/// The answer to a call, head included.
pub(crate) fn answer(head: &str, body: &str) -> String {
    let call: Value = serde_json::from_str(body).unwrap();
    let text = said(&call);
    let (document, events): Form = match head.split(' ').nth(1).unwrap() {
        "/v1/messages" => (message, message_events),
        "/v1/messages/count_tokens" => (|_| json!({"input_tokens": 7}), |_| String::new()),
        "/v1/responses" => (response, response_events),
        _ => (chat, chat_events),
    };
    let (kind, body) = match call["stream"] == true {
        true => ("text/event-stream", events(&text)),
        false => ("application/json", document(&text).to_string()),
    };
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
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

/// What a model thought of a text: signed, so it must stay.
pub(crate) fn thought(text: &str) -> Value {
    json!({"type":"thinking","thinking":format!("They say {text}"),"signature":"c2lnbmVk"})
}

fn message(text: &str) -> Value {
    let call = json!({"type":"tool_use","id":"t1","name":"f","input":{"said":text}});
    json!({"id":"x","type":"message","role":"assistant","model":"served","stop_reason":"tool_use",
        "usage":{"input_tokens":7,"output_tokens":9},
        "content":[thought(text),{"type":"text","text":text},call]})
}

fn message_events(text: &str) -> String {
    let event = |body: Value| format!("event: {}\ndata: {body}\n\n", body["type"].as_str().unwrap());
    let started = json!({"model":"served","usage":{"input_tokens":7,"output_tokens":1},"content":[]});
    let mut events = vec![event(json!({"type":"message_start","message":started}))];
    let thinking = thought(text);
    let arguments = json!({ "said": text }).to_string();
    for (index, (block, kind, key, text)) in [
        (
            json!({"type":"thinking","thinking":""}),
            "thinking_delta",
            "thinking",
            thinking["thinking"].as_str().unwrap(),
        ),
        (json!({"type":"text","text":""}), "text_delta", "text", text),
        (
            json!({"type":"tool_use","id":"t1","name":"f","input":{}}),
            "input_json_delta",
            "partial_json",
            &*arguments,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        events.push(event(json!({"type":"content_block_start","index":index,"content_block":block})));
        for piece in pieces(text) {
            let delta = json!({"type":kind,key:piece});
            events.push(event(json!({"type":"content_block_delta","index":index,"delta":delta})));
        }
        events.push(event(json!({"type":"content_block_stop","index":index})));
    }
    let end = json!({"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}});
    events.push(event(end));
    events.push(event(json!({"type":"message_stop"})));
    events.concat()
}
