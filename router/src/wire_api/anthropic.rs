//! The Anthropic API: messages, and counting their tokens.

mod beta;

use super::NotUnderstood;
use super::fields::{Fields, Reader, require_text};
use crate::json::Node;
use ::classify::unreadable::{ENCRYPTED, FILE, IMAGE};

pub use beta::{BetaError, Betas, HEADER as BETA};

/// Version of the API that this is; the only one that there is.
pub const VERSION: &str = "2023-06-01";

const BODY: Fields<'static> = Fields {
    plain: &[
        "model",
        "max_tokens",
        "metadata",
        "stop_sequences",
        "stream",
        "temperature",
        "top_p",
        "top_k",
        "tool_choice",
        "thinking",
        "service_tier",
        "output_config",
        "output_format",
        "context_management",
        "inference_geo",
        "speed",
        "cache_control",
    ],
    checked: &["messages", "system", "tools"],
};

/// Tools that have a version in their type and are run by the client all the same.
const CLIENT_TOOLS: [&str; 4] = ["bash_", "text_editor_", "computer_", "memory_"];

/// One of them with its version, a date: what else begins so is another tool.
fn is_client_tool(kind: &str) -> bool {
    let is_date = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    CLIENT_TOOLS.iter().any(|tool| kind.strip_prefix(tool).is_some_and(is_date))
}

/// Checks that every member of `body` is understood; notes what holds no text.
pub(super) fn check(reader: &mut Reader, body: &Node) -> Result<(), NotUnderstood> {
    let body = reader.object(body, "body", &BODY)?;
    require_text(body, "model")?;
    if !matches!(body.get("messages"), Some(Node::List(_))) {
        return Err(NotUnderstood::new("messages", "must be an array"));
    }
    match body.get("system") {
        None | Some(Node::Null | Node::Text(_)) => {}
        blocks => reader.each(blocks, "system", block)?,
    }
    reader.each(body.get("messages"), "messages", message)?;
    reader.each(body.get("tools"), "tools", tool)
}

fn message(reader: &mut Reader, node: &Node, at: &str) -> Result<(), NotUnderstood> {
    let message = reader.object(node, at, &Fields { plain: &["role"], checked: &["content"] })?;
    if !matches!(message.get("role").and_then(Node::as_text), Some("user" | "assistant" | "system")) {
        return Err(NotUnderstood::new(&format!("{at}.role"), "is not supported here"));
    }
    content(reader, message, at)
}

/// Content: a text, or blocks.
fn content(reader: &mut Reader, holder: &Node, at: &str) -> Result<(), NotUnderstood> {
    match holder.get("content") {
        None | Some(Node::Null | Node::Text(_)) => Ok(()),
        blocks => reader.each(blocks, &format!("{at}.content"), block),
    }
}

fn block(reader: &mut Reader, node: &Node, at: &str) -> Result<(), NotUnderstood> {
    let fields = |plain, checked| Fields { plain, checked };
    match node.get("type").and_then(Node::as_text).unwrap_or_default() {
        "text" => {
            reader.object(node, at, &fields(&["type", "text", "citations", "cache_control"], &[])).map(drop)
        }
        "thinking" => reader.object(node, at, &fields(&["type", "thinking", "signature"], &[])).map(drop),
        "redacted_thinking" => {
            reader.opaque(ENCRYPTED);
            reader.object(node, at, &fields(&["type", "data"], &[])).map(drop)
        }
        "tool_use" => {
            let plain = &["type", "id", "name", "input", "cache_control", "caller"];
            reader.object(node, at, &fields(plain, &[])).map(drop)
        }
        "tool_result" => {
            let plain = &["type", "tool_use_id", "is_error", "cache_control"];
            content(reader, reader.object(node, at, &fields(plain, &["content"]))?, at)
        }
        "image" => {
            reader.opaque(IMAGE);
            reader.object(node, at, &fields(&["type", "source", "cache_control"], &[])).map(drop)
        }
        "document" => document(reader, node, at),
        "search_result" => {
            let plain = &["type", "source", "title", "citations", "cache_control"];
            content(reader, reader.object(node, at, &fields(plain, &["content"]))?, at)
        }
        _ => Err(NotUnderstood::new(&format!("{at}.type"), "is not supported here")),
    }
}

/// A document is a text, blocks, or what only the provider reads.
fn document(reader: &mut Reader, node: &Node, at: &str) -> Result<(), NotUnderstood> {
    let plain = &["type", "title", "context", "citations", "cache_control"];
    let document = reader.object(node, at, &Fields { plain, checked: &["source"] })?;
    let source = document.get("source").unwrap_or(&Node::Null);
    let at = format!("{at}.source");
    match source.get("type").and_then(Node::as_text) {
        Some("text") => reader
            .object(source, &at, &Fields { plain: &["type", "media_type", "data"], checked: &[] })
            .map(drop),
        Some("content") => {
            let fields = Fields { plain: &["type"], checked: &["content"] };
            content(reader, reader.object(source, &at, &fields)?, &at)
        }
        Some("base64" | "url" | "file") => {
            reader.opaque(FILE);
            let plain = &["type", "media_type", "data", "url", "file_id"];
            reader.object(source, &at, &Fields { plain, checked: &[] }).map(drop)
        }
        _ => Err(NotUnderstood::new(&format!("{at}.type"), "is not supported here")),
    }
}

/// Tools that the client runs. One that the provider runs would reach the network past the policy.
fn tool(reader: &mut Reader, node: &Node, at: &str) -> Result<(), NotUnderstood> {
    let fields = Fields {
        plain: &[
            "type",
            "name",
            "description",
            "input_schema",
            "input_examples",
            "cache_control",
            "strict",
            "eager_input_streaming",
            "defer_loading",
            "allowed_callers",
            "max_characters",
            "display_width_px",
            "display_height_px",
            "display_number",
            "enable_zoom",
        ],
        checked: &[],
    };
    let tool = reader.object(node, at, &fields)?;
    match tool.get("type") {
        None | Some(Node::Null) => Ok(()),
        Some(Node::Text(kind)) if kind == "custom" => Ok(()),
        Some(Node::Text(kind)) if is_client_tool(kind) => Ok(()),
        _ => Err(NotUnderstood::new(&format!("{at}.type"), "is not a tool that the client runs")),
    }
}

#[cfg(test)]
mod tests;
