//! Values that a path gives to a name that says "secret": `/password/hunter2`, `/v1/;token=…`. What follows a name in a path
//! may as well be a verb, a version or a file, so that it must look like a secret, the more so the less the name says.

use std::ops::Range;

use super::super::words::Word;
use super::rules::Alphabet;
use super::{is_varied, mixes_letters_and_digits};

/// Names beside [`SECRET_WORDS`](super::shapes::SECRET_WORDS): in a text they are words like any other.
pub(super) const NAMES: [&str; 7] = ["token", "secret", "pass", "pwd", "jwt", "credential", "auth"];

/// Longest value, and longest beginning of a name, that is read.
const LONGEST: usize = 256;
const LONGEST_PREFIX: usize = 32;

/// What stands between a name and its value where something is done with it: `/password/reset/…`.
const VERBS: [&[u8]; 8] =
    [b"reset", b"verify", b"confirm", b"forgot", b"change", b"recover", b"validate", b"activate"];

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Like anything but a mask.
    Any,
    /// Like what people make up: letters with digits or signs.
    MadeUp,
    /// As if drawn at random.
    Random,
}

/// The value of the name at `word`.
pub(super) fn value(word: Word<'_>) -> Option<Range<usize>> {
    let sign = *word.behind().first()?;
    if !word.begins_alone() || !matches!(sign, b'=' | b'/') || sign == b'/' && !is_in_path(word) {
        return None;
    }
    let name = word.text[word.start..word.end].to_ascii_lowercase();
    let look = match (sign, is_password(&name)) {
        (b'=', true) => Look::Any,
        (b'=', false) if name.ends_with(b"pass") || name == b"pwd" => Look::MadeUp,
        (b'/', true) if word.before() == Some(b'/') => Look::MadeUp,
        _ => Look::Random,
    };
    let first = part(word.text, word.end + 1);
    let verb = sign == b'/' && VERBS.contains(&&word.text[first.clone()]);
    if verb && word.text.get(first.end) == Some(&b'/') {
        let second = part(word.text, first.end + 1);
        return is_random(&word.text[second.clone()]).then_some(second);
    }
    let value = &word.text[first.clone()];
    let fits = match look {
        Look::Any => value.len() >= 3 && !is_masked(value),
        Look::MadeUp => is_made_up(value) || is_random(value),
        Look::Random => is_random(value),
    };
    fits.then_some(first)
}

/// Whether the name ends a part of a path: `/password`, `/reset-password`.
fn is_in_path(word: Word<'_>) -> bool {
    let before = &word.text[..word.start];
    let prefix =
        before.iter().rev().take(LONGEST_PREFIX).take_while(|byte| Alphabet::Token.has(**byte)).count();
    before[..before.len() - prefix].ends_with(b"/")
}

/// Whether only people's secrets are called so.
fn is_password(name: &[u8]) -> bool {
    const PARTS: [&[u8]; 7] =
        [b"passw", b"passphrase", b"passcode", b"passe", b"kennwort", b"wachtwoord", b"senha"];
    let begins = name.starts_with(b"contrase") || name.starts_with(b"has");
    begins || PARTS.iter().any(|part| memchr::memmem::find(name, part).is_some())
}

/// One part of a path, or what is assigned in it. An escape ends it: it is read where escapes are undone.
fn part(text: &[u8], start: usize) -> Range<usize> {
    let allowed = |byte: &&u8| {
        !byte.is_ascii() || byte.is_ascii_graphic() && !b"/?&;,#=\"'`<>(){}[]\\%".contains(*byte)
    };
    start..start + text[start..].iter().take(LONGEST).take_while(allowed).count()
}

fn is_masked(value: &[u8]) -> bool {
    let word = [&b"true"[..], b"false", b"null", b"none"].contains(&&*value.to_ascii_lowercase());
    word || value.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.'))
}

/// Letters with digits or signs in six characters or more, and neither a file nor the name of a method.
fn is_made_up(value: &[u8]) -> bool {
    const SHORTEST: usize = 6;
    const METHODS: [&[u8]; 14] = [
        b"oauth", b"sha", b"md", b"aes", b"bcrypt", b"argon", b"pbkdf", b"scrypt", b"saml", b"step",
        b"version", b"policy", b"utf", b"base",
    ];
    const FILES: [&[u8]; 14] = [
        b"html", b"htm", b"php", b"js", b"mjs", b"ts", b"css", b"json", b"xml", b"md", b"txt", b"aspx",
        b"jsp", b"py",
    ];
    let letters = value.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let (method, number) = value.split_at(letters);
    let is_method = METHODS.contains(&method)
        && number.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    let is_file = memchr::memrchr(b'.', value).is_some_and(|dot| FILES.contains(&&value[dot + 1..]));
    let signs = value.iter().skip(1).any(|byte| b"!@#$^*".contains(byte))
        && value.iter().any(u8::is_ascii_alphabetic);
    value.len() >= SHORTEST && (mixes_letters_and_digits(value) || signs) && !is_method && !is_file
}

/// A UUID, or sixteen characters with a row of twelve or more letters and digits in no order. An address on a chain is
/// public.
fn is_random(value: &[u8]) -> bool {
    const SHORTEST: usize = 16;
    const SHORTEST_RUN: usize = 12;
    let dashes = value.iter().filter(|byte| **byte == b'-').count();
    if value.len() == 36 && dashes == 4 && value.iter().all(|byte| Alphabet::Uuid.has(*byte)) {
        return is_varied(value);
    }
    let is_address = value.len() == 42 && value.starts_with(b"0x");
    let runs = value.split(|byte| !byte.is_ascii_alphanumeric());
    let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
    let switches =
        longest.windows(2).filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit()).count();
    let cases = longest.iter().any(u8::is_ascii_lowercase) && longest.iter().any(u8::is_ascii_uppercase);
    value.len() >= SHORTEST
        && longest.len() >= SHORTEST_RUN
        && mixes_letters_and_digits(longest)
        && is_varied(longest)
        && (cases || switches >= 3)
        && !is_address
}
