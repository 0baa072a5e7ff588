//! Files that the agent finds: those of the setup, and the few that name its own host.

use std::path::Path;

use wire::control::Setup;

use super::root::{Owner, RootError, Tree};

/// Resolvers ask here. The capture answers on whichever address they ask anyway.
const RESOLVER: &[u8] = b"nameserver 127.0.0.1\n";

/// Writes them all.
///
/// # Errors
/// What could not be written.
pub(crate) fn place(setup: &Setup, tree: &Tree) -> Result<(), RootError> {
    let agent = Owner::agent(&setup.confinement.user);
    tree.write(Path::new("/etc/resolv.conf"), RESOLVER, 0o644, Owner::ROOT)?;
    tree.write(Path::new("/etc/hostname"), format!("{}\n", setup.hostname).as_bytes(), 0o644, Owner::ROOT)?;
    tree.write(Path::new("/etc/hosts"), hosts(&setup.hostname).as_bytes(), 0o644, Owner::ROOT)?;
    for file in &setup.files {
        let owner = if file.owned_by_agent { agent } else { Owner::ROOT };
        tree.write(Path::new(&file.path), &file.content, file.mode, owner)?;
    }
    tree.make_directories(Path::new(&setup.agent.workdir), agent).map(drop)
}

fn hosts(hostname: &str) -> String {
    format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {hostname}\n")
}
