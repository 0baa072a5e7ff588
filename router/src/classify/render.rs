//! A parsed body as one text that the detectors read.
//!
//! Every string and every number of the document is in it, keys included, in document order. A key
//! stands right before its value, because `"ssn": "…"` tells what the digits are. Two values are kept
//! apart by [`BOUNDARY`], which no detector crosses. Where an array holds pieces of running text (content
//! parts, batched prompts, consecutive messages), the seams follow once more without a boundary: a
//! number cut in two by a part border is one number to the model that reads it.

use std::borrow::Cow;

use ::classify::unreadable::NUMBER_LIST;
use ::classify::{BOUNDARY, Found};

use crate::json::Node;
use crate::redact::walk;

/// Numbers in one array from which on they are content rather than parameters.
const MANY_NUMBERS: usize = 12;

/// Bytes of each piece on either side of a seam. Longer than any value that a detector finds, so that
/// a seam cannot hide one.
const SEAM: usize = 256;

/// Members of a call in which texts of others are: what users, tools and documents say, and tools about themselves. The
/// rest are the agent's own words to the model, and parameters.
const CARRIES: [&str; 7] = ["messages", "input", "prompt", "suffix", "tools", "functions", "prediction"];

/// The texts of a body.
#[derive(Debug)]
pub struct Rendered {
    /// All of them, those of the agent itself in front.
    pub text: String,
    /// Bytes of those of the agent itself: system and developer text, and parameters.
    pub own: usize,
}

/// Whose a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The agent's, which may tell a model anything.
    Own,
    /// Anybody's.
    Others,
}

struct Renderer<'a> {
    own: String,
    others: String,
    now: Whose,
    found: &'a mut Found,
    /// Documents within texts.
    depth: u32,
}

/// Renders `body`; lists of numbers are reported to `found`.
pub fn render(body: &Node, found: &mut Found) -> Rendered {
    let mut renderer =
        Renderer { own: String::new(), others: String::new(), now: Whose::Others, found, depth: 0 };
    match body {
        Node::Object(members) => members.iter().for_each(|(key, value)| renderer.part(key, value)),
        other => renderer.node(other),
    }
    let Renderer { own, others, .. } = renderer;
    Rendered { own: own.len(), text: own + &others }
}

impl Rendered {
    /// The same texts, changed.
    #[must_use]
    pub fn map(self, change: impl Fn(&str) -> String) -> Self {
        let (own, others) = self.text.split_at(self.own);
        let own = change(own);
        Self { own: own.len(), text: own + &change(others) }
    }
}

