//! `http://policy.local` ([`crate::conversation`] serves it): the proxy itself, where the agent reads what it may do and why it was denied, and proposes what it
//! lacks.
//!
//! ```text
//! GET  /v1/policy         the rules that hold now, and how to propose another
//! GET  /v1/denials        the last denials of this sandbox
//! POST /v1/proposals      one exact request, a reason, and how long an answer is waited for
//! GET  /v1/proposals[/ID] how they stand
//! ```
//! The name has an address under every policy, and leads nowhere: no connection is ever opened for it, and no policy can have a
//! rule for it. It is reached by a captured connection in plain HTTP to port 80 and in no other way.
//!
//! *Invariants:* nothing is granted here; no more than a few conversations are held at once, and none whose answers stay unread; every request is recorded before it is answered; what can be read is of this sandbox
//! alone, and holds no credential and no file of the host.

pub(crate) mod answers;
pub(crate) mod book;
mod denials;
pub(crate) mod posted;

use tokio::sync::Semaphore;
use wire::id::RequestId;
use wire::proposal::{HOST, Standing};

use crate::canonical::{Authority, Host, Name};
use crate::tell::Teller;
use book::Book;

pub(crate) use denials::Denials;

/// Conversations at once. Each may hold a whole answer that its client does not read.
pub(crate) const MOST_CONVERSATIONS: usize = 16;

/// What the agent of one sandbox has proposed.
#[derive(Debug)]
pub struct PolicyLocal {
    pub(crate) book: Book,
    pub(crate) teller: Teller,
    pub(crate) conversations: Semaphore,
}

impl PolicyLocal {
    /// Nothing is proposed yet; what is, is told to `teller`.
    #[must_use]
    pub fn new(teller: Teller) -> Self {
        Self { book: Book::default(), teller, conversations: Semaphore::new(MOST_CONVERSATIONS) }
    }

    /// The operator has answered a proposal, or an approval is over.
    pub fn stands(&self, id: &RequestId, standing: Standing) {
        self.book.stands(id, standing);
    }
}

/// Whether a name is the proxy's own.
pub(crate) fn is_name(name: &Name) -> bool {
    name.as_str() == HOST
}

/// Whether a connection leads to the proxy itself, on whatever port.
pub(crate) fn is_at(authority: &Authority) -> bool {
    matches!(&authority.host, Host::Name(name) if is_name(name))
}
