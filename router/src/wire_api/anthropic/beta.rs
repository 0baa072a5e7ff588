//! Names of features that a client asks for beside the API's version: the only words of a client's header that go on.

use http::HeaderMap;

/// The header.
pub const HEADER: &str = "anthropic-beta";

/// Most names, and the longest.
const MOST: usize = 24;
const LONGEST: usize = 64;

/// Most digits in all names together, beside their dates.
const MOST_DIGITS: usize = 8;

/// Features asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Betas(Vec<String>);

/// A name that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the header {HEADER} holds something that is no name of a feature with its date")]
pub struct BetaError;

impl Betas {
    /// Reads the header.
    ///
    /// # Errors
    /// [`BetaError`]: data could hide in it.
    pub fn read(headers: &HeaderMap) -> Result<Self, BetaError> {
        let mut names = Vec::new();
        for value in headers.get_all(HEADER) {
            let Ok(value) = value.to_str() else { return Err(BetaError) };
            names.extend(value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
        }
        let digits =
            |name: &String| undated(name).map_or(0, |name| name.bytes().filter(u8::is_ascii_digit).count());
        let few_digits = names.iter().map(digits).sum::<usize>() <= MOST_DIGITS;
        if names.len() <= MOST && few_digits && names.iter().all(|name| is_feature(name)) {
            Ok(Self(names))
        } else {
            Err(BetaError)
        }
    }

    /// As the header's value, if there is any.
    #[must_use]
    pub fn value(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join(","))
    }
}

/// Words in small letters with few digits, and a date: `context-1m-2025-08-07`, `claude-code-20250219`.
fn is_feature(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let Some(name) = undated(name) else { return false };
    let few_digits = name.split(|c: char| !c.is_ascii_digit()).all(|digits| digits.len() <= 3);
    plain && few_digits && name.bytes().filter(u8::is_ascii_digit).count() <= 4 && name.len() <= LONGEST
}

/// The name without its date.
fn undated(name: &str) -> Option<&str> {
    let digits: String = name.chars().rev().filter(char::is_ascii_digit).take(8).collect();
    let date: String = digits.chars().rev().collect();
    let short = format!("-{date}");
    let long = format!("-{}-{}-{}", date.get(..4)?, date.get(4..6)?, date.get(6..8)?);
    let dated = is_date(&date);
    name.strip_suffix(&long).or_else(|| name.strip_suffix(&short)).filter(|name| dated && !name.is_empty())
}

/// Eight digits that are a day of this century.
fn is_date(digits: &str) -> bool {
    let part = |at: usize, most: u8| {
        let number = digits.get(at..at + 2).and_then(|part| part.parse::<u8>().ok());
        number.is_some_and(|number| (1..=most).contains(&number))
    };
    digits.starts_with("20") && part(4, 12) && part(6, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>, BetaError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        Betas::read(&headers).map(|betas| betas.value())
    }

    #[test]
    fn names_of_features_go_on_and_nothing_else() {
        assert_eq!(read(&[]), Ok(None));
        let both = read(&["claude-code-20250219,context-1m-2025-08-07", "interleaved-thinking-2025-05-14"]);
        let names = "claude-code-20250219,context-1m-2025-08-07,interleaved-thinking-2025-05-14";
        assert_eq!(both, Ok(Some(names.to_owned())));
        for odd in [
            "jane@example.com",
            "a4111111111111111-2025-01-01",
            "a-411-111-111-2025-01-01",
            "context-1m",
            "-2025-01-01",
            "Context-2025-01-01",
            "a-1999-01-01",
            "a-2041-11-41",
            "a-20111345",
            "a-411-2025-01-01,b-111-2025-01-01,c-111-2025-01-01",
        ] {
            assert_eq!(read(&[odd]), Err(BetaError), "{odd}");
        }
    }
}
