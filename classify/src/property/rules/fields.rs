//! Values behind the name of a field: `Study ID: 42`, `"studyId": "42"`, `study-id=42&…`, `<study_id>42</study_id>`.
//!
//! A value that is not quoted ends with its line; behind `=` with the next space or sign that parts parameters.

use std::ops::Range;

use wire::rules::FieldRule;

use super::mistake::{List, RuleMistake, Wrong};
use super::names;
use crate::category::{Category, Found};
use crate::detect::words::{Word, Words, spellings};

/// Bytes of the names of all fields in all spellings.
const ALL_LABELS: usize = 32 << 10;

/// All fields, compiled.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// `None`: there are none.
    words: Option<Words>,
    /// The rule of each word.
    rules: Vec<usize>,
    categories: Vec<Category>,
}

impl Fields {
    pub(super) fn new(written: &[FieldRule]) -> Result<Self, RuleMistake> {
        names::count(List::Fields, written.len())?;
        for (index, rule) in written.iter().enumerate() {
            let wrong = |wrong: Wrong| RuleMistake::of(List::Fields, index, wrong);
            let alone = Self::compile(std::slice::from_ref(rule)).map_err(wrong)?;
            names::try_examples(&rule.examples, |text, found| alone.scan(text, found)).map_err(wrong)?;
        }
        Self::compile(written).map_err(|wrong| RuleMistake::of(List::Fields, written.len() - 1, wrong))
    }

    fn compile(written: &[FieldRule]) -> Result<Self, Wrong> {
        let (mut all, mut rules, mut categories) = (Vec::new(), Vec::new(), Vec::new());
        for (index, rule) in written.iter().enumerate() {
            categories.push(names::category(rule.class, &rule.name)?);
            names::words("labels", &rule.labels)?;
            if rule.labels.is_empty() {
                return Err(("it names no field".to_owned(), "write labels: [study id]".to_owned()));
            }
            for spelling in rule.labels.iter().flat_map(|label| spellings(label)) {
                all.push(spelling);
                rules.push(index);
            }
        }
        if all.iter().map(String::len).sum::<usize>() > ALL_LABELS {
            return Err(("the names of all fields are too long".to_owned(), "use fewer of them".to_owned()));
        }
        let words = (!all.is_empty()).then(|| Words::new(all.into_iter()));
        Ok(Self { words, rules, categories })
    }

    pub(super) fn categories(&self) -> impl Iterator<Item = Category> {
        self.categories.iter().copied()
    }

    pub(super) fn scan(&self, text: &str, found: &mut Found) {
        let Some(words) = &self.words else { return };
        // Within a value of a field no other value of the same field begins: reading on would not be linear.
        let mut done = vec![0; self.categories.len()];
        words.each(text.as_bytes(), |index, word| {
            let rule = self.rules[index];
            if word.start < done[rule] || !word.stands_alone() {
                return;
            }
            let Some(at) = value(word) else { return };
            done[rule] = at.end;
            found.add(self.categories[rule], at.clone(), &word.text[at]);
        });
    }
}

/// Where the value stands whose name is `word`.
fn value(word: Word<'_>) -> Option<Range<usize>> {
    let text = word.text;
    let skip = |from: usize, signs: &[u8]| {
        from + text[from..].iter().take_while(|byte| signs.contains(byte)).count()
    };
    let is_quoted = text.get(word.end).is_some_and(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let sign = skip(word.end, b" \t\"'`*]");
    let separator = *text.get(sign).filter(|byte| matches!(byte, b':' | b'=' | b'>'))?;
    let start = skip(sign, b":=> \t*");
    let quote = text.get(start).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let start = start + usize::from(quote.is_some());
    let ends = |byte: u8| match (quote, separator) {
        (Some(quote), _) => byte == quote,
        (None, b'>') => byte == b'<',
        (None, b'=') => matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'&' | b';' | b',' | b'"'),
        (None, _) => matches!(byte, b'\n' | b'\r') || is_quoted && matches!(byte, b',' | b'}' | b']'),
    };
    let length = text[start..].iter().take_while(|byte| **byte != b'\x1f' && !ends(**byte)).count();
    let value = text[start..start + length].trim_ascii_end();
    let says_something = value.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    says_something.then(|| start..start + value.len())
}
