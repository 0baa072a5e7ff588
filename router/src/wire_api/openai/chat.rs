//! `chat/completions`.

use super::super::NotUnderstood;
use super::super::fields::{Fields, Reader, require_text};
use super::logit_bias;
use crate::json::Node;
use ::classify::unreadable::{AUDIO, FILE, IMAGE, REMOTE_STATE, VIDEO};

const BODY: Fields<'static> = Fields {
    plain: &[
        "model",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "n",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "user",
        "seed",
        "tool_choice",
        "parallel_tool_calls",
        "function_call",
        "response_format",
        "metadata",
        "service_tier",
        "reasoning_effort",
        "verbosity",
        "prediction",
        "modalities",
        "audio",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "store",
        "top_k",
        "min_p",
        "repetition_penalty",
        "chat_template_kwargs",
        "grammar",
    ],
    checked: &["messages", "tools", "functions", "logit_bias"],
};

const MESSAGE: Fields<'static> = Fields {
    plain: &[
        "role",
        "name",
        "tool_call_id",
        "function_call",
        "refusal",
        "reasoning_content",
        "reasoning",
        "annotations",
    ],
    checked: &["content", "tool_calls", "audio"],
};

/// Checks a body.
pub(super) fn check(reader: &mut Reader, body: &Node) -> Result<(), NotUnderstood> {
    let body = reader.object(body, "body", &BODY)?;
    require_text(body, "model")?;
    if !matches!(body.get("messages"), Some(Node::List(_))) {
        return Err(NotUnderstood::new("messages", "must be an array"));
    }
    reader.each(body.get("messages"), "messages", message)?;
    reader.each(body.get("tools"), "tools", tool)?;
    let function = Fields { plain: &["name", "description", "parameters", "strict"], checked: &[] };
    reader.each(body.get("functions"), "functions", |reader, node, at| {
        reader.object(node, at, &function).map(drop)
    })?;
    logit_bias(reader, body);
    Ok(())
}

fn message(reader: &mut Reader, node: &Node, at: &str) -> Result<(), NotUnderstood> {
    let message = reader.object(node, at, &MESSAGE)?;
    let role = message.get("role").and_then(Node::as_text).unwrap_or_default();
    if !["system", "developer", "user", "assistant", "tool", "function"].contains(&role) {
        return Err(NotUnderstood::new(&format!("{at}.role"), "is not supported here"));
    }
    // An earlier spoken answer is named by an id and lives at the provider.
    if message.get("audio").is_some_and(|audio| *audio != Node::Null) {
        reader.opaque(REMOTE_STATE);
    }
    let call = Fields { plain: &["id", "type", "function", "custom", "index"], checked: &[] };
    reader.each(message.get("tool_calls"), &format!("{at}.tool_calls"), |reader, node, at| {
        reader.object(node, at, &call).map(drop)
    })?;
    match message.get("content") {
        None | Some(Node::Null | Node::Text(_)) => Ok(()),
        content => reader.each(content, &format!("{at}.content"), part),
    }
}

fn part(reader: &mut Reader, node: &Node, at: &str) -> Result<(), NotUnderstood> {
    let kind = node.get("type").and_then(Node::as_text).unwrap_or_default();
    let fields = |checked| Fields { plain: &["type", "cache_control"], checked };
    match kind {
        "text" | "refusal" => {
            let part = reader.object(node, at, &fields(&[kind]))?;
            return reader.optional_text(part.get(kind), &format!("{at}.{kind}"));
        }
        "image_url" => reader.opaque(IMAGE),
        "input_audio" => reader.opaque(AUDIO),
        "video_url" => reader.opaque(VIDEO),
        "file" => reader.opaque(FILE),
        _ => return Err(NotUnderstood::new(&format!("{at}.type"), "is not supported here")),
    }
    reader.object(node, at, &fields(&[kind])).map(drop)
}

/// Tools that the client runs. One that the provider runs would reach the network past the policy.
fn tool(reader: &mut Reader, node: &Node, at: &str) -> Result<(), NotUnderstood> {
    let tool = reader.object(node, at, &Fields { plain: &["type", "function", "custom"], checked: &[] })?;
    match tool.get("type").and_then(Node::as_text) {
        Some("function" | "custom") => Ok(()),
        _ => Err(NotUnderstood::new(&format!("{at}.type"), "is not a tool that the client runs")),
    }
}
