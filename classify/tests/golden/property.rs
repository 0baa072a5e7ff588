//! What is found, and what is not: property.

use classify::property::documents::prints;
use classify::property::{Documents, Property, Terms};
use classify::{Found, Scanner};

use super::check;

#[test]
fn markings() {
    check(
        "property/marking",
        &[
            "STRICTLY CONFIDENTIAL",
            "This drawing is export-controlled.",
            "For internal use only — do not forward",
            "Streng vertraulich!",
            "STRICTEMENT CONFIDENTIEL",
            "Attorney-client privileged",
        ],
        &[
            "The value is kept confidential by the protocol.",
            "confidential computing",
            "proprietary formats are supported",
            "secret: managed by the vault",
            "internal use of the cache",
            "Internal use only, returns the raw pointer",
        ],
    );
}

#[test]
fn the_operators_own_words_and_documents() {
    let plan = wire::router::Document { name: "plan".to_owned(), prints: prints([PLAN]) };
    let documents = Documents::new(&[plan]).expect("it is long enough");
    let property = Property {
        terms: Terms::new(["Bluebird"]).expect("one word compiles"),
        documents,
        ..Property::default()
    };
    let scanner = Scanner::new().with_property(property);
    let count = |text: &str, kind: &str| {
        let mut found = Found::default();
        scanner.scan(text.to_owned(), &mut found);
        found.into_findings().count(kind)
    };
    assert_eq!(count("When does BLUEBIRD ship?", "property/term"), 1);
    assert_eq!(count("When does Blue\u{200b}bird ship?", "property/term"), 1);
    assert_eq!(count("V2hlbiBkb2VzIEJsdWViaXJkIHNoaXA/", "property/term"), 1);
    assert_eq!(count(&format!("Translate: {}", &PLAN[60..250]), "property/plan"), 1);
    assert_eq!(count("When does it ship?", "property/term"), 0);
}

const PLAN: &str = "The second stage of the compressor is cooled by a closed loop of helium, which leaves the turbine at \
    four kelvin and is led back through the heat exchanger. The seal between the stages is a ring of sintered bronze, \
    pressed at nine hundred bar; its clearance is what makes the machine possible.";
