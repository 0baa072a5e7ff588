//! What the signer of a log is started with.

use std::os::unix::net::UnixStream;

use wire::audit::{OnFull, SignConfig, SignResumed};
use wire::id::SandboxId;

use super::{AuditLog, key};
use crate::failure::Failure;
use crate::layout::Program;
use crate::process::Resources;
use crate::rundir::RunDir;

impl AuditLog {
    /// The configuration of the log's signer, and the descriptors that it names; `None`: nobody signs. `resumed`: what was signed
    /// before, of a log that is closed: that has its checkpoint, or it is not closed.
    pub(crate) fn signer(
        &self,
        (sandbox, run): (&SandboxId, &RunDir),
        leaves: UnixStream,
        resumed: Option<SignResumed>,
    ) -> Result<Option<(SignConfig, Resources)>, Failure> {
        let signing = &self.settings.signing;
        if !signing.enabled {
            return Ok(None);
        }
        let on_full = match &resumed {
            Some(_closed) => OnFull::Deny,
            None => self.settings.log.on_full.for_writer(),
        };
        let mut resources = Resources::default();
        let config = SignConfig {
            version: wire::VERSION,
            sandbox: sandbox.clone(),
            name: signing.name.clone(),
            key: key::signing_key(&self.layout, signing)?,
            leaves: resources.add(leaves),
            resumed,
            checkpoints: self.checkpoints()?.into_iter().map(|file| resources.add(file)).collect(),
            interval_ms: signing.interval.0.saturating_mul(1000),
            on_full,
            user: run.user(Program::Sign),
        };
        Ok(Some((config, resources)))
    }
}
