//! Reading YAML so that every mistake is reported with its place, its reason and its remedy.
//!
//! Used for policies and for `agent.yaml`. Stricter than YAML: unknown and duplicate keys, merge keys,
//! tags that mean nothing, several documents, and `yes`/`no` as booleans are errors, and so is a key that is
//! a list or a mapping; aliases and sizes have budgets, so that a small text cannot become a large document.
//!
//! ```text
//! text ──tree──► Tree ──read──► a document's type
//! ```
//! Only the second half depends on the type.

mod budget;
mod mistake;
mod read;
mod scalar;
mod suggest;
mod tag;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;

use serde::de::DeserializeOwned;

use self::read::Reader;
use self::tree::Tree;
use crate::place::Place;

pub use budget::MAX_TEXT;
pub use suggest::nearest;

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    file: String,
    place: Place,
    key: Option<String>,
    reason: String,
    remedy: String,
}

/// Every mistake that was found in a file; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadErrors(Vec<LoadError>);

impl LoadError {
    /// A mistake at `place` of `file`.
    pub fn new(file: &str, place: Place, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (reason, remedy) = (printable(&reason.into()), printable(&remedy.into()));
        Self { file: printable(file), place, key: None, reason, remedy }
    }

    /// Names the key whose value is wrong.
    #[must_use]
    pub fn about(mut self, key: impl Into<String>) -> Self {
        self.key = Some(printable(&key.into()));
        self
    }

    /// The file, as the caller of [`parse`] named it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Where in the file.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The key whose value is wrong, if one can be named.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What to do about it, in one line.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

/// `file:line:column: key: reason`, on one line.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.place.line > 0 {
            write!(f, ":{}:{}", self.place.line, self.place.column)?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for LoadError {}

impl LoadErrors {
    /// `None` if there was no mistake.
    #[must_use]
    pub fn from_found(mut found: Vec<LoadError>) -> Option<Self> {
        found.sort_by_key(|error| error.place);
        if found.is_empty() { None } else { Some(Self(found)) }
    }

    /// The mistakes, in the order in which they stand in the file.
    pub fn iter(&self) -> impl Iterator<Item = &LoadError> {
        self.0.iter()
    }

    /// The first mistake.
    #[must_use]
    pub fn first(&self) -> &LoadError {
        self.0.first().expect("the constructors make no empty value")
    }
}

impl From<LoadError> for LoadErrors {
    fn from(error: LoadError) -> Self {
        Self(vec![error])
    }
}

/// One line for each mistake.
impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}

/// Reads one YAML document. `file` is how error messages call it; nothing is opened.
///
/// # Errors
/// The text is not YAML, holds an unknown or duplicate key or a wrong type, or goes over a budget.
pub fn parse<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, LoadError> {
    if text.len() > MAX_TEXT {
        let reason = format!("the file has {} bytes, more than the {MAX_TEXT} that are read", text.len());
        return Err(LoadError::new(file, Place::default(), reason, "split it into smaller files"));
    }
    let tree = Tree::compose(text);
    let found = match Reader::root(&tree).and_then(T::deserialize) {
        Ok(value) if tree.is_whole() => return Ok(value),
        read => read.err(),
    };
    Err(tree.verdict(found).explain(file))
}

/// Text of the file is quoted in messages: what would move a terminal's cursor or turn its direction of
/// writing must not reach one.
pub(crate) fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(hidden) {
        return text.to_owned();
    }
    text.chars().map(|c| if hidden(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

fn offer(word: &str, known: &[&'static str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(close) => format!("did you mean '{close}'?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}
