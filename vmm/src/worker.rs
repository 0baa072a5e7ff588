//! A thread that serves devices: it sleeps until a queue is notified or a backend has work.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use jail::host::seccomp::{self, Thread};
use rustix::event::{EventfdFlags, eventfd};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::EventFd;
use vmm_virtio::device::{Event, QueueIndex};
use vmm_virtio::mmio::Transport;

use crate::ending::Ending;
use crate::notice::{Announcer, Notice};

/// Everything that one thread waits for.
#[derive(Debug)]
pub(crate) struct Worker {
    name: &'static str,
    epoll: Epoll,
    stop: Arc<OwnedFd>,
    sources: Vec<Source>,
}

/// A started worker.
#[derive(Debug)]
pub(crate) struct Working {
    thread: JoinHandle<()>,
    stop: Arc<OwnedFd>,
}

/// What one descriptor means.
#[derive(Debug)]
enum Source {
    Stop,
    Activation { transport: Arc<Transport>, event: Arc<EventFd> },
    Queue { transport: Arc<Transport>, queue: QueueIndex, notification: EventFd },
    Backend { transport: Arc<Transport>, _events: OwnedFd },
}

/// Whether the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Wait,
    End,
}

impl Worker {
    pub(crate) fn new(name: &'static str) -> io::Result<Self> {
        let stop = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let mut worker = Self { name, epoll: Epoll::new()?, stop: Arc::clone(&stop), sources: Vec::new() };
        worker.watch(&stop)?;
        worker.sources.push(Source::Stop);
        Ok(worker)
    }

    /// Serves this device for the first time when its driver is ready.
    pub(crate) fn watch_activation(
        &mut self,
        transport: &Arc<Transport>,
        event: Arc<EventFd>,
    ) -> io::Result<()> {
        self.watch(event.as_ref())?;
        self.sources.push(Source::Activation { transport: Arc::clone(transport), event });
        Ok(())
    }

    /// Serves this queue when it is notified.
    pub(crate) fn watch_queue(
        &mut self,
        transport: &Arc<Transport>,
        queue: QueueIndex,
        notification: EventFd,
    ) -> io::Result<()> {
        self.watch(&notification)?;
        self.sources.push(Source::Queue { transport: Arc::clone(transport), queue, notification });
        Ok(())
    }

    /// Serves this device when its backend has work, if it has such a thing.
    pub(crate) fn watch_backend(&mut self, transport: &Arc<Transport>) -> io::Result<()> {
        if let Some(events) = transport.backend_events()? {
            // At the edge: a device that is broken does not look at its backend's events, which must not
            // keep the thread awake.
            self.watch_with(&events, EventSet::IN | EventSet::EDGE_TRIGGERED)?;
            self.sources.push(Source::Backend { transport: Arc::clone(transport), _events: events });
        }
        Ok(())
    }

    /// Starts the thread.
    pub(crate) fn start(self, announcer: Announcer) -> io::Result<Working> {
        let stop = Arc::clone(&self.stop);
        let thread = std::thread::Builder::new().name(self.name.to_owned()).spawn(move || {
            let outcome = match seccomp::install(Thread::VmmDevices, &[]) {
                Ok(()) => self.run().map_err(|error| format!("cannot wait for events: {error}")),
                Err(error) => Err(format!("cannot filter a device thread's system calls: {error}")),
            };
            if let Err(cause) = outcome {
                announcer.announce(Notice::Ended(Ending::Unrunnable(cause)));
            }
        })?;
        Ok(Working { thread, stop })
    }

    fn run(&self) -> io::Result<()> {
        let mut events = [EpollEvent::default(); 16];
        loop {
            let count = match self.epoll.wait(-1, &mut events) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => return Err(error),
            };
            for event in events.iter().take(count) {
                if self.serve(event.data()) == Next::End {
                    return Ok(());
                }
            }
        }
    }

    fn serve(&self, data: u64) -> Next {
        let index = usize::try_from(data).expect("the index of a source");
        match &self.sources[index] {
            Source::Stop => return Next::End,
            Source::Activation { transport, event } => {
                let _count = event.read();
                transport.serve(Event::Activated);
            }
            Source::Queue { transport, queue, notification } => {
                // Before the work: what is notified during it must wake the thread again.
                let _count = notification.read();
                transport.serve(Event::Notified(*queue));
            }
            Source::Backend { transport, .. } => transport.serve(Event::Backend),
        }
        Next::Wait
    }

    /// Waits for a descriptor on behalf of the source that is about to be added.
    fn watch(&self, fd: &impl AsRawFd) -> io::Result<()> {
        self.watch_with(fd, EventSet::IN)
    }

    fn watch_with(&self, fd: &impl AsRawFd, events: EventSet) -> io::Result<()> {
        let index = u64::try_from(self.sources.len()).expect("a length fits in 64 bits");
        self.epoll.ctl(ControlOperation::Add, fd.as_raw_fd(), EpollEvent::new(events, index))
    }
}

impl Working {
    /// Ends the thread after the work that it is doing.
    pub(crate) fn stop(self) {
        // The counter is at 0: it is written here only.
        let _counted = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        // A thread that panicked has ended the process already.
        let _ended = self.thread.join();
    }
}
