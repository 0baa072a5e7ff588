//! What happens to an answer on its way to the client, beside being read along: values are put back into it, or it is told
//! in another API.

use std::sync::Arc;

use crate::json::Node;
use crate::observe::Form;
use crate::redact::names::Names;
use crate::restore::document;
use crate::restore::events::Events;
use crate::sse::TooLarge;
use crate::translate;
use crate::wire_api::Endpoint;

/// Largest answer in one piece that is rewritten.
const LARGEST: usize = 16 << 20;

/// What is to be done with an answer.
#[derive(Clone, Debug)]
pub enum Rewrite {
    /// Values stand in it by their names.
    Restore(Arc<Names>, Endpoint),
    /// It is a chat completion, and answers a call of the other API.
    Translate(Endpoint),
}

/// Does it, for one answer.
#[derive(Debug)]
pub enum Rewriter {
    /// In a stream that is restored.
    Restored(Box<Events>),
    /// In a stream that is translated.
    Translated(Box<translate::events::Events>),
    /// In one document, of which this much came.
    Document(Rewrite, Vec<u8>),
}

/// Why an answer cannot be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// A document is too large.
    #[error("the model server's answer is larger than {} MiB", LARGEST >> 20)]
    Document,
    /// An event is too large.
    #[error(transparent)]
    Event(#[from] TooLarge),
}

impl Rewrite {
    /// For an answer of this form.
    #[must_use]
    pub fn of(self, form: Form) -> Rewriter {
        match (self, form) {
            (Self::Restore(names, endpoint), Form::Events) => {
                Rewriter::Restored(Box::new(Events::new(names, endpoint)))
            }
            (Self::Translate(_), Form::Events) => Rewriter::Translated(Box::default()),
            (rewrite, Form::Document) => Rewriter::Document(rewrite, Vec::new()),
        }
    }
}

impl Rewriter {
    /// The next bytes of the server's answer; the next of the client's.
    ///
    /// # Errors
    /// [`RewriteError`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, RewriteError> {
        match self {
            Self::Restored(events) => Ok(events.push(bytes)?),
            Self::Translated(events) => Ok(events.push(bytes)?),
            Self::Document(_, held) if held.len() + bytes.len() > LARGEST => Err(RewriteError::Document),
            Self::Document(_, held) => {
                held.extend_from_slice(bytes);
                Ok(Vec::new())
            }
        }
    }

    /// What is left when the server's answer has ended.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Restored(mut events) => events.finish(),
            Self::Translated(mut events) => events.finish(),
            Self::Document(Rewrite::Restore(names, _), held) => {
                let mut document = Node::parse(&held).unwrap_or(Node::Null);
                if document::restore(&names, &mut document) { document.to_bytes() } else { held }
            }
            Self::Document(Rewrite::Translate(endpoint), held) => translate::document::answer(endpoint, held),
        }
    }
}
