//! International bank account numbers (ISO 13616): country, the country's structure, check digits mod 97.

use super::checksum::mod_97;
use crate::category::{Category, Found};
use crate::seek;

/// An international bank account number.
pub(super) const IBAN: Category = Category::financial("iban");

/// The basic account number of each registered country: `n` digits, `a` letters, `c` both.
const COUNTRIES: [(&[u8; 2], &str); 88] = [
    (b"AD", "8n12c"),
    (b"AE", "19n"),
    (b"AL", "8n16c"),
    (b"AT", "16n"),
    (b"AZ", "4a20c"),
    (b"BA", "16n"),
    (b"BE", "12n"),
    (b"BG", "4a6n8c"),
    (b"BH", "4a14c"),
    (b"BI", "23n"),
    (b"BR", "23n1a1c"),
    (b"BY", "4c4n16c"),
    (b"CH", "5n12c"),
    (b"CR", "18n"),
    (b"CY", "8n16c"),
    (b"CZ", "20n"),
    (b"DE", "18n"),
    (b"DJ", "23n"),
    (b"DK", "14n"),
    (b"DO", "4c20n"),
    (b"EE", "16n"),
    (b"EG", "25n"),
    (b"ES", "20n"),
    (b"FI", "14n"),
    (b"FK", "2a12n"),
    (b"FO", "14n"),
    (b"FR", "10n11c2n"),
    (b"GB", "4a14n"),
    (b"GE", "2a16n"),
    (b"GI", "4a15c"),
    (b"GL", "14n"),
    (b"GR", "7n16c"),
    (b"GT", "24c"),
    (b"HN", "4a20n"),
    (b"HR", "17n"),
    (b"HU", "24n"),
    (b"IE", "4a14n"),
    (b"IL", "19n"),
    (b"IQ", "4a15n"),
    (b"IS", "22n"),
    (b"IT", "1a10n12c"),
    (b"JO", "4a4n18c"),
    (b"KW", "4a22c"),
    (b"KZ", "3n13c"),
    (b"LB", "4n20c"),
    (b"LC", "4a24c"),
    (b"LI", "5n12c"),
    (b"LT", "16n"),
    (b"LU", "3n13c"),
    (b"LV", "4a13c"),
    (b"LY", "21n"),
    (b"MC", "10n11c2n"),
    (b"MD", "20c"),
    (b"ME", "18n"),
    (b"MK", "3n10c2n"),
    (b"MN", "16n"),
    (b"MR", "23n"),
    (b"MT", "4a5n18c"),
    (b"MU", "4a19n3a"),
    (b"NI", "4a20n"),
    (b"NL", "4a10n"),
    (b"NO", "11n"),
    (b"OM", "3n16c"),
    (b"PK", "4a16c"),
    (b"PL", "24n"),
    (b"PS", "4a21c"),
    (b"PT", "21n"),
    (b"QA", "4a21c"),
    (b"RO", "4a16c"),
    (b"RS", "18n"),
    (b"RU", "14n15c"),
    (b"SA", "2n18c"),
    (b"SC", "4a20n3a"),
    (b"SD", "14n"),
    (b"SE", "20n"),
    (b"SI", "15n"),
    (b"SK", "20n"),
    (b"SM", "1a10n12c"),
    (b"SO", "19n"),
    (b"ST", "21n"),
    (b"SV", "4a20n"),
    (b"TL", "19n"),
    (b"TN", "20n"),
    (b"TR", "6n16c"),
    (b"UA", "6n19c"),
    (b"VA", "18n"),
    (b"VG", "4a16n"),
    (b"XK", "16n"),
];

/// Separators between two characters of a written number.
const SEPARATORS: [u8; 4] = *b" -.\t";

/// Whether `code` is a country that has such numbers.
pub(super) fn is_country(code: &[u8]) -> bool {
    COUNTRIES.binary_search_by_key(&code, |(known, _)| known.as_slice()).is_ok()
}

/// Reports the account numbers in `text`.
pub(super) fn scan(text: &[u8], found: &mut Found) {
    let mut from = 0;
    while let Some(at) = seek::next(text, from, |byte| byte.is_ascii_digit()) {
        from = at + 1;
        // The two check digits follow the country in every spelling: nothing else is looked at.
        let Some(start) = country_before(text, at) else { continue };
        let country = [text[start].to_ascii_uppercase(), text[start + 1].to_ascii_uppercase()];
        let Ok(index) = COUNTRIES.binary_search_by_key(&&country, |(code, _)| *code) else { continue };
        if let Some((number, length)) = read(&text[start..], COUNTRIES[index].1) {
            found.add(IBAN, start..start + length, &number);
        }
    }
}

/// Where the two letters start that end at `end`, or one separator before it.
fn country_before(text: &[u8], end: usize) -> Option<usize> {
    let head = &text[..end];
    let head = match head {
        [rest @ .., last] if SEPARATORS.contains(last) => rest,
        _ => head,
    };
    match head {
        [rest @ .., first, second] if first.is_ascii_alphabetic() && second.is_ascii_alphabetic() => {
            Some(rest.len())
        }
        _ => None,
    }
}

/// The number at the start of `text` in canonical spelling and its length as written, if it has `structure` and its check digits.
fn read(text: &[u8], structure: &str) -> Option<(Vec<u8>, usize)> {
    let mut number = text[..2].to_ascii_uppercase();
    let mut rest = &text[2..];
    let mut take = |class: u8| {
        let skip = usize::from(rest.first().is_some_and(|byte| SEPARATORS.contains(byte)));
        let byte = rest.get(skip)?.to_ascii_uppercase();
        let fits = match class {
            b'n' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_alphanumeric(),
        };
        rest = &rest[skip + 1..];
        fits.then(|| number.push(byte))
    };
    take(b'n')?;
    take(b'n')?;
    for (count, class) in spans(structure) {
        (0..count).try_for_each(|_| take(class))?;
    }
    let ends = !rest.first().is_some_and(u8::is_ascii_digit);
    let length = text.len() - rest.len();
    (ends && mod_97(&[&number[4..], &number[..4]].concat()) == 1).then_some((number, length))
}

/// `8n12c` as `(8, n), (12, c)`.
fn spans(structure: &str) -> impl Iterator<Item = (usize, u8)> + '_ {
    let mut rest = structure.as_bytes();
    std::iter::from_fn(move || {
        let at = rest.iter().position(u8::is_ascii_alphabetic)?;
        let count = rest[..at].iter().fold(0, |count, digit| count * 10 + usize::from(digit - b'0'));
        let class = rest[at];
        rest = &rest[at + 1..];
        Some((count, class))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_sorted_and_fit_the_standard() {
        assert!(COUNTRIES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (country, structure) in COUNTRIES {
            let length = 4 + spans(structure).map(|(count, _)| count).sum::<usize>();
            assert!((15..=34).contains(&length), "{country:?} {length}");
        }
    }
}
