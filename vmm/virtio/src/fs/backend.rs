//! The lanes to the server.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll;

use super::request::{ANSWER_HEADER, Answer, Request};
use crate::device::QueueIndex;
use crate::memory::{Memory, Segments};
use crate::queue::Head;

/// The server of one mount.
#[derive(Debug)]
pub struct Server {
    lanes: Vec<Lane>,
    /// Readable when a lane is.
    events: OwnedFd,
}

#[derive(Debug)]
struct Lane {
    socket: OwnedFd,
    state: State,
}

/// What a lane carries.
#[derive(Debug)]
enum State {
    /// Nothing.
    Free,
    /// This request.
    Carries(Flight),
    /// A request of a driver that has reset the device since: the answer is dropped.
    Forgotten,
    /// Nothing any more: the server is gone, or does not keep to the protocol.
    Lost,
}

/// A request that the server has.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) queue: QueueIndex,
    pub(crate) head: Head,
    pub(crate) answer: Answer,
}

/// A request that is over.
#[derive(Debug)]
pub(crate) struct Landed {
    pub(crate) queue: QueueIndex,
    pub(crate) head: Head,
    /// Bytes written to the guest's memory.
    pub(crate) written: u32,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Sent {
    /// The server has it.
    Flying,
    /// The server cannot have it: the guest was told so.
    Failed(Landed),
}

impl Server {
    /// Takes the lanes. They are sockets that keep the bounds of messages.
    ///
    /// # Errors
    /// They cannot be waited for.
    pub fn new(sockets: Vec<OwnedFd>) -> io::Result<Self> {
        let events = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for socket in &sockets {
            let flags = rustix::fs::fcntl_getfl(socket)?;
            rustix::fs::fcntl_setfl(socket, flags | rustix::fs::OFlags::NONBLOCK)?;
            epoll::add(&events, socket, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        let lanes = sockets.into_iter().map(|socket| Lane { socket, state: State::Free }).collect();
        Ok(Self { lanes, events })
    }

    pub(crate) fn events(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Whether a request can be taken on: a lane is free, or there is no server, and the guest can be told so at once.
    pub(crate) fn takes_requests(&self) -> bool {
        self.lanes.iter().any(|lane| matches!(lane.state, State::Free))
            || self.lanes.iter().all(|lane| matches!(lane.state, State::Lost))
    }

    /// Sends a request, for which a lane is free or none is left.
    pub(crate) fn send(
        &mut self,
        memory: &Memory,
        (queue, head): (QueueIndex, Head),
        request: Request<'_>,
    ) -> Sent {
        let Request { message, answer } = request;
        let flight = Flight { queue, head, answer };
        // The first that is free: its thread of the server's is the one that was busy last.
        let Some(lane) = self.lanes.iter_mut().find(|lane| matches!(lane.state, State::Free)) else {
            return Sent::Failed(flight.fails(memory));
        };
        match message.send(lane.socket.as_fd()) {
            Ok(_whole) => {
                lane.state = State::Carries(flight);
                Sent::Flying
            }
            // The guest's own doing, or the host has no memory just now: the lane is as it was.
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) || passes(&error) => {
                Sent::Failed(flight.fails(memory))
            }
            Err(_gone) => {
                lane.lose(&self.events);
                Sent::Failed(flight.fails(memory))
            }
        }
    }

    /// Receives an answer, if one is there, into the guest's memory.
    pub(crate) fn receive(&mut self, memory: &Memory) -> Option<Landed> {
        self.lanes.iter_mut().find_map(|lane| lane.receive(memory, &self.events))
    }

    /// Forgets whose requests the server has.
    pub(crate) fn reset(&mut self) {
        for lane in &mut self.lanes {
            if matches!(lane.state, State::Carries(_)) {
                lane.state = State::Forgotten;
            }
        }
    }
}

impl Lane {
    fn receive(&mut self, memory: &Memory, events: &OwnedFd) -> Option<Landed> {
        let room = match &self.state {
            State::Carries(flight) => flight.answer.room.segments(memory),
            State::Forgotten => Segments::default(),
            // Whatever comes here is no answer; nobody reads it.
            State::Free | State::Lost => return None,
        };
        let received = room.receive_message(self.socket.as_fd());
        // Where the host has no memory for it, the answer is still there.
        if received.as_ref().is_err_and(passes) {
            return None;
        }
        let carried = std::mem::replace(&mut self.state, State::Free);
        let alive = received.as_ref().is_ok_and(|length| *length > 0);
        if !alive {
            self.lose(events);
        }
        let State::Carries(flight) = carried else { return None };
        Some(match received {
            // Where no answer is expected, one byte of it is as good as all.
            Ok(length) if alive && (room.is_empty() || (ANSWER_HEADER..=room.len()).contains(&length)) => {
                flight.lands(length.min(room.len()))
            }
            _ => flight.fails(memory),
        })
    }

    fn lose(&mut self, events: &OwnedFd) {
        self.state = State::Lost;
        // The end of the other side would be told again and again.
        let _unwatched = epoll::delete(events, &self.socket);
    }
}

/// Whether it would go another time: nothing was sent or received, and nobody is gone.
fn passes(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR))
}

impl Flight {
    fn lands(self, written: usize) -> Landed {
        // A chain is shorter than 4 GiB.
        let written = u32::try_from(written).unwrap_or(u32::MAX);
        Landed { queue: self.queue, head: self.head, written }
    }

    fn fails(self, memory: &Memory) -> Landed {
        let written = self.answer.room.segments(memory).copy_from(&self.answer.failure());
        self.lands(written)
    }
}
