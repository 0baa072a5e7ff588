//! The `inbound` part of a document → the ports of the agent that are open to the outside. Without it none is.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wire::flow::EXPLICIT_PROXY;
use wire::inbound::{MOST_OPENINGS, Network, Protocol};

use crate::document::{Document, InboundEntry, TokenRule};
use crate::place::{At, Place};
use crate::yaml::{LoadError, LoadErrors};

/// Ports below this one cannot be taken by the agent.
const FIRST_PORT: u16 = 1024;

/// One port of the agent that is open to the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPort {
    /// How the audit log and the operator call it.
    pub name: String,
    /// The agent's port.
    pub port: u16,
    /// Address and port on the host; port 0 is one that is free.
    pub listen: SocketAddr,
    /// What is spoken.
    pub protocol: Protocol,
    /// Who may connect; never nobody.
    pub sources: Vec<Network>,
    /// Whether a request must carry the operator's token.
    pub token: TokenRule,
}

impl Document {
    /// Compiles the open ports, in the order of their names.
    ///
    /// # Errors
    /// Something is missing, malformed or said twice, or a token is asked for where none can be carried.
    pub fn open_ports(&self) -> Result<Vec<OpenPort>, LoadErrors> {
        let mut reader = Reader { document: self, found: Vec::new() };
        let entries = self.inbound.as_deref().unwrap_or_default();
        let mut ports: Vec<(OpenPort, Place)> = Vec::new();
        for At { value, place } in entries {
            if let Some(port) = reader.entry(value, *place) {
                reader.unlike(&ports, &port, *place);
                ports.push((port, *place));
            }
        }
        if let Some(At { place, .. }) = entries.get(MOST_OPENINGS) {
            let reason = format!("more than {MOST_OPENINGS} ports are open");
            reader.refuse(*place, "inbound", reason, "open fewer");
        }
        if let Some(errors) = LoadErrors::from_found(reader.found) {
            return Err(errors);
        }
        let mut ports: Vec<OpenPort> = ports.into_iter().map(|(port, _place)| port).collect();
        ports.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(ports)
    }
}

struct Reader<'a> {
    document: &'a Document,
    found: Vec<LoadError>,
}

