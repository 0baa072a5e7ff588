//! Precision, recall and F2 of every category over generated texts, and the faults one by one.
//!
//! `cargo xtask bench classify --quality` runs it.

#![expect(clippy::print_stdout, reason = "a measurement that prints nothing is none")]

use classify::Scanner;

#[path = "../tests/generated/corpus.rs"]
mod corpus;
#[path = "../tests/generated/random.rs"]
mod random;
#[path = "../tests/generated/score.rs"]
mod score;
#[path = "../tests/generated/templates.rs"]
mod templates;
#[path = "../tests/generated/values.rs"]
mod values;

/// Texts, and faults that are listed.
const CASES: usize = 8000;
const LISTED: usize = 60;

fn main() {
    let report = score::Report::of(&Scanner::new(), &corpus::cases(CASES, 1));
    println!("| category | precision | recall | F2 | values |\n|---|---|---|---|---|");
    let total = report.total();
    let rows =
        report.scores.iter().map(|(category, score)| (category.as_str(), *score)).chain([("all", total)]);
    for (category, score) in rows {
        let (precision, recall, f2) = (score.precision(), score.recall(), score.f2());
        println!("| {category} | {precision:.3} | {recall:.3} | {f2:.3} | {} |", score.right + score.missed);
    }
    println!("\n{} faults in {CASES} texts; the first:", report.faults.len());
    report.faults.iter().take(LISTED).for_each(|fault| println!("- {fault}"));
}
