//! Values with wildcards: `*` is any text. Letters match whatever their case.

use std::borrow::Cow;

/// A text in lower case, by which texts are compared whatever their case. Most are so already, and are not copied.
#[must_use]
pub fn folded(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        text.into()
    } else {
        text.to_lowercase().into()
    }
}

/// One value, or many by a wildcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The texts between the wildcards, in lower case; one if there is none.
    parts: Vec<String>,
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self { parts: text.to_lowercase().split('*').map(str::to_owned).collect() }
    }
}

impl Pattern {
    /// Whether it is this value.
    #[must_use]
    pub fn is(&self, value: &str) -> bool {
        let value = folded(value);
        let [first, middle @ .., last] = &self.parts[..] else { return *self.parts[0] == *value };
        let Some(mut rest) = between(&value, first, last) else { return false };
        for part in middle {
            // Whether it is there at all is asked far faster than where, and most values are not asked for.
            if !rest.contains(part.as_str()) {
                return false;
            }
            // The first place where it fits leaves the most for the others.
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }

    /// Whether it is this program, or the last part of its path.
    #[must_use]
    pub fn is_program(&self, path: &str) -> bool {
        self.is(path) || path.rsplit_once('/').is_some_and(|(_directory, name)| self.is(name))
    }

    /// The text, if there is no wildcard in it.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match &self.parts[..] {
            [text] => Some(text),
            _wildcards => None,
        }
    }
}

/// What stands between two ends. An empty end is not compared: with an address of which nothing is read, that takes a processor longer
/// than all the rest.
fn between<'a>(value: &'a str, first: &str, last: &str) -> Option<&'a str> {
    let rest = if first.is_empty() { value } else { value.strip_prefix(first)? };
    if last.is_empty() { Some(rest) } else { rest.strip_suffix(last) }
}
