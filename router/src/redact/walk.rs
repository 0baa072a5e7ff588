//! Every text of a body, in one order: values, keys, and the texts of JSON that stands in a text (a tool's arguments and
//! results).
//!
//! What a provider has signed is left out: it comes back byte for byte or not at all.

use crate::json::Node;

/// Gives the text that replaces one that stands under a key, if any does.
pub(super) type See<'a> = dyn FnMut(&str, &str) -> Option<String> + 'a;

/// JSON in JSON in JSON.
const DEEPEST: u32 = 3;

/// Shows every text to `see`, and puts in its place what that gives.
pub(super) fn each(body: &mut Node, see: &mut See<'_>) {
    node(body, "", 0, see);
}

/// Whether anything was replaced.
fn node(node: &mut Node, key: &str, depth: u32, see: &mut See<'_>) -> bool {
    match node {
        Node::Null | Node::Bool(_) => false,
        Node::Number(number) => {
            // A parameter of the call stays a number; data in a document does not have to.
            let replaced = (depth > 0).then(|| see(key, &number.to_string())).flatten();
            replaced.map(|text| *node = Node::Text(text)).is_some()
        }
        Node::Text(text) => {
            let replaced = match inner(text, depth) {
                Some(mut document) => {
                    self::node(&mut document, key, depth + 1, see).then(|| written(&document))
                }
                None => see(key, text),
            };
            replaced.map(|new| *text = new).is_some()
        }
        Node::List(elements) => {
            elements.iter_mut().fold(false, |changed, element| self::node(element, key, depth, see) | changed)
        }
        Node::Object(_) if is_signed(node) => false,
        Node::Object(members) => {
            members.iter_mut().fold(false, |changed, entry| member(entry, depth, see) | changed)
        }
    }
}

fn member((key, value): &mut (String, Node), depth: u32, see: &mut See<'_>) -> bool {
    let renamed = see("", key);
    let changed = node(value, key, depth, see);
    renamed.map(|name| *key = name).is_some() | changed
}

/// The document that a text holds.
pub(crate) fn inner(text: &str, depth: u32) -> Option<Node> {
    let begins = text.trim_start().starts_with(['{', '[']);
    (begins && depth < DEEPEST).then(|| Node::parse(text.as_bytes()).ok()).flatten()
}

fn written(document: &Node) -> String {
    String::from_utf8(document.to_bytes()).expect("JSON is written as UTF-8")
}

/// A block that its provider checks when it comes back.
pub(crate) fn is_signed(node: &Node) -> bool {
    matches!(
        node.get("type").and_then(Node::as_text),
        Some("thinking" | "redacted_thinking" | "thinking_delta" | "signature_delta")
    )
}
