//! Dates that tell about a person: of birth, of care, of death; and ages that few reach (HIPAA Safe Harbor).

use std::ops::Range;

use super::super::checksum::is_day;
use super::super::words::Word;
use super::{Label, read, starts};
use crate::category::Category;

const BIRTH: Category = Category::personal("date-of-birth");
const CARE: Category = Category::health("date");
const AGE: Category = Category::health("age-over-89");

/// The words, in eight languages.
pub(super) const LABELS: &[Label] = &[
    read(
        BIRTH,
        "date of birth|dob|d.o.b.|birth date|birthdate|birthday|born|born on|geburtsdatum|geboren|geb.|geb|geburtstag|\
         date de naissance|né le|née le|ne le|nee le|fecha de nacimiento|nacido|nacida|data di nascita|nato il|nata il|nato|\
         nata|geboortedatum|data urodzenia|urodzony|urodzona|ur.|data de nascimento|nascido|nascida|nacimiento|naissance",
        date,
    ),
    read(
        CARE,
        "admission date|discharge date|date of death|date of service|date of admission|date of discharge|procedure date|\
         specimen collected|aufnahmedatum|entlassungsdatum|sterbedatum|date d'admission|date de décès|fecha de ingreso|\
         data di ricovero|opnamedatum|ontslagdatum|data przyjęcia|data wypisu|data de internação|data de internamento|\
         last menstrual period|lmp",
        date,
    ),
    read(
        CARE,
        "admitted|admission|discharged|discharge|died|deceased|seen on|date of visit|visit date|operated|surgery|surgery date|\
         collected|appointment|follow up|aufgenommen|entlassen|verstorben|date de sortie|hospitalisé|hospitalisée|\
         fecha de alta|ingresado|ingresada|ricoverato|ricoverata|opgenomen|data de alta|vaccinated",
        date_of_care,
    ),
    read(
        AGE,
        "years old|year old|years of age|y/o|yo|yr old|yrs old|jahre alt|jährige|jährigen|jähriger|ans|años|anos|anni|\
         jaar oud|jarige|lat|letni|letnia",
        age_before,
    ),
    read(AGE, "age|aged|alter|âge|edad|età|leeftijd|wiek|idade|pt age|patient age", age_behind),
];

/// Names of months and their first letters, by month, in eight languages.
const MONTHS: [&str; 12] = [
    "january jan januar janvier janv enero gennaio januari stycznia janeiro jän jänner ene gen",
    "february feb februar février fevrier febrero febbraio februari lutego fevereiro fév fev",
    "march mar märz maerz mars marzo maart marca março marco mär mrt",
    "april apr avril abril aprile kwietnia avr abr",
    "may mai mayo maggio mei maja maio mag",
    "june jun juni juin junio giugno czerwca junho giu",
    "july jul juli juillet julio luglio lipca julho lug juil",
    "august aug août aout agosto augustus sierpnia ago",
    "september sep sept septembre septiembre settembre września setembro set",
    "october oct oktober octobre octubre ottobre października outubro okt out",
    "november nov novembre noviembre listopada novembro",
    "december dec dezember décembre decembre diciembre dicembre grudnia dezembro dez dic déc",
];

/// The date behind the word, a few words further at most.
fn date(word: Word<'_>) -> Option<Range<usize>> {
    if !word.stands_alone() {
        return None;
    }
    starts(word).take(5).find_map(|start| date_at(word.text, start).map(|end| start..end))
}

fn date_of_care(word: Word<'_>) -> Option<Range<usize>> {
    let at = date(word)?;
    super::is_care(word).then_some(at)
}

/// Where the date that begins at `start` ends; a day is in it, a year alone tells little.
pub(super) fn date_at(text: &[u8], start: usize) -> Option<usize> {
    let parts = parts(text, start);
    let ends = |count: usize| parts.get(count - 1).map(|part| part.1.end);
    let number = |index: usize| match parts.get(index) {
        Some((Part::Number(number), at)) => Some((*number, at.len())),
        _ => None,
    };
    let month = |index: usize| matches!(parts.get(index), Some((Part::Month, _)));
    match (number(0), number(1), number(2)) {
        (Some((a, 4)), Some((b, 1..=2)), Some((c, 1..=2))) if is_year(a) && is_day(b, c) => ends(3),
        (Some((a, 1..=2)), Some((b, 1..=2)), Some((c, 4))) if is_either(a, b) && is_year(c) => ends(3),
        (Some((a, 1..=2)), Some((b, 1..=2)), Some((_, 2))) if is_either(a, b) => ends(3),
        (Some((a, 1..=2)), None, Some((c, 4))) if month(1) && is_day(1, a) && is_year(c) => ends(3),
        (Some((a, 1..=2)), None, _) if month(1) && is_day(1, a) => ends(2),
        (None, Some((b, 1..=2)), Some((c, 4))) if month(0) && is_day(1, b) && is_year(c) => ends(3),
        (None, Some((b, 1..=2)), _) if month(0) && is_day(1, b) => ends(2),
        (Some((a, 8)), ..) if is_year(a / 10_000) && is_day(a / 100 % 100, a % 100) => ends(1),
        _ => None,
    }
}

