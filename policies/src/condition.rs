//! What a rule asks of a request beside its four levels: parameters of the query, and header fields.
//!
//! A header field that comes more than once is judged value by value. What is denied by name is denied under
//! every name that some server takes for it.

#[cfg(test)]
mod tests;

use crate::answer::Answer;
use crate::parameter::parameters;
use crate::pattern::pair::PairPattern;

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
