//! `responses`.

use super::super::NotUnderstood;
use super::super::fields::{Fields, Reader, require_text};
use crate::json::Node;
use ::classify::unreadable::{ENCRYPTED, FILE, IMAGE, REMOTE_STATE};

const BODY: Fields<'static> = Fields {
    plain: &[
        "model",
        "instructions",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "reasoning",
        "service_tier",
        "store",
        "text",
        "tool_choice",
        "top_logprobs",
        "truncation",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "include",
    ],
    checked: &["input", "tools", "previous_response_id", "conversation", "prompt"],
};

/// Checks a body.
pub(super) fn check(reader: &mut Reader, body: &Node) -> Result<(), NotUnderstood> {
    let body = reader.object(body, "body", &BODY)?;
    require_text(body, "model")?;
    for key in ["previous_response_id", "conversation", "prompt"] {
        if body.get(key).is_some_and(|state| *state != Node::Null) {
            reader.opaque(REMOTE_STATE);
        }
    }
    reader.each(body.get("tools"), "tools", tool)?;
    match body.get("input") {
        None | Some(Node::Null | Node::Text(_)) => Ok(()),
        input => reader.each(input, "input", item),
    }
}

fn tool(reader: &mut Reader, node: &Node, at: &str) -> Result<(), NotUnderstood> {
    let fields =
        Fields { plain: &["type", "name", "description", "parameters", "strict", "format"], checked: &[] };
    let tool = reader.object(node, at, &fields)?;
    match tool.get("type").and_then(Node::as_text) {
        Some("function" | "custom") => Ok(()),
        _ => Err(NotUnderstood::new(&format!("{at}.type"), "is not a tool that the client runs")),
    }
}

fn item(reader: &mut Reader, node: &Node, at: &str) -> Result<(), NotUnderstood> {
    let kind = node.get("type").and_then(Node::as_text).unwrap_or("message");
    let fields = match kind {
        "message" => Fields { plain: &["type", "role", "id", "status"], checked: &["content"] },
        "function_call" => {
            Fields { plain: &["type", "id", "call_id", "name", "arguments", "status"], checked: &[] }
        }
        "custom_tool_call" => {
            Fields { plain: &["type", "id", "call_id", "name", "input", "status"], checked: &[] }
        }
        "function_call_output" | "custom_tool_call_output" => {
            Fields { plain: &["type", "id", "call_id", "status"], checked: &["output"] }
        }
        "reasoning" => {
            let plain = &["type", "id", "summary", "content", "status"];
            Fields { plain, checked: &["encrypted_content"] }
        }
        "item_reference" => {
            reader.opaque(REMOTE_STATE);
            Fields { plain: &["type", "id"], checked: &[] }
        }
        _ => return Err(NotUnderstood::new(&format!("{at}.type"), "is not supported here")),
    };
    let item = reader.object(node, at, &fields)?;
    if matches!(item.get("encrypted_content"), Some(Node::Text(_))) {
        reader.opaque(ENCRYPTED);
    }
    for key in ["content", "output"].into_iter().filter(|key| fields.checked.contains(key)) {
        match item.get(key) {
            None | Some(Node::Null | Node::Text(_)) => {}
            parts => reader.each(parts, &format!("{at}.{key}"), part)?,
        }
    }
    Ok(())
}

fn part(reader: &mut Reader, node: &Node, at: &str) -> Result<(), NotUnderstood> {
    let kind = node.get("type").and_then(Node::as_text).unwrap_or_default();
    let plain: &[&str] = match kind {
        "input_text" | "output_text" => &["type", "text", "annotations", "logprobs"],
        "refusal" => &["type", "refusal"],
        "input_image" => {
            reader.opaque(IMAGE);
            &["type", "image_url", "file_id", "detail"]
        }
        "input_file" => {
            reader.opaque(FILE);
            &["type", "file_data", "file_id", "file_url", "filename"]
        }
        _ => return Err(NotUnderstood::new(&format!("{at}.type"), "is not supported here")),
    };
    reader.object(node, at, &Fields { plain, checked: &[] }).map(drop)
}
