//! Where values stand in one text, and where each really ends.
//!
//! A detector is content with as much of a token as it needs to be sure; what is replaced must be all of it.

use std::cmp::Reverse;
use std::ops::Range;

use ::classify::Category;
use ::classify::category::{Class, Span};
use ::classify::memory::{Memory, Whose};

use super::names::LONGEST_KIND;

/// One value in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) at: Range<usize>,
    /// As it stands in a name.
    pub(super) kind: String,
    pub(super) is_credential: bool,
}

/// The values in a text that stands under `key`, in order, none over another.
pub(super) fn parts(
    memory: &Memory,
    (key, text): (&str, &str),
    is_wanted: &dyn Fn(Category) -> bool,
) -> Vec<Part> {
    let mut found = memory.found();
    // The key tells what the digits are: `"ssn": "…"`.
    let behind = key.len() + 2;
    memory.scan((&format!("{key}: {text}"), 0), Whose::Others, &mut found);
    let within = |span: Span| {
        let at = span.at.start.max(behind) - behind..span.at.end.checked_sub(behind)?;
        (is_wanted(span.category) && !at.is_empty()).then(|| whole(text, &at, span.category))
    };
    let mut parts: Vec<Part> = found.into_spans().into_iter().filter_map(within).collect();
    parts.sort_by_key(|part| (part.at.start, Reverse(part.at.end)));
    let mut merged: Vec<Part> = Vec::new();
    for part in parts {
        match merged.last_mut() {
            Some(last) if part.at.start < last.at.end => {
                last.at.end = last.at.end.max(part.at.end);
                last.is_credential |= part.is_credential;
            }
            _apart => merged.push(part),
        }
    }
    merged
}

fn whole(text: &str, at: &Range<usize>, category: Category) -> Part {
    // A detector counts in bytes, and may begin within a character.
    let at = text.floor_char_boundary(at.start)..text.ceil_char_boundary(at.end.min(text.len()));
    let name = category.to_string();
    let is_credential = category.class() == Class::Credential;
    let at = match name.as_str() {
        "credential/private-key" => at.start..end_of_key(text, &at),
        _ if is_credential => at.start..end_of_token(text, &at),
        _ => words(text, at),
    };
    Part { at, kind: kind(&name), is_credential }
}

/// A key in a file ends with its last line; where there is none, with the text.
fn end_of_key(text: &str, at: &Range<usize>) -> usize {
    const LAST: &str = "-----END ";
    let Some(last) = text[at.start..].find(LAST).map(|last| at.start + last + LAST.len()) else {
        return text.len();
    };
    text[last..].find("-----").map_or(text.len(), |end| last + end + "-----".len())
}

/// A token goes on to the next character that quotes, separates or closes.
fn end_of_token(text: &str, at: &Range<usize>) -> usize {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>()[]{},;|\\@&?#".contains(c);
    let rest = &text[at.end..];
    let more = rest.find(ends).unwrap_or(rest.len());
    // A sentence's full stop is not the token's.
    at.end + rest[..more].trim_end_matches(['.', ':', '!', '…']).len()
}

/// The words in which the value begins and ends.
fn words(text: &str, at: Range<usize>) -> Range<usize> {
    let belongs = |c: &char| c.is_alphanumeric();
    let length = |chars: &mut dyn Iterator<Item = char>| chars.map(char::len_utf8).sum::<usize>();
    let (head, value, tail) = (&text[..at.start], &text[at.clone()], &text[at.end..]);
    let before = if value.starts_with(|c| belongs(&c)) {
        length(&mut head.chars().rev().take_while(belongs))
    } else {
        0
    };
    let after =
        if value.ends_with(|c| belongs(&c)) { length(&mut tail.chars().take_while(belongs)) } else { 0 };
    at.start - before..at.end + after
}

/// A category as it stands in a name.
pub(super) fn kind(category: &str) -> String {
    let kind = match category {
        "personal/name" => "person",
        other => other.rsplit('/').next().unwrap_or(other),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let kind: String = kind.chars().map(plain).take(LONGEST_KIND).collect();
    kind.trim_matches('_').to_owned()
}
