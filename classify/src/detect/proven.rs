//! What a record is redacted by: values that prove themselves wherever they stand, and such as a word names that stands for
//! nothing else. A path that only looks like a telephone number is left alone, which the other detectors may not do: a record
//! that lost an order number to a guess would say less than it should.

use std::ops::Range;
use std::sync::LazyLock;

use super::digits::{Gap, Group, Window};
use super::labelled::{self, Label};
use super::phone::{self, Place};
use super::words::Words;
use super::{credential, digits, email, has_context, iban, payment_card, registers, social_security};
use crate::category::{Category, Found};

const NHS_NUMBER: Category = Category::health("nhs-number");

/// The words of credentials, then names that a path gives values to, then from the number on the words of labels.
static WORDS: LazyLock<(Words, usize)> = LazyLock::new(|| {
    let named: Vec<_> = credential::words().chain(credential::names()).map(str::to_owned).collect();
    let first = named.len();
    (Words::new(named.into_iter().chain(labelled::in_paths().flat_map(Label::words))), first)
});

/// The label of each of its words, in the order of [`WORDS`].
static LABELS: LazyLock<Vec<&'static Label>> =
    LazyLock::new(|| labelled::in_paths().flat_map(|label| label.words().map(move |_word| label)).collect());

/// Compiles the words.
pub(crate) fn load() {
    LazyLock::force(&WORDS);
    LazyLock::force(&LABELS);
}

/// Reports what `text` holds. Up to `from` it is the host of the path that follows: some values are told by it. None is
/// looked for in a host but words, so that no number goes on from an address into a path.
pub(crate) fn scan(text: &str, from: usize, found: &mut Found) {
    let (text, path) = (text.as_bytes(), &text.as_bytes()[from..]);
    let numbers = |found: &mut Found| {
        for window in digits::windows(path) {
            payment_card::check(&window, found);
            social_security::check(&window, found);
            if let Some(at) = nhs_number(&window, text, from) {
                found.add(NHS_NUMBER, at, window.digits.first(10));
            }
            phone::check(&window, found);
        }
        iban::scan(path, found);
        email::scan(path, found);
        phone::scan(path, if path.starts_with(b"/") { Place::Path } else { Place::Prose }, found);
        phone::scan_bracketed(path, found);
    };
    found.elsewhere(numbers, |at| Some(from + at.start..from + at.end));
    let (words, first) = &*WORDS;
    words.each(text, |index, word| match index.checked_sub(*first) {
        None => credential::scan_in_path(index, word, found),
        Some(index) => LABELS[index].scan_in_path(word, found),
    });
}

/// Ten digits in one piece or as the service writes them, where it is named nearby or a patient right before.
fn nhs_number(window: &Window<'_>, text: &[u8], from: usize) -> Option<Range<usize>> {
    const PATIENT: &[u8] = b"patient/";
    let (grouped, end) = match window.groups[..] {
        [Group { size: 10, end, .. }, ..] => (false, end),
        [
            Group { size: 3, gap: Gap::One(b' ' | b'-'), .. },
            Group { size: 3, gap: Gap::One(b' ' | b'-'), .. },
            Group { size: 4, end, .. },
            ..,
        ] => (true, end),
        _ => return None,
    };
    let at = window.start..end;
    let before = &window.text[..at.start];
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.' || grouped && *byte == b'-';
    let touches = before.last().is_some_and(goes_on) || window.text.get(end).is_some_and(goes_on);
    let of_patient =
        before.len() >= PATIENT.len() && before[before.len() - PATIENT.len()..].eq_ignore_ascii_case(PATIENT);
    let named = || of_patient || has_context(text, from + at.start..from + at.end, &["nhs"]);
    (!touches && registers::nhs(window.digits.first(10)) && named()).then_some(at)
}
