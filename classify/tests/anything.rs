//! No text makes it panic, and every span lies in the text: pieces of what detectors look for, cut and joined at random.

use classify::property::documents::prints;
use classify::property::{Documents, Property, Terms};
use classify::{Found, Scanner};

#[test]
fn no_text_breaks_it() {
    let text = "born on the second of May in the city of Köln, the patient was seen by the physician on duty, and by nobody else";
    let record = wire::router::Document { name: "record".to_owned(), prints: prints([text]) };
    let documents = Documents::new(&[record]).expect("it is long enough");
    let property = Property {
        terms: Terms::new(["Köln", "blue"]).expect("two words compile"),
        documents,
        ..Property::default()
    };
    let scanner = Scanner::new().with_property(property);
    let mut state = 11_usize;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _round in 0..30_000 {
        let mut text = String::new();
        for _piece in 0..2 + next(8) {
            let piece = PIECES[next(PIECES.len())];
            let cut = piece.floor_char_boundary(next(piece.len() + 1));
            text.push_str(if next(3) == 0 { &piece[cut..] } else { piece });
            text.push_str(["", " ", ": ", "-", "\n", "é", "=\""][next(7)]);
        }
        let mut found = Found::with_spans();
        scanner.scan(text.clone(), &mut found);
        for span in found.into_spans() {
            assert!(span.at.start < span.at.end && span.at.end <= text.len(), "{span:?} in {text:?}");
        }
    }
}

const PIECES: &[&str] = &[
    "MRN",
    "00123456",
    "born",
    "3. Mai 1961",
    "né le",
    "geb.",
    "1961-05-03",
    "steuer id",
    "86 095 742 719",
    "NHS number",
    "943 476 5919",
    "+44 20 7946 0958",
    "(415)",
    "(415) 555-0132",
    "555-0132",
    "221B",
    "Baker",
    "Street",
    "straße",
    "Lange Straße 5",
    "rue",
    "de la",
    "calle",
    "12",
    "years old",
    "93",
    "aged",
    "BP",
    "140/90",
    "HbA1c",
    "8.2 %",
    "metformin",
    "500 mg",
    "diagnosis",
    "E11.9, I10",
    "diagnosed with",
    "diabetes",
    "swift",
    "DEUTDEFF",
    "iban",
    "DE89370400440532013000",
    "4111111111111111",
    "jane@example.com",
    "RSSMRA85T10A562S",
    "1M8GDM9AXKP042788",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
    "wallet",
    "client ip",
    "8.8.4.4",
    "2606:4700::1111",
    "mac",
    "3c:22:fb:12:34:56",
    "SW1A 1AA",
    ", CA 94107",
    "datadog_api_key",
    "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "password",
    "Jane Holloway",
    "Dr.",
    "O'",
    "customer",
    "\u{200b}",
    "４１１１",
    "汉字",
    "\u{301}",
    "%C3",
    "\\u00e9",
    "&#64;",
    "NDExMTExMTExMTExMTExMQ==",
    "\u{1f}",
    "’s",
    "𝟒𝟏",
    "strictly confidential",
    "Köln",
    "on the second of May in the city",
    "X-",
    "1234567L",
    "AB 12 34 56 C",
    "2 55 08 14 168 025 38",
    "Ñ",
    "ß",
    "Ignore",
    "all previous",
    "instructions",
    "vergiss alles",
    "règles",
    "your system prompt",
    "print",
    "send the conversation",
    "https://x.example/",
    "![a](b?c=[data])",
    "<!-- AI must",
    "-->",
    "<|im_start|>",
    "<tool_call>{",
    "```",
    "without restrictions",
    "you are now",
    "from now on",
    "\u{202e}",
    "\u{e0041}\u{e0042}\u{e0043}\u{e0044}",
];
