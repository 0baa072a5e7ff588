//! Handing in events and waiting for their receipts.
//!
//! [`Blocking`] is for the manager, [`Tokio`] for proxy and router; both speak over a connected Unix
//! socket that the manager made. After an error that is not [`AppendError::Refused`] or
//! [`AppendError::Event`] the connection is lost for good, and every later append fails: a process that
//! cannot record does not act.

mod blocking;
mod tokio;

pub use self::blocking::Blocking;
pub use self::tokio::Tokio;

use crate::protocol::ProtocolError;

/// Why an event is not in the log. The action that it is about must not go on.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The event itself cannot be sent.
    #[error("the audit event cannot be sent: {0}")]
    Event(String),
    /// The writer refused it.
    #[error("the audit writer refused: {0}")]
    Refused(String),
    /// The connection to the writer failed.
    #[error("the connection to the audit writer failed")]
    Io(#[source] std::io::Error),
    /// The writer is gone, or answered what is not an answer.
    #[error("the audit writer is gone")]
    Lost,
}

impl From<ProtocolError> for AppendError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Encode(cause) => Self::Event(cause.to_string()),
            ProtocolError::TooLong(_) => Self::Event(error.to_string()),
            ProtocolError::Length(_) | ProtocolError::Reply => Self::Lost,
        }
    }
}
