//! The call.

use serde_json::{Map, Value, json};

use crate::json::Node;
use crate::wire_api::Endpoint;

/// A part of a call that a server of the other API cannot be told.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} cannot be told to the local model server, which speaks another API")]
pub struct Untranslatable(&'static str);

/// Members that are the same in both.
const SAME: [&str; 5] = ["model", "max_tokens", "temperature", "top_p", "top_k"];

/// A call's body as one of `chat/completions`. To count tokens, one token of an answer is asked for: what the server then
/// says of the prompt is the count.
///
/// # Errors
/// [`Untranslatable`].
pub fn request(endpoint: Endpoint, body: &Node) -> Result<Vec<u8>, Untranslatable> {
    let body = serde_json::to_value(body).unwrap_or_default();
    let mut chat = Map::new();
    for key in SAME.into_iter().filter(|key| !body[*key].is_null()) {
        chat.insert(key.to_owned(), body[key].clone());
    }
    if let Some(stop) = body.get("stop_sequences").filter(|stop| !stop.is_null()) {
        chat.insert("stop".to_owned(), stop.clone());
    }
    chat.insert("messages".to_owned(), messages(&body)?.into());
    let tools = list(&body["tools"]).map(tool).collect::<Result<Vec<_>, _>>()?;
    if !tools.is_empty() {
        chat.insert("tools".to_owned(), tools.into());
        choice(&body["tool_choice"], &mut chat);
    }
    if body["output_format"]["type"] == "json_schema" {
        let schema = json!({ "name": "output", "schema": body["output_format"]["schema"] });
        chat.insert("response_format".to_owned(), json!({ "type": "json_schema", "json_schema": schema }));
    }
    if endpoint == Endpoint::CountTokens {
        chat.insert("max_tokens".to_owned(), 1.into());
    } else if body["stream"] == true {
        chat.insert("stream".to_owned(), true.into());
        chat.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
    Ok(Value::Object(chat).to_string().into_bytes())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn messages(body: &Value) -> Result<Vec<Value>, Untranslatable> {
    let mut messages = Vec::new();
    if let Some(system) = text(&body["system"]).filter(|system| !system.is_empty()) {
        messages.push(json!({ "role": "system", "content": system }));
    }
    for message in list(&body["messages"]) {
        match message["role"].as_str() {
            Some("assistant") => messages.push(assistant(&message["content"])),
            Some("system") => {
                messages.push(
                    json!({ "role": "system", "content": text(&message["content"]).unwrap_or_default() }),
                );
            }
            _ => user(&message["content"], &mut messages)?,
        }
    }
    Ok(messages)
}

/// A text, or the texts of blocks.
fn text(content: &Value) -> Option<String> {
    match content {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        blocks => {
            let texts: Vec<&str> = list(blocks).filter_map(|block| block["text"].as_str()).collect();
            Some(texts.join("\n\n"))
        }
    }
}

/// What a model said before. What it thought is signed by another and is not for this one.
fn assistant(content: &Value) -> Value {
    let calls: Vec<Value> = list(content)
        .filter(|block| block["type"] == "tool_use")
        .map(|block| {
            let function = json!({ "name": block["name"], "arguments": block["input"].to_string() });
            json!({ "id": block["id"], "type": "function", "function": function })
        })
        .collect();
    let mut message = json!({ "role": "assistant", "content": text(content) });
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    message
}

/// Results of tools come first, each as a message of its own; what the user says follows.
fn user(content: &Value, messages: &mut Vec<Value>) -> Result<(), Untranslatable> {
    if content.is_string() {
        messages.push(json!({ "role": "user", "content": content }));
        return Ok(());
    }
    let mut parts = Vec::new();
    for block in list(content) {
        if block["type"] == "tool_result" {
            let result = text(&block["content"]).unwrap_or_default();
            messages.push(json!({ "role": "tool", "tool_call_id": block["tool_use_id"], "content": result }));
            let pictures = list(&block["content"]).filter(|inner| inner["type"] != "text");
            parts.extend(pictures.map(part).collect::<Result<Vec<_>, _>>()?);
        } else {
            parts.push(part(block)?);
        }
    }
    if !parts.is_empty() {
        messages.push(json!({ "role": "user", "content": parts }));
    }
    Ok(())
}

fn part(block: &Value) -> Result<Value, Untranslatable> {
    let source = &block["source"];
    let texts = |text: &str| json!({ "type": "text", "text": text });
    match (block["type"].as_str(), source["type"].as_str()) {
        (Some("text"), _) => Ok(texts(block["text"].as_str().unwrap_or_default())),
        (Some("image"), Some("url")) => {
            Ok(json!({ "type": "image_url", "image_url": { "url": source["url"] } }))
        }
        (Some("image"), Some("base64")) => {
            let kind = source["media_type"].as_str().unwrap_or("image/png");
            let url = format!("data:{kind};base64,{}", source["data"].as_str().unwrap_or_default());
            Ok(json!({ "type": "image_url", "image_url": { "url": url } }))
        }
        (Some("document"), Some("text")) => Ok(texts(source["data"].as_str().unwrap_or_default())),
        (Some("document"), Some("content")) => Ok(texts(&text(&source["content"]).unwrap_or_default())),
        (Some("search_result"), _) => Ok(texts(&text(&block["content"]).unwrap_or_default())),
        _ => Err(Untranslatable("a document or picture that only its provider can read")),
    }
}

fn tool(tool: &Value) -> Result<Value, Untranslatable> {
    if tool["input_schema"].is_null() {
        return Err(Untranslatable("a tool whose parameters only its provider's models know"));
    }
    let mut function = json!({ "name": tool["name"], "parameters": tool["input_schema"] });
    if !tool["description"].is_null() {
        function["description"] = tool["description"].clone();
    }
    Ok(json!({ "type": "function", "function": function }))
}

fn choice(choice: &Value, chat: &mut Map<String, Value>) {
    let chosen = match choice["type"].as_str() {
        Some("any") => "required".into(),
        Some("none") => "none".into(),
        Some("tool") => json!({ "type": "function", "function": { "name": choice["name"] } }),
        Some(_) => "auto".into(),
        None => return,
    };
    chat.insert("tool_choice".to_owned(), chosen);
    if choice["disable_parallel_tool_use"] == true {
        chat.insert("parallel_tool_calls".to_owned(), false.into());
    }
}
