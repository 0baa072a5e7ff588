//! A piece of a text around a place, in a plain writing; and whether a verb that stands there is said to the reader.
//!
//! *Invariant:* looks at a bounded number of bytes.

use std::ops::Range;

/// Bytes that are looked at before and behind a place at most.
const REACH: usize = 240;

/// A piece of text: lower case, without accents, every other sign a space, a space at each end.
#[derive(Debug)]
pub(super) struct Plain(String);

/// How a verb is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// To whoever reads: an order.
    Order,
    /// Of somebody else, or of the words themselves.
    Mention,
}

/// Words that show that a text is about attacks rather than one.
const ABOUT: &[&str] = &[
    " inject",
    " attack",
    " adversar",
    " jailbreak",
    " payload",
    " malicious",
    " phrase",
    " for example ",
    " examples ",
    " an example ",
    " classic example ",
    " such as ",
    " e g ",
    " for instance ",
    " detect",
    " filter",
    " flagged ",
    " flags ",
    " assert",
    " guardrail",
    " regex",
    " compile",
    " pattern",
    " match",
    " strings",
    " called ",
    " read ",
    " says ",
    " said ",
    " asking ",
    " satz ",
    " beispiel",
    " angriff",
    " angreifer",
    " texte wie ",
    " attaque",
    " attaquant",
    " exemple",
    " frase ",
    " ejemplo",
    " ataque",
    " atacante",
    " esempio",
    " attacc",
    " refus",
    " blocked",
];

/// Words behind which an order begins though no sign stands there.
const BEFORE_ORDER: &[&str] = &[
    "please",
    "kindly",
    "now",
    "then",
    "just",
    "simply",
    "instead",
    "immediately",
    "also",
    "so",
    "hereby",
    "first",
    "assistant",
    "ai",
    "llm",
    "chatgpt",
    "claude",
    "gemini",
    "copilot",
    "bot",
    "important",
    "attention",
    "completely",
    "entirely",
    "totally",
    "quietly",
    "secretly",
    "always",
    "hey",
    "you",
    "bitte",
    "jetzt",
    "nun",
    "dann",
    "sofort",
    "maintenant",
    "ahora",
    "ora",
    "favore",
    "favor",
    "plait",
    "system",
    "override",
    "reviewers",
    "must",
    "do",
];

/// Words that join an order to another.
const JOINS: &[&str] =
    &["and", "und", "et", "y", "e", "or", "but", "aber", "mais", "pero", "ma", "immediately"];

/// Words behind which a verb is an order only where the reader is spoken to.
const MODALS: &[&str] = &[
    "to", "must", "should", "shall", "will", "can", "could", "would", "zu", "de", "debes", "devi", "dois",
    "musst",
];

/// Words behind which a verb across the end of a line is none.
const GOES_ON: &[&str] = &[
    "to",
    "not",
    "never",
    "may",
    "can",
    "could",
    "would",
    "might",
    "that",
    "which",
    "who",
    "they",
    "models",
    "attackers",
    "model",
    "of",
    "or",
    "cannot",
    "users",
    "the",
    "a",
];

impl Plain {
    /// The piece of `text` at `range`, cut to whole characters.
    pub(super) fn of(text: &[u8], range: Range<usize>) -> Self {
        let mut plain = String::with_capacity(range.len() + 2);
        plain.push(' ');
        for chunk in text[range].utf8_chunks() {
            chunk.valid().chars().for_each(|c| push(&mut plain, c));
        }
        if !plain.ends_with(' ') {
            plain.push(' ');
        }
        Self(plain)
    }

    /// Whether one of `words` is in it; a space in a word is the end of one.
    pub(super) fn has(&self, words: &[&str]) -> bool {
        words.iter().any(|word| memchr::memmem::find(self.0.as_bytes(), word.as_bytes()).is_some())
    }

    /// The last of its words.
    pub(super) fn last(&self) -> &str {
        self.0.trim_end().rsplit(' ').next().unwrap_or_default()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn push(plain: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        plain.push(c.to_ascii_lowercase());
        return;
    }
    match c {
        'ß' => plain.push_str("ss"),
        _ if c.is_alphanumeric() => plain.extend(c.to_lowercase().map(without_accent)),
        _ if plain.ends_with(' ') => {}
        _ => plain.push(' '),
    }
}

fn without_accent(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        other => other,
    }
}

/// The sentence before `at`.
pub(super) fn before(text: &[u8], at: usize) -> Range<usize> {
    let from = at.saturating_sub(REACH);
    let start = (from..at).rev().find(|place| ends_sentence(text, *place)).map_or(from, |end| end + 1);
    start..at
}

/// The rest of the sentence from `at` on.
pub(super) fn behind(text: &[u8], at: usize) -> Range<usize> {
    let limit = text.len().min(at + REACH);
    at..(at..limit).find(|place| ends_sentence(text, *place)).unwrap_or(limit)
}

/// What stands around `range`, sentences or not.
pub(super) fn around(text: &[u8], range: &Range<usize>, reach: usize) -> Range<usize> {
    let boundary = |byte: &u8| *byte == b'\x1f';
    let from = range.start.saturating_sub(reach);
    let to = text.len().min(range.end + reach);
    let start = text[from..range.start].iter().rposition(boundary).map_or(from, |at| from + at + 1);
    let end = text[range.end..to].iter().position(boundary).map_or(to, |at| range.end + at);
    start..end
}

