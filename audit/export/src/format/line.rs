//! A line with a bound: what no longer fits is left out, and the line says so.

use audit::text::printable;

use super::fields::Value;
use super::text::cut;

/// Longest text of one field, in bytes, before it is escaped.
const MAX_VALUE: usize = 1024;

/// A line that never gets longer than its limit.
pub(super) struct Line {
    text: String,
    limit: usize,
    /// What stands at the end of a line that is not whole.
    mark: &'static str,
    is_whole: bool,
}

impl Line {
    /// A line that begins with `head`, which must be shorter than the limit.
    pub(super) fn new(head: String, limit: usize, mark: &'static str) -> Self {
        Self { text: head, limit: limit - mark.len(), mark, is_whole: true }
    }

    /// Adds a field, if there is room for all of it.
    pub(super) fn add(&mut self, field: &str) {
        if self.text.len() + field.len() <= self.limit {
            self.text.push_str(field);
        } else {
            self.is_whole = false;
        }
    }

    /// The line, followed by `tail`, which is part of the limit.
    pub(super) fn finish(mut self) -> String {
        if !self.is_whole {
            self.text.push_str(self.mark);
        }
        self.text
    }
}

/// A value as one printable text of bounded length.
pub(super) fn flat(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => printable(&cut(text, MAX_VALUE)).into_owned(),
        Value::Number(number) => number.to_string(),
        Value::List(texts) => {
            let mut all = String::new();
            for text in texts {
                if !all.is_empty() {
                    all.push(',');
                }
                all.push_str(text);
                if all.len() > MAX_VALUE {
                    break;
                }
            }
            printable(&cut(&all, MAX_VALUE)).into_owned()
        }
    }
}
