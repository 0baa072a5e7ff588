//! The detectors. Each looks for one kind of value, checks its structure (lengths, alphabets, checksums, registered ranges,
//! the words around it) and reports the value in canonical spelling. Nothing is reported on a pattern alone.
//!
//! A detector looks at a bounded number of bytes around each candidate, so that a scan is linear.

pub(crate) mod checksum;
mod credential;
mod digits;
mod email;
mod iban;
pub(crate) mod injection;
mod labelled;
mod payment_card;
mod phone;
pub(crate) mod proven;
mod registers;
mod shape;
mod social_security;
mod tokens;
mod vehicle;
pub(crate) mod words;

use std::sync::LazyLock;

use super::category::{Category, Found};
use injection::Hit;
use labelled::Label;
use words::Words;

/// Detectors, compiled.
#[derive(Clone, Copy, Debug)]
pub struct Detectors {
    reach: Reach,
}

/// Which detectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// All that find data.
    Data,
    /// Those, and that of marks of injected instructions.
    All,
}

/// The words of credentials, then those of labels, then those of marks.
static ALL_WORDS: LazyLock<Words> = LazyLock::new(|| {
    let labels = labelled::labels().flat_map(Label::words);
    Words::new(credential::words().map(str::to_owned).chain(labels).chain(injection::words()))
});

/// The label of each of its words, in the order of [`ALL_WORDS`].
static LABELS: LazyLock<Vec<&'static Label>> =
    LazyLock::new(|| labelled::labels().flat_map(|label| label.words().map(move |_word| label)).collect());

/// What the detectors find.
pub(crate) fn categories() -> impl Iterator<Item = Category> {
    let proven = [
        payment_card::PAYMENT_CARD,
        social_security::SOCIAL_SECURITY,
        iban::IBAN,
        email::EMAIL,
        phone::PHONE,
    ];
    let credentials = credential::kinds().map(Category::credential);
    let labelled = labelled::labels().map(|label| label.category());
    proven
        .into_iter()
        .chain(credentials)
        .chain(labelled)
        .chain(tokens::categories())
        .chain(injection::CATEGORIES)
}

impl Detectors {
    /// All detectors.
    #[must_use]
    pub fn new() -> Self {
        LazyLock::force(&ALL_WORDS);
        Self { reach: Reach::All }
    }

    /// Those that find data, without the one of marks of injected instructions.
    #[must_use]
    pub(crate) fn of_data() -> Self {
        Self { reach: Reach::Data }
    }

    /// Reports what `text` hides from who sees it, if marks are looked for.
    pub(crate) fn scan_unseen(&self, text: &str, found: &mut Found) {
        if self.reach == Reach::All {
            injection::unseen::scan(text.as_bytes(), found);
        }
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
        match self.reach {
            Reach::Data => scan_loose(bytes, None, found),
            Reach::All => {
                let mut hits = Vec::new();
                scan_loose(bytes, Some(&mut hits), found);
                injection::judge(bytes, hits, found);
            }
        }
    }
}

impl Default for Detectors {
    fn default() -> Self {
        Self::new()
    }
}

fn scan_loose(text: &[u8], mut hits: Option<&mut Vec<Hit>>, found: &mut Found) {
    let (labels, first) = (&*LABELS, credential::words().count());
    ALL_WORDS.each(text, |index, word| match index.checked_sub(first) {
        None => credential::scan(index, word, found),
        Some(index) => match (index.checked_sub(labels.len()), &mut hits) {
            (None, _) => labels[index].scan(word, found),
            (Some(index), Some(hits)) => hits.extend(injection::hit(index, word)),
            (Some(_), None) => {}
        },
    });
    tokens::scan(text, found);
    phone::scan(text, phone::Place::Prose, found);
}

/// Whether one of `words` (lower case) stands within `before` bytes before or `after` bytes behind the
/// candidate at `span`.
fn has_context(text: &[u8], span: std::ops::Range<usize>, words: &[&str]) -> bool {
    const BEFORE: usize = 64;
    const AFTER: usize = 32;
    let from = span.start.saturating_sub(BEFORE);
    let to = text.len().min(span.end + AFTER);
    let window = text[from..to].to_ascii_lowercase();
    words.iter().any(|word| memchr::memmem::find(&window, word.as_bytes()).is_some())
}
