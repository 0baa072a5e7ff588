use std::collections::BTreeSet;

use wire::rules::{Check, Examples, FieldRule, PatternRule, Rules};

use super::{List, RuleMistake};
use crate::property::Property;
use crate::{Found, Scanner};

fn pattern(pattern: &str) -> PatternRule {
    PatternRule {
        name: "project-code".to_owned(),
        class: wire::rules::DataClass::Property,
        pattern: pattern.to_owned(),
        words: Vec::new(),
        distance: None,
        check: None,
        examples: Examples::default(),
    }
}

fn fields(labels: &[&str]) -> Rules {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let rule = FieldRule {
        name: "study".to_owned(),
        class: wire::rules::DataClass::Health,
        labels,
        examples: Examples::default(),
    };
    Rules { fields: vec![rule], ..Rules::default() }
}

fn patterns(rules: Vec<PatternRule>) -> Rules {
    Rules { patterns: rules, ..Rules::default() }
}

fn scanner(rules: &Rules) -> Scanner {
    Scanner::new().with_property(Property::new(rules).unwrap())
}

/// What `scanner` finds in `text` of this category.
fn values<'t>(scanner: &Scanner, category: &str, text: &'t str) -> BTreeSet<&'t str> {
    let mut found = Found::with_spans();
    scanner.scan(text.to_owned(), &mut found);
    let spans = found.into_spans().into_iter().filter(|span| span.category.to_string() == category);
    spans.map(|span| &text[span.at]).collect()
}

fn count(scanner: &Scanner, category: &str, text: &str) -> u32 {
    let mut found = Found::default();
    scanner.scan(text.to_owned(), &mut found);
    found.into_findings().count(category)
}

fn mistake(rules: &Rules) -> RuleMistake {
    Property::new(rules).unwrap_err()
}

#[test]
fn a_value_is_found_in_every_disguise() {
    let scanner = scanner(&patterns(vec![pattern(r"\bPX-[0-9]{6}\b")]));
    let count = |text: &str| count(&scanner, "property/project-code", text);
    for text in [
        "see PX-004711 today",
        "see P\u{200b}X-0\u{2060}04711",
        "see ＰＸ－００４７１１",
        "see РХ-004711",
        "UFgtMDA0NzExIGlzIGxhdGU=",
        "50582d303034373131",
        r"\u0050\u0058-004711",
        "%50%58-004711",
        "PX&#45;004711",
        "VUZndE1EQTBOekV4SUdseklHeGhkR1U9",
    ] {
        assert_eq!(count(text), 1, "{text}");
    }
    for text in ["see PX-00471 today", "PX-0047112", "PX-\u{1f}004711", "PX 004711"] {
        assert_eq!(count(text), 0, "{text}");
    }
}

#[test]
fn a_value_can_be_taken_out() {
    let scanner = scanner(&patterns(vec![pattern(r"project (PX-[0-9]{6})")]));
    let text = "é project ＰX-0\u{200b}04711, and project PX-000001";
    assert_eq!(
        values(&scanner, "property/project-code", text),
        BTreeSet::from(["ＰX-0\u{200b}04711", "PX-000001"])
    );
}

#[test]
fn letters_of_other_scripts_stay_what_they_are() {
    let scanner = scanner(&patterns(vec![pattern("проект-[0-9]{4}")]));
    assert_eq!(values(&scanner, "property/project-code", "это проект-0042"), BTreeSet::from(["проект-0042"]));
}

