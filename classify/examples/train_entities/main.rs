//! Trains the tagger of names: `train_entities DATA CLEAN OUT`.
//!
//! DATA holds the annotated corpora (`btc/*.conll`, `wnut17/*.conll`, `wikigold/*.conll`), CLEAN is a directory of technical
//! text in which nobody is named, OUT is the file of weights. Same input, same weights; those that ship had this repository
//! at 904e31e as CLEAN. Of the real sentences every tenth is kept for the measurement that is printed, and another tenth for
//! choosing the bonus of silence.

#![expect(clippy::print_stdout, reason = "a training that tells nothing cannot be judged")]

mod corpus;
mod measure;
mod perceptron;
mod templates;

use std::path::Path;

use corpus::{Corpus, Sentence};
use perceptron::Perceptron;

/// Times that all sentences are learned from.
const EPOCHS: usize = 10;

/// Made-up sentences, with people in them and without.
const MADE: usize = 24_000;

/// Bonuses of no entity that are tried.
const BONUSES: [i32; 9] = [0, 40, 80, 120, 160, 200, 250, 300, 400];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, clean, out] = &arguments[..] else {
        println!("usage: train_entities DATA CLEAN OUT");
        return;
    };
    let real = Corpus::read(Path::new(data));
    let clean = corpus::clean(Path::new(clean));
    let (clean_kept, clean_learned): (Vec<_>, Vec<_>) =
        clean.into_iter().enumerate().partition(|(at, _)| at % 40 < 20);
    let mut sentences: Vec<Sentence> = real.learned;
    println!("{} annotated sentences to learn from, {} to measure", sentences.len(), real.kept.len());
    sentences.extend(templates::sentences(MADE));
    sentences.extend(clean_learned.into_iter().map(|(_at, line)| Sentence::plain(line)));
    println!("{} sentences with those that are made up and those without names", sentences.len());
    let mut perceptron = Perceptron::new();
    for epoch in 0..EPOCHS {
        println!("epoch {epoch}: {} sentences wrong", perceptron.learn(&mut sentences));
    }
    let best =
        BONUSES.into_iter().map(|bonus| (measure::person(&perceptron.model(bonus), &real.chosen_by), bonus));
    let (precise, bonus) = best.max_by(|a, b| a.0.total_cmp(&b.0)).expect("some are tried");
    println!("bonus of silence {bonus}: person F0.5 {precise:.3} on the tenth that chooses it");
    let model = perceptron.model(bonus);
    measure::report(&model, &real.kept);
    let kept: Vec<String> = clean_kept.into_iter().map(|(_at, line)| line).collect();
    measure::clean(&model, &kept);
    std::fs::write(out, model.write()).expect("the weights can be written");
}
