//! Everything that serves one sandbox, made once at the start and shared by its connections.

use std::sync::Arc;

use policies::Permit;
use tokio::sync::Semaphore;
use wire::id::SandboxId;

use crate::authority::Authority;
use crate::conversation::{Published, Rooms};
use crate::dial::Dialer;
use crate::digest::Digests;
use crate::flow::Seals;
use crate::judge::Judge;
use crate::names::Pool as Names;
use crate::policy_local::PolicyLocal;
use crate::scanner::Scanners;
use crate::upstream::Pool;

/// Everything that serves one sandbox.
#[derive(Debug)]
pub struct Proxy {
    /// Opens flows.
    pub seals: Seals,
    /// What addresses mean.
    pub names: Arc<Names>,
    /// Decides and records.
    pub judge: Arc<Judge>,
    /// Certificates for the guest.
    pub certificates: Authority,
    /// Connections to upstreams.
    pub dialer: Dialer,
    /// Those that are shared.
    pub pool: Arc<Pool>,
    /// Flows and streams at once. One that is over the limit is refused at once rather than left waiting.
    pub flows: Arc<Semaphore>,
    /// Room for what is held back until it was judged.
    pub rooms: Rooms,
    /// Who looks into downloads.
    pub scanners: Arc<Scanners>,
    /// When versions of packages were published.
    pub published: Published,
    /// Whether records have digests of bodies.
    pub(crate) digests: Digests,
    /// What the agent has proposed.
    pub local: Arc<PolicyLocal>,
    /// Whose requests these are, for the router.
    pub sandbox: SandboxId,
}

impl Proxy {
    /// Whether the record of what `permit` allows has digests of bodies. That of a model call has none: they would be of the agent's
    /// words before anything in them is redacted, and after it was put back.
    pub(crate) fn digests(&self, permit: &Permit) -> Digests {
        if self.judge.is_model_host(permit.host()) { Digests::Off } else { self.digests }
    }
}
