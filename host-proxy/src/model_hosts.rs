//! Hosts whose requests are model calls: the privacy router gets them, whatever address a name has.
//!
//! Must never know: what a model call holds.

use std::collections::BTreeSet;

/// The hosts.
#[derive(Clone, Debug, Default)]
pub struct ModelHosts(BTreeSet<String>);

impl ModelHosts {
    /// These, in canonical spelling, beside [`wire::inference::HOST`].
    #[must_use]
    pub fn new(hosts: BTreeSet<String>) -> Self {
        Self(hosts)
    }

    /// Whether requests to `host` are model calls.
    #[must_use]
    pub fn contain(&self, host: &str) -> bool {
        host == wire::inference::HOST || self.0.contains(host)
    }
}
