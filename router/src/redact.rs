//! Replaces what is sensitive in a call by placeholders, `<PERSON_1>`, and remembers what stands for what until the
//! answer is there ([`crate::restore`]).
//!
//! One module per step: where values stand ([`spans`], [`again`]), which texts there are ([`walk`]), what they are called
//! ([`names`]), what the model is told ([`note`]). Must never know: zones, directives.
//!
//! *Invariant:* the names of a call are its own: an answer gets back only values that its own prompt held.
//! *Invariant:* this module promises nothing: whoever sends a redacted call classifies it again before.

mod again;
pub mod names;
mod note;
mod spans;
pub(crate) mod walk;

pub(crate) use walk::is_signed;

use std::collections::HashSet;
use std::sync::Arc;

use ::classify::memory::Memory;
use ::classify::property::Property;
use ::classify::{Category, Scanner};
use ring::rand;

use crate::json::Node;
use crate::wire_api::Endpoint;
pub use again::Values;
use names::{Names, Vault, VaultError};
use spans::Part;

/// Replaces values, and calls the same value by the same name as long as it lives: one for a session.
#[derive(Debug)]
pub struct Redactor {
    memory: Arc<Memory>,
    vault: Vault,
}

/// Why a call cannot be redacted.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// No name is left that the prompt does not hold itself.
    #[error("the prompt holds too many texts that look like placeholders")]
    Lookalikes,
    /// Too many values.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What goes between a placeholder's kind and its number where the prompt itself holds texts of the shorter form.
const TAGS: [&str; 8] = ["", "X", "Y", "Z", "XX", "XY", "XZ", "YY"];

impl Redactor {
    /// A redactor for a new session, which finds what is the operator's, too.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new(property: Property) -> Result<Self, VaultError> {
        let key =
            rand::generate(&rand::SystemRandom::new()).map_err(|_unspecified| VaultError::Randomness)?;
        let memory = Memory::new(Scanner::new().with_property(property), &key.expose());
        Ok(Self { memory: Arc::new(memory), vault: Vault::new()? })
    }

    /// What finds the values, and remembers what it found.
    #[must_use]
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Replaces every value of a category that `is_wanted`, and `values`, and tells the model so.
    ///
    /// # Errors
    /// [`RedactError`]; then `body` is of no use.
    pub fn redact(
        &self,
        endpoint: Endpoint,
        body: &mut Node,
        (is_wanted, mut values): (&dyn Fn(Category) -> bool, Values),
    ) -> Result<Names, RedactError> {
        let (mut parts, mut lookalikes) = (Vec::new(), HashSet::new());
        walk::each(body, &mut |key, text| {
            let found = spans::parts(&self.memory, (key, text), is_wanted);
            values.take(text, &found);
            parts.push(found);
            lookalikes.extend(names::lookalikes(text).map(str::to_owned));
            None
        });
        let mut names = Names::default();
        values.check()?;
        if let Some(seeker) = values.seeker() {
            let mut each = parts.iter_mut();
            walk::each(body, &mut |_key, text| {
                each.next().into_iter().for_each(|parts| seeker.complete(text, parts));
                None
            });
        }
        if parts.iter().all(Vec::is_empty) {
            return Ok(names);
        }
        let tag = self.free_tag(&parts, &lookalikes)?;
        let (mut parts, mut failed) = (parts.into_iter(), None);
        // The same walk over the same texts: the parts come in its order.
        walk::each(body, &mut |_key, text| {
            let parts = parts.next().filter(|parts| !parts.is_empty())?;
            self.replace((text, &parts), tag, &mut names).map_err(|error| failed = Some(error)).ok()
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        note::add(endpoint, body);
        Ok(names)
    }

    /// The first tag with which no name is also a text of the prompt. What was a credential's name in an answer, and
    /// was left there, comes back by itself.
    fn free_tag(
        &self,
        parts: &[Vec<Part>],
        lookalikes: &HashSet<String>,
    ) -> Result<&'static str, RedactError> {
        let kinds: HashSet<(&str, bool)> =
            parts.iter().flatten().map(|part| (part.kind.as_str(), part.is_credential)).collect();
        let is_taken = |tag: &str| {
            lookalikes.iter().any(|text| {
                kinds.iter().any(|(kind, is_credential)| {
                    names::number(text, kind, tag)
                        .is_some_and(|number| !is_credential || !self.vault.has_given(kind, number))
                })
            })
        };
        TAGS.into_iter().find(|tag| !is_taken(tag)).ok_or(RedactError::Lookalikes)
    }

    fn replace(
        &self,
        (text, parts): (&str, &[Part]),
        tag: &str,
        names: &mut Names,
    ) -> Result<String, VaultError> {
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for part in parts {
            let value = &text[part.at.clone()];
            let number = self.vault.number(&part.kind, value)?;
            out.push_str(&text[done..part.at.start]);
            out.push_str(&names.add((&part.kind, tag, number), value, part.is_credential));
            done = part.at.end;
        }
        out.push_str(&text[done..]);
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
