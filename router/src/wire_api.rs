//! What clients may say, and whether all of it is understood.
//!
//! Every member of a request is on a list here, with its type where text or files can hide in it. What is
//! on no list is refused: a member that nobody knows may be the one that carries the data, or the one that
//! makes the provider fetch it. Members that are known but hold no readable text (pictures, files, token
//! ids, references to state on the provider's side) are passed on as *opaque* categories.

pub mod anthropic;
mod fields;
pub mod openai;

use crate::json::{JsonError, Node};
use ::classify::Category;
use anthropic::{BetaError, Betas};
use fields::Reader;
use wire::router::Api;

/// What a request line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The list of models.
    Models,
    /// One model of the list.
    Model(String),
    /// A call with a body.
    Call(Endpoint),
}

/// The calls with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `chat/completions`
    ChatCompletions,
    /// `completions`
    Completions,
    /// `embeddings`
    Embeddings,
    /// `responses`
    Responses,
    /// `messages`, of the Anthropic API
    Messages,
    /// `messages/count_tokens`, of the Anthropic API
    CountTokens,
}

/// A body that is understood.
#[derive(Clone, Debug)]
pub struct Call {
    endpoint: Endpoint,
    body: Node,
    model: String,
    opaque: Vec<Category>,
    betas: Betas,
}

/// Why a call is refused before anybody looks at its content.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No such path.
    #[error("{0} is no call that this endpoint serves")]
    UnknownPath(String),
    /// The path exists, with another method.
    #[error("{path} takes {expected}")]
    WrongMethod {
        /// The path.
        path: String,
        /// What it takes.
        expected: &'static str,
    },
    /// Not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A header that must be read is none that is.
    #[error(transparent)]
    Beta(#[from] BetaError),
    /// A member that is on no list, or of another type.
    #[error(transparent)]
    NotUnderstood(#[from] NotUnderstood),
}

/// A part of a body that is on no list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{at}: {why}")]
pub struct NotUnderstood {
    at: String,
    why: &'static str,
}

impl Endpoint {
    /// The path below a server's base URL.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat/completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "messages/count_tokens",
        }
    }

    /// Whose API it is.
    #[must_use]
    pub fn api(self) -> Api {
        match self {
            Self::Messages | Self::CountTokens => Api::Anthropic,
            _ => Api::OpenAi,
        }
    }
}

impl Target {
    /// Reads a request line; the calls stand below `base`. No query is accepted but the one with which Anthropic's clients mark new features.
    ///
    /// # Errors
    /// [`CallError::UnknownPath`] and [`CallError::WrongMethod`].
    pub fn read(method: &http::Method, uri: &http::Uri, base: &str) -> Result<Self, CallError> {
        let unknown = || CallError::UnknownPath(uri.path().chars().take(128).collect());
        let name =
            uri.path().strip_prefix(base).and_then(|path| path.strip_prefix('/')).ok_or_else(unknown)?;
        let is_marked = name.starts_with("messages") && uri.query() == Some("beta=true");
        if uri.query().is_some() && !is_marked {
            return Err(unknown());
        }
        let (target, expected) = match name {
            "models" => (Self::Models, "GET"),
            "chat/completions" => (Self::Call(Endpoint::ChatCompletions), "POST"),
            "completions" => (Self::Call(Endpoint::Completions), "POST"),
            "embeddings" => (Self::Call(Endpoint::Embeddings), "POST"),
            "responses" => (Self::Call(Endpoint::Responses), "POST"),
            "messages" => (Self::Call(Endpoint::Messages), "POST"),
            "messages/count_tokens" => (Self::Call(Endpoint::CountTokens), "POST"),
            _ => (Self::Model(name.strip_prefix("models/").ok_or_else(unknown)?.to_owned()), "GET"),
        };
        if method.as_str() == expected {
            Ok(target)
        } else {
            Err(CallError::WrongMethod { path: uri.path().to_owned(), expected })
        }
    }
}

impl Call {
    /// Reads a body and checks that all of it is understood.
    ///
    /// # Errors
    /// [`CallError::Json`] and [`CallError::NotUnderstood`].
    pub fn read(endpoint: Endpoint, bytes: &[u8]) -> Result<Self, CallError> {
        let body = Node::parse(bytes)?;
        let mut reader = Reader::default();
        match endpoint.api() {
            Api::OpenAi => openai::check(endpoint, &mut reader, &body)?,
            Api::Anthropic => anthropic::check(&mut reader, &body)?,
        }
        let opaque = reader.into_opaque();
        let model = body.get("model").and_then(Node::as_text).unwrap_or_default().to_owned();
        Ok(Self { endpoint, body, model, opaque, betas: Betas::default() })
    }

    /// The call with what a header of it asks for.
    ///
    /// # Errors
    /// [`CallError::Beta`].
    pub fn with_betas(self, headers: &http::HeaderMap) -> Result<Self, CallError> {
        Ok(match self.endpoint.api() {
            Api::OpenAi => self,
            Api::Anthropic => Self { betas: Betas::read(headers)?, ..self },
        })
    }

    /// Features that the call asks for.
    #[must_use]
    pub fn betas(&self) -> &Betas {
        &self.betas
    }

    /// Which call it is.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The parsed body.
    #[must_use]
    pub fn body(&self) -> &Node {
        &self.body
    }

    /// The same, to take something out of it.
    pub(crate) fn body_mut(&mut self) -> &mut Node {
        &mut self.body
    }

    /// The model that the client asked for.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What is in the body and holds no text to look at.
    #[must_use]
    pub fn opaque(&self) -> &[Category] {
        &self.opaque
    }

    /// The body as a server gets it: written anew, with the server's model where it names one.
    #[must_use]
    pub fn into_body(mut self, model: Option<&str>) -> Node {
        if let Some(model) = model {
            self.body.set_text("model", model);
        }
        self.body
    }
}

impl NotUnderstood {
    fn new(at: &str, why: &'static str) -> Self {
        Self { at: at.chars().take(128).collect(), why }
    }
}
