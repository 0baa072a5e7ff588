//! Postal addresses: a street and a number in it, as English, German, Dutch, French, Spanish, Italian, Polish and
//! Portuguese write them; post office boxes.

use std::ops::Range;

use super::super::words::Word;
use super::{Label, believed, read};
use crate::category::Category;

pub(super) const ADDRESS: Category = Category::personal("postal-address");

/// The words of streets, by where the name and the number stand.
pub(super) const LABELS: &[Label] = &[
    read(
        ADDRESS,
        "street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|way|place|pl|terrace|square|sq|circle|cir|\
         crescent|close|parkway|pkwy|highway|hwy|trail|gardens|mews|grove|alley|row",
        number_name_word,
    ),
    read(
        ADDRESS,
        "straße|strasse|str.|gasse|weg|platz|allee|damm|ufer|chaussee|steig|straat|laan|gracht|plein|kade|singel|dijk|dreef",
        name_word_number,
    ),
    read(
        ADDRESS,
        "calle|c/|avenida|avda.|av.|plaza|paseo|carrer|camino|carretera|via|viale|piazza|corso|largo|vicolo|piazzale|ul.|ulica|\
         ulicy|al.|aleja|os.|plac|pl.|rua|travessa|praça|alameda|estrada|rue|avenue|boulevard",
        word_name_number,
    ),
    read(
        ADDRESS,
        "rue|avenue|boulevard|place|chemin|allée|impasse|quai|route|cours|square|ruelle",
        number_word_name,
    ),
    believed(
        ADDRESS,
        "po box|p.o. box|p o box|postfach|apartado de correos|casella postale|postbus|skrytka pocztowa|caixa postal",
        &["d{2,6}"],
    ),
];

/// Words of a street's name.
const MOST_WORDS: usize = 5;

/// `221B Baker Street`: capitals throughout.
fn number_name_word(word: Word<'_>) -> Option<Range<usize>> {
    let text = word.text;
    if !word.stands_alone() || !text[word.start].is_ascii_uppercase() {
        return None;
    }
    let mut start = word.start;
    for count in 0..MOST_WORDS {
        let (part, at) = word_before(text, start)?;
        start = at;
        let ordinal =
            part.ends_with(b"th") || part.ends_with(b"st") || part.ends_with(b"nd") || part.ends_with(b"rd");
        if is_house_number(part) {
            let free =
                at.checked_sub(1).is_none_or(|before| !matches!(text[before], b'.' | b'$' | b'-' | b'/'));
            return (count > 0 && free).then_some(at..word.end);
        }
        if !(part[0].is_ascii_uppercase() || part[0].is_ascii_digit() && ordinal) {
            return None;
        }
    }
    None
}

/// The word that ends right before `end`, one space between, and where it starts.
fn word_before(text: &[u8], end: usize) -> Option<(&[u8], usize)> {
    let head = text[..end].strip_suffix(b" ")?;
    let head = head.strip_suffix(b".").or(head.strip_suffix(b",")).unwrap_or(head);
    let length = head.iter().rev().take(20).take_while(|byte| is_name_part(**byte)).count();
    let start = head.len() - length;
    (length > 0).then(|| (&head[start..], start))
}

fn is_name_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii() || matches!(byte, b'\'' | b'-')
}

/// `12`, `221B`.
fn is_house_number(part: &[u8]) -> bool {
    let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=5).contains(&digits)
        && part[0] != b'0'
        && (part.len() == digits || part.len() == digits + 1 && part[digits].is_ascii_alphabetic())
}

/// `Musterstraße 12a`, `Lange Straße 5`, `Keizersgracht 101`.
fn name_word_number(word: Word<'_>) -> Option<Range<usize>> {
    let text = word.text;
    let end = house_number_behind(text, word.end)?;
    let letters = |byte: &&u8| byte.is_ascii_alphabetic() || !byte.is_ascii() || matches!(**byte, b'-');
    let joined = text[..word.start].iter().rev().take(32).take_while(letters).count();
    let start = if joined >= 3 {
        word.start - joined
    } else {
        let (name, at) = word_before(text, word.start)?;
        let is_street = text[word.start].is_ascii_uppercase() && name.len() >= 3;
        is_street.then_some(at)?
    };
    (text[start].is_ascii_uppercase() || !text[start].is_ascii()).then_some(start..end)
}

/// Where the house number ends that follows at `at`: a space, up to four digits, perhaps a letter.
fn house_number_behind(text: &[u8], at: usize) -> Option<usize> {
    let behind = text.get(at..)?;
    let gap = behind.iter().take(2).take_while(|byte| matches!(byte, b' ' | b',')).count();
    let digits = behind[gap..].iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
    let rest = &behind[gap + digits..];
    let letter = usize::from(rest.first().is_some_and(u8::is_ascii_alphabetic));
    let next = rest.get(letter).copied().unwrap_or(b' ');
    let goes_on = next.is_ascii_alphanumeric() || matches!(next, b'%' | b'_' | b':');
    let decimal = next == b'.' && rest.get(letter + 1).is_some_and(u8::is_ascii_digit);
    ((1..=4).contains(&digits) && gap > 0 && behind[gap] != b'0' && !goes_on && !decimal)
        .then_some(at + gap + digits + letter)
}

/// `Calle Mayor 12`, `ul. Długa 7/3`, `Via Roma, 5`.
fn word_name_number(word: Word<'_>) -> Option<Range<usize>> {
    let text = word.text;
    let capital = text[word.start].is_ascii_uppercase() || text[word.end - 1] == b'.';
    if !word.stands_alone() || !capital {
        return None;
    }
    let end = behind_name(text, word.end)?;
    let end = house_number_behind(text, end)?;
    Some(word.start..end)
}

/// `12 rue de la Paix`, `3, avenue Foch`.
fn number_word_name(word: Word<'_>) -> Option<Range<usize>> {
    let (mut number, mut start) = word_before(word.text, word.start)?;
    if matches!(number, b"bis" | b"ter") {
        (number, start) = word_before(word.text, start)?;
    }
    if !word.stands_alone() || !is_house_number(number) || word.text[word.start].is_ascii_uppercase() {
        return None;
    }
    let end = behind_name(word.text, word.end)?;
    Some(start..end)
}

/// Where a street's name ends that begins at `at`: small words, then capitalised ones.
fn behind_name(text: &[u8], at: usize) -> Option<usize> {
    const SMALL: [&[u8]; 14] = [
        b"de", b"la", b"del", b"des", b"du", b"da", b"das", b"dos", b"do", b"los", b"las", b"della", b"di",
        b"y",
    ];
    let mut end = at;
    let mut named = None;
    for _word in 0..MOST_WORDS {
        let Some(rest) = text.get(end..).and_then(|rest| rest.strip_prefix(b" ")) else { break };
        let length = rest.iter().take(24).take_while(|byte| is_name_part(**byte)).count();
        let part = &rest[..length];
        let Some(first) = part.first() else { break };
        let small = SMALL.contains(&part) || part.starts_with(b"l'") || part.starts_with(b"d'");
        let name =
            (first.is_ascii_uppercase() || !first.is_ascii()) && part[1..].iter().any(u8::is_ascii_lowercase);
        if !small && !name {
            break;
        }
        end += 1 + length;
        if name || length > 2 && !SMALL.contains(&part) {
            named = Some(end);
        }
    }
    named
}
