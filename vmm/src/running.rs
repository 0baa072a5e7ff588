//! The machine while it runs: the main thread waits for one of three things — the guest's end, the
//! guest's last words, the manager's order — and then brings every thread home.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jail::host::seccomp::{self, Thread};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::ending::Ending;
use crate::failure::Failure;
use crate::notice::{Notice, Notices};
use crate::signals;
use crate::status;
use crate::vcpu::{Board, REQUESTS, Vcpu};
use crate::vm::Vm;
use crate::worker::{Worker, Working};

/// How long a panicking kernel may go on printing before the machine is ended for it.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Between two kicks of a thread that was not in `KVM_RUN` at the first.
const KICK_AGAIN: Duration = Duration::from_millis(2);

/// What runs once threads are started.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) vcpus: Vec<Vcpu>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) board: Arc<Board>,
    pub(crate) notices: Notices,
    pub(crate) terminate: OwnedFd,
    /// Kept because the interrupt wires and the memory live as long as it does.
    pub(crate) vm: Vm,
}

/// Why threads could not be started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    #[error("cannot filter the main thread's system calls")]
    Filter(#[source] jail::host::JailError),
}

/// A machine with its threads.
#[derive(Debug)]
pub(crate) struct Running {
    vcpus: Vec<JoinHandle<()>>,
    workers: Vec<Working>,
    board: Arc<Board>,
    notices: Notices,
    terminate: OwnedFd,
    _vm: Vm,
}

/// What the main thread is waiting for.
enum State {
    /// Anything at all.
    Waiting,
    /// The guest's reset after its panic, until this moment.
    LastWords { reason: String, until: Instant },
    /// Nothing any more.
    Over(Ending),
}

impl Running {
    /// Starts every thread, then filters the main thread, which can start no more.
    pub(crate) fn start(machine: Machine) -> Result<Self, Failure> {
        Self::start_threads(machine).map_err(|error| {
            Failure::new(&error, "run `openshell doctor`: it tells what this host allows for a jail")
        })
    }

    fn start_threads(machine: Machine) -> Result<Self, StartError> {
        let Machine { vcpus, workers, board, notices, terminate, vm } = machine;
        let workers = workers
            .into_iter()
            .map(|worker| worker.start(board.announcer.clone()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(StartError::Thread)?;
        let vcpus = (0_u32..)
            .zip(vcpus)
            .map(|(index, vcpu)| start_vcpu(index, vcpu))
            .collect::<Result<Vec<_>, _>>()
            .map_err(StartError::Thread)?;
        seccomp::install(Thread::VmmMain, &[]).map_err(|error| StartError::Filter(error.into()))?;
        Ok(Self { vcpus, workers, board, notices, terminate, _vm: vm })
    }

    /// Waits for the machine's end, and stops what still runs.
    pub(crate) fn wait(self) -> Result<Ending, Failure> {
        let mut state = State::Waiting;
        let ending = loop {
            state = match state {
                State::Waiting => self.next(None),
                State::LastWords { reason, until } => self.hear_out(reason, until),
                State::Over(ending) => break ending,
            };
        };
        self.bring_home();
        Ok(ending)
    }

    fn hear_out(&self, reason: String, until: Instant) -> State {
        let left = until.saturating_duration_since(Instant::now());
        match self.next(Some(left)) {
            // It reset itself, fell over, or printed on until its time was up: the panic is the reason.
            State::Over(Ending::Terminated) => State::Over(Ending::Terminated),
            State::Over(_) => State::Over(Ending::Panicked(reason)),
            State::Waiting if left.is_zero() => State::Over(Ending::Panicked(reason)),
            State::Waiting | State::LastWords { .. } => State::LastWords { reason, until },
        }
    }

    /// Waits for one event, at most this long.
    fn next(&self, at_most: Option<Duration>) -> State {
        let mut ready =
            [PollFd::new(&self.terminate, PollFlags::IN), PollFd::new(&self.notices, PollFlags::IN)];
        let timeout = at_most.map(|left| Timespec::try_from(left).expect("seconds, not centuries"));
        match rustix::event::poll(&mut ready, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return State::Over(Ending::Unrunnable(format!("cannot wait for events: {error}"))),
        }
        if ready[0].revents().contains(PollFlags::IN) {
            return State::Over(Ending::Terminated);
        }
        match self.notices.next() {
            Some(Notice::Ended(ending)) => State::Over(ending),
            Some(Notice::PanicSeen(reason)) => {
                State::LastWords { reason, until: Instant::now() + LAST_WORDS }
            }
            None => State::Waiting,
        }
    }

    fn bring_home(self) {
        self.board.stop.store(true, Ordering::Release);
        for thread in self.vcpus {
            while !thread.is_finished() {
                signals::kick(&thread);
                thread::park_timeout(KICK_AGAIN);
            }
            // A thread that panicked has ended the process already.
            let _ended = thread.join();
        }
        // After the virtual CPUs: nobody gives the workers new work now.
        for worker in self.workers {
            worker.stop();
        }
        let nonsense = self.board.windows.misbehaviour();
        if nonsense > 0 {
            status::log(&format!("{nonsense} requests of the guest to its devices made no sense"));
        }
        let dropped = self.board.ports.finish();
        if dropped > 0 {
            status::log(&format!("{dropped} bytes of console output were not taken"));
        }
    }
}

fn start_vcpu(index: u32, vcpu: Vcpu) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("vcpu{index}")).spawn(move || {
        match seccomp::install(Thread::VmmVcpu, &REQUESTS) {
            Ok(()) => vcpu.run(),
            Err(error) => vcpu.give_up(&format!("cannot filter a virtual CPU's system calls: {error}")),
        }
    })
}
