//! Where names lead: the operator's map first, then the DNS servers that the host itself uses.
//!
//! The process has an empty root when it runs, so the host's configuration is read before, and questions are
//! asked by a resolver that needs no files.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::NetError;

use crate::canonical::Name;

/// Finds the addresses of names.
pub struct Resolver {
    hosts: BTreeMap<String, IpAddr>,
    servers: Option<TokioResolver>,
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The host has no usable `/etc/resolv.conf`.
    #[error("{0} is not in the operator's hosts, and this machine has no DNS server configured")]
    NoServers(Name),
    /// DNS gave no address.
    #[error("{name} has no address")]
    Failed {
        /// The name.
        name: Name,
        /// What DNS said.
        source: Box<NetError>,
    },
    /// DNS answered without an address.
    #[error("{0} has no address")]
    Empty(Name),
}

impl Resolver {
    /// Answers from `hosts`, and else asks `servers`.
    #[must_use]
    pub fn new(hosts: BTreeMap<String, IpAddr>, servers: Option<TokioResolver>) -> Self {
        Self { hosts, servers }
    }

    /// Reads the host's DNS configuration. Without one, only the operator's names have addresses.
    #[must_use]
    pub fn from_system(hosts: BTreeMap<String, IpAddr>) -> Self {
        let servers = TokioResolver::builder_tokio().and_then(|mut builder| {
            let options = builder.options_mut();
            options.use_hosts_file = ResolveHosts::Always;
            options.cache_size = 1024;
            builder.build()
        });
        let servers = servers.inspect_err(|error| {
            tracing::warn!(%error, "no DNS server: only the operator's hosts have addresses");
        });
        Self::new(hosts, servers.ok())
    }

    /// The addresses of `name`; at least one.
    ///
    /// # Errors
    /// It has none, or nobody can be asked.
    pub async fn resolve(&self, name: &Name) -> Result<Vec<IpAddr>, ResolveError> {
        if let Some(address) = self.hosts.get(name.as_str()) {
            return Ok(vec![*address]);
        }
        let servers = self.servers.as_ref().ok_or_else(|| ResolveError::NoServers(name.clone()))?;
        // The final dot keeps the host's search domains out of it: the policy judged this very name.
        let answer = servers
            .lookup_ip(format!("{name}."))
            .await
            .map_err(|source| ResolveError::Failed { name: name.clone(), source: Box::new(source) })?;
        let mut addresses: Vec<IpAddr> = answer.iter().collect();
        // IPv4 first: a host without IPv6 connectivity is common, one without IPv4 is not.
        addresses.sort_by_key(IpAddr::is_ipv6);
        if addresses.is_empty() { Err(ResolveError::Empty(name.clone())) } else { Ok(addresses) }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}