#[test]
fn words_must_stand_near_and_in_the_same_text() {
    let rule = PatternRule {
        words: vec!["Projekt".to_owned(), "studyCode".to_owned()],
        distance: Some(20),
        ..pattern(r"\b[A-Z]{2}[0-9]{4}\b")
    };
    let scanner = scanner(&patterns(vec![rule]));
    let count = |text: &str| count(&scanner, "property/project-code", text);
    for text in [
        "Projekt AB1234",
        "AB1234 is the PROJEKT",
        "study_code: AB1234",
        "Study Code AB1234",
        "studycode=AB1234",
    ] {
        assert_eq!(count(text), 1, "{text}");
    }
    for text in [
        "AB1234",
        "Projekte AB1234",
        "Projekt\u{1f}AB1234",
        "Projekt xxxxxxxxxxxxxxxxxxxxxxxxxx AB1234",
        "AB1234 xxxxxxxxxxxxxxxxxxxxxxxxxx Projekt",
    ] {
        assert_eq!(count(text), 0, "{text}");
    }
}

#[test]
fn a_check_must_hold() {
    for (check, good, bad) in [
        (Check::Luhn, "7992-7398-713", "7992-7398-714"),
        (Check::Iban, "GB82WEST12345698765432", "GB82WEST12345698765433"),
        (Check::Mod97, "3214282912345698765432161182", "3214282912345698765432161183"),
        (Check::Mod11_10, "86095742719", "86095742718"),
        (Check::Verhoeff, "2363", "2364"),
    ] {
        let rule = PatternRule { check: Some(check), ..pattern("#([0-9A-Z-]+)") };
        let scanner = scanner(&patterns(vec![rule]));
        assert_eq!(count(&scanner, "property/project-code", &format!("#{good} x")), 1, "{check:?}");
        assert_eq!(count(&scanner, "property/project-code", &format!("#{bad} x")), 0, "{check:?}");
    }
}

