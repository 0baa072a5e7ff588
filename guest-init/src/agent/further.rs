//! Further sessions: commands and copies that the operator starts beside the agent, in its namespaces and its confinement, each
//! with a connection of its own to the manager.
//!
//! *Invariant:* nothing that goes wrong here ends the agent's own session. A command comes on the session's own connection: one
//! that the manager has given up has none any more, and does not run.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use wire::control::{Agent, Execute, FromGuest, Stage};
use wire::vsock::SESSIONS;

use super::channel::{Channel, Order};
use super::session::SessionError;
use super::{AgentError, Inner, Running, Streams, session};
use crate::cause::chain;
use crate::control::{Control, ControlError, Task};
use crate::host::Host;

/// Opens them.
pub(crate) struct Further {
    host: Arc<dyn Host>,
    /// Where orders go.
    warden: Channel,
}

/// One that the warden was told to start.
struct Ordered {
    channel: Channel,
    streams: Option<Streams>,
}

impl Further {
    /// # Errors
    /// No descriptor is left.
    pub(crate) fn new(host: Arc<dyn Host>, warden: &Channel) -> io::Result<Self> {
        Ok(Self { host, warden: warden.try_clone()? })
    }

    /// Opens a session, and serves it on a thread of its own.
    pub(super) fn open(&self, session: u32) {
        let (host, warden) = (Arc::clone(&self.host), self.warden.try_clone());
        let Ok(warden) = warden else { return };
        // Without a thread or a descriptor the manager gives the session up in time.
        let _started = std::thread::Builder::new().name(format!("session {session}")).spawn(move || {
            // A manager that is gone has nobody left to hear of it.
            let _gone = serve(&*host, session, &warden);
        });
    }
}

impl Ordered {
    fn by(task: Task, warden: &Channel) -> Result<Self, AgentError> {
        let (order, terminal) = match task {
            Task::Execute(execute) => {
                let Execute { command, env, workdir, terminal } = *execute;
                // What is missing is the warden's to add.
                let agent = Agent { command, env, workdir: workdir.unwrap_or_default(), terminal };
                (Order::Execute(agent), terminal)
            }
            Task::Copy(copy) => (Order::Copy(*copy), None),
        };
        let (streams, inner) = super::streams(terminal)?;
        let (channel, theirs) = Channel::pair()?;
        let mut fds = vec![theirs.as_fd()];
        if let Inner::Pipes(pipes) = &inner {
            fds.extend(pipes.iter().map(AsFd::as_fd));
        }
        warden.send_with(&order, &fds)?;
        Ok(Self { channel, streams })
    }

    fn running(mut self) -> Result<Running, AgentError> {
        let streams = super::viewed(&mut self.channel, self.streams)?;
        super::executing(self.channel, streams)
    }
}

fn serve(host: &dyn Host, session: u32, warden: &Channel) -> Result<(), ControlError> {
    let mut control = Control::connect(host, SESSIONS)?;
    control.send(&FromGuest::Session { session })?;
    let task = control.receive_task()?;
    let last = match Ordered::by(task, warden).and_then(Ordered::running) {
        Ok(running) => match session::serve(&mut control, running, None) {
            Ok(exit) => FromGuest::Exited(exit),
            Err(SessionError::Control(error)) => return Err(error),
            Err(SessionError::Agent(error)) => {
                FromGuest::Failed { stage: Stage::Agent, cause: chain(&error) }
            }
        },
        Err(error) => FromGuest::Failed { stage: Stage::Agent, cause: chain(&error) },
    };
    control.send(&last)?;
    control.flush()?;
    control.close();
    Ok(())
}
