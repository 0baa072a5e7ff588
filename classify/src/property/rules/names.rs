//! Names and words that stand in rules, checked.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use wire::rules::{DataClass, Examples};

use super::mistake::{List, RuleMistake, Wrong};
use crate::category::{Category, Class, Found};

/// Rules in one list.
const MOST_RULES: usize = 128;

/// Longest name of a kind.
const LONGEST_NAME: usize = 40;

/// Words of one rule, and the length of each.
const MOST_WORDS: usize = 16;
const LONGEST_WORD: usize = 64;

/// Refuses a list that is too long.
pub(super) fn count(list: List, length: usize) -> Result<(), RuleMistake> {
    if length <= MOST_RULES {
        return Ok(());
    }
    let cause = format!("there are {length} rules, more than the {MOST_RULES} that one list may have");
    Err(RuleMistake::of(list, MOST_RULES, (cause, "join rules that find the same kind".to_owned())))
}

/// The category of a rule.
pub(in crate::property) fn category(class: DataClass, name: &str) -> Result<Category, Wrong> {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(is_part)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-');
    if !is_name {
        let remedy = format!("use at most {LONGEST_NAME} of a-z, 0-9 and '-', a letter first: project-code");
        return Err((format!("'{name}' is no name of a kind"), remedy));
    }
    let class = match class {
        DataClass::Credential => Class::Credential,
        DataClass::Financial => Class::Financial,
        DataClass::Health => Class::Health,
        DataClass::Personal => Class::Personal,
        DataClass::Property => Class::Property,
    };
    Ok(Category::of(class, kept(name)))
}

/// The name for as long as the program runs: categories are copied everywhere, and rules are read once, at its start.
fn kept(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    name
}

/// Checks the words of a rule.
pub(super) fn words(key: &str, words: &[String]) -> Result<(), Wrong> {
    if words.len() > MOST_WORDS {
        let cause = format!("{key} has {} words, more than {MOST_WORDS}", words.len());
        return Err((cause, "write another rule of the same name for the others".to_owned()));
    }
    let is_word = |word: &String| {
        word.trim() == word
            && word.len() <= LONGEST_WORD
            && word.chars().filter(|c| c.is_alphanumeric()).count() >= 2
    };
    match words.iter().find(|word| !is_word(word)) {
        None => Ok(()),
        Some(word) => {
            let remedy = format!("write at least two letters or digits, at most {LONGEST_WORD} bytes");
            Err((format!("{key}: '{word}' is no word that can be looked for"), remedy))
        }
    }
}

/// Tries a rule on its examples, which are not quoted: they may hold data.
pub(super) fn try_examples(examples: &Examples, scan: impl Fn(&str, &mut Found)) -> Result<(), Wrong> {
    let finds = |text: &String| {
        let mut found = Found::default();
        scan(text, &mut found);
        !found.into_findings().is_empty()
    };
    if let Some(index) = examples.matching.iter().position(|text| !finds(text)) {
        let cause = format!("it finds nothing in its example {} under 'match'", index + 1);
        return Err((cause, "correct the rule or the example".to_owned()));
    }
    if let Some(index) = examples.passing.iter().position(finds) {
        let cause = format!("it finds something in its example {} under 'pass'", index + 1);
        return Err((cause, "narrow the rule, or move the example to 'match'".to_owned()));
    }
    Ok(())
}