#[test]
fn a_field_is_found_in_any_spelling() {
    let scanner = scanner(&fields(&["studyId", "Studien-Nr"]));
    for (text, value) in [
        ("Study ID: A 17", "A 17"),
        ("study_id=17&x=2", "17"),
        (r#"{"studyId": "A, 17", "x": 1}"#, "A, 17"),
        (r#"{"STUDY-ID": 17, "x": 1}"#, "17"),
        ("<study_id>17</study_id>", "17"),
        ("studien nr: 17\nnext", "17"),
        ("**Study ID:** 17", "17"),
    ] {
        assert_eq!(values(&scanner, "health/study", text), BTreeSet::from([value]), "{text}");
    }
    assert_eq!(count(&scanner, "health/study", "c3R1ZHlfaWQ6IDAwNDcxMQ=="), 1);
    for text in ["the study id of", "study id:\u{1f}17", "mystudyid: 17", "study_id: ", "study_id=&x=17"] {
        assert_eq!(count(&scanner, "health/study", text), 0, "{text}");
    }
}

/// A field around another must not hide it: what one of them says may be stricter.
#[test]
fn a_field_hides_no_other() {
    let mut rules = fields(&["note"]);
    rules.fields.push(FieldRule {
        name: "secret".to_owned(),
        labels: vec!["case".to_owned()],
        ..rules.fields[0].clone()
    });
    assert_eq!(values(&scanner(&rules), "health/secret", "note: case: 17"), BTreeSet::from(["17"]));
}

#[test]
fn what_would_take_everything_is_refused() {
    for (text, cause) in [
        ("(a", "the pattern is no regular expression: unclosed group"),
        ("a*", "the pattern matches the empty text"),
        ("", "the pattern matches the empty text"),
        (r"\b", "the pattern matches the empty text"),
        ("(?s).+", "the pattern matches ordinary text"),
        (r"\w+", "the pattern matches ordinary text"),
        ("[a-z]{2,}", "the pattern matches ordinary text"),
        ("a{100000}", "the pattern is too large when it is compiled"),
        ("((a{90}){90}){90}", "the pattern is too large when it is compiled"),
        (r"(\w{30}){30}", "the pattern is too large when it is compiled"),
    ] {
        let RuleMistake { list, index, cause: told, remedy } =
            mistake(&patterns(vec![pattern("PX-[0-9]+"), pattern(text)]));
        assert_eq!((list, index, told.as_str()), (List::Patterns, 1, cause), "{text}");
        assert!(!remedy.is_empty() && !remedy.contains('\n'));
    }
    let deep = format!("{}a{}", "(".repeat(400), ")".repeat(400));
    for text in [deep.as_str(), &"a|".repeat(2000)] {
        assert!(Property::new(&patterns(vec![pattern(text)])).is_err());
    }
    let many = vec![pattern("PX-[0-9]+"); 129];
    assert!(mistake(&patterns(many)).cause.contains("129 rules"));
}

#[test]
fn examples_must_hold() {
    let with = |matching: &[&str], passing: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let examples = Examples { matching: owned(matching), passing: owned(passing) };
        patterns(vec![PatternRule { examples, ..pattern("PX-[0-9]{4}") }])
    };
    assert!(Property::new(&with(&["PX-1234"], &["PY-1234"])).is_ok());
    let told = mistake(&with(&["PX-1234", "PX-secret"], &[]));
    assert_eq!(told.cause, "it finds nothing in its example 2 under 'match'");
    assert!(mistake(&with(&[], &["PX-12345"])).cause.contains("example 1 under 'pass'"));
}

#[test]
fn names_are_names() {
    for name in ["", "Project", "1a", "a-", "a/b", "a b", &"a".repeat(41)] {
        let rule = PatternRule { name: name.to_owned(), ..pattern("PX-[0-9]+") };
        assert!(mistake(&patterns(vec![rule])).cause.contains("is no name of a kind"), "{name}");
    }
}

/// Each of these searches reads to the end of what it sees before it settles for one letter.
#[test]
fn a_hostile_expression_takes_linear_time() {
    let rules = patterns(vec![
        PatternRule { words: vec!["zebra".to_owned()], ..pattern("[A-Z]+[0-9]|[A-Z]") },
        PatternRule { words: vec!["zebra".to_owned()], ..pattern("(A+)+B|A") },
        PatternRule { words: vec!["zebra".to_owned()], ..pattern("(A|A)*B|A") },
    ]);
    let property = Property::new(&rules).unwrap();
    let text = format!("zebra {}", "A".repeat(1 << 20));
    let mut found = Found::default();
    property.scan(&text, &mut found);
    assert_eq!(found.into_findings().count("property/project-code"), 1);
}

/// Windows change nothing of what is found, wherever values stand and however long they are.
#[test]
fn windows_are_not_seen() {
    let pattern = "BEGIN[a-z0-9 ]{0,1900}END|[0-9]{6}|z{3}$";
    let plain = regex::Regex::new(&format!("(?m){pattern}")).unwrap();
    let compiled = Property::new(&patterns(vec![self::pattern(pattern)])).unwrap();
    let mut state = 5_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _text in 0..300 {
        let mut text = String::new();
        while text.len() < 20_000 {
            text.push_str(["BEGIN", "END", "004711", "zzz\n", "BEGIN ", "0047"][next(6)]);
            text.push_str(&"x ".repeat(next(1000)));
        }
        let mut found = Found::with_spans();
        compiled.scan(&text, &mut found);
        let spans: Vec<_> = found.into_spans().into_iter().map(|span| span.at).collect();
        let expected: Vec<_> = plain.find_iter(&text).map(|hit| hit.range()).collect();
        assert_eq!(spans, expected);
    }
}

#[test]
fn a_long_value_is_taken_in_pieces_without_a_gap() {
    let scanner = scanner(&patterns(vec![pattern("<[^<>]*>?|[QZ]{20}[QZ]*")]));
    for length in [500, 1023, 1024, 1025, 2000, 70_000] {
        let text = format!("a {} b", "QZ".repeat(length));
        let mut found = Found::with_spans();
        scanner.scan(text, &mut found);
        let taken: usize = found.into_spans().iter().map(|span| span.at.len()).sum();
        assert!(taken + 20 > 2 * length, "{length}: {taken}");
    }
}
