//! Names of people in records: what a field that is called after a person holds. Names in running text are the tagger's
//! ([`entities`](crate::entities)).

use std::ops::Range;

use super::super::words::Word;
use super::{Label, read};
use crate::entities::{NAME, is_known_name};

/// The words of fields, in eight languages.
pub(super) const LABELS: &[Label] = &[
    read(
        NAME,
        "first name|last name|surname|given name|family name|middle name|maiden name|vorname|nachname|familienname|prénom|\
         nom de famille|apellido|apellidos|cognome|voornaam|achternaam|imię|nazwisko|sobrenome|apelido",
        one_word,
    ),
    read(
        NAME,
        "patient name|patient|full name|customer name|customer|client name|employee name|employee|cardholder|cardholder name|\
         account holder|beneficiary|insured|policyholder|next of kin|emergency contact|attending|physician|name des patienten|\
         kunde|kundin|mitarbeiter|mitarbeiterin|kontoinhaber|karteninhaber|patientin|versicherter|nom du patient|nom complet|client|\
         cliente|employé|employée|titulaire|nombre completo|paciente|empleado|empleada|titular|nome completo|paziente|\
         dipendente|intestatario|patiënt|klant|medewerker|rekeninghouder|pacjent|pacjentka|klient|pracownik|utente|\
         funcionário",
        two_words,
    ),
    read(NAME, "name|nom|nombre|nome|naam|contact|owner|author|signed|from|to|cc", known),
];

/// Most words of a name.
const MOST_WORDS: usize = 4;

fn one_word(word: Word<'_>) -> Option<Range<usize>> {
    name(word).map(|(at, _words)| at)
}

fn two_words(word: Word<'_>) -> Option<Range<usize>> {
    name(word).filter(|(_at, words)| *words > 1).map(|(at, _words)| at)
}

/// Behind a word that names other things, too: of two words or more, one is a name that is known.
fn known(word: Word<'_>) -> Option<Range<usize>> {
    let at = two_words(word)?;
    let text = std::str::from_utf8(&word.text[at.clone()]).ok()?;
    let parts = text.split([' ', ',']).filter(|part| is_known_name(part));
    (parts.count() > 0).then_some(at)
}

/// Capitalised words behind the sign that parts a field from its value, and how many; nothing else belongs to the value.
fn name(word: Word<'_>) -> Option<(Range<usize>, usize)> {
    let sign = |byte: &&u8| matches!(**byte, b' ' | b':' | b'=' | b'>' | b'"' | b'\'' | b'|' | b'*');
    let gap = word.behind().iter().take(6).take_while(sign).count();
    let parts = word.behind()[..gap].iter().any(|byte| matches!(byte, b':' | b'=' | b'>' | b'|'));
    if !parts || !word.stands_alone() {
        return None;
    }
    let start = word.end + gap;
    let (mut end, mut words) = (start, 0);
    while words < MOST_WORDS {
        let skip = if words == 0 { 0 } else { separator(&word.text[end..]) };
        let length = part(&word.text[end + skip..]);
        if length == 0 || words > 0 && skip == 0 {
            break;
        }
        end += skip + length;
        words += 1;
    }
    let next = word.text.get(end).copied().unwrap_or(b'\n');
    let ends = matches!(
        next,
        b'"' | b'\'' | b'<' | b'\n' | b'\r' | b',' | b';' | b'|' | b'\x1f' | b'(' | b'.' | b'}' | b'&'
    ) || word.text[end..].starts_with(b" <")
        || word.text[end..].starts_with(b" (")
        || word.text[end..].starts_with(b" |");
    (words > 0 && ends).then_some((start..end, words))
}

/// A space, a comma between last and first name, the point of an initial.
fn separator(text: &[u8]) -> usize {
    match text {
        [b',', b' ', ..] | [b'.', b' ', ..] => 2,
        [b' ', ..] => 1,
        _ => 0,
    }
}

/// Length of one capitalised word.
fn part(text: &[u8]) -> usize {
    let belongs =
        |byte: &&u8| byte.is_ascii_alphabetic() || !byte.is_ascii() || matches!(**byte, b'-' | b'\'');
    let length = text.iter().take(32).take_while(belongs).count();
    let capital = std::str::from_utf8(&text[..length]).is_ok_and(|word| word.starts_with(char::is_uppercase));
    if capital { length } else { 0 }
}