/// A number, the name of a month.
#[derive(Clone, Copy, Debug)]
enum Part {
    Number(u64),
    Month,
}

/// The first three parts of a date and where they stand; `de`, `of` and ordinals are passed over.
fn parts(text: &[u8], start: usize) -> Vec<(Part, Range<usize>)> {
    let mut parts = Vec::new();
    let mut at = start;
    for _word in 0..6 {
        let is_digit = text.get(at).is_some_and(u8::is_ascii_digit);
        let belongs = |byte: &&u8| {
            if is_digit { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() || !byte.is_ascii() }
        };
        let length = text.get(at..).unwrap_or_default().iter().take(16).take_while(belongs).count();
        let word = at..at + length;
        match length {
            0 => break,
            1..=8 if is_digit => {
                parts.push((Part::Number(super::super::checksum::decimal(&text[word])), at..at + length))
            }
            _ if is_digit => break,
            _ if is_month(&text[word.clone()]) => parts.push((Part::Month, word)),
            _ if !is_joint(&text[word]) => break,
            _joint => {}
        }
        at += length;
        let gap = |byte: &&u8| matches!(byte, b' ' | b'.' | b'/' | b'-' | b',' | b'\'');
        at += text.get(at..).unwrap_or_default().iter().take(2).take_while(gap).count();
        if parts.len() == 3 {
            break;
        }
    }
    parts
}

fn is_month(word: &[u8]) -> bool {
    let Ok(word) = std::str::from_utf8(word) else { return false };
    let word = word.to_lowercase();
    MONTHS.iter().any(|names| names.split(' ').any(|name| name == word))
}

fn is_joint(word: &[u8]) -> bool {
    [&b"st"[..], b"nd", b"rd", b"th", b"de", b"of", b"er", b"the", b"do", b"di"]
        .iter()
        .any(|joint| joint.eq_ignore_ascii_case(word))
}

fn is_year(number: u64) -> bool {
    (1870..=2099).contains(&number)
}

/// Day and month, in either order.
fn is_either(a: u64, b: u64) -> bool {
    is_day(a, b) || is_day(b, a)
}

/// `93 years old`, `93-year-old`.
fn age_before(word: Word<'_>) -> Option<Range<usize>> {
    let before = &word.text[..word.start];
    let gap = before.iter().rev().take(2).take_while(|byte| matches!(byte, b' ' | b'-')).count();
    let digits =
        before[..before.len() - gap].iter().rev().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let at = word.start - gap - digits..word.start - gap;
    let alone = at.start.checked_sub(1).is_none_or(|before| {
        !word.text[before].is_ascii_alphanumeric() && !matches!(word.text[before], b'.' | b',' | b'-' | b'/')
    });
    (alone && word.ends_alone() && is_old(&word.text[at.clone()])).then_some(at)
}

/// `aged 93`, `Alter: 93`.
fn age_behind(word: Word<'_>) -> Option<Range<usize>> {
    let start = super::behind_fillers(word).filter(|start| start - word.end <= 8)?;
    let digits = word.text[start..].iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let at = start..start + digits;
    let next = word.text.get(at.end).copied().unwrap_or(b' ');
    let alone = !next.is_ascii_alphanumeric() && !matches!(next, b'%' | b'-' | b'/' | b':');
    let decimal = next == b'.' && word.text.get(at.end + 1).is_some_and(u8::is_ascii_digit);
    (word.stands_alone() && alone && !decimal && is_old(&word.text[at.clone()])).then_some(at)
}

fn is_old(digits: &[u8]) -> bool {
    (2..=3).contains(&digits.len()) && (90..=120).contains(&super::super::checksum::decimal(digits))
}
