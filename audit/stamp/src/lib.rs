//! Time stamps (RFC 3161) over checkpoints of audit logs: somebody else's word on when a log was so large.
//!
//! ```text
//! checkpoint ─► Request ──(somebody sends it)──► authority ──► answer ─► check ─► Store, beside the checkpoints
//! ```
//! What is stamped is the signed checkpoint byte for byte, as `openshell audit checkpoint` prints it, so that other tools can
//! check a stamp, too. Nothing here talks to the network, and nothing here is needed to write a log.

mod authority;
mod error;
mod request;
mod signer;
mod store;
mod token;

pub use authority::{Authorities, AuthorityError};
pub use error::StampError;
pub use request::{Request, RequestError};
pub use store::{Checked, Store, StoreError, verify};
pub use token::{Stamp, check};
