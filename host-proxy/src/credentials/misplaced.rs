//! Why a request does not go on with a credential, or with a placeholder, in it.

use std::sync::Arc;

use http::StatusCode;

use super::body::Unfound;
use crate::refusal::{Refusal, Stopped};

/// Why a request may not go on as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// A placeholder stands where it is not used.
    #[error("the placeholder of credential '{name}' stands in {place}, where it is not used")]
    Stray {
        /// Whose.
        name: Arc<str>,
        /// Where.
        place: String,
    },
    /// It would be read on the way.
    #[error("credential '{0}' goes out over TLS only")]
    Plain(Arc<str>),
    /// The path does not begin with the segment that the form asks for.
    #[error("the first segment of the path must be the one with the placeholder of credential '{0}'")]
    Segment(Arc<str>),
    /// The agent brings a credential of its own to a host that is given one of ours.
    #[error("the parameter '{0}' may hold a credential, and this host takes none of the agent's")]
    Foreign(&'static str),
    /// The target would be longer than anything takes.
    #[error("with credential '{0}' in it, path and query are too long")]
    TooLong(Arc<str>),
    /// Two credentials are bound to one place.
    #[error("credentials '{0}' and '{1}' are bound to the same place of this request")]
    Twice(Arc<str>, Arc<str>),
    /// The body is of another type, or compressed.
    #[error("credential '{name}' goes out here in uncompressed bodies of type {kind} only")]
    Type {
        /// Whose.
        name: Arc<str>,
        /// The type.
        kind: &'static str,
    },
    /// The body does not have the placeholder where the credential belongs.
    #[error("the placeholder of credential '{name}' must stand in {place} of the body: {why}")]
    Body {
        /// Whose.
        name: Arc<str>,
        /// Where.
        place: String,
        /// What is wrong.
        why: Unfound,
    },
    /// The body must be held, and is too long for it.
    #[error("the body must be read whole for credential '{name}', and has more than {most} bytes")]
    TooMuch {
        /// Whose.
        name: Arc<str>,
        /// How many bytes it may have.
        most: u64,
    },
    /// The body must be held, and too much is held already.
    #[error("too much is held of other requests that carry credentials")]
    Full,
    /// The client signs for another scope than the operator bound.
    #[error("the request is signed for {asked}, and credential '{name}' is for {bound}")]
    Scope {
        /// Whose.
        name: Arc<str>,
        /// The client's.
        asked: String,
        /// The operator's.
        bound: String,
    },
    /// The client signs its body in a way that cannot be signed anew.
    #[error("the body is signed as '{said}', which cannot be signed anew with credential '{name}'")]
    Payload {
        /// Whose.
        name: Arc<str>,
        /// What the client says of it.
        said: String,
    },
    /// The body may bring a signature of its own, by which it would act for somebody else.
    #[error("an upload by form brings its own signature, and goes nowhere where credential '{0}' signs")]
    Upload(Arc<str>),
    /// A client would have something else done than its method and path say.
    #[error("{what} does more than method and path say, and is not signed with credential '{name}'")]
    Beyond {
        /// Whose.
        name: Arc<str>,
        /// What of the request.
        what: String,
    },
    /// The answer would be a key that works everywhere.
    #[error("the answer would be a key of its own, which credential '{0}' asks for nobody")]
    Issued(Arc<str>),
    /// Our own signature fails.
    #[error("the request could not be signed with credential '{0}'")]
    Unsigned(Arc<str>),
    /// What is replaced has more in it than what it was judged for.
    #[error("a part of the query that credential '{0}' replaces has a ';' in it")]
    Joined(Arc<str>),
    /// A field that is signed has characters that have no one form.
    #[error("the header field '{field}' is signed with credential '{name}', and must be plain ASCII")]
    Unsignable {
        /// Whose.
        name: Arc<str>,
        /// Which.
        field: String,
    },
}

impl From<&Misplaced> for Refusal {
    fn from(misplaced: &Misplaced) -> Self {
        let (error, hint) = (misplaced.to_string(), misplaced.hint().to_owned());
        let status = match misplaced {
            Misplaced::TooMuch { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Misplaced::Full => StatusCode::SERVICE_UNAVAILABLE,
            Misplaced::Unsigned(_) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::FORBIDDEN,
        };
        Self { status, level: Stopped::Credential, rule: None, error, hint }
    }
}

impl Misplaced {
    /// What could be done about it, in one line.
    fn hint(&self) -> &'static str {
        match self {
            Self::Stray { .. } => {
                "send it only where the operator bound it; the proxy writes it there by itself"
            }
            Self::Plain(_) => "use https",
            Self::Segment(_) => "write the placeholder from the environment into the path",
            Self::Foreign(_) => "leave it out: the proxy writes the operator's credential where it belongs",
            Self::TooLong(_) => "send a shorter path and query",
            Self::Twice(..) => "the operator can narrow the paths of one of them in agent.yaml",
            Self::Type { .. } => "send that type, or ask the operator to narrow 'inject.path' in agent.yaml",
            Self::Body { .. } => "write the placeholder from the environment there, alone and once",
            Self::TooMuch { .. } => "send less at once",
            Self::Full => "try again when other requests are over",
            Self::Scope { .. } => "set the client's region and endpoint to what the operator bound",
            Self::Payload { .. } => {
                "turn signed chunks off in the client: over TLS it may send UNSIGNED-PAYLOAD or the body's SHA-256"
            }
            Self::Upload(_) => "use PUT",
            Self::Beyond { .. } => "leave it out; the operator can do it on the host",
            Self::Issued(_) => "ask for what the key would be for; its requests are signed here",
            Self::Unsigned(_) => "send a plainer path and plainer header fields",
            Self::Joined(_) => "write %3B, or put '&' between parameters",
            Self::Unsignable { .. } => "write it in plain ASCII",
        }
    }
}
