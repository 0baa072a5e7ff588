//! The ports of the agent that are open to the outside: bound here, before anything is built, so that a port that is
//! taken costs nobody a boot; served by the proxy.

use std::io;
use std::net::{SocketAddr, TcpListener};

use policies::Document;
use policies::document::TokenRule;
use policies::inbound::OpenPort;
use wire::inbound::{Opening, TOKEN_LENGTH};
use wire::secret::Secret;
use wire::vsock::GUEST_SOCKET;

use crate::failure::{Failure, wrong_policy};
use crate::process::Resources;
use crate::secret::SecretSource;
use crate::spec::Inbound;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A port that is bound and not served yet.
#[derive(Debug)]
pub(crate) struct BoundPort {
    port: OpenPort,
    token: Option<Secret>,
    listener: TcpListener,
    /// Where it can be reached, which port 0 does not say.
    address: SocketAddr,
}

/// What the guest and the operator are told of the ports.
#[derive(Debug)]
pub(crate) struct OpenPorts {
    /// The agent's ports, each once.
    pub(crate) guest: Vec<u16>,
    /// One line for each, for whoever wants to connect.
    pub(crate) lines: Vec<String>,
}

/// Binds every port of the policy, with the tokens that agent.yaml names.
///
/// # Errors
/// An address is taken or is not this host's, or a token is missing or unfit.
pub(crate) fn bind(policy: &Document, inbound: &Inbound) -> Result<Vec<BoundPort>, Failure> {
    let ports = policy.open_ports().map_err(|errors| wrong_policy(&errors))?;
    for name in inbound.tokens.keys() {
        let asks = |port: &OpenPort| port.name == *name && port.token == TokenRule::Required;
        if !ports.iter().any(asks) {
            return Err(Failure::new(
                format_args!("inbound.tokens.{name}: no entry '{name}' of policy.inbound asks for a token"),
                format_args!("write 'token: required' there, or remove the token"),
            ));
        }
    }
    ports.into_iter().map(|port| BoundPort::bind(port, inbound)).collect()
}

/// What the proxy is given, if a port is open.
pub(crate) fn hand_over(ports: Vec<BoundPort>, resources: &mut Resources) -> Option<wire::inbound::Inbound> {
    let openings: Vec<_> = ports.into_iter().map(|port| port.into_opening(resources)).collect();
    (!openings.is_empty()).then(|| wire::inbound::Inbound { openings, guest: GUEST_SOCKET.to_owned() })
}

impl OpenPorts {
    pub(crate) fn of(bound: &[BoundPort]) -> Self {
        let mut guest: Vec<u16> = bound.iter().map(|bound| bound.port.port).collect();
        guest.sort_unstable();
        guest.dedup();
        Self { guest, lines: bound.iter().map(BoundPort::describe).collect() }
    }
}

impl BoundPort {
    fn bind(port: OpenPort, inbound: &Inbound) -> Result<Self, Failure> {
        let token = match port.token {
            TokenRule::Required => Some(token(&port.name, inbound.tokens.get(&port.name))?),
            TokenRule::None => None,
        };
        let bound = TcpListener::bind(port.listen).and_then(|listener| {
            // The standard library's queue is short for clients that come all at once.
            rustix::net::listen(&listener, BACKLOG)?;
            listener.local_addr().map(|address| (listener, address))
        });
        let (listener, address) = bound.map_err(|error| unbound(&port, &error))?;
        Ok(Self { port, token, listener, address })
    }

    fn describe(&self) -> String {
        let Self { port: OpenPort { name, port, protocol, .. }, address, token, .. } = self;
        let token = if token.is_some() { ", with a token" } else { "" };
        format!("inbound '{name}': {protocol}://{address} leads to port {port} of the agent{token}")
    }

    fn into_opening(self, resources: &mut Resources) -> Opening {
        let Self { port: OpenPort { name, port, protocol, sources, .. }, token, listener, .. } = self;
        Opening { name, port, protocol, sources, token, listener: resources.add(listener) }
    }
}

