//! A document of an answer: every text in it, each put back for the place where it goes.

use super::{Place, whole};
use crate::json::Node;
use crate::redact::names::Names;

/// What a provider has signed, or keeps: it stays as it is.
const SIGNED: [&str; 4] = ["signature", "encrypted_content", "thinking_signature", "redacted_thinking"];

/// Puts values back into `document`; tells whether there were any.
pub fn restore(names: &Names, document: &mut Node) -> bool {
    node(names, Place::Reader, document)
}

fn node(names: &Names, place: Place, node: &mut Node) -> bool {
    match node {
        Node::Null | Node::Bool(_) | Node::Number(_) => false,
        Node::Text(text) => {
            let restored = whole(names, place, text);
            restored.map(|restored| *text = restored).is_some()
        }
        Node::List(elements) => {
            elements.iter_mut().fold(false, |changed, element| self::node(names, place, element) | changed)
        }
        Node::Object(_) if crate::redact::is_signed(node) => false,
        Node::Object(_) => {
            let place = if is_call(node) { Place::Tool } else { place };
            members(names, place, node)
        }
    }
}

fn members(names: &Names, outer: Place, object: &mut Node) -> bool {
    let Node::Object(members) = object else { return false };
    members.iter_mut().fold(false, |changed, (key, value)| {
        let place = place_of(key, value, outer);
        place.is_some_and(|place| node(names, place, value)) | changed
    })
}

/// A call of a tool, in whatever form: `function_call`, `local_shell_call`, `tool_use`.
fn is_call(object: &Node) -> bool {
    let kind = object.get("type").and_then(Node::as_text).unwrap_or_default();
    kind.ends_with("_call") || kind.ends_with("tool_use")
}

/// Where a member's texts go; `None`: they stay.
fn place_of(key: &str, value: &Node, outer: Place) -> Option<Place> {
    match (key, value) {
        (key, _) if SIGNED.contains(&key) => None,
        ("arguments" | "partial_json", Node::Text(_)) => Some(Place::ToolJson),
        ("input" | "arguments" | "tool_calls" | "function_call", _) => Some(Place::Tool),
        _ => Some(outer),
    }
}
