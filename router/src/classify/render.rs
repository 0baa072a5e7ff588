//! A parsed body as one text that the detectors read.
//!
//! Every string and every number of the document is in it, keys included, in document order. A key
//! stands right before its value, because `"ssn": "…"` tells what the digits are. Two values are kept
//! apart by [`BOUNDARY`], which no detector crosses. Where an array holds pieces of running text (content
//! parts, batched prompts, consecutive messages), the seams follow once more without a boundary: a
//! number cut in two by a part border is one number to the model that reads it.
//!
//! The text falls into *parts* that are looked at one by one: each member of the call, each message, and of the seams
//! between messages each that a boundary ends. What a part holds depends on nothing else, so that a conversation that comes
//! again with one more message has one more part, and the seam before it.

use std::borrow::Cow;
use std::ops::Range;

use ::classify::memory::Whose;
use ::classify::property::rules::Paths;
use ::classify::unreadable::NUMBER_LIST;
use ::classify::{BOUNDARY, Category, Found};

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
    /// Where parts end, in order.
    cuts: Vec<usize>,
    /// Texts that are values because of where they stand in the body.
    pub placed: Vec<(Category, Range<usize>)>,
}

/// Texts of one side.
#[derive(Default)]
struct Side {
    text: String,
    cuts: Vec<usize>,
    placed: Vec<(Category, Range<usize>)>,
}

/// Whether elements of a list are parts of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Each,
    None,
}

struct Renderer<'a> {
    own: Side,
    others: Side,
    now: Whose,
    found: &'a mut Found,
    /// Documents within texts.
    depth: u32,
    paths: &'a Paths,
    /// What leads to the node that is rendered; kept only where there are paths.
    place: Vec<String>,
}

/// Renders `body`; lists of numbers are reported to `found`.
pub fn render(body: &Node, paths: &Paths, found: &mut Found) -> Rendered {
    let (own, others, place) = (Side::default(), Side::default(), Vec::new());
    let mut renderer = Renderer { own, others, now: Whose::Others, found, depth: 0, paths, place };
    match body {
        Node::Object(members) => members.iter().for_each(|(key, value)| renderer.part(key, value)),
        other => renderer.node(other),
    }
    let Renderer { own: Side { mut text, mut cuts, mut placed }, others, .. } = renderer;
    let own = text.len();
    cuts.push(own);
    cuts.extend(others.cuts.into_iter().map(|cut| cut + own));
    placed.extend(others.placed.into_iter().map(|(kind, at)| (kind, at.start + own..at.end + own)));
    text.push_str(&others.text);
    cuts.push(text.len());
    Rendered { own, text, cuts, placed }
}

impl Rendered {
    /// The parts, each with whose it is and where it begins.
    pub fn parts(&self) -> impl Iterator<Item = (Whose, &str, usize)> {
        let mut from = 0;
        self.cuts.iter().map(move |cut| {
            let at = std::mem::replace(&mut from, *cut);
            let whose = if *cut <= self.own { Whose::Own } else { Whose::Others };
            (whose, &self.text[at..*cut], at)
        })
    }
}

