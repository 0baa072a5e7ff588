//! Where a server's name leads: the operator's map first, then the DNS servers that the host itself uses,
//! which are read before the jail hides the host's files.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::NetError;

/// Finds the addresses of names.
pub struct Resolver {
    hosts: BTreeMap<String, IpAddr>,
    servers: Option<TokioResolver>,
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nobody can be asked.
    #[error("{0} is not in the operator's hosts, and this machine has no DNS server configured")]
    NoServers(String),
    /// DNS gave no address.
    #[error("{name} has no address")]
    Failed {
        /// The name.
        name: String,
        /// What DNS said.
        source: Box<NetError>,
    },
}

impl Resolver {
    /// Reads the host's DNS configuration. Without one, only the operator's names have addresses.
    #[must_use]
    pub fn from_system(hosts: BTreeMap<String, IpAddr>) -> Self {
        let servers = TokioResolver::builder_tokio().and_then(|mut builder| {
            builder.options_mut().use_hosts_file = ResolveHosts::Always;
            builder.build()
        });
        if let Err(error) = &servers {
            tracing::warn!(%error, "no DNS server: only the operator's hosts have addresses");
        }
        Self { hosts, servers: servers.ok() }
    }

    /// The addresses of `name` (a name or an address), IPv4 first.
    ///
    /// # Errors
    /// It has none, or nobody can be asked.
    pub async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Ok(vec![address]);
        }
        if let Some(address) = self.hosts.get(name) {
            return Ok(vec![*address]);
        }
        let servers = self.servers.as_ref().ok_or_else(|| ResolveError::NoServers(name.to_owned()))?;
        // The final dot keeps the host's search domains out of it.
        let answer = servers
            .lookup_ip(format!("{}.", name.trim_end_matches('.')))
            .await
            .map_err(|source| ResolveError::Failed { name: name.to_owned(), source: Box::new(source) })?;
        let mut addresses: Vec<IpAddr> = answer.iter().collect();
        addresses.sort_by_key(IpAddr::is_ipv6);
        Ok(addresses)
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}