impl Reader<'_> {
    fn entry(&mut self, entry: &InboundEntry, place: Place) -> Option<OpenPort> {
        let name = self.name(entry, place);
        let port = self.port(entry, place);
        let listen = self.listen(entry, place);
        let protocol = self.required(
            entry.protocol.as_ref(),
            (place, "protocol"),
            "add 'protocol: http' (every request is checked) or 'protocol: tcp'",
        );
        let sources = self.sources(entry, place, listen);
        if let (Some(Protocol::Tcp), Some(At { value: TokenRule::Required, place })) =
            (protocol, &entry.token)
        {
            let reason = "a token is carried by HTTP requests, and the protocol is tcp";
            self.refuse(*place, "token", reason, "write 'protocol: http', or remove 'token'");
        }
        let token = entry.token.as_ref().map(|token| token.value).unwrap_or_default();
        Some(OpenPort {
            name: name?,
            port: port?,
            listen: listen?,
            protocol: protocol?,
            sources: sources?,
            token,
        })
    }

    fn name(&mut self, entry: &InboundEntry, place: Place) -> Option<String> {
        let remedy = "add 'name: …': the audit log and agent.yaml use it";
        let name = self.required(entry.name.as_ref(), (place, "name"), remedy)?;
        if wire::id::is_label(&name) {
            return Some(name);
        }
        let place = entry.name.as_ref().map_or(place, |name| name.place);
        self.refuse(place, "name", format!("{name:?} is not a label"), "use 1 to 63 of a-z, 0-9 and '-'");
        None
    }

    fn port(&mut self, entry: &InboundEntry, place: Place) -> Option<u16> {
        let remedy = "add 'port: 8080': the port on which the agent's program listens";
        let port = self.required(entry.port.as_ref(), (place, "port"), remedy)?;
        let place = entry.port.as_ref().map_or(place, |port| port.place);
        if port < FIRST_PORT {
            let reason = format!("the agent cannot listen on port {port}");
            self.refuse(place, "port", reason, format!("use a port from {FIRST_PORT} to 65535"));
            return None;
        }
        if port == EXPLICIT_PROXY.port() {
            let reason = format!("port {port} in the sandbox is the way out of it");
            self.refuse(place, "port", reason, "let the agent's program listen on another port");
            return None;
        }
        Some(port)
    }

    fn listen(&mut self, entry: &InboundEntry, place: Place) -> Option<SocketAddr> {
        let remedy = "add 'listen: \"127.0.0.1:18080\"': address and port on the host";
        let listen = self.required(entry.listen.as_ref(), (place, "listen"), remedy)?;
        let place = entry.listen.as_ref().map_or(place, |listen| listen.place);
        let Ok(address) = listen.parse::<SocketAddr>() else {
            let reason = format!("'{listen}' is not an address and a port");
            let remedy = "write \"127.0.0.1:18080\" or \"[::1]:18080\"; port 0 is one that is free";
            self.refuse(place, "listen", reason, remedy);
            return None;
        };
        if address.ip().is_multicast() || address.ip() != address.ip().to_canonical() {
            let reason = format!("{} is no address of one host", address.ip());
            self.refuse(place, "listen", reason, "write an address of this host");
            return None;
        }
        Some(address)
    }

    /// Who may connect: what is written; on a loopback address, if nothing is, this host.
    fn sources(
        &mut self,
        entry: &InboundEntry,
        place: Place,
        listen: Option<SocketAddr>,
    ) -> Option<Vec<Network>> {
        let remedy = "add 'sources: [10.0.0.0/8]': who may connect";
        let Some(At { value: list, place }) = &entry.sources else {
            let listen = listen?;
            if listen.ip().is_loopback() {
                return Some(this_host());
            }
            let reason = format!("'sources' is missing, and {listen} can be reached from other machines");
            self.refuse(place, "sources", reason, remedy);
            return None;
        };
        if list.is_empty() {
            self.refuse(*place, "sources", "nobody may connect", format!("{remedy}, or remove the entry"));
            return None;
        }
        let read = |At { value, place }: &At<String>| match value.parse() {
            Ok(network) => Some(network),
            Err(error) => {
                let remedy = "write an address or a range, like 10.1.2.3 or 10.0.0.0/8";
                self.refuse(*place, "sources", format!("{error}"), remedy);
                None
            }
        };
        list.iter().map(read).collect::<Vec<_>>().into_iter().collect()
    }

    /// Refuses a name or an address on the host that stands above already.
    fn unlike(&mut self, above: &[(OpenPort, Place)], port: &OpenPort, place: Place) {
        if above.iter().any(|(other, _)| other.name == port.name) {
            let reason = format!("a port named '{}' stands above already", port.name);
            self.refuse(place, "name", reason, "give each entry its own name");
        }
        let taken = |other: &OpenPort| other.listen == port.listen && port.listen.port() != 0;
        if let Some((other, _)) = above.iter().find(|(other, _)| taken(other)) {
            let reason = format!("'{}' listens on {} already", other.name, port.listen);
            self.refuse(place, "listen", reason, "give each entry its own port on the host, or port 0");
        }
    }

    fn required<T: Clone>(
        &mut self,
        written: Option<&At<T>>,
        (place, key): (Place, &str),
        remedy: &str,
    ) -> Option<T> {
        if written.is_none() {
            self.refuse(place, key, format!("'{key}' is missing"), remedy);
        }
        written.map(|written| written.value.clone())
    }

    fn refuse(&mut self, place: Place, key: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        let key = if key == "inbound" { key.to_owned() } else { format!("inbound.{key}") };
        self.found.push(self.document.mistake(place, reason, remedy).about(key));
    }
}

/// The addresses by which a host speaks to itself.
fn this_host() -> Vec<Network> {
    let v4 = Network::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8);
    let v6 = Network::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 128);
    v4.into_iter().chain(v6).collect()
}