fn ends_sentence(text: &[u8], at: usize) -> bool {
    let next = text.get(at + 1).copied().unwrap_or(b' ');
    match text[at] {
        b'\x1f' | b';' => true,
        b'.' | b'!' | b'?' => next.is_ascii_whitespace() || matches!(next, b'"' | b'\'' | b'*' | b'<'),
        b'\n' => next == b'\n',
        _ => false,
    }
}

/// How the verb at `at` is said.
pub(super) fn speech(text: &[u8], at: &Range<usize>) -> Speech {
    let order = |is: bool| if is { Speech::Order } else { Speech::Mention };
    if matches!(text.get(at.end), Some(b'(' | b'_' | b'=')) {
        return Speech::Mention;
    }
    let start = around(text, at, REACH).start;
    let head = &text[start..at.start];
    let kept = head.trim_ascii_end();
    let Some(last) = kept.last().copied() else { return Speech::Order };
    let touches = kept.len() == head.len();
    if is_quote(kept) || (last == b'(' && touches) {
        return order(!is_about(text, at));
    }
    if last.is_ascii_alphanumeric() || !last.is_ascii() && !is_sign(kept) {
        return order(!touches && is_ordered(text, at, head));
    }
    let joined = touches && matches!(last, b'-' | b'_' | b'.' | b'/' | b'@' | b'#' | b'[' | b'$');
    order(
        !(joined && text[at.start].is_ascii_lowercase())
            || kept.ends_with(b"--") && kept.len() > 8 && !touches,
    )
}

/// A verb behind a word.
fn is_ordered(text: &[u8], at: &Range<usize>, head: &[u8]) -> bool {
    let before = Plain::of(head, head.len().saturating_sub(100)..head.len());
    let last = before.last();
    let gap = &head[head.trim_ascii_end().len()..];
    if gap.contains(&b'\n') {
        return !GOES_ON.contains(&last);
    }
    if JOINS.contains(&last) {
        return !is_about(text, at) && !before.has(NOT_ORDERED);
    }
    if MODALS.contains(&last) {
        return before.has(SPOKEN_TO) && !before.has(NOT_ORDERED);
    }
    BEFORE_ORDER.contains(&last) && !before.has(&[" do not you ", " if you ", " when you "])
}

/// The reader is spoken to.
const SPOKEN_TO: &[&str] = &[
    " you ",
    " your ",
    " assistant ",
    " ai ",
    " llm ",
    " dear ",
    " du ",
    " dein",
    " tu ",
    " vous ",
    " usted ",
    " i want ",
    " we need ",
    " required ",
    " task ",
    " goal ",
    " objective ",
];

/// Somebody is spoken of.
const NOT_ORDERED: &[&str] = &[
    " if ",
    " when ",
    " whenever ",
    " never ",
    " not ",
    " no ",
    " document",
    " attack",
    " asks ",
    " told ",
    " tells ",
    " tries ",
    " try ",
    " trying ",
    " trick",
    " instructs ",
    " convince",
    " models ",
    " cannot ",
    " wenn ",
    " nie",
    " nicht ",
    " jamais ",
    " nunca ",
    " mai ",
    " si ",
    " se ",
];

fn is_about(text: &[u8], at: &Range<usize>) -> bool {
    Plain::of(text, around(text, at, REACH)).has(ABOUT)
}

/// Whether the text ends with a mark that opens a quotation.
fn is_quote(text: &[u8]) -> bool {
    let marks: [&[u8]; 9] = [
        b"\"",
        b"'",
        b"`",
        "“".as_bytes(),
        "„".as_bytes(),
        "«".as_bytes(),
        "«\u{a0}".as_bytes(),
        "‘".as_bytes(),
        "‹".as_bytes(),
    ];
    marks.iter().any(|mark| text.ends_with(mark))
}

/// Whether the text ends with a sign that is no letter.
fn is_sign(text: &[u8]) -> bool {
    let from = text.len().saturating_sub(4);
    let last = text[from..].utf8_chunks().last().and_then(|chunk| chunk.valid().chars().next_back());
    last.is_none_or(|c| !c.is_alphanumeric())
}

/// Whether a mark that models read stands there as an object: between quotation marks, or in a block of code.
pub(super) fn is_shown(text: &[u8], at: &Range<usize>, fences: &[usize]) -> bool {
    if fences.partition_point(|fence| *fence < at.start) % 2 == 1 {
        return true;
    }
    let line =
        text[..at.start].iter().rev().take(REACH).take_while(|byte| **byte != b'\n' && **byte != b'\x1f');
    let ticks = line.filter(|byte| **byte == b'`').count();
    let quotes = [b'"', b'\'', b'`'];
    let opens = at.start.checked_sub(1).is_some_and(|before| quotes.contains(&text[before]));
    let closes = text.get(at.end).is_some_and(|after| quotes.contains(after));
    ticks % 2 == 1 || opens || closes
}

/// Where blocks of code begin and end; a block ends with its text, too: it hides nothing of another one.
pub(super) fn fences(text: &[u8]) -> Vec<usize> {
    let (mut edges, mut open) = (Vec::new(), None);
    for fence in memchr::memmem::find_iter(text, b"```").chain([text.len()]) {
        let end = open.and_then(|start| memchr::memchr(b'\x1f', &text[start..fence]).map(|at| start + at));
        edges.extend(end);
        open = if open.is_some() && end.is_none() { None } else { Some(fence) };
        edges.push(fence);
    }
    edges
}