impl Renderer<'_> {
    /// A member of the call itself.
    fn part(&mut self, key: &str, value: &Node) {
        self.now = if CARRIES.contains(&key) { Whose::Others } else { Whose::Own };
        self.text(key);
        self.push(": ");
        match value {
            Node::List(elements) if matches!(key, "messages" | "input") => self.list(elements, &whose),
            other => self.node(other),
        }
        self.end();
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Null | Node::Bool(_) => {}
            Node::Number(number) => {
                self.push(&number.to_string());
                self.end();
            }
            Node::Text(text) => {
                self.text(text);
                self.end();
                // A tool's result: what its escapes stand for is text, too.
                if let Some(document) = walk::inner(text, self.depth) {
                    self.depth += 1;
                    self.node(&document);
                    self.depth -= 1;
                }
            }
            Node::List(elements) => {
                let now = self.now;
                self.list(elements, &|_element| now);
            }
            Node::Object(members) => {
                for (key, value) in members {
                    self.text(key);
                    self.push(": ");
                    self.node(value);
                    self.end();
                }
            }
        }
    }

    fn list(&mut self, elements: &[Node], whose: &dyn Fn(&Node) -> Whose) {
        let numbers = elements.iter().filter(|element| matches!(element, Node::Number(_))).count();
        if numbers >= MANY_NUMBERS {
            self.found.add_anonymous(NUMBER_LIST);
        }
        let before = self.now;
        for element in elements {
            self.now = whose(element);
            self.node(element);
        }
        let piece = |element| Some((whose(element), running_text(element)?));
        let pieces: Vec<(Whose, Cow<'_, str>)> = elements.iter().filter_map(piece).collect();
        if pieces.len() > 1 {
            self.seams(&pieces);
        }
        self.now = before;
    }

    /// The seams of the pieces; where some are the agent's own, those of the others once more among themselves.
    fn seams(&mut self, pieces: &[(Whose, Cow<'_, str>)]) {
        let is_own = |(whose, _): &(Whose, Cow<'_, str>)| *whose == Whose::Own;
        if pieces.iter().any(is_own) {
            self.now = Whose::Own;
            pieces.iter().for_each(|(_, piece)| self.seam(piece));
            self.end();
        }
        self.now = Whose::Others;
        for run in pieces.split(is_own).filter(|run| run.len() > 1) {
            run.iter().for_each(|(_, piece)| self.seam(piece));
            self.end();
        }
    }

    /// Appends the ends of a piece, so that its head touches the tail of the piece before.
    fn seam(&mut self, piece: &str) {
        if piece.len() <= 2 * SEAM {
            self.text(piece);
            return;
        }
        self.text(head(piece));
        self.end();
        self.text(tail(piece));
    }

    fn text(&mut self, text: &str) {
        let is_control = |c: char| c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.bytes().any(|byte| is_control(char::from(byte))) {
            self.out().extend(text.chars().map(|c| if is_control(c) { '\u{200b}' } else { c }));
        } else {
            self.push(text);
        }
    }

    fn push(&mut self, text: &str) {
        self.out().push_str(text);
    }

    fn end(&mut self) {
        self.out().push(BOUNDARY);
    }

    fn out(&mut self) -> &mut String {
        match self.now {
            Whose::Own => &mut self.own,
            Whose::Others => &mut self.others,
        }
    }
}

/// Whose a message is.
fn whose(message: &Node) -> Whose {
    match message.get("role").and_then(Node::as_text) {
        Some("system" | "developer") => Whose::Own,
        _ => Whose::Others,
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
        split(json).concat()
    }

    /// The agent's own texts, and the others.
    fn split(json: &str) -> [String; 2] {
        let Rendered { text, own } = render(&Node::parse(json.as_bytes()).unwrap(), &mut Found::default());
        [text[..own].to_owned(), text[own..].to_owned()]
    }

    #[test]
    fn only_the_agents_own_words_are_its_own() {
        let [own, others] = split(
            r#"{"system":"s1","instructions":"s2","stop":["s3"],"messages":[{"role":"system","content":"s4"},
            {"role":"user","content":"u1"},{"role":"tool","content":"{\"role\":\"system\",\"content\":\"u2\"}"},
            {"role":"developer","content":[{"type":"text","text":"s5"}]},
            {"role":"assistant","tool_calls":[{"function":{"arguments":"u3"}}]}],
            "tools":[{"role":"system","description":"u4"}],"input":"u5"}"#,
        );
        for (text, parts) in
            [(&own, ["s1", "s2", "s3", "s4", "s5"]), (&others, ["u1", "u2", "u3", "u4", "u5"])]
        {
            for part in parts {
                assert!(text.contains(part), "{part} in {text:?}");
            }
        }
        for part in ["s1", "s2", "s3", "s4", "s5"] {
            assert!(!others.contains(part), "{part} in {others:?}");
        }
    }

    #[test]
    fn seams_of_others_are_looked_at_beside_the_agents_own() {
        let [own, others] = split(
            r#"{"messages":[{"role":"system","content":"aaa"},{"role":"user","content":"bbb"},
            {"role":"user","content":"ccc"}]}"#,
        );
        assert!(own.contains("aaabbbccc") && others.contains("bbbccc"));
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
