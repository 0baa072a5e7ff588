//! The texts: a kind, a language and the text on each line, and what may carry one.

/// A text.
pub(super) struct Text {
    pub(super) kind: String,
    pub(super) text: String,
}

/// In what a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Nothing else.
    Bare,
    /// A page of other text.
    Page,
    /// A member of a JSON document, the text of which is escaped.
    Json,
    /// Base64 in a line of a file.
    Base64,
}

impl Carrier {
    pub(super) const ALL: [Self; 4] = [Self::Bare, Self::Page, Self::Json, Self::Base64];

    pub(super) fn carry(self, text: &str) -> String {
        match self {
            Self::Bare => text.to_owned(),
            Self::Page => format!("{BEFORE}\n\n{text}\n\n{BEHIND}"),
            Self::Json => serde_json::json!({ "status": 200, "body": text, "next": null }).to_string(),
            Self::Base64 => format!("attachment.txt: {}", base64(text.as_bytes())),
        }
    }
}

const BEFORE: &str = "The museum opens at nine. Tickets are sold at the entrance, and groups should register a week before. \
    Photography is allowed in all rooms but the third.";
const BEHIND: &str =
    "The café on the second floor serves lunch from twelve. The nearest bus stop is Market Square.";

pub(super) fn seen() -> Vec<Text> {
    texts(include_str!("seen.tsv"))
}

pub(super) fn held_out() -> Vec<Text> {
    texts(include_str!("held-out.tsv"))
}

pub(super) fn clean() -> Vec<Text> {
    texts(include_str!("clean.tsv"))
}

fn texts(table: &str) -> Vec<Text> {
    let text = |line: &str| {
        let mut parts = line.splitn(3, '\t');
        let (Some(kind), Some(_language), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            panic!("a line of three parts: {line}")
        };
        Text { kind: kind.to_owned(), text: unescape(text) }
    };
    table.lines().map(text).collect()
}

/// `\n` and `\u{…}`; any other sign behind a backslash stays with it.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("\\u{") {
            let (code, after) = after.split_once('}').expect("a code ends");
            out.extend(u32::from_str_radix(code, 16).ok().and_then(char::from_u32));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\\\\") {
            out.push('\\');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\\n") {
            out.push('\n');
            rest = after;
        } else {
            out.push('\\');
            rest = &rest[1..];
        }
    }
    out + rest
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = usize::try_from(group >> (18 - 6 * place) & 63).expect("six bits");
            out.push(if place <= chunk.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    out
}
