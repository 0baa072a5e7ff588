//! Who opened a connection: from the exact pair of addresses to the processes that hold the socket, their
//! programs, scripts and ancestors.
//!
//! ```text
//! addresses ──socket diagnosis──► inode ──/proc/*/fd──► holders ──/proc/<pid>──► Program …
//! ```
//! What comes out is what the guest's kernel says at one moment. A holder that changes while it is looked at
//! makes the subject unknown; that several programs hold the socket is said, not judged. This module must
//! never know what is allowed.

mod diagnosis;
mod digest;
mod holders;
mod program;
mod programs;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Mutex;

use rustix::io::Errno;
use rustix::process::Pid;
use wire::subject::{Program, Subject};

use crate::capture::Netlink;
use diagnosis::Inode;
use holders::Agent;

pub(crate) use digest::{Digests, Version};
pub(crate) use programs::Programs;

/// How a name question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In a datagram.
    Datagram,
    /// On a connection to this address.
    Stream(SocketAddr),
}

/// Finds out. Shared by the threads that ask.
#[derive(Debug)]
pub(crate) struct Resolver {
    /// Held while one question is asked and answered on it.
    diagnosis: Mutex<Netlink>,
    agent: Agent,
    digests: Digests,
}

impl Resolver {
    /// For the processes below `warden`, whose sockets `diagnosis` sees.
    ///
    /// # Errors
    /// The warden is gone.
    pub(crate) fn new(diagnosis: Netlink, warden: Pid) -> Result<Self, Errno> {
        Ok(Self { diagnosis: Mutex::new(diagnosis), agent: Agent::of(warden)?, digests: Digests::default() })
    }

    /// Who connected from `client` to what it thought was `destination`.
    pub(crate) fn of_connection(&self, client: SocketAddr, destination: SocketAddr) -> Subject {
        let found = diagnosis::connection(&self.diagnosis(), client, destination);
        self.subject(found)
    }

    /// Who asked a name question from `client`.
    pub(crate) fn of_question(&self, client: SocketAddr, transport: Transport) -> Subject {
        match transport {
            Transport::Datagram => {
                let found = diagnosis::datagram(&self.diagnosis(), client);
                self.subject(found)
            }
            Transport::Stream(destination) => self.of_connection(client, destination),
        }
    }

    fn diagnosis(&self) -> std::sync::MutexGuard<'_, Netlink> {
        // A panic ends the process, so no thread ever finds the lock poisoned.
        self.diagnosis.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn subject(&self, found: Result<Option<Inode>, crate::capture::NetlinkError>) -> Subject {
        match found {
            Ok(Some(inode)) => self.owners(inode).unwrap_or_else(Subject::Unknown),
            Ok(None) => Subject::Unknown("its socket is closed".to_owned()),
            Err(error) => Subject::Unknown(format!("socket diagnosis: {error}")),
        }
    }

    fn owners(&self, inode: Inode) -> Result<Subject, String> {
        let holders = self.agent.holders(inode);
        let mut owners: Vec<Program> = Vec::with_capacity(holders.len());
        for holder in &holders {
            owners.push(program::inspect(holder.pid(), &self.agent, &self.digests)?);
        }
        // Everything above was read by process id. That the same processes hold the socket afterwards, still
        // running the same programs, is what makes it one picture.
        let unchanged = holders.iter().zip(&owners).all(|(holder, owner)| {
            holder.still_holds(inode) && program::path(holder.pid()).is_ok_and(|path| path == owner.path)
        });
        match (owners.is_empty(), unchanged) {
            (true, _) => Err("no process holds its socket".to_owned()),
            (false, false) => Err("its owner changed while it was looked up".to_owned()),
            (false, true) => Ok(Subject::Owners(owners)),
        }
    }
}
