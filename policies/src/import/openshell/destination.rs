//! Hosts and ports of an endpoint → our destinations, and which endpoints meet.
//!
//! Verified in OpenShell's policy (`endpoint_allowed`): a host without `*` is compared without case; with
//! `*` it is a glob over labels, in which `*` stays inside a label and a first `**` is one label or more,
//! as in our `*.` and `**.`; a port must be one of `ports`, or of `port` if that list is empty, and without
//! either nothing matches. Its reference adds what is never let through: loopback, link-local and
//! unspecified addresses, and control-plane ports on exact hosts.

use std::net::IpAddr;

use super::lint::Lint;
use super::schema;
use crate::pattern::Side;
use crate::pattern::host::DestinationPattern;

/// Ports of Kubernetes and etcd, which OpenShell blocks on exact hosts and addresses.
const BLOCKED_PORTS: [u16; 5] = [2379, 2380, 6443, 10250, 10255];

/// Names by which OpenShell's sandboxes reach the machine that the gateway runs on.
const GATEWAY_HOSTS: [&str; 3] = ["host.openshell.internal", "host.ryno.internal", "host.docker.internal"];

/// Where an endpoint points, as OpenShell reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Host glob in small letters; `None` is any host.
    host: Option<String>,
    ports: Vec<u16>,
}

/// Entries for our destination list, and what could not be said.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    pub(super) entries: Vec<String>,
    /// What is wrong, and what to do.
    pub(super) findings: Vec<(Lint, String, String)>,
}

impl Reach {
    pub(super) fn of(endpoint: &schema::Endpoint) -> Self {
        let mut ports: Vec<u16> = endpoint.ports.iter().map(|port| port.value).collect();
        if ports.is_empty() {
            ports.extend(endpoint.port.as_ref().map(|port| port.value));
        }
        ports.retain(|port| *port != 0);
        ports.sort_unstable();
        ports.dedup();
        let host = endpoint.host.as_ref().map(|host| host.value.to_ascii_lowercase());
        Self { host: host.filter(|host| !host.is_empty()), ports }
    }

    /// Whether some destination is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let ports = self.ports.iter().any(|port| other.ports.contains(port));
        ports
            && match (&self.host, &other.host) {
                (Some(left), Some(right)) => hosts_meet(left, right),
                _ => true,
            }
    }

    /// As entries of our destination list.
    pub(super) fn destinations(&self) -> Destinations {
        let mut out = Destinations::default();
        let Some(host) = &self.host else {
            out.note(Lint::HostLeftOut, "it has no host", "write a rule for each host that is meant");
            return out;
        };
        if self.ports.is_empty() {
            let message = format!("'{host}' has no port, so nothing matches it: it is left out");
            out.note(Lint::NoPort, message, "write 'port: 443' if it is meant");
            return out;
        }
        let exact = !host.contains('*');
        if exact && never_reached(host) {
            let message = format!("OpenShell lets nothing through to '{host}': it is left out");
            out.note(Lint::NeverReached, message, "write a rule of your own if it is meant");
            return out;
        }
        if GATEWAY_HOSTS.contains(&host.as_str()) {
            let message = format!("'{host}' is the host of OpenShell's gateway, which has no name here");
            out.note(Lint::HostLeftOut, message, "write a rule for the service's own name or address");
            return out;
        }
        if let Some(address) = address(host).filter(|address| is_private(*address)) {
            let message = format!("{address} is a private address: a rule alone does not open it here");
            out.note(Lint::PrivateAddress, message, "list it under 'egress.allow_addresses' in agent.yaml");
        }
        for port in &self.ports {
            out.port(host, *port, exact);
        }
        out
    }
}

impl Destinations {
    fn port(&mut self, host: &str, port: u16, exact: bool) {
        if exact && BLOCKED_PORTS.contains(&port) {
            let message = format!("OpenShell blocks port {port}: '{host}:{port}' is left out");
            self.note(Lint::NeverReached, message, "write a rule of your own if it is meant");
            return;
        }
        let name = address(host).map_or_else(
            || host.to_owned(),
            |address| match address {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("[{address}]"),
            },
        );
        let entry = if port == 443 { name } else { format!("{name}:{port}") };
        match DestinationPattern::parse(&entry, Side::Allow) {
            Ok(_pattern) => self.entries.push(entry),
            Err(error) => {
                let message = format!("'{host}' is left out: {}", error.reason);
                self.note(Lint::HostLeftOut, message, &error.remedy);
            }
        }
    }

    fn note(&mut self, lint: Lint, message: impl Into<String>, remedy: &str) {
        let finding = (lint, message.into(), remedy.to_owned());
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// Whether a name can match both globs. Where that takes thought the answer is yes: it is asked in order to
/// allow less.
fn hosts_meet(left: &str, right: &str) -> bool {
    let deep_inside = |host: &str| host.split('.').skip(1).any(|label| label.contains("**"));
    if deep_inside(left) || deep_inside(right) {
        return true;
    }
    let (left, right): (Vec<&str>, Vec<&str>) = (left.split('.').collect(), right.split('.').collect());
    match (left.first(), right.first()) {
        (Some(&"**"), Some(&"**")) => ends_meet(&left[1..], &right[1..]),
        (Some(&"**"), _) => right.len() >= left.len() && ends_meet(&left[1..], &right),
        (_, Some(&"**")) => left.len() >= right.len() && ends_meet(&left, &right[1..]),
        _ => left.len() == right.len() && ends_meet(&left, &right),
    }
}

/// Whether the labels meet, counted from the end, as far as both go.
fn ends_meet(left: &[&str], right: &[&str]) -> bool {
    left.iter().rev().zip(right.iter().rev()).all(|(a, b)| labels_meet(a, b))
}

/// Whether a label can match both, as far as what stands before the first `*` and after the last one tells.
fn labels_meet(left: &str, right: &str) -> bool {
    fn ends(label: &str) -> Option<(&str, &str)> {
        Some((label.split_once('*')?.0, label.rsplit_once('*')?.1))
    }
    match (ends(left), ends(right)) {
        (None, None) => left == right,
        (Some((start, end)), None) => right.starts_with(start) && right.ends_with(end),
        (None, Some((start, end))) => left.starts_with(start) && left.ends_with(end),
        (Some((start, end)), Some((other_start, other_end))) => {
            let starts = start.starts_with(other_start) || other_start.starts_with(start);
            starts && (end.ends_with(other_end) || other_end.ends_with(end))
        }
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

fn never_reached(host: &str) -> bool {
    match address(host) {
        Some(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        Some(IpAddr::V6(v6)) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
        None => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}
