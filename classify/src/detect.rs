//! The detectors. Each looks for one kind of value, checks its structure (lengths, alphabets, checksums,
//! registered ranges) and reports the value in canonical spelling. Nothing is reported on a pattern alone.
//!
//! A detector looks at a bounded number of bytes around each candidate, so that a scan is linear.

pub mod credential;
pub mod digits;
pub mod email;
pub mod iban;
pub mod payment_card;
pub mod social_security;

use super::category::Found;

/// All detectors, compiled.
#[derive(Debug)]
pub struct Detectors {
    credentials: credential::Credentials,
}

impl Detectors {
    /// Compiles them.
    #[must_use]
    pub fn new() -> Self {
        Self { credentials: credential::Credentials::new() }
    }

    /// Reports what `text` holds.
    pub fn scan(&self, text: &str, found: &mut Found) {
        let bytes = text.as_bytes();
        for window in digits::windows(bytes) {
            payment_card::check(&window, found);
            social_security::check(&window, found);
        }
        iban::scan(bytes, found);
        email::scan(bytes, found);
        self.credentials.scan(bytes, found);
    }
}

impl Default for Detectors {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether one of `words` (lower case) stands within `before` bytes before or `after` bytes behind the
/// candidate at `span`.
pub(crate) fn has_context(text: &[u8], span: std::ops::Range<usize>, words: &[&str]) -> bool {
    const BEFORE: usize = 64;
    const AFTER: usize = 32;
    let from = span.start.saturating_sub(BEFORE);
    let to = text.len().min(span.end + AFTER);
    let window = text[from..to].to_ascii_lowercase();
    words.iter().any(|word| memchr::memmem::find(&window, word.as_bytes()).is_some())
}
