//! Names in running text: a small tagger, an averaged perceptron over hashed properties, whose weights ship with the crate.
//!
//! It prefers silence: a name is reported only where two parts of it stand together, or a title, a greeting or an initial
//! says that it is one. Places and organisations are reported beside a person only, because by themselves they are
//! nobody's. Trained by `examples/train_entities.rs`.

pub mod features;
mod lexicon;
pub mod model;
pub mod tag;
pub mod text;

use std::ops::Range;
use std::sync::LazyLock;

use crate::category::{Category, Found};
use features::Word;
use model::Model;
use tag::{Kind, Scores};
use text::Token;

/// A person's name.
pub const NAME: Category = Category::personal("name");
/// A place beside a person.
pub const LOCATION: Category = Category::personal("location");
/// An organisation beside a person.
pub const ORGANISATION: Category = Category::personal("organisation");
/// All that the tagger finds.
pub(crate) const CATEGORIES: [Category; 3] = [NAME, LOCATION, ORGANISATION];

/// Tokens that are tagged as one sequence: linear time whatever a line is like.
const LONGEST_SEQUENCE: usize = 96;

static SHIPPED: LazyLock<Model> = LazyLock::new(Model::shipped);

/// What is said before a name that is one word.
const TITLES: &[&str] = &[
    "mr", "mrs", "ms", "miss", "dr", "prof", "sir", "lady", "herr", "frau", "herrn", "mme", "mlle",
    "monsieur", "madame", "sr", "sra", "señor", "señora", "don", "doña", "sig", "signor", "signora", "dott",
    "dhr", "mevr", "mevrouw", "pan", "pani", "senhor", "senhora", "dear", "patient", "dra",
];

/// Unpacks the weights, so that the first text need not wait for it.
pub(crate) fn load() {
    LazyLock::force(&SHIPPED);
}

/// Reports the names in `text`.
pub(crate) fn scan(text: &str, found: &mut Found) {
    scan_lines(text, |_line| true, found);
}

/// Reports the names in those lines of `text` that are prose: what comes out of an encoding is mostly noise.
pub(crate) fn scan_prose(text: &str, found: &mut Found) {
    scan_lines(text, is_prose, found);
}

fn scan_lines(text: &str, is_read: fn(&str) -> bool, found: &mut Found) {
    let mut start = 0;
    for line in text.split_inclusive(['\n', crate::BOUNDARY]) {
        if has_capital(line) && is_read(line) {
            let tokens = text::tokens(line);
            tokens.chunks(LONGEST_SEQUENCE).for_each(|tokens| report(line, tokens, start, found));
        }
        start += line.len();
    }
}

fn is_prose(line: &str) -> bool {
    let of = |wanted: fn(char) -> bool| line.chars().filter(|c| wanted(*c)).count();
    let (letters, spaces, all) = (of(char::is_alphabetic), of(char::is_whitespace), line.chars().count());
    all >= 16 && (letters + spaces) * 5 >= all * 4 && spaces * 12 >= all
}

/// The entities among `tokens`: their kind and which tokens they are.
#[must_use]
pub fn entities(model: &Model, tokens: &[Token<'_>]) -> Vec<(Kind, Range<usize>)> {
    let words: Vec<Word> = tokens.iter().map(Word::of).collect();
    let scores: Vec<Scores> =
        (0..words.len()).map(|at| model.scores(&features::buckets(&words, at))).collect();
    spans(&tag::best(&scores, model.transitions()))
}

/// The entities that a sequence of tags stands for.
#[must_use]
pub fn spans(tags: &[usize]) -> Vec<(Kind, Range<usize>)> {
    let begun = tags.iter().enumerate().filter_map(|(at, tag)| Some((Kind::begun_by(*tag)?, at)));
    let whole = begun.map(|(kind, start)| {
        let more = tags[start + 1..].iter().take_while(|tag| **tag == kind.first() + 1).count();
        (kind, start..start + 1 + more)
    });
    whole.collect()
}

/// Whether the word is a first or a last name that is known.
pub(crate) fn is_known_name(word: &str) -> bool {
    lexicon::what(features::lower_hash(word)) > 0
}

fn has_capital(line: &str) -> bool {
    crate::seek::next(line.as_bytes(), 0, |byte| byte.is_ascii_uppercase() || !byte.is_ascii()).is_some()
}

fn report(line: &str, tokens: &[Token<'_>], start: usize, found: &mut Found) {
    let entities = entities(&SHIPPED, tokens);
    let is_named = |(kind, at): &(Kind, Range<usize>)| *kind == Kind::Person && is_sure(tokens, at);
    if !entities.iter().any(is_named) {
        return;
    }
    for (kind, at) in entities {
        let category = match kind {
            Kind::Person if is_sure(tokens, &at) => NAME,
            Kind::Location if is_written(&tokens[at.clone()]) => LOCATION,
            Kind::Organisation if is_written(&tokens[at.clone()]) => ORGANISATION,
            _ => continue,
        };
        let bytes = tokens[at.start].at.start..tokens[at.end - 1].at.end;
        let value = line[bytes.clone()].to_lowercase();
        found.add(category, start + bytes.start..start + bytes.end, value.as_bytes());
    }
}

/// Whether a name is one beyond doubt: two words, or one behind a title.
fn is_sure(tokens: &[Token<'_>], at: &Range<usize>) -> bool {
    let name = &tokens[at.clone()];
    let parts = name.iter().filter(|token| token.is_capitalised()).count();
    let mut before = tokens[..at.start].iter().rev().map(|token| token.text).filter(|text| *text != ".");
    let title = before.next().is_some_and(|word| TITLES.contains(&word.to_lowercase().as_str()));
    is_written(name) && (parts >= 2 || title)
}

/// Written in words as prose is: no part of a path, a call or a constant.
fn is_written(tokens: &[Token<'_>]) -> bool {
    let plain = |token: &Token<'_>| {
        let (before, behind) = token.touches;
        let code = |c: char| {
            matches!(c, '_' | '/' | '\\' | '=' | '$' | '#' | '@' | '{' | '[' | '&' | '%' | '~' | '`')
        };
        !code(before)
            && before != '<'
            && !code(behind)
            && behind != '('
            && !token.text.chars().any(char::is_numeric)
    };
    let shouted =
        tokens.iter().all(|token| token.text.len() > 2 && !token.text.chars().any(char::is_lowercase));
    tokens.first().is_some_and(Token::is_capitalised) && tokens.iter().all(plain) && !shouted
}
