//! Name questions from the guest's DNS stub. guest-init carries DNS messages without reading them; the
//! host parses, decides and answers.

use serde::{Deserialize, Serialize};

use crate::subject::Subject;

/// One DNS question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Chosen by guest-init to match the reply; unique among the questions in flight.
    pub id: u64,
    /// Who asked, if it could be told. Many resolvers close their socket too soon for an answer.
    pub subject: Subject,
    /// The DNS message as the client sent it.
    pub message: Vec<u8>,
}

/// The answer to one [`Query`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The query's id.
    pub id: u64,
    /// The DNS message for the client; empty when the question deserves no answer.
    pub message: Vec<u8>,
}
