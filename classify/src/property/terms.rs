//! The operator's own words: code names, unreleased products, internal hosts.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::category::{Category, Found};

/// A word of the operator's.
pub(super) const TERM: Category = Category::property("term");

/// Words, compiled; found as whole words in any case.
#[derive(Debug, Default)]
pub struct Terms(Option<AhoCorasick>);

impl Terms {
    /// Compiles them; what is empty is passed over. `None`: they are too many to compile.
    #[must_use]
    pub fn new<'a>(terms: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let terms: Vec<&str> = terms.into_iter().map(str::trim).filter(|term| !term.is_empty()).collect();
        if terms.is_empty() {
            return Some(Self(None));
        }
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostLongest).ascii_case_insensitive(true);
        builder.build(terms).ok().map(|compiled| Self(Some(compiled)))
    }

    pub(super) fn scan(&self, text: &str, found: &mut Found) {
        let Some(terms) = &self.0 else { return };
        for hit in terms.find_iter(text) {
            let part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            let inside =
                part(text[..hit.start()].chars().next_back()) || part(text[hit.end()..].chars().next());
            if !inside {
                found.add(TERM, hit.range(), text[hit.range()].to_ascii_lowercase().as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_found_in_any_case() {
        let terms = Terms::new(["Bluebird", " build-7.corp.example ", ""]).unwrap();
        let count = |text: &str| {
            let mut found = Found::default();
            terms.scan(text, &mut found);
            found.into_findings().count("property/term")
        };
        assert_eq!(count("Project BLUEBIRD ships; bluebird runs on build-7.corp.example."), 2);
        assert_eq!(count("bluebirds are birds, and build-7.corp.examples are not"), 0);
        let none = Terms::new([""]).unwrap();
        let mut found = Found::default();
        none.scan("anything", &mut found);
        assert!(!found.into_findings().is_sensitive());
    }
}
