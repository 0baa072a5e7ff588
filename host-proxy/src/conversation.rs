//! One client connection after its protocol is known, each request decided anew: in turn with HTTP/1.1 ([`one`]), side
//! by side with HTTP/2 ([`two`]).
//!
//! What both share is here: what a request is at its place, and the [`exchange`] with the upstream after it was allowed.
//! Whatever goes wrong ends at least the request: after doubt nothing more is read of it.

mod age;
mod answers;
mod calls;
mod download;
mod ends;
mod events;
mod exchange;
mod held;
mod link;
pub(crate) mod local;
mod message;
mod one;
mod socket;
mod tally;
pub(crate) mod two;

use std::time::Duration;

use wire::id::RequestId;

use crate::canonical::{Arrived, Authority, CanonicalRequest, NotCanonical, Scheme, canonicalise};
use crate::http1::{Head, Patience};
use crate::refusal::Refusal;

pub(crate) use one::{Conversation, Ending};

/// What a client may take.
const PATIENCE: Patience = Patience {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(300),
    body: Duration::from_secs(120),
};

/// How long the orderly end of a connection that a new policy closed may take.
const FAREWELL: Duration = Duration::from_millis(50);

/// Where the client believes to be.
#[derive(Clone, Debug)]
pub enum Place {
    /// Connected to this authority, by this scheme.
    At(Scheme, Authority),
    /// Connected to the explicit proxy: each request names its authority.
    Proxy,
}

/// Why a head asks for nothing that could be judged.
enum Unheard {
    /// It has no or more than one reading.
    Malformed(NotCanonical),
    /// It names another authority than its connection.
    Misdirected(Box<CanonicalRequest>, Refusal),
}

impl Place {
    /// What a head asks for here.
    fn hear(&self, head: &Head) -> Result<CanonicalRequest, Unheard> {
        let scheme = match self {
            Self::At(scheme, _) => *scheme,
            Self::Proxy => Scheme::Http,
        };
        let host = head.host.as_deref().unwrap_or_default();
        let arrived = Arrived { method: &head.method, target: &head.target, host };
        let request = canonicalise(arrived, scheme).map_err(Unheard::Malformed)?;
        match self {
            Self::At(_, authority) if *authority != request.authority => {
                let refusal = Refusal::misdirected(&request.authority.to_string(), &authority.to_string());
                Err(Unheard::Misdirected(Box::new(request), refusal))
            }
            _ => Ok(request),
        }
    }
}

/// A decided request, as the rest of its life names it.
#[derive(Clone, Copy)]
struct Named<'a> {
    proxy: &'a crate::proxy::Proxy,
    case: &'a crate::judge::Case<'a>,
    id: &'a RequestId,
}
