//! A parsed body as one text that the detectors read.
//!
//! Every string and every number of the document is in it, keys included, in document order. A key
//! stands right before its value, because `"ssn": "…"` tells what the digits are. Two values are kept
//! apart by [`BOUNDARY`], which no detector crosses. Where an array holds pieces of running text (content
//! parts, batched prompts, consecutive messages), the seams follow once more without a boundary: a
//! number cut in two by a part border is one number to the model that reads it.

use std::borrow::Cow;

use ::classify::{BOUNDARY, Category, Found};

use crate::json::Node;
use crate::redact::walk;

/// An array of token ids, an embedding, an audio track: numbers that stand for something else.
pub const NUMBER_LIST: Category = Category::unclassifiable("number-list");

/// Numbers in one array from which on they are content rather than parameters.
const MANY_NUMBERS: usize = 12;

/// Bytes of each piece on either side of a seam. Longer than any value that a detector finds, so that
/// a seam cannot hide one.
const SEAM: usize = 256;

/// Renders `body`; lists of numbers are reported to `found`.
pub fn render(body: &Node, found: &mut Found) -> String {
    let mut renderer = Renderer { out: String::new(), found, depth: 0 };
    renderer.node(body);
    renderer.out
}

struct Renderer<'a> {
    out: String,
    found: &'a mut Found,
    /// Documents within texts.
    depth: u32,
}

impl Renderer<'_> {
    fn node(&mut self, node: &Node) {
        match node {
            Node::Null | Node::Bool(_) => {}
            Node::Number(number) => {
                self.out.push_str(&number.to_string());
                self.out.push(BOUNDARY);
            }
            Node::Text(text) => {
                self.text(text);
                self.out.push(BOUNDARY);
                // A tool's result: what its escapes stand for is text, too.
                if let Some(document) = walk::inner(text, self.depth) {
                    self.depth += 1;
                    self.node(&document);
                    self.depth -= 1;
                }
            }
            Node::List(elements) => self.list(elements),
            Node::Object(members) => {
                for (key, value) in members {
                    self.text(key);
                    self.out.push_str(": ");
                    self.node(value);
                    self.out.push(BOUNDARY);
                }
            }
        }
    }

    fn list(&mut self, elements: &[Node]) {
        let numbers = elements.iter().filter(|element| matches!(element, Node::Number(_))).count();
        if numbers >= MANY_NUMBERS {
            self.found.add_anonymous(NUMBER_LIST);
        }
        elements.iter().for_each(|element| self.node(element));
        let pieces: Vec<Cow<'_, str>> = elements.iter().filter_map(running_text).collect();
        if pieces.len() > 1 {
            pieces.iter().for_each(|piece| self.seam(piece));
            self.out.push(BOUNDARY);
        }
    }

    /// Appends the ends of a piece, so that its head touches the tail of the piece before.
    fn seam(&mut self, piece: &str) {
        if piece.len() <= 2 * SEAM {
            self.text(piece);
            return;
        }
        self.text(head(piece));
        self.out.push(BOUNDARY);
        self.text(tail(piece));
    }

    fn text(&mut self, text: &str) {
        let is_control = |c: char| c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.bytes().any(|byte| is_control(char::from(byte))) {
            self.out.extend(text.chars().map(|c| if is_control(c) { '\u{200b}' } else { c }));
        } else {
            self.out.push_str(text);
        }
    }
}

/// The text of an array element that a model reads as a continuation of the element before.
fn running_text(element: &Node) -> Option<Cow<'_, str>> {
    if let Some(text) = element.as_text() {
        return Some(text.into());
    }
    let inner = ["text", "content", "output", "input"].iter().find_map(|key| element.get(key))?;
    match inner {
        Node::Text(text) => Some(text.into()),
        Node::List(parts) => {
            let pieces: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_text()).collect();
            Some(pieces.concat().into())
        }
        _ => None,
    }
}

fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(SEAM)]
}

fn tail(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len() - SEAM)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(json: &str) -> String {
        let mut found = Found::default();
        render(&Node::parse(json.as_bytes()).unwrap(), &mut found)
    }

    #[test]
    fn holds_every_string_and_number() {
        let text = rendered(r#"{"k1":["v1",{"k2":42}],"k3":{"k4":"v2"},"k5":true}"#);
        for part in ["k1", "v1", "k2: 42", "k3", "k4: v2", "k5"] {
            assert!(text.contains(part), "{part} in {text:?}");
        }
    }

    #[test]
    fn joins_the_seams_of_parts() {
        let long = "x".repeat(3000);
        let text = rendered(&format!(
            r#"[{{"type":"text","text":"{long}4111"}},{{"type":"text","text":"1111{long}"}}]"#
        ));
        assert!(text.contains("41111111"));
        assert!(text.len() < 8000);
    }

    #[test]
    fn a_prompt_cannot_write_a_boundary() {
        assert!(rendered(r#""a\u001fb""#).contains("a\u{200b}b"));
    }

    #[test]
    fn reports_lists_of_numbers() {
        let mut found = Found::default();
        render(&Node::parse(b"[[1,2,3,4,5,6,7,8,9,10,11,12]]").unwrap(), &mut found);
        assert_eq!(found.into_findings().count("unclassifiable/number-list"), 1);
    }
}
