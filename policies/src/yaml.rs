//! Reading YAML so that every mistake is reported with its place, its reason and its remedy.
//!
//! Used for policies and for `agent.yaml`. Stricter than YAML: unknown and duplicate keys, merge keys,
//! tags that mean nothing, several documents, and `yes`/`no` as booleans are errors; aliases and sizes
//! have budgets, so that a small text cannot become a large document.

mod suggest;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, MessageFormatter, Options, UserMessageFormatter};

pub use suggest::nearest;

use crate::place::Place;

/// Longest text that is read, in bytes.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;

const MAX_ALIASES: usize = 64;
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 500_000;

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
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| explain(&error, file))
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_depth: MAX_DEPTH,
            max_documents: 1,
            max_nodes: MAX_NODES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 8,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}

fn explain(error: &Error, file: &str) -> LoadError {
    let place = error.location().map_or_else(|| Place::at(1, 1), Place::of);
    let error = innermost(error);
    let report = |reason: String, remedy: String| LoadError::new(file, place, reason, remedy);
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            report(format!("unknown key '{field}'"), offer(field, expected)).about(field.clone())
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            report(format!("unknown value '{variant}'"), offer(variant, expected))
        }
        Error::SerdeMissingField { field, .. } => {
            report(format!("'{field}' is missing"), format!("add '{field}: …' here"))
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("…");
            report(format!("the key '{key}' stands here for the second time"), "keep one of the two".into())
                .about(key)
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            report(format!("this is {unexpected}, not {expected}"), format!("write {expected}"))
        }
        Error::Unexpected { expected, .. } => {
            let wanted = in_plain_words(expected);
            report(format!("{wanted} is expected here"), format!("write {wanted}"))
        }
        Error::InvalidScalar { ty, .. } => {
            let wanted = in_plain_words(ty);
            report(format!("this is not {wanted}"), format!("write {wanted}"))
        }
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } | Error::MultipleDocuments { .. } => {
            report("a second document starts here".into(), "keep one document in the file".into())
        }
        Error::MergeKeyNotAllowed { .. } => {
            report("merge keys ('<<') are not read".into(), "write the keys out".into())
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            report(one_line(error), "make the document smaller, and write aliases out".into())
        }
        other => report(one_line(other), "correct the YAML at this place".into()),
    }
}

fn innermost(error: &Error) -> &Error {
    match error {
        Error::AliasError { error, .. } | Error::WithSnippet { error, .. } => innermost(error),
        plain => plain,
    }
}

/// The reader's name for a kind of value, as the author of a file would say it.
fn in_plain_words(kind: &str) -> &str {
    match kind {
        "sequence start" | "sequence" => "a list",
        "mapping start" | "mapping" => "a mapping",
        "string scalar" | "scalar" => "a text",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "bool" => "'true' or 'false'",
        other => other,
    }
}

fn one_line(error: &Error) -> String {
    UserMessageFormatter.format_message(error).into_owned()
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
