//! Everything that serves one sandbox, made once at the start and shared by its connections.

use std::sync::Arc;

use wire::id::SandboxId;

use crate::authority::Authority;
use crate::dial::Dialer;
use crate::flow::Seals;
use crate::judge::Judge;
use crate::names::Pool;

/// Everything that serves one sandbox.
#[derive(Debug)]
pub struct Proxy {
    /// Opens flows.
    pub seals: Seals,
    /// What addresses mean.
    pub names: Arc<Pool>,
    /// Decides and records.
    pub judge: Arc<Judge>,
    /// Certificates for the guest.
    pub certificates: Authority,
    /// Connections to upstreams.
    pub dialer: Dialer,
    /// Whose requests these are, for the router.
    pub sandbox: SandboxId,
}
