//! Takes what is found out of a text, and leaves its category in its place: `/users/<personal/email-address>/keys`.
//!
//! Looked at are the text as it stands, and the text with percent escapes undone and disguised characters folded. Values in
//! deeper encodings (Base64, hexadecimal) stay: see [`crate::decode`] for what a prompt is searched for.

use std::ops::Range;

use crate::category::{Category, Found, Span};
use crate::detect::proven;
use crate::fold;

/// The detectors that are sure of what they find, for taking it out.
#[derive(Debug)]
pub struct Redactor(());

/// A text read in another way, and which bytes of the original each of its bytes stands for.
struct View {
    text: String,
    /// The original's offset of every byte of `text`, and of its end.
    origin: Vec<usize>,
}

impl Redactor {
    /// Compiles the detectors.
    #[must_use]
    pub fn new() -> Self {
        proven::load();
        Self(())
    }

    /// The text without what was found in it; `None`: nothing was found.
    #[must_use]
    pub fn redact(&self, text: &str) -> Option<String> {
        self.redact_path("", text)
    }

    /// The same of the path of a request to `host`, which tells what some secrets are: those of webhooks.
    #[must_use]
    pub fn redact_path(&self, host: &str, path: &str) -> Option<String> {
        let mut spans = found(host, path);
        if path.contains('%') || !path.is_ascii() {
            let view = View::of(path);
            spans.extend(found(host, &view.text).into_iter().map(|span| view.back(span)));
        }
        (!spans.is_empty()).then(|| replace(path, spans))
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new()
    }
}

/// What is found in `path`. What is found in the host is none of it.
fn found(host: &str, path: &str) -> Vec<Span> {
    let mut found = Found::with_spans();
    // A name may end in the root's dot, and has no case.
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || !path.starts_with('/') {
        proven::scan(path, 0, &mut found);
        return found.into_spans();
    }
    let from = host.len();
    let mut whole = String::with_capacity(from + path.len());
    whole.push_str(host);
    whole.make_ascii_lowercase();
    whole.push_str(path);
    proven::scan(&whole, from, &mut found);
    let of_path = |span: Span| Span { at: span.at.start.max(from) - from..span.at.end - from, ..span };
    found.into_spans().into_iter().filter(|span| span.at.end > from).map(of_path).collect()
}

impl View {
    fn of(original: &str) -> Self {
        let (bytes, origin) = unescaped(original.as_bytes());
        let mut view =
            Self { text: String::with_capacity(bytes.len()), origin: Vec::with_capacity(bytes.len() + 1) };
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                view.push(fold::folded(c), origin[at]);
                at += c.len_utf8();
            }
            for _byte in chunk.invalid() {
                view.push(Some('?'), origin[at]);
                at += 1;
            }
        }
        view.origin.push(original.len());
        view
    }

    fn push(&mut self, c: Option<char>, from: usize) {
        let Some(c) = c else { return };
        self.text.push(c);
        self.origin.resize(self.text.len(), from);
    }

    /// The same value in the original.
    fn back(&self, span: Span) -> Span {
        Span { at: self.origin[span.at.start]..self.origin[span.at.end], ..span }
    }
}

/// The bytes with percent escapes undone, and the offset of each; the last offset is that of the end.
fn unescaped(text: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut bytes, mut origin) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len() + 1));
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        origin.push(at);
        let escaped = (byte == b'%').then(|| Some(digit(at + 1)? << 4 | digit(at + 2)?)).flatten();
        bytes.push(escaped.map_or(byte, |value| u8::try_from(value).expect("two digits make a byte")));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    origin.push(at);
    (bytes, origin)
}

/// `text` with a mark in place of each span; spans that overlap become one.
fn replace(text: &str, mut spans: Vec<Span>) -> String {
    spans.sort_by_key(|span| (span.at.start, std::cmp::Reverse(span.at.end)));
    let mut merged: Vec<(Category, Range<usize>)> = Vec::new();
    for Span { category, at } in spans {
        // A detector counts in bytes, and may begin within a character.
        let end = whole(text, &at);
        let at = behind_escape(text, text.floor_char_boundary(at.start)).min(end)..end;
        match merged.last_mut() {
            Some((_first, last)) if at.start < last.end => last.end = last.end.max(at.end),
            _apart => merged.push((category, at)),
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (category, at) in merged {
        out.push_str(&text[done..at.start]);
        out.push_str(&format!("<{category}>"));
        done = at.end;
    }
    out.push_str(&text[done..]);
    out
}

/// Behind the percent escape that `start` stands in: its digits are none of the value that follows.
fn behind_escape(text: &str, start: usize) -> usize {
    let escape = |at: usize| match text.as_bytes().get(at..at + 3) {
        Some([b'%', one, other]) => one.is_ascii_hexdigit() && other.is_ascii_hexdigit(),
        _ => false,
    };
    match [1, 2].into_iter().find(|back| start.checked_sub(*back).is_some_and(escape)) {
        Some(back) => start - back + 3,
        None => start,
    }
}

/// Where a value really ends: a detector is content with the shortest token that it can be sure of.
fn whole(text: &str, at: &Range<usize>) -> usize {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'=');
    let last_belongs = text.as_bytes()[at.clone()].last().is_some_and(belongs);
    let more = text.as_bytes()[at.end..].iter().take_while(|byte| belongs(byte)).count();
    let end = if last_belongs { at.end + more } else { at.end };
    text.ceil_char_boundary(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";

    #[test]
    fn what_is_found_is_replaced_by_what_it_is() {
        let redactor = Redactor::new();
        for (text, expected) in [
            ("/users/jane@example.com/keys".to_owned(), "/users/<personal/email-address>/keys"),
            ("/users/jane%40example.com/keys".to_owned(), "/users/<personal/email-address>/keys"),
            ("/pay/4111%201111%201111%201111/x".to_owned(), "/pay/<financial/payment-card>/x"),
            ("/pay/４１１１１１１１１１１１１１１１/x".to_owned(), "/pay/<financial/payment-card>/x"),
            (format!("/a/{TOKEN}moreOfIt/b"), "/a/<credential/github-token>/b"),
            (format!("{TOKEN}.evil.example"), "<credential/github-token>.evil.example"),
            (
                format!("x {TOKEN} y jane@example.com"),
                "x <credential/github-token> y <personal/email-address>",
            ),
            ("GB33BUKB20201555555555".to_owned(), "<financial/iban>"),
        ] {
            assert_eq!(redactor.redact(&text).as_deref(), Some(expected), "{text}");
        }
        for clean in ["/api/v1/patients/42/notes", "/%E4%BD%A0%zz%", "", "汉字 %41", "order 1234567890123"]
        {
            assert_eq!(redactor.redact(clean), None, "{clean}");
        }
    }

    /// Every offset of every view is one of the text: nothing of what the guest sends makes it panic.
    #[test]
    fn no_text_breaks_it() {
        let redactor = Redactor::new();
        let pieces = [
            "jane@example.com",
            "%4",
            "%",
            "é",
            "\u{200b}",
            "４１１１",
            "1111%C3",
            TOKEN,
            "%E4%BD",
            "/",
            "汉",
        ];
        let mut state = 7_usize;
        for _round in 0..20_000 {
            let mut text = String::new();
            for _piece in 0..6 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(state >> 33) % pieces.len()]);
            }
            if let Some(redacted) = redactor.redact(&text) {
                assert!(redacted.contains('<') && !redacted.contains(TOKEN), "{text} {redacted}");
            }
        }
    }
}
