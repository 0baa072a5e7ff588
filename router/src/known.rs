//! What is known of a call once it is classified, in the form that a record or a refusal may hold.
//!
//! Must never know: what becomes of the call.

use crate::classify::Classifier;
use crate::json::Node;
use ::classify::Findings;

/// What is known of a call that was classified.
#[derive(Clone, Debug)]
pub struct Known {
    /// What was found.
    pub findings: Findings,
    /// The model asked for.
    pub model: ModelName,
    /// Of a call of which something was replaced: what is left in it.
    pub left: Option<Findings>,
}

/// A model's name, as a record may hold it: a client can write anything where the name belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelName(Option<String>);

/// Longest name of a model that a record holds.
const LONGEST_NAME: usize = 128;

impl ModelName {
    /// Withholds a name that is none, or that holds data itself.
    #[must_use]
    pub fn of(name: &str, classifier: &Classifier) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+ ".contains(&byte);
        let is_name = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain);
        let is_clean = || classifier.classify(&Node::Text(name.to_owned()), &[]).is_empty();
        Self((is_name && is_clean()).then(|| name.to_owned()))
    }

    /// The name, unless it is withheld.
    #[must_use]
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }
}
