//! What the manager says to the running proxy, one command after the other.

use std::io;

use policies::LoadErrors;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use wire::id::PolicyVersion;
use wire::proxy::{Doors, MAX_COMMAND, ProxyCommand, ProxyEvent};
use zeroize::{Zeroize, Zeroizing};

use crate::credentials::Credentials;
use crate::in_force::{self, InForce};
use crate::policy_local::PolicyLocal;
use crate::refusal::chain;
use crate::upstream::Pool;

/// What commands change.
#[derive(Debug)]
pub struct Changed<'a> {
    /// The policy.
    pub in_force: &'a InForce,
    /// The credentials.
    pub credentials: &'a Credentials,
    /// The upstreams that are shared.
    pub connections: &'a Pool,
    /// The proposals.
    pub local: &'a PolicyLocal,
}

/// Does what the manager says, and waits once it says no more; `report` takes each answer.
///
/// # Errors
/// The manager cannot be heard, or does not keep to the protocol.
pub async fn serve(
    stream: UnixStream,
    Changed { in_force, credentials, connections, local }: Changed<'_>,
    report: impl Fn(ProxyEvent),
) -> io::Result<()> {
    let mut lines = BufReader::new(stream);
    // It may hold secrets.
    let mut line = Zeroizing::new(Vec::new());
    loop {
        line.zeroize();
        if (&mut lines).take(MAX_COMMAND).read_until(b'\n', &mut line).await? == 0 {
            // Nobody commands the proxy of a sandbox without egress. Where the manager is gone, it is taken along.
            return std::future::pending().await;
        }
        let answer = match serde_json::from_slice(&line)? {
            ProxyCommand::SetPolicy { version, policy, doors } => {
                set_policy((in_force, connections), version, (policy, doors)).await
            }
            ProxyCommand::SetCredentials { credentials: new } => match credentials.replace(new) {
                Ok(()) => ProxyEvent::CredentialsApplied,
                Err(error) => ProxyEvent::CredentialsRefused { cause: chain(&error) },
            },
            ProxyCommand::ProposalStands { id, standing } => {
                local.stands(&id, standing);
                continue;
            }
        };
        report(answer);
    }
}

async fn set_policy(
    (in_force, connections): (&InForce, &Pool),
    version: PolicyVersion,
    (text, doors): (String, Doors),
) -> ProxyEvent {
    let refused = |cause| ProxyEvent::PolicyRefused { version, cause };
    // A long policy takes milliseconds, for which no flow should wait.
    match tokio::task::spawn_blocking(move || in_force::load(&text)).await {
        Ok(Ok(policy)) => {
            let closed = in_force.replace(version, (policy, doors)).await;
            // What nobody uses any more closes; it belongs to a policy that is gone.
            connections.clear();
            ProxyEvent::PolicyApplied { version, closed }
        }
        Ok(Err(errors)) => refused(in_one_line(&errors)),
        Err(error) => refused(error.to_string()),
    }
}

/// The first mistake stands for all.
fn in_one_line(errors: &LoadErrors) -> String {
    errors.first().to_string().lines().collect::<Vec<_>>().join(" ")
}
