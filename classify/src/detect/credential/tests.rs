use super::rules::{Alphabet, Size};
use super::*;
use crate::Scanner;

/// A body that looks drawn at random.
fn body(alphabet: Alphabet, length: usize) -> String {
    let characters: Vec<u8> =
        (b'!'..=b'~').filter(|byte| alphabet.has(*byte) && !b"=+/.".contains(byte)).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(characters[usize::try_from(state >> 33).unwrap() % characters.len()])
    };
    (0..length).map(|_| next()).collect()
}

fn holds(scanner: &Scanner, text: &str, kind: &str) -> bool {
    let mut found = Found::default();
    scanner.scan(text.to_owned(), &mut found);
    found.into_findings().count(&format!("credential/{kind}")) > 0
}

#[test]
fn every_prefixed_token_is_found_and_its_near_misses_are_not() {
    let scanner = Scanner::new();
    for rule in RULES {
        let (Size::Exactly(length) | Size::From(length)) = rule.size;
        let token = format!("{}{}", rule.prefix, body(rule.alphabet, length));
        let half = &token[..rule.prefix.len() + length / 2];
        let masked = format!("{}{}", rule.prefix, "x".repeat(length));
        assert!(holds(&scanner, &format!("export TOKEN=\"{token}\""), rule.kind), "{}: {token}", rule.kind);
        for miss in [half, rule.prefix, &masked] {
            assert!(!holds(&scanner, miss, rule.kind), "{}: {miss}", rule.kind);
        }
    }
}

#[test]
fn every_key_that_a_name_tells_is_found_and_nothing_near_it() {
    let scanner = Scanner::new();
    for vendor in VENDORS {
        let name = vendor.word.replace(' ', "_").to_uppercase();
        for length in vendor.lengths {
            let key = body(vendor.alphabet, *length);
            let short = body(vendor.alphabet, length - 1);
            assert!(holds(&scanner, &format!("{name}_SECRET_KEY={key}"), vendor.kind), "{name} {key}");
            assert!(
                holds(&scanner, &format!("\"{name}-api-token\": \"{key}\""), vendor.kind),
                "{name} {key}"
            );
            assert!(
                !holds(&scanner, &format!("{name}_SECRET_KEY {key}"), vendor.kind),
                "{name} without a sign"
            );
            assert!(!holds(&scanner, &format!("OTHER_THING={key}"), vendor.kind), "{key} by itself");
            let known = vendor.lengths.contains(&short.len());
            assert_eq!(
                holds(&scanner, &format!("{name}_TOKEN={short}"), vendor.kind),
                known,
                "{name} {short}"
            );
        }
    }
}

#[test]
fn there_are_many_formats() {
    let formats = RULES.len() + SHAPES.len() + VENDORS.len();
    assert!(formats >= 250, "{formats}");
}
