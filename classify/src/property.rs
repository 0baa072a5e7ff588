//! What belongs to the operator and no detector can know: words of the operator's own ([`Terms`]), and documents of which
//! pieces must not leave ([`Documents`]).
//!
//! Both are compiled from what the operator gives and kept in memory only. Must never know: where they come from.

mod documents;
mod terms;

pub use documents::Documents;
pub use terms::Terms;

use crate::category::{Category, Found};

/// What is the operator's.
pub(crate) const CATEGORIES: [Category; 2] = [documents::DOCUMENT, terms::TERM];

/// Terms and documents of one operator.
#[derive(Debug, Default)]
pub struct Property {
    /// Code names, products, hosts, paths.
    pub terms: Terms,
    /// Texts by their fingerprints.
    pub documents: Documents,
}

impl Property {
    /// Reports what `text` holds of it.
    pub(crate) fn scan(&self, text: &str, found: &mut Found) {
        self.terms.scan(text, found);
        self.documents.scan(text, found);
    }
}
