//! Puts values back where an answer has their placeholders: in one text ([`Thread`]), in a document ([`document`]), in a
//! stream of events ([`events`]).
//!
//! Models write a placeholder in other ways than they read it: without brackets, with HTML's or JSON's escapes. Each is
//! understood; what is no name of this call stays as it is.
//!
//! *Invariant:* never more than [`LONGEST`] bytes of a text are held back.

pub mod document;
pub mod events;
mod slots;

use crate::redact::names::{LONGEST, Names, Value, is_in_name};

/// Where a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// To who reads the answer.
    Reader,
    /// To a tool: no credential is put in.
    Tool,
    /// To a tool, inside of JSON: what is put in is escaped.
    ToolJson,
}

/// A text that comes in pieces.
#[derive(Clone, Debug)]
pub struct Thread {
    place: Place,
    held: String,
    before: Option<char>,
}

/// What stands at the begin of a text.
enum Match<'n> {
    /// No placeholder.
    Nothing,
    /// The begin of one, as far as the text goes.
    Begun,
    /// One, of so many bytes.
    Whole(usize, &'n Value, Spelling),
}

/// How a placeholder is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Plain,
    /// With JSON's escapes: what it stands for must be escaped too.
    Escaped,
}

/// Whether more of a text may come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Reached,
}

/// What stands around a name.
const BRACKETS: [(&str, &str, Spelling); 3] = [
    ("<", ">", Spelling::Plain),
    ("&lt;", "&gt;", Spelling::Plain),
    ("\\u003c", "\\u003e", Spelling::Escaped),
];

impl Thread {
    /// A text that goes to `place`.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place, held: String::new(), before: None }
    }

    /// The next piece; what can be said of it now.
    pub fn feed(&mut self, names: &Names, piece: &str) -> String {
        self.held.push_str(piece);
        self.take(names, End::Open)
    }

    /// What is left when nothing more comes.
    pub fn finish(&mut self, names: &Names) -> String {
        self.take(names, End::Reached)
    }

    /// Whether something is held back.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    fn take(&mut self, names: &Names, end: End) -> String {
        let text = std::mem::take(&mut self.held);
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let length = match at_begin(names, rest, (self.before, end)) {
                Match::Begun => break,
                Match::Nothing => {
                    out.push(first);
                    first.len_utf8()
                }
                Match::Whole(length, value, spelling) => {
                    self.put(&mut out, (&rest[..length], value), spelling);
                    length
                }
            };
            self.before = rest[..length].chars().next_back();
            rest = &rest[length..];
        }
        debug_assert!(rest.len() <= LONGEST);
        self.held = rest.to_owned();
        out
    }

    fn put(&self, out: &mut String, (written, value): (&str, &Value), spelling: Spelling) {
        if self.place != Place::Reader && value.is_credential() {
            out.push_str(written);
        } else if self.place == Place::ToolJson || spelling == Spelling::Escaped {
            let quoted = serde_json::Value::from(value.text()).to_string();
            out.push_str(&quoted[1..quoted.len() - 1]);
        } else {
            out.push_str(value.text());
        }
    }
}

/// `text` with its placeholders replaced; `None`: there is none.
#[must_use]
pub fn whole(names: &Names, place: Place, text: &str) -> Option<String> {
    let restored = {
        let mut thread = Thread { place, held: text.to_owned(), before: None };
        thread.finish(names)
    };
    (restored != text).then_some(restored)
}

fn at_begin<'n>(names: &'n Names, text: &str, (before, end): (Option<char>, End)) -> Match<'n> {
    for (open, close, spelling) in BRACKETS {
        if let Some(inner) = strip(text, open) {
            return in_brackets(names, inner, (open, close), (spelling, end));
        }
        if end == End::Open && begins(open, text) {
            return Match::Begun;
        }
    }
    if before.is_some_and(is_word) { Match::Nothing } else { bare(names, text, end) }
}

fn in_brackets<'n>(
    names: &'n Names,
    inner: &str,
    (open, close): (&str, &str),
    (spelling, end): (Spelling, End),
) -> Match<'n> {
    let (name, tail) = split_name(inner);
    let value = names.get(name);
    if let Some(value) = value
        && strip(tail, close).is_some()
    {
        return Match::Whole(open.len() + name.len() + close.len(), value, spelling);
    }
    let may_go_on = (tail.is_empty() && names.has_prefix(name)) || (value.is_some() && begins(close, tail));
    if end == End::Open && may_go_on { Match::Begun } else { Match::Nothing }
}

fn bare<'n>(names: &'n Names, text: &str, end: End) -> Match<'n> {
    let (name, tail) = split_name(text);
    if name.is_empty() {
        return Match::Nothing;
    }
    if tail.is_empty() && end == End::Open {
        return if names.has_prefix(name) { Match::Begun } else { Match::Nothing };
    }
    match names.get(name) {
        Some(value) if !tail.starts_with(is_word) => Match::Whole(name.len(), value, Spelling::Plain),
        _ => Match::Nothing,
    }
}

/// The longest text that could be a name, and what stands behind.
fn split_name(text: &str) -> (&str, &str) {
    let length = text.bytes().take(LONGEST).take_while(|byte| is_in_name(*byte)).count();
    text.split_at(length)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn strip<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let head = text.get(..mark.len())?;
    head.eq_ignore_ascii_case(mark).then(|| &text[mark.len()..])
}

/// Whether `text` is the begin of `mark`.
fn begins(mark: &str, text: &str) -> bool {
    mark.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests;
