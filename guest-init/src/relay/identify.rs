//! A small pool of threads that look up owners, so that reading an executable does not hold up other flows.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::EventfdFlags;
use wire::subject::Subject;

use super::RelayError;
use super::table::Slot;
use crate::identity::Resolver;

const THREADS: usize = 2;

/// Whose owner is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) client: SocketAddr,
    pub(super) destination: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Identified {
    pub(super) slot: Slot,
    pub(super) subject: Subject,
}

/// The relay's side of the pool.
#[derive(Debug)]
pub(super) struct Pool {
    questions: Sender<(Slot, Question)>,
    answers: Receiver<Identified>,
    finished: Arc<OwnedFd>,
}

impl Pool {
    pub(super) fn start(resolver: Arc<Resolver>) -> Result<Self, RelayError> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let finished = Arc::new(rustix::event::eventfd(0, flags).map_err(RelayError::SetUp)?);
        let (questions, asked) = channel();
        let (found, answers) = channel();
        // Shared with the other workers only: whoever is idle takes the next question.
        let asked = Arc::new(Mutex::new(asked));
        for number in 0..THREADS {
            let (asked, found, finished) = (Arc::clone(&asked), found.clone(), Arc::clone(&finished));
            let resolver = Arc::clone(&resolver);
            std::thread::Builder::new()
                .name(format!("identity-{number}"))
                .spawn(move || work(&resolver, &asked, &found, &finished))
                .map_err(RelayError::Thread)?;
        }
        Ok(Self { questions, answers, finished })
    }

    pub(super) fn ask(&self, slot: Slot, question: Question) {
        self.questions.send((slot, question)).expect("the workers live as long as the pool");
    }

    /// Becomes readable when there are answers.
    pub(super) fn finished(&self) -> BorrowedFd<'_> {
        self.finished.as_fd()
    }

    pub(super) fn take(&self) -> Vec<Identified> {
        let _ = rustix::io::read(&*self.finished, &mut [0; 8]);
        self.answers.try_iter().collect()
    }
}

fn work(
    resolver: &Resolver,
    asked: &Mutex<Receiver<(Slot, Question)>>,
    found: &Sender<Identified>,
    finished: &OwnedFd,
) {
    loop {
        let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((slot, question)) = next else { return };
        let subject = resolver.of_connection(question.client, question.destination);
        if found.send(Identified { slot, subject }).is_err() {
            return;
        }
        let _ = rustix::io::write(finished, &1_u64.to_ne_bytes());
    }
}
