//! What a rule asks of a request beside its four levels: parameters of the query, and header fields.
//!
//! A query is taken apart at `&` and at `;`, because servers differ on the second: what one of them may
//! take for a parameter of its own is judged as one. Names and values are compared after decoding `%XX`
//! and `+`. A header field that comes more than once is judged value by value.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::pattern::pair::PairPattern;
use crate::rule::Answer;

/// The header fields of a request.
pub trait Headers {
    /// Calls `see` with each field: its name in lower case, and its value.
    fn each(&self, see: &mut dyn FnMut(&str, &[u8]));
}

/// A request without header fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

/// The conditions of one rule.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) query: QueryConditions,
    pub(crate) headers: HeaderConditions,
}

#[derive(Debug, Default)]
pub(crate) struct QueryConditions {
    /// `None`: any parameter may stand.
    pub(crate) allow: Option<Vec<PairPattern>>,
    pub(crate) deny: Vec<PairPattern>,
    pub(crate) max_length: Option<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct HeaderConditions {
    pub(crate) require: Vec<PairPattern>,
    pub(crate) deny: Vec<PairPattern>,
}

impl Conditions {
    pub(crate) fn answer(&self, query: &str, headers: &dyn Headers) -> Answer {
        let answers = [self.query.answer(query), self.headers.answer(headers)];
        if answers.contains(&Answer::Denied) {
            Answer::Denied
        } else if answers.contains(&Answer::NotAllowed) {
            Answer::NotAllowed
        } else {
            Answer::Allowed
        }
    }

    /// Whether there is anything that can deny.
    pub(crate) fn denies_anything(&self) -> bool {
        !self.query.deny.is_empty() || !self.headers.deny.is_empty()
    }
}

impl QueryConditions {
    fn answer(&self, query: &str) -> Answer {
        if self.allow.is_none() && self.deny.is_empty() && self.max_length.is_none() {
            return Answer::Allowed;
        }
        let mut answer = if self.max_length.is_some_and(|most| query.len() > most) {
            Answer::NotAllowed
        } else {
            Answer::Allowed
        };
        for (name, value) in parameters(query) {
            let is = |pattern: &PairPattern| pattern.matches(&name, &value);
            if self.deny.iter().any(is) {
                return Answer::Denied;
            }
            if self.allow.as_ref().is_some_and(|allow| !allow.iter().any(is)) {
                answer = Answer::NotAllowed;
            }
        }
        answer
    }
}

impl HeaderConditions {
    fn answer(&self, headers: &dyn Headers) -> Answer {
        if self.require.is_empty() && self.deny.is_empty() {
            return Answer::Allowed;
        }
        let mut denied = false;
        let mut wrong = false;
        let mut seen = vec![false; self.require.len()];
        headers.each(&mut |name, value| {
            let name = name.as_bytes();
            denied |= self.deny.iter().any(|pattern| pattern.matches(name, value));
            for (pattern, seen) in self.require.iter().zip(&mut seen) {
                if pattern.names(name) {
                    *seen = true;
                    wrong |= !pattern.matches(name, value);
                }
            }
        });
        if denied {
            Answer::Denied
        } else if wrong || seen.contains(&false) {
            Answer::NotAllowed
        } else {
            Answer::Allowed
        }
    }
}

impl Headers for NoHeaders {
    fn each(&self, _see: &mut dyn FnMut(&str, &[u8])) {}
}

impl Headers for &[(&str, &str)] {
    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.iter().for_each(|(name, value)| see(name, value.as_bytes()));
    }
}

/// The parameters of a query, decoded. One without `=` has an empty value.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query.split(['&', ';']).filter(|text| !text.is_empty()).map(|text| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = after.first_chunk::<2>().filter(|_digits| *first == b'%').and_then(byte_of);
        rest = if escape.is_some() { &after[2..] } else { after };
        plain.push(escape.unwrap_or(if *first == b'+' { b' ' } else { *first }));
    }
    Cow::Owned(plain)
}

/// The byte that two hexadecimal digits stand for.
fn byte_of(digits: &[u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(digits[0])? << 4 | digit(digits[1])?)
}
