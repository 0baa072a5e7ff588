//! What guest-init and the warden say to each other: one packet, one message.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use wire::control::Agent;
use wire::copy::Copy;
use wire::frame::{self, FrameError};

/// Longest packet: a command with its environment, as the manager sends it.
const PACKET: usize = 2 * frame::SMALL;

/// Most descriptors that come with one: a channel and three streams.
const FDS: usize = 4;

/// To the warden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Start the agent's process. In a life after the first its standard streams come with it.
    Start,
    /// It is to be started again, after its end: whoever else runs is ended.
    Again,
    /// It is not started again: end.
    Finish,
    /// Send this signal to the process's group.
    Signal(i32),
    /// Start one more process. With it come the channel that it is spoken of on, and its standard streams if it gets
    /// no terminal.
    Execute(Agent),
    /// Start a process that copies; with it come the same descriptors.
    Copy(Copy),
}

/// From the warden, or from the agent's process before it executes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The process's view stands; before a life after the first: nobody is left. Comes with the terminal's master side, if there is a terminal.
    Viewed,
    /// A step of the confinement failed.
    Failed(String),
    /// The agent's process is confined, and the next thing it does is execute the command.
    Executing,
    /// A further process has become its program, or has ended: which, it has told before.
    Executed,
    /// There is no such command.
    NotFound,
    /// The command cannot be executed.
    NotExecutable,
    /// The agent returned this status.
    Returned(u8),
    /// This signal ended the agent.
    Killed(i32),
}

/// Why a message could not be exchanged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    /// The channel could not be made or failed.
    #[error("the channel failed")]
    Socket(#[source] Errno),
    /// The other side is gone.
    #[error("the other side is gone")]
    Closed,
    /// A packet is no message.
    #[error("malformed message")]
    Frame(#[source] FrameError),
    /// The kernel did not say who sent a packet.
    #[error("a message without a sender")]
    Anonymous,
}

/// One end.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// guest-init's end, which learns who sends, and the warden's.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) fn pair() -> Result<(Self, Self), ChannelError> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(ChannelError::Socket)?;
        rustix::net::sockopt::set_socket_passcred(&ours, true).map_err(ChannelError::Socket)?;
        Ok((Self(ours), Self(theirs)))
    }

    /// The same end once more.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(crate) fn try_clone(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The other side is gone.
    pub(crate) fn send<T: Serialize>(&self, message: &T) -> Result<(), ChannelError> {
        self.send_with(message, &[])
    }

    /// Sends a message and descriptors, at most [`FDS`].
    ///
    /// # Errors
    /// The other side is gone.
    pub(crate) fn send_with<T: Serialize>(
        &self,
        message: &T,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        let packet = frame::encode(message).map_err(ChannelError::Frame)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        rustix::net::sendmsg(&self.0, &[IoSlice::new(&packet)], &mut control, SendFlags::NOSIGNAL)
            .map(drop)
            .map_err(ChannelError::Socket)
    }

    /// Receives an order, and the descriptors that came with it.
    ///
    /// # Errors
    /// The other side is gone.
    pub(crate) fn receive_order(&self) -> Result<(Order, Vec<OwnedFd>), ChannelError> {
        self.receive_packet().map(|(order, fds, _)| (order, fds))
    }

    /// Receives a report, and the descriptor that came with it.
    ///
    /// # Errors
    /// The other side is gone.
    pub(crate) fn receive(&mut self) -> Result<(Report, Option<OwnedFd>), ChannelError> {
        self.receive_packet().map(|(report, mut fds, _)| (report, fds.pop()))
    }

    /// Receives a report, and who sent it, in the numbering of this side's PID namespace.
    ///
    /// # Errors
    /// The other side is gone.
    pub(crate) fn receive_from(&mut self) -> Result<(Report, Pid), ChannelError> {
        let (report, _, sender): (Report, _, _) = self.receive_packet()?;
        Ok((report, sender.ok_or(ChannelError::Anonymous)?))
    }

    fn receive_packet<T: for<'de> Deserialize<'de>>(
        &self,
    ) -> Result<(T, Vec<OwnedFd>, Option<Pid>), ChannelError> {
        let mut packet = vec![0; PACKET];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS), ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::net::recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut packet)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
        .map_err(ChannelError::Socket)?;
        let (mut fds, mut sender) = (Vec::new(), None);
        for message in control.drain() {
            match message {
                RecvAncillaryMessage::ScmRights(some) => fds.extend(some),
                RecvAncillaryMessage::ScmCredentials(credentials) => sender = Some(credentials.pid),
                _ => {}
            }
        }
        Ok((decode(packet.get(..received.bytes).unwrap_or_default())?, fds, sender))
    }
}

impl From<OwnedFd> for Channel {
    fn from(end: OwnedFd) -> Self {
        Self(end)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A packet is a frame; its boundary makes the frame's length redundant, and it is checked all the same.
fn decode<T: for<'de> Deserialize<'de>>(packet: &[u8]) -> Result<T, ChannelError> {
    let mut rest = packet;
    match frame::read(&mut rest, PACKET) {
        Ok(message) => Ok(message),
        Err(FrameError::Closed) => Err(ChannelError::Closed),
        Err(error) => Err(ChannelError::Frame(error)),
    }
}
