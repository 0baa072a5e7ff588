//! Further sessions: processes that the operator starts beside the agent's, in its namespaces and its confinement, each
//! with a connection of its own to the manager.
//!
//! *Invariant:* nothing that goes wrong here ends the agent's own session.

use std::os::fd::AsFd;
use std::sync::Arc;

use wire::control::{Agent, Execute, FromGuest, Stage};
use wire::vsock::SESSIONS;

use super::channel::{Channel, Order};
use super::{AgentError, Inner, Running, Streams, session};
use crate::cause::chain;
use crate::control::{Control, ControlError};
use crate::host::Host;

/// What every further process takes over from the agent.
pub(crate) struct Further {
    host: Arc<dyn Host>,
    env: Vec<(String, String)>,
    workdir: String,
}

/// One that the warden was told to start.
struct Ordered {
    channel: Channel,
    streams: Option<Streams>,
}

impl Further {
    pub(crate) fn new(host: Arc<dyn Host>, agent: &Agent) -> Self {
        Self { host, env: agent.env.clone(), workdir: agent.workdir.clone() }
    }

    /// Has the warden start it, and serves it on a thread of its own. What fails is told on the session's connection.
    pub(super) fn start(&self, execute: Execute, warden: &Channel) {
        let (session, host) = (execute.session, Arc::clone(&self.host));
        let ordered = self.order(execute, warden);
        // Without a thread the manager gives the session up in time.
        let _started = std::thread::Builder::new().name(format!("session {session}")).spawn(move || {
            // A manager that is gone has nobody left to hear of it.
            let _gone = serve(&*host, session, ordered);
        });
    }

    fn order(&self, execute: Execute, warden: &Channel) -> Result<Ordered, AgentError> {
        let Execute { command, env: added, workdir, terminal, .. } = execute;
        let kept = |(name, _): &&(String, String)| !added.iter().any(|(other, _)| other == name);
        let mut env: Vec<_> = self.env.iter().filter(kept).cloned().collect();
        env.extend(added);
        let agent =
            Agent { command, env, workdir: workdir.unwrap_or_else(|| self.workdir.clone()), terminal };
        let (streams, inner) = super::streams(terminal)?;
        let (channel, theirs) = Channel::pair()?;
        let mut fds = vec![theirs.as_fd()];
        if let Inner::Pipes(pipes) = &inner {
            fds.extend(pipes.iter().map(AsFd::as_fd));
        }
        warden.send_with(&Order::Execute(agent), &fds)?;
        Ok(Ordered { channel, streams })
    }
}

impl Ordered {
    fn running(mut self) -> Result<Running, AgentError> {
        let streams = super::viewed(&mut self.channel, self.streams)?;
        super::executing(self.channel, streams)
    }
}

fn serve(host: &dyn Host, session: u32, ordered: Result<Ordered, AgentError>) -> Result<(), ControlError> {
    let mut control = Control::connect(host, SESSIONS)?;
    control.send(&FromGuest::Session { session })?;
    let last = match ordered.and_then(Ordered::running) {
        Ok(running) => FromGuest::Exited(session::serve(&mut control, running, None)?),
        Err(error) => FromGuest::Failed { stage: Stage::Agent, cause: chain(&error) },
    };
    control.send(&last)?;
    control.flush()?;
    control.close();
    Ok(())
}