impl Renderer<'_> {
    /// A member of the call itself.
    fn part(&mut self, key: &str, value: &Node) {
        self.now = if CARRIES.contains(&key) { Whose::Others } else { Whose::Own };
        self.text(key);
        self.push(": ");
        self.enter(|| key.to_owned());
        match value {
            Node::List(elements) if matches!(key, "messages" | "input") => {
                self.list(elements, (&whose, Cut::Each))
            }
            Node::List(elements) => {
                let now = self.now;
                self.list(elements, (&|_element| now, Cut::Each));
            }
            other => self.node(other),
        }
        self.leave();
        self.end();
        self.cut();
    }

    fn enter(&mut self, name: impl FnOnce() -> String) {
        if !self.paths.is_empty() {
            self.place.push(name());
        }
    }

    fn leave(&mut self) {
        self.place.pop();
    }

    /// Notes that what was pushed since `start` is a value, if it stands where values do.
    fn placed(&mut self, start: usize) {
        let (paths, place) = (self.paths, std::mem::take(&mut self.place));
        let side = self.side();
        let at = start..side.text.len();
        if !at.is_empty() {
            side.placed.extend(paths.at(&place).map(|category| (category, at.clone())));
        }
        self.place = place;
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Null | Node::Bool(_) => {}
            Node::Number(number) => {
                let start = self.side().text.len();
                self.push(&number.to_string());
                self.placed(start);
                self.end();
            }
            Node::Text(text) => {
                let start = self.side().text.len();
                self.text(text);
                self.placed(start);
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
                self.list(elements, (&|_element| now, Cut::None));
            }
            Node::Object(members) => {
                for (key, value) in members {
                    self.text(key);
                    self.push(": ");
                    self.enter(|| key.clone());
                    self.node(value);
                    self.leave();
                    self.end();
                }
            }
        }
    }

    fn list(&mut self, elements: &[Node], (whose, cut): (&dyn Fn(&Node) -> Whose, Cut)) {
        let numbers = elements.iter().filter(|element| matches!(element, Node::Number(_))).count();
        if numbers >= MANY_NUMBERS {
            self.found.add_anonymous(NUMBER_LIST);
        }
        let before = self.now;
        for (index, element) in elements.iter().enumerate() {
            self.now = whose(element);
            self.enter(|| index.to_string());
            self.node(element);
            self.leave();
            self.cut_if(cut);
        }
        let piece = |element| Some((whose(element), running_text(element)?));
        let pieces: Vec<(Whose, Cow<'_, str>)> = elements.iter().filter_map(piece).collect();
        if pieces.len() > 1 {
            self.seams(&pieces, cut);
        }
        self.now = before;
    }

    /// The seams of the pieces; where some are the agent's own, those of the others once more among themselves.
    fn seams(&mut self, pieces: &[(Whose, Cow<'_, str>)], cut: Cut) {
        let is_own = |(whose, _): &(Whose, Cow<'_, str>)| *whose == Whose::Own;
        if pieces.iter().any(is_own) {
            self.now = Whose::Own;
            pieces.iter().for_each(|(_, piece)| self.seam(piece, cut));
            self.end();
            self.cut_if(cut);
        }
        self.now = Whose::Others;
        for run in pieces.split(is_own).filter(|run| run.len() > 1) {
            run.iter().for_each(|(_, piece)| self.seam(piece, cut));
            self.end();
            self.cut_if(cut);
        }
    }

    /// Appends the ends of a piece, so that its head touches the tail of the piece before.
    fn seam(&mut self, piece: &str, cut: Cut) {
        if piece.len() <= 2 * SEAM {
            self.text(piece);
            return;
        }
        self.text(head(piece));
        self.end();
        self.cut_if(cut);
        self.text(tail(piece));
    }

    fn text(&mut self, text: &str) {
        let is_control = |c: char| c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.bytes().any(|byte| is_control(char::from(byte))) {
            self.side().text.extend(text.chars().map(|c| if is_control(c) { '\u{200b}' } else { c }));
        } else {
            self.push(text);
        }
    }

    fn push(&mut self, text: &str) {
        self.side().text.push_str(text);
    }

    fn end(&mut self) {
        self.side().text.push(BOUNDARY);
    }

    /// Ends a part of both sides.
    fn cut(&mut self) {
        for side in [&mut self.own, &mut self.others] {
            if side.cuts.last() != Some(&side.text.len()) {
                side.cuts.push(side.text.len());
            }
        }
    }

    fn cut_if(&mut self, cut: Cut) {
        if cut == Cut::Each {
            self.cut();
        }
    }

    fn side(&mut self) -> &mut Side {
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
        let body = Node::parse(json.as_bytes()).unwrap();
        let Rendered { text, own, .. } = render(&body, &Paths::default(), &mut Found::default());
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
        let body = Node::parse(b"[[1,2,3,4,5,6,7,8,9,10,11,12]]").unwrap();
        render(&body, &Paths::default(), &mut found);
        assert_eq!(found.into_findings().count("unclassifiable/number-list"), 1);
    }
}
