//! Values with wildcards: `*` is any text. Letters match whatever their case.

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
        let value = value.to_lowercase();
        let [first, middle @ .., last] = &self.parts[..] else { return self.parts[0] == value };
        let Some(rest) = value.strip_prefix(first.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        for part in middle {
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
