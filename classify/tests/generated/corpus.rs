//! Texts in which it is known what stands: four domains, five languages, four formats, five encodings.

use std::collections::BTreeMap;

use super::random::Random;
use super::templates::{DOMAINS, Domain, Language};
use super::values::{KINDS, Kind};

/// A text and how many values of each category are in it.
pub(super) struct Case {
    pub(super) text: String,
    /// Domain, language, format and encoding.
    pub(super) sort: String,
    pub(super) expected: BTreeMap<String, u32>,
}

/// How the values are brought.
const FORMATS: [&str; 4] = ["prose", "json", "xml", "form"];

/// What the text is wrapped in.
const ENCODINGS: [&str; 5] = ["plain", "percent", "base64", "escapes", "fullwidth"];

/// `count` cases, every combination in turn; plain ones are as many as all others together.
pub(super) fn cases(count: usize, seed: u64) -> Vec<Case> {
    let mut random = Random(seed);
    (0..count).map(|at| case(at, &mut random)).collect()
}

fn case(at: usize, random: &mut Random) -> Case {
    let domain = &DOMAINS[at % DOMAINS.len()];
    let language = &domain.languages[at / DOMAINS.len() % domain.languages.len()];
    let format = FORMATS[random.below(FORMATS.len())];
    let encoding = if random.below(2) == 0 { "plain" } else { ENCODINGS[random.below(ENCODINGS.len())] };
    let mut expected = BTreeMap::new();
    let mut values = |slot: &str, random: &mut Random| value(slot, &mut expected, random);
    let text = match format {
        "prose" => prose(language, &mut values, random),
        _ => fields(domain, language, format, &mut values, random),
    };
    Case {
        text: encoded(&text, encoding),
        sort: format!("{} {} {format} {encoding}", domain.name, language.name),
        expected,
    }
}

/// A value for a slot: a valid one, or sometimes a near miss.
fn value(slot: &str, expected: &mut BTreeMap<String, u32>, random: &mut Random) -> String {
    let kind: &Kind = KINDS.iter().find(|kind| kind.slot == slot).expect("every slot is a kind");
    match kind.near {
        Some(near) if random.below(4) == 0 => near(random),
        _ => {
            *expected.entry(kind.category.to_owned()).or_default() += 1;
            (kind.valid)(random)
        }
    }
}

type Values<'a> = dyn FnMut(&str, &mut Random) -> String + 'a;

/// Three sentences, the slots in braces filled.
fn prose(language: &Language, values: &mut Values<'_>, random: &mut Random) -> String {
    let mut text = String::new();
    let first = random.below(language.sentences.len());
    for offset in 0..3 {
        let mut rest = language.sentences[(first + offset) % language.sentences.len()];
        while let Some((before, behind)) = rest.split_once('{') {
            let (slot, behind) = behind.split_once('}').expect("braces are closed");
            text.push_str(before);
            text.push_str(&values(slot, random));
            rest = behind;
        }
        text.push_str(rest);
        text.push(' ');
    }
    text
}

/// The fields of a record in one of the formats.
fn fields(
    domain: &Domain,
    language: &Language,
    format: &str,
    values: &mut Values<'_>,
    random: &mut Random,
) -> String {
    let first = random.below(domain.fields.len());
    let chosen = (0..4).map(|offset| (first + offset) % domain.fields.len());
    let record: Vec<(&str, &str, String)> = chosen
        .map(|at| (domain.fields[at].0, language.labels[at], values(domain.fields[at].1, random)))
        .collect();
    let join = |parts: Vec<String>, between: &str| parts.join(between);
    match format {
        "json" => format!(
            "{{{}}}",
            join(record.iter().map(|(key, _, value)| format!("\"{key}\": \"{value}\"")).collect(), ", ")
        ),
        "xml" => format!(
            "<record>{}</record>",
            join(record.iter().map(|(key, _, value)| format!("<{key}>{value}</{key}>")).collect(), "")
        ),
        _ => join(record.iter().map(|(_, label, value)| format!("{label}: {value}")).collect(), "\n"),
    }
}

fn encoded(text: &str, encoding: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match encoding {
        "percent" => {
            text.bytes()
                .map(|byte| {
                    if plain(char::from(byte)) {
                        char::from(byte).to_string()
                    } else {
                        format!("%{byte:02X}")
                    }
                })
                .collect()
        }
        "base64" => base64(text.as_bytes()),
        "escapes" => text
            .chars()
            .map(|c| if plain(c) || c == ' ' { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
            .collect(),
        "fullwidth" => text
            .chars()
            .map(|c| if c.is_ascii_digit() { char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c) } else { c })
            .collect(),
        _ => text.to_owned(),
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let number = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=chunk.len() {
            out.push(char::from(ALPHABET[usize::try_from(number >> (18 - 6 * at) & 63).unwrap_or_default()]));
        }
    }
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}
