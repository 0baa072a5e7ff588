//! Patterns as regular expressions, from their texts and the tables in [`crate::pattern`]'s modules. The
//! compiled patterns are not looked at: this is the second reading.

use crate::pattern::Side;
use crate::pattern::binary::{DIRECTORIES, HELPERS};
use crate::pattern::wildcard::Letters;
use regex::escape;

/// A request path. In a deny list it is for the loose form of the path.
pub(super) fn request_path(text: &str, side: Side) -> String {
    match side {
        Side::Allow => path(text, side),
        Side::Deny => {
            let bare = text.strip_suffix('/').filter(|bare| !bare.is_empty()).unwrap_or(text);
            path(&unescaped(bare).to_ascii_lowercase(), side)
        }
    }
}

/// A program, by name or by path.
pub(super) fn program(text: &str, side: Side) -> Vec<String> {
    if text.starts_with('/') {
        return vec![path(text, side)];
    }
    let directory = match side {
        Side::Allow => format!("(?:{})", DIRECTORIES.map(escape).join("|")),
        Side::Deny => "(?s:.*)".to_owned(),
    };
    let dot = if text.ends_with(|c: char| c.is_ascii_digit()) { r"\." } else { r"\.?" };
    let name = escape(text);
    let mut expressions = vec![format!(r"^{directory}/{name}(?:{dot}[0-9]+(?:\.[0-9]+)*)?$")];
    let helpers = HELPERS.iter().filter(|(program, _directory)| *program == text);
    expressions.extend(helpers.map(|(_program, directory)| format!("^{}[^/]*$", escape(directory))));
    expressions
}

fn path(text: &str, side: Side) -> String {
    let mut segments: Vec<&str> = text.split('/').skip(1).collect();
    if let (Side::Deny, Some(last)) = (side, segments.last_mut())
        && *last == "*"
    {
        *last = "**";
    }
    let mut expression = "(?s)^".to_owned();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        expression.push_str(&match (*segment, side) {
            ("**", Side::Allow) if last => "/.*".to_owned(),
            ("**", Side::Deny) if last => "(?:/.*)?".to_owned(),
            ("**", _) => "(?:/[^/]*)*".to_owned(),
            ("*", Side::Allow) => "/[^/]+".to_owned(),
            _ => format!("/{}", segment.split('*').map(escape).collect::<Vec<_>>().join("[^/]*")),
        });
    }
    expression.push('$');
    expression
}

/// Text in which `*` stands for any characters.
pub(super) fn wildcards(text: &str, letters: Letters) -> String {
    let piece = |piece: &str| match letters {
        Letters::Exactly => escape(piece),
        Letters::AnyCase => piece.chars().map(either_case).collect(),
    };
    format!("(?s)^{}$", text.split('*').map(piece).collect::<Vec<_>>().join(".*"))
}

fn either_case(character: char) -> String {
    if character.is_ascii_alphabetic() {
        format!("[{}{}]", character.to_ascii_lowercase(), character.to_ascii_uppercase())
    } else {
        escape(&character.to_string())
    }
}

/// Visible ASCII characters decoded, slashes aside.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        match escapes().find(|(digits, _visible)| after.starts_with(digits.as_str())) {
            Some((digits, visible)) => {
                plain.push(visible);
                rest = &after[digits.len()..];
            }
            None => {
                plain.push('%');
                rest = after;
            }
        }
    }
    plain + rest
}

/// The two digits, in capitals, and what they stand for.
pub(super) fn escapes() -> impl Iterator<Item = (String, char)> {
    (b'!'..=b'~').filter(|byte| *byte != b'/').map(|byte| (format!("{byte:02X}"), char::from(byte)))
}

/// Hosts in canonical form, but for the length of the whole.
pub(super) fn canonical_host() -> String {
    let label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
    let last = "[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?";
    let octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    format!(r"^(?:(?:{label}\.)*{last}|{octet}(?:\.{octet}){{3}}|\[[0-9a-f:.]+\])$")
}
