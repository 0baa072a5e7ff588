//! Where values stand: always bytes of the text that was given, whatever it was disguised as.

use classify::{Found, Scanner};

#[test]
fn a_span_is_of_the_text_that_was_given() {
    let scanner = Scanner::new();
    for (text, expected) in [
        ("pay 4111111111111111 now", vec!["4111111111111111"]),
        ("zahle ４１１１１１１１１１１１１１１１ jetzt", vec!["４１１１１１１１１１１１１１１１"]),
        ("4\u{200b}111111111111111 é", vec!["4\u{200b}111111111111111"]),
        ("letter to J\u{200b}ane Hollo\u{ad}way", vec!["J\u{200b}ane Hollo\u{ad}way"]),
        // Inside an encoding there is nothing to point at; it is counted.
        ("pay NDExMTExMTExMTExMTExMQ== now", vec![]),
        ("pay %34111111111111111 now", vec![]),
    ] {
        let mut found = Found::with_spans();
        scanner.scan(text.to_owned(), &mut found);
        let mut spans: Vec<&str> = found.into_spans().into_iter().map(|span| &text[span.at]).collect();
        spans.dedup();
        assert_eq!(spans, expected, "{text}");
        let mut found = Found::default();
        scanner.scan(text.to_owned(), &mut found);
        assert_eq!(found.into_findings().iter().map(|(_category, count)| count).sum::<u32>(), 1, "{text}");
    }
}
