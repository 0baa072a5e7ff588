//! One connection that the relay accepted.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt;
use wire::flow::{EXPLICIT_PROXY, FlowKey, SealedFlow};
use wire::frame;
use wire::id::FlowId;
use wire::subject::Subject;
use wire::vsock::FLOWS;

use super::identify::Question;
use super::pipe::{Pipe, Progress};
use super::table::Side;
use crate::host::Host;

/// How connections come to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    /// Redirected, from wherever they were made to.
    Redirected,
    /// Made to the explicit proxy.
    ExplicitProxy,
}

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Flow {
    client: OwnedFd,
    question: Question,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Its owner is being looked up.
    Identifying,
    /// The host's socket is connecting; the head waits in the pipe towards it.
    Connecting { host: OwnedFd, up: Pipe },
    /// Bytes go both ways.
    Open { host: OwnedFd, up: Pipe, down: Pipe },
    /// The host refused or reset it.
    Refused,
}

/// How a flow's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It waits for a socket.
    Waiting,
    /// It has more to do.
    Unfinished,
    /// It is over.
    Over,
}

impl Flow {
    /// A connection that a listener accepted. One that should have been redirected there, but was made to the
    /// listener's own port, is no flow and is reset.
    pub(super) fn accepted(client: OwnedFd, entrance: Entrance) -> Option<Self> {
        match addresses(&client, entrance) {
            Some(question) => {
                let _ = sockopt::set_tcp_nodelay(&client, true);
                Some(Self { client, question, state: State::Identifying })
            }
            None => {
                reset(&client);
                None
            }
        }
    }

    pub(super) fn question(&self) -> Question {
        self.question
    }

    /// Starts the connection to the host; says whether it could.
    pub(super) fn connect(&mut self, host: &dyn Host, id: FlowId, subject: Subject, key: &FlowKey) -> bool {
        let head = wire::flow::Flow { id, destination: self.question.destination, subject };
        let sealed = SealedFlow::seal(&head, key).ok().and_then(|sealed| frame::encode(&sealed).ok());
        self.state = match (sealed, host.connect(FLOWS)) {
            (Some(head), Ok(host)) => State::Connecting { host, up: Pipe::starting_with(head) },
            _ => State::Refused,
        };
        !matches!(self.state, State::Refused)
    }

    /// Both sockets, once there are two.
    pub(super) fn sockets(&self) -> Option<(&OwnedFd, &OwnedFd)> {
        match &self.state {
            State::Connecting { host, .. } | State::Open { host, .. } => Some((&self.client, host)),
            State::Identifying | State::Refused => None,
        }
    }

    /// Does what can be done now.
    pub(super) fn turn(&mut self, side: Side, scratch: &mut [u8]) -> Turn {
        match std::mem::replace(&mut self.state, State::Refused) {
            State::Identifying => {
                self.state = State::Identifying;
                Turn::Waiting
            }
            State::Connecting { host, up } if side == Side::Client => {
                // The client's edge is not lost: the first turn after the connection looks for itself.
                self.state = State::Connecting { host, up };
                Turn::Waiting
            }
            State::Connecting { host, up } => match sockopt::socket_error(&host) {
                Ok(Ok(())) if is_connected(&host) => {
                    self.state = State::Open { host, up, down: Pipe::starting_with(Vec::new()) };
                    self.pump(scratch)
                }
                Ok(Ok(())) => {
                    self.state = State::Connecting { host, up };
                    Turn::Waiting
                }
                _refused => Turn::Over,
            },
            open @ State::Open { .. } => {
                self.state = open;
                self.pump(scratch)
            }
            State::Refused => Turn::Over,
        }
    }

    fn pump(&mut self, scratch: &mut [u8]) -> Turn {
        let State::Open { host, up, down } = &mut self.state else { return Turn::Waiting };
        let upward = up.pump(&self.client, host, scratch);
        let downward = down.pump(host, &self.client, scratch);
        match (upward, downward) {
            (Progress::Reset, _) | (_, Progress::Reset) => {
                self.state = State::Refused;
                Turn::Over
            }
            (Progress::Ended, Progress::Ended) => Turn::Over,
            (Progress::Unfinished, _) | (_, Progress::Unfinished) => Turn::Unfinished,
            _ => Turn::Waiting,
        }
    }

    /// Resets the client.
    pub(super) fn reset(self) {
        reset(&self.client);
    }

    /// Ends the flow: as it ended by itself, or with a reset if the host did not want it.
    pub(super) fn close(self) {
        if matches!(self.state, State::Refused) {
            reset(&self.client);
        }
    }
}

/// The client's own address, and where it wanted to go.
fn addresses(client: &OwnedFd, entrance: Entrance) -> Option<Question> {
    let address = SocketAddr::try_from(rustix::net::getpeername(client).ok()??).ok()?;
    let destination = match entrance {
        Entrance::Redirected => original_destination(client, address)?,
        // Its listener has this address and no rule leads to it, so this is where the client connected to.
        Entrance::ExplicitProxy => EXPLICIT_PROXY,
    };
    Some(Question { client: address, destination })
}

/// Where a connection was made to before it was redirected, if it was.
fn original_destination(client: &OwnedFd, address: SocketAddr) -> Option<SocketAddr> {
    let destination: SocketAddr = match address {
        SocketAddr::V4(_) => sockopt::ip_original_dst(client).ok()?.into(),
        SocketAddr::V6(_) => sockopt::ipv6_original_dst(client).ok()?.into(),
    };
    (!destination.ip().is_loopback()).then_some(destination)
}

/// A socket without a peer is not connected yet.
fn is_connected(host: &OwnedFd) -> bool {
    rustix::net::getpeername(host).is_ok()
}

/// With no time to linger a close resets the connection.
fn reset(client: &OwnedFd) {
    let _ = sockopt::set_socket_linger(client, Some(Duration::ZERO));
}