fn token(name: &str, source: Option<&SecretSource>) -> Result<Secret, Failure> {
    let source = source.ok_or_else(|| {
        Failure::new(
            format_args!("entry '{name}' of policy.inbound asks for a token, and agent.yaml names none"),
            format_args!(
                "add 'inbound: {{tokens: {{{name}: {{env: NAME}}}}}}' or '{{file: PATH}}' to agent.yaml"
            ),
        )
    })?;
    let text = source.read()?;
    if TOKEN_LENGTH.contains(&text.expose().len())
        && text.expose().bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Ok(text);
    }
    Err(Failure::new(
        format_args!("the token of inbound.tokens.{name} is unfit"),
        format_args!(
            "use {} to {} visible ASCII characters, for example those of 'openssl rand -hex 32'",
            TOKEN_LENGTH.start(),
            TOKEN_LENGTH.end()
        ),
    ))
}

fn unbound(port: &OpenPort, error: &io::Error) -> Failure {
    let cause = format!("cannot listen on {} for inbound '{}': {error}", port.listen, port.name);
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "end what listens there, or name another port; port 0 is one that is free"
        }
        io::ErrorKind::AddrNotAvailable => "name an address of this host, 127.0.0.1 or 0.0.0.0",
        io::ErrorKind::PermissionDenied => "name a port from 1024 on, or start openshell as root",
        _ => "name another address",
    };
    Failure::new(cause, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(entry: &str, tokens: &[(&str, SecretSource)]) -> Result<Vec<BoundPort>, Failure> {
        let text = format!("version: 1\ninbound:\n - {{name: web, port: 8080, {entry}}}\n");
        let policy = Document::parse(&text, "p").unwrap();
        let tokens = tokens.iter().map(|(name, source)| ((*name).to_owned(), source.clone())).collect();
        bind(&policy, &Inbound { tokens })
    }

    fn file(text: &str) -> (tempfile::TempDir, SecretSource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        (folder, SecretSource::File(path))
    }

    const FREE: &str = "listen: \"127.0.0.1:0\", protocol: http";

    #[test]
    fn a_free_port_is_found_and_told() {
        let bound = &open(FREE, &[]).unwrap()[0];
        assert_ne!(bound.address.port(), 0);
        let line = bound.describe();
        assert!(line.contains(&format!("http://{} leads to port 8080", bound.address)), "{line}");
        assert!(std::net::TcpStream::connect(bound.address).is_ok());
    }

    #[test]
    fn a_port_in_use_is_a_cause_and_a_remedy() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let failure = open(&format!("listen: \"{address}\", protocol: tcp"), &[]).unwrap_err();
        assert!(
            failure.cause.contains(&format!("cannot listen on {address} for inbound 'web'")),
            "{failure}"
        );
        assert!(failure.remedy.contains("port 0"), "{}", failure.remedy);
        assert_eq!(failure.status.code(), 125);
        let failure = open("listen: \"192.0.2.1:80\", protocol: tcp, sources: [10.0.0.1]", &[]).unwrap_err();
        assert!(failure.remedy.contains("address of this host"), "{}", failure.remedy);
    }

    #[test]
    fn a_token_is_the_operators_and_never_printed() {
        let asks = format!("{FREE}, token: required");
        let (_folder, good) = file("correct-horse-battery\n");
        let bound = open(&asks, &[("web", good.clone())]).unwrap();
        assert_eq!(bound[0].token, Some(Secret::new("correct-horse-battery".to_owned())));
        assert!(!format!("{bound:?}{}", bound[0].describe()).contains("horse"));
        let missing = open(&asks, &[]).unwrap_err();
        assert!(missing.remedy.contains("{tokens: {web: {env: NAME}}}"), "{}", missing.remedy);
        let other = open(&asks, &[("web", good.clone()), ("api", good.clone())]).unwrap_err();
        assert!(other.cause.starts_with("inbound.tokens.api: no entry 'api'"), "{other}");
        let unasked = open(FREE, &[("web", good)]).unwrap_err();
        assert!(unasked.remedy.contains("token: required"), "{}", unasked.remedy);
        for unfit in
            ["short", "", "with a space in the middle", "not-ascii-at-all-é", "two\nlines-of-a-token"]
        {
            let (_folder, source) = file(unfit);
            let failure = open(&asks, &[("web", source)]).unwrap_err();
            assert!(failure.cause.contains("is unfit") && !failure.cause.contains("lines"), "{failure}");
        }
    }
}
