//! What the machine's threads tell the main thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{EventfdFlags, eventfd};

use crate::ending::Ending;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The console printed the kernel's last words; the machine is about to reset itself.
    PanicSeen(String),
    /// A virtual CPU has left its loop: the machine is over.
    Ended(Ending),
}

/// The threads' end; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Announcer {
    sender: Sender<Notice>,
    wake: Arc<OwnedFd>,
}

/// The main thread's end: a queue, and a descriptor that is readable when the queue may hold something.
#[derive(Debug)]
pub(crate) struct Notices {
    receiver: Receiver<Notice>,
    wake: Arc<OwnedFd>,
}

/// Makes the two ends.
pub(crate) fn notices() -> io::Result<(Announcer, Notices)> {
    let (sender, receiver) = channel();
    let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    Ok((Announcer { sender, wake: Arc::clone(&wake) }, Notices { receiver, wake }))
}

impl Announcer {
    pub(crate) fn announce(&self, notice: Notice) {
        // The main thread drops its end only when it has stopped listening because the machine is over.
        let _over = self.sender.send(notice);
        rustix::io::write(&self.wake, &1_u64.to_ne_bytes())
            .expect("an event counter that is read on every wake cannot overflow");
    }
}

impl AsFd for Notices {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Notices {
    /// The next message, if there is one.
    pub(crate) fn next(&self) -> Option<Notice> {
        let _count = rustix::io::read(&self.wake, &mut [0_u8; 8]);
        self.receiver.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_in_order_and_then_none() {
        let (announcer, notices) = notices().unwrap();
        announcer.announce(Notice::PanicSeen("a".to_owned()));
        announcer.clone().announce(Notice::Ended(Ending::Stopped));
        assert_eq!(notices.next(), Some(Notice::PanicSeen("a".to_owned())));
        assert_eq!(notices.next(), Some(Notice::Ended(Ending::Stopped)));
        assert_eq!(notices.next(), None);
    }
}
