//! The agent's network: a namespace whose only way out is guest-init.
//!
//! ```text
//! agent ── TCP, any address ──► nftables redirect ──► listener ──► relay ──► host
//!       ── port 53 ───────────► nftables redirect ──► stub ─────► names ──► host
//!       ── explicit proxy ────► listener ──► relay ──► host
//!       ── loopback ──────────► itself
//!       ── anything else ─────► refused at once
//! ```
//! The interface with the default routes is a dummy: it exists so that programs find a network, and no
//! packet ever leaves through it. Without an authority there is no egress: then TCP and names are refused
//! at once like everything else, and nobody listens as the explicit proxy.

mod namespace;
pub(crate) mod netlink;
mod nft;
mod route;
mod sockets;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

pub(crate) use namespace::Namespace;
pub(crate) use netlink::{Netlink, NetlinkError};
pub(crate) use sockets::Gates;

/// Whether the agent's connections go anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Egress {
    /// To the host, which decides.
    ToHost,
    /// Nowhere.
    None,
}

/// Why the network could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptureError {
    /// No new namespace, or no way back from it.
    #[error("cannot make the agent's network namespace")]
    Namespace(#[source] Errno),
    /// Interfaces, addresses or routes were refused.
    #[error("cannot {0}")]
    Route(&'static str, #[source] NetlinkError),
    /// The packet rules were refused.
    #[error("cannot install the capture rules")]
    Rules(#[source] NetlinkError),
    /// A listener could not be made.
    #[error("cannot listen on {0}")]
    Listen(std::net::SocketAddr, #[source] Errno),
    /// The socket that tells who owns a connection could not be opened.
    #[error("cannot open the socket diagnosis")]
    Diagnosis(#[source] NetlinkError),
}

/// The agent's network, and guest-init's sockets in it.
#[derive(Debug)]
pub(crate) struct Network {
    namespace: Namespace,
    gates: Option<Gates>,
}

impl Network {
    /// Builds it, with an interface of the kernel's `kind` (`dummy`) as the way out.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn build(egress: Egress, kind: &str) -> Result<Self, CaptureError> {
        let namespace = Namespace::create().map_err(CaptureError::Namespace)?;
        let gates = namespace.within(|| Self::furnish(egress, kind)).map_err(CaptureError::Namespace)??;
        Ok(Self { namespace, gates })
    }

    fn furnish(egress: Egress, kind: &str) -> Result<Option<Gates>, CaptureError> {
        // The rules come first: from the first moment of a route there is nothing but the capture.
        nft::install(egress).map_err(CaptureError::Rules)?;
        route::build(kind)?;
        match egress {
            Egress::ToHost => Gates::open().map(Some),
            Egress::None => Ok(None),
        }
    }

    /// The namespace, for the agent to enter.
    pub(crate) fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// The namespace, and guest-init's sockets in it; none without egress.
    pub(crate) fn into_parts(self) -> (Namespace, Option<Gates>) {
        (self.namespace, self.gates)
    }
}
