//! Handing in events and waiting for their receipts.
//!
//! [`Blocking`] is for the manager, [`Tokio`] for proxy and router; both speak over a connected Unix
//! socket that the manager made. After an error that is not [`AppendError::Refused`] or
//! [`AppendError::Event`] the connection is lost for good, and every later append fails: a process that
//! cannot record does not act.
//!
//! *One exception*, which the operator has to choose (`on_full: degrade`): while the disk is full an event can be
//! [`Appended::Unrecorded`], and its action goes on.

mod blocking;
mod tokio;

pub use self::blocking::Blocking;
pub use self::tokio::Tokio;

use crate::protocol::{ProtocolError, Receipt, Reply};

/// What became of an event. Its action may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Appended {
    /// It is in the log.
    Recorded(Receipt),
    /// The disk is full, and the operator lets actions go on without a record; the log will say how many.
    Unrecorded,
}

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

impl Appended {
    /// The receipt, if it is in the log.
    #[must_use]
    pub fn receipt(self) -> Option<Receipt> {
        match self {
            Self::Recorded(receipt) => Some(receipt),
            Self::Unrecorded => None,
        }
    }
}

/// What a reply means for who asked.
fn answer(reply: Reply) -> Result<Appended, AppendError> {
    match reply {
        Reply::Written(receipt) => Ok(Appended::Recorded(receipt)),
        Reply::Unrecorded => Ok(Appended::Unrecorded),
        Reply::Refused(why) => Err(AppendError::Refused(why)),
    }
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
