//! Where the pieces of texts stand in the events of each API, and which events end a text.

use super::Place;
use crate::json::Node;
use crate::wire_api::Endpoint;

/// A step from a node to one inside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(&'static str),
    Index(usize),
}

/// A piece of a text in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Which text of the answer, within its group.
    pub(super) thread: String,
    /// Texts that end together: a choice, an output, a block.
    pub(super) group: String,
    pub(super) place: Place,
    pub(super) path: Vec<Step>,
}

/// What an event does.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Pieces of texts that are in it.
    pub(super) slots: Vec<Slot>,
    /// What ends behind its pieces, or before the event where it has none.
    pub(super) ends: Ends,
}

/// What an event ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Ends {
    #[default]
    Nothing,
    /// The texts of these groups.
    Groups(Vec<String>),
    /// All texts.
    All,
}

/// Reads an event of the API.
pub(super) fn read(endpoint: Endpoint, event: &Node) -> Reading {
    match endpoint {
        Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings => choices(event),
        Endpoint::Responses => responses(event),
        Endpoint::Messages | Endpoint::CountTokens => messages(event),
    }
}

fn choices(event: &Node) -> Reading {
    let mut reading = Reading::default();
    let mut ended = Vec::new();
    let choices = event.get("choices").map(Node::elements).unwrap_or_default();
    for (at, choice) in choices.iter().enumerate() {
        let group = index(choice).unwrap_or(at.to_string());
        let base = [Step::Key("choices"), Step::Index(at)];
        let mut add = |thread: String, place: Place, path: &[Step]| {
            let path = base.iter().chain(path).copied().collect();
            reading.slots.push(Slot { thread, group: group.clone(), place, path });
        };
        for key in ["content", "refusal", "reasoning_content", "reasoning"] {
            add(key.to_owned(), Place::Reader, &[Step::Key("delta"), Step::Key(key)]);
        }
        add("text".to_owned(), Place::Reader, &[Step::Key("text")]);
        let call = [Step::Key("delta"), Step::Key("function_call"), Step::Key("arguments")];
        add("function".to_owned(), Place::ToolJson, &call);
        let calls = choice.get("delta").and_then(|delta| delta.get("tool_calls"));
        for (nth, call) in calls.map(Node::elements).unwrap_or_default().iter().enumerate() {
            let thread = format!("tool {}", index(call).unwrap_or(nth.to_string()));
            let base = [Step::Key("delta"), Step::Key("tool_calls"), Step::Index(nth)];
            let [delta, calls, nth] = base;
            let arguments = [delta, calls, nth, Step::Key("function"), Step::Key("arguments")];
            add(thread.clone(), Place::ToolJson, &arguments);
            add(thread, Place::Tool, &[delta, calls, nth, Step::Key("custom"), Step::Key("input")]);
        }
        if choice.get("finish_reason").is_some_and(|reason| *reason != Node::Null) {
            ended.push(group);
        }
    }
    reading.slots.retain(|slot| has_text(event, &slot.path));
    reading.ends = if ended.is_empty() { Ends::Nothing } else { Ends::Groups(ended) };
    reading
}

fn responses(event: &Node) -> Reading {
    let kind = event.get("type").and_then(Node::as_text).unwrap_or_default();
    let number = |key: &str| event.get(key).map(written).unwrap_or_default();
    let group = number("output_index");
    if let Some(text) = kind.strip_suffix(".delta") {
        let place = match text {
            "response.output_text"
            | "response.refusal"
            | "response.reasoning_text"
            | "response.reasoning_summary_text" => Place::Reader,
            _ if text.ends_with("_arguments") => Place::ToolJson,
            // Commands, patches, and what is yet to be invented.
            _ => Place::Tool,
        };
        let thread = format!("{text} {} {}", number("content_index"), number("summary_index"));
        let slot = Slot { thread, group, place, path: vec![Step::Key("delta")] };
        let slots = if has_text(event, &slot.path) { vec![slot] } else { Vec::new() };
        return Reading { slots, ends: Ends::Nothing };
    }
    let ends = match kind {
        "response.completed" | "response.incomplete" | "response.failed" | "error" => Ends::All,
        _ if kind.ends_with(".done") => Ends::Groups(vec![group]),
        _ => Ends::Nothing,
    };
    Reading { slots: Vec::new(), ends }
}

fn messages(event: &Node) -> Reading {
    let group = index(event).unwrap_or_default();
    let ends = match event.get("type").and_then(Node::as_text) {
        Some("content_block_stop") => Ends::Groups(vec![group.clone()]),
        Some("message_delta" | "message_stop" | "error") => Ends::All,
        _ => Ends::Nothing,
    };
    let delta = |key: &'static str, place| {
        let path = vec![Step::Key("delta"), Step::Key(key)];
        Slot { thread: key.to_owned(), group: group.clone(), place, path }
    };
    let mut slots = vec![delta("text", Place::Reader), delta("partial_json", Place::ToolJson)];
    slots.retain(|slot| has_text(event, &slot.path));
    Reading { slots, ends }
}

fn index(node: &Node) -> Option<String> {
    node.get("index").map(written)
}

fn written(node: &Node) -> String {
    String::from_utf8_lossy(&node.to_bytes()).into_owned()
}

fn has_text(event: &Node, path: &[Step]) -> bool {
    let end = path.iter().try_fold(event, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Index(at) => node.elements().get(*at),
    });
    end.and_then(Node::as_text).is_some()
}

/// The text at the end of a path.
pub(super) fn text_mut<'n>(event: &'n mut Node, path: &[Step]) -> Option<&'n mut String> {
    let end = path.iter().try_fold(event, |node, step| match (step, node) {
        (Step::Key(key), node) => node.get_mut(key),
        (Step::Index(at), Node::List(elements)) => elements.get_mut(*at),
        (Step::Index(_), _) => None,
    });
    match end {
        Some(Node::Text(text)) => Some(text),
        _ => None,
    }
}
