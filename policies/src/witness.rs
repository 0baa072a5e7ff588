//! An example of what a pattern stands for.

use wire::subject::Program;

use crate::pattern::Side;
use crate::pattern::host::{DestinationPattern, HostPattern};

/// What stands where a pattern has a wildcard: nobody writes it into a policy.
pub(crate) const ANYTHING: &str = "zq7";

/// A program that a binary entry of an allow list matches.
pub(crate) fn binary(entry: &str) -> String {
    if entry.starts_with('/') { path(entry) } else { format!("/usr/bin/{entry}") }
}

/// A path that an entry of an allow list matches.
pub(crate) fn path(entry: &str) -> String {
    entry.replace("**", ANYTHING).replace('*', ANYTHING)
}

/// A method that an entry matches.
pub(crate) fn method(entry: &str) -> &str {
    if entry == "*" { "POST" } else { entry }
}

/// A host and a port that an entry of an allow list matches.
pub(crate) fn destination(entry: &str) -> (String, u16) {
    let Ok(DestinationPattern { host, ports }) = DestinationPattern::parse(entry, Side::Allow) else {
        return (entry.to_owned(), 443);
    };
    let host = match host {
        HostPattern::Exactly(name) => name.into(),
        HostPattern::OneLabelBefore(name) | HostPattern::AnyDepthBefore(name) => format!("{ANYTHING}.{name}"),
    };
    (host, ports.first())
}

/// A process of the agent that runs the file at `path`.
pub(crate) fn program(path: &str) -> Program {
    Program { path: path.to_owned(), sha256: None, script: None, pid: 0, uid: 1000, parents: Vec::new() }
}
