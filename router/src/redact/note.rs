//! What the model is told about placeholders.

use crate::json::Node;
use crate::wire_api::Endpoint;

const NOTE: &str = "Some values in this conversation are replaced by placeholders in angle brackets, each a kind and a \
     number. The same placeholder is the same value everywhere. Where you mean the value, write its placeholder exactly as \
     it stands; do not guess what it stands for.";

/// Adds the note where the API has a place for the operator's word. It stands behind what the client says there, so that a
/// provider's cache knows the beginning again.
pub(super) fn add(endpoint: Endpoint, body: &mut Node) {
    match endpoint {
        Endpoint::ChatCompletions => after_system_messages(body),
        Endpoint::Responses => append(body, "instructions"),
        Endpoint::Messages | Endpoint::CountTokens => append(body, "system"),
        Endpoint::Completions | Endpoint::Embeddings => {}
    }
}

fn after_system_messages(body: &mut Node) {
    let Some(Node::List(messages)) = body.get_mut("messages") else { return };
    let is_systems =
        |message: &Node| matches!(message.get("role").and_then(Node::as_text), Some("system" | "developer"));
    let at = messages.iter().take_while(|message| is_systems(message)).count();
    let role =
        messages.first().filter(|first| is_systems(first)).and_then(|first| first.get("role")?.as_text());
    let role = role.unwrap_or("system").to_owned();
    let message = [("role", role), ("content", NOTE.to_owned())];
    messages.insert(at, Node::Object(message.map(|(key, text)| (key.to_owned(), Node::Text(text))).into()));
}

/// Appends it to a text that may be absent, or be a list of text blocks.
fn append(body: &mut Node, key: &str) {
    match body.get_mut(key) {
        Some(Node::Text(text)) => {
            text.push_str("\n\n");
            text.push_str(NOTE);
        }
        Some(Node::List(blocks)) => {
            let block = [("type", "text"), ("text", NOTE)];
            let block = block.map(|(key, text)| (key.to_owned(), Node::Text(text.to_owned())));
            blocks.push(Node::Object(block.into()));
        }
        _absent => body.set_text(key, NOTE),
    }
}
