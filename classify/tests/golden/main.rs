//! Every kind of value: what is found, and its near misses that are not.

use classify::{Found, Scanner};

mod financial;
mod health;
mod national;
mod personal;
mod property;
mod quiet;

/// The categories of what `text` holds.
fn kinds(scanner: &Scanner, text: &str) -> Vec<String> {
    let mut found = Found::default();
    scanner.scan(text.to_owned(), &mut found);
    found.into_findings().iter().map(|(category, _count)| category.to_string()).collect()
}

/// Checks that each of `hits` holds `kind` and none of `misses` does; all that fail are told at once.
fn check(kind: &str, hits: &[&str], misses: &[&str]) {
    assert!(classify::categories().any(|known| known.to_string() == kind), "{kind} is on no list");
    let scanner = Scanner::new();
    let holds = |text: &&&str| kinds(&scanner, text).iter().any(|found| found == kind);
    let missed: Vec<_> = hits.iter().filter(|text| !holds(text)).collect();
    let wrong: Vec<_> = misses.iter().filter(holds).collect();
    assert!(missed.is_empty() && wrong.is_empty(), "{kind}\n  missed: {missed:#?}\n  wrong: {wrong:#?}");
}
