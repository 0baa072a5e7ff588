//! What belongs to the operator and no detector can know: words of the operator's own ([`Terms`]), documents of which
//! pieces must not leave ([`Documents`]), and rules of the operator's own ([`Rules`]).
//!
//! All are compiled from what the operator gives and kept in memory only. Must never know: where they come from.

pub mod documents;
pub mod rules;
mod terms;

pub use documents::Documents;
pub use rules::Rules;
pub use terms::Terms;

use crate::category::{Category, Found};
use rules::{List, RuleMistake};
use wire::router::Document;

/// What is the operator's and has one name for all operators.
pub(crate) const CATEGORIES: [Category; 1] = [terms::TERM];

/// Terms, documents and rules of one operator.
#[derive(Debug, Default)]
pub struct Property {
    /// Code names, products, hosts, paths.
    pub terms: Terms,
    /// Texts by their fingerprints.
    pub documents: Documents,
    /// Values by the operator's own description.
    pub rules: Rules,
}

impl Property {
    /// The rules that the operator wrote, compiled and tried on its examples.
    ///
    /// # Errors
    /// The first rule that is wrong.
    pub fn new(written: &wire::rules::Rules) -> Result<Self, RuleMistake> {
        let too_many = || {
            let cause = "there are too many terms to compile".to_owned();
            RuleMistake::of(List::Terms, 0, (cause, "name fewer of them".to_owned()))
        };
        let terms = Terms::new(written.terms.iter().map(String::as_str)).ok_or_else(too_many)?;
        Ok(Self { terms, documents: Documents::default(), rules: Rules::new(written)? })
    }

    /// The same with the documents that the operator has registered.
    ///
    /// # Errors
    /// The first that is none.
    pub fn with_documents(self, registered: &[Document]) -> Result<Self, RuleMistake> {
        Ok(Self { documents: Documents::new(registered)?, ..self })
    }

    /// What may be found of it, some of it more than once.
    pub fn categories(&self) -> impl Iterator<Item = Category> {
        CATEGORIES.into_iter().chain(self.documents.categories()).chain(self.rules.categories())
    }

    /// Reports what `text` holds of it.
    pub(crate) fn scan(&self, text: &str, found: &mut Found) {
        self.terms.scan(text, found);
        self.documents.scan(text, found);
        self.rules.scan(text, found);
    }
}
