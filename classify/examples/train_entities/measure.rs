//! How good the weights are, entity by entity: kind and both ends must be right.

use classify::entities::model::Model;
use classify::entities::tag::Kind;
use classify::entities::{entities, spans, text};
use classify::{Found, Scanner};

use crate::corpus::Sentence;

/// Found and right, found and wrong, missed.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    right: u32,
    wrong: u32,
    missed: u32,
}

impl Counts {
    fn precision(self) -> f64 {
        ratio(self.right, self.right + self.wrong)
    }

    fn recall(self) -> f64 {
        ratio(self.right, self.right + self.missed)
    }

    /// The mean of precision and recall in which recall counts `weight` times as much.
    fn f(self, weight: f64) -> f64 {
        let (precision, recall, square) = (self.precision(), self.recall(), weight * weight);
        if precision + recall == 0.0 {
            0.0
        } else {
            (1.0 + square) * precision * recall / (square * precision + recall)
        }
    }
}

/// F0.5 of persons in two words or more, which are the ones that the product reports: precision counts twice.
pub(crate) fn person(model: &Model, sentences: &[Sentence]) -> f64 {
    count(model, sentences, Kind::Person, 2).f(0.5)
}

/// Prints precision, recall and F1 of each kind.
pub(crate) fn report(model: &Model, sentences: &[Sentence]) {
    println!("| kind | precision | recall | F1 | entities |\n|---|---|---|---|---|");
    let rows = [(Kind::Person, 2), (Kind::Person, 1), (Kind::Location, 1), (Kind::Organisation, 1)];
    for (kind, fewest) in rows {
        let counts = count(model, sentences, kind, fewest);
        let all = counts.right + counts.missed;
        println!(
            "| {kind:?}, {fewest} words or more | {:.3} | {:.3} | {:.3} | {all} |",
            counts.precision(),
            counts.recall(),
            counts.f(1.0)
        );
    }
}

/// Prints in how many texts without names something is found, ten lines to a text.
pub(crate) fn clean(model: &Model, lines: &[String]) {
    let texts: Vec<String> = lines.chunks(10).map(|lines| lines.join("\n")).collect();
    let flagged = |text: &&String| {
        text.lines().any(|line| {
            entities(model, &text::tokens(line))
                .iter()
                .any(|(kind, at)| *kind == Kind::Person && at.len() > 1)
        })
    };
    let loud = texts.iter().filter(flagged).count();
    println!("clean texts in which the tagger sees a person of two words: {loud} of {}", texts.len());
    let scanner = Scanner::new();
    let names = texts.iter().filter(|text| {
        let mut found = Found::default();
        scanner.scan((*text).clone(), &mut found);
        found.into_findings().count("personal/name") > 0
    });
    println!("with the weights that this program was built with, a name is reported in {}", names.count());
}

/// Counts entities of one kind and at least so many words, the first of them capitalised.
fn count(model: &Model, sentences: &[Sentence], wanted: Kind, fewest: usize) -> Counts {
    let mut counts = Counts::default();
    for sentence in sentences {
        let tokens = text::tokens(&sentence.text);
        let of_kind = |entities: Vec<(Kind, std::ops::Range<usize>)>| -> Vec<_> {
            let counted = |(kind, at): &(Kind, std::ops::Range<usize>)| {
                *kind == wanted && at.len() >= fewest && tokens[at.start].is_capitalised()
            };
            entities.into_iter().filter(counted).map(|(_kind, at)| at).collect()
        };
        let found = of_kind(entities(model, &tokens));
        let expected = of_kind(spans(&sentence.tags));
        let right = found.iter().filter(|at| expected.contains(at)).count();
        let number = |count: usize| u32::try_from(count).expect("sentences are few");
        counts.right += number(right);
        counts.wrong += number(found.len() - right);
        counts.missed += number(expected.len() - right);
    }
    counts
}

fn ratio(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}
