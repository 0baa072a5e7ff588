//! What a session is for: what the guest is told, what the record says before that, and what may go through.

use std::sync::{Mutex, PoisonError};

use copy::Amount;
use wire::control::{Execute, ToGuest};
use wire::copy::{Copy, Item};
use wire::frame::{self, Pieces};
use wire::operator::{Command, Copying};

use crate::failure::{Failure, chain};
use crate::operator::Errand;

/// Longest path of a copy on the record, in characters.
const MAX_PATH: usize = 300;

/// A session that fits.
#[derive(Debug)]
pub(super) struct Task {
    /// What the guest is told.
    pub(super) message: ToGuest,
    /// What the record says of it.
    pub(super) told: String,
    /// What goes through.
    pub(super) work: Work,
}

/// What a session does.
#[derive(Debug)]
pub(super) enum Work {
    /// A command: any bytes, both ways.
    Command(Facts),
    /// A copy.
    Copy(Passage),
}

/// What is known of a command besides its arguments.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) program: String,
    pub(super) terminal: bool,
    /// Whether it goes on without whoever starts it.
    pub(super) detached: bool,
}

/// What may go through a copy, and what has.
#[derive(Debug)]
pub(super) enum Passage {
    /// Items out of the guest.
    Out(Mutex<Counted>),
    /// Items into it.
    In(Mutex<Counted>),
}

/// Items that went through.
#[derive(Debug, Default)]
pub(super) struct Counted {
    items: Pieces,
    amount: Amount,
}

impl Task {
    /// # Errors
    /// Another version asks, or it is too long for a frame.
    pub(super) fn of(errand: Errand) -> Result<Self, Failure> {
        let (frames, task) = match errand {
            Errand::Execute(Command { frames, command, env, workdir, terminal, detached }) => {
                let told = program(&command) + if detached { ", detached" } else { "" };
                let program = command.first().cloned().unwrap_or_default();
                let facts = Facts { program, terminal: terminal.is_some(), detached };
                let message = ToGuest::Execute(Box::new(Execute { command, env, workdir, terminal }));
                (frames, Self { message, told, work: Work::Command(facts) })
            }
            Errand::Attach(_) | Errand::Join(_) => unreachable!("whoever joins has no process of his own"),
            Errand::Copy(Copying { frames, copy, host }) => {
                let (told, passage) = ends(&copy, &host);
                (frames, Self { message: ToGuest::Copy(Box::new(copy)), told, work: Work::Copy(passage) })
            }
        };
        same_version(frames)?;
        let length = frame::encode(&task.message).map_or(usize::MAX, |frame| frame.len());
        if length > frame::SMALL {
            return Err(Failure::new(
                format_args!("what is asked for is longer than {} KiB", frame::SMALL / 1024),
                "put arguments and variables into a file, and pass it on standard input",
            ));
        }
        Ok(task)
    }
}

/// Frames are understood between one build only.
pub(super) fn same_version(frames: u32) -> Result<(), Failure> {
    if frames == wire::VERSION {
        return Ok(());
    }
    Err(Failure::new(
        "the sandbox was started by another version of openshell",
        "use the openshell that started it, or start the sandbox again",
    ))
}

impl Passage {
    /// Whether bytes may go into the guest.
    ///
    /// # Errors
    /// What they are not.
    pub(super) fn inward(&self, bytes: &[u8]) -> Result<(), String> {
        match self {
            Self::In(counted) => counted.lock().unwrap_or_else(PoisonError::into_inner).count(bytes),
            Self::Out(_) => Err("something was to go into the guest with a copy out of it".to_owned()),
        }
    }

    /// Whether bytes may go out of it.
    ///
    /// # Errors
    /// What they are not.
    pub(super) fn outward(&self, bytes: &[u8]) -> Result<(), String> {
        match self {
            Self::Out(counted) => counted.lock().unwrap_or_else(PoisonError::into_inner).count(bytes),
            Self::In(_) => Err("something was to go out of the guest with a copy into it".to_owned()),
        }
    }

    /// What has gone through.
    pub(super) fn told(&self) -> String {
        let (Self::Out(counted) | Self::In(counted)) = self;
        format!("passed: {}", counted.lock().unwrap_or_else(PoisonError::into_inner).amount)
    }
}

impl Counted {
    fn count(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.items.push(bytes);
        let none = |error| format!("what went through is no copy: {}", chain(&error));
        while let Some(item) = self.items.next::<Item>(frame::SMALL).map_err(none)? {
            self.amount += Amount::of(&item);
        }
        Ok(())
    }
}

/// What is recorded of a command. Arguments may be passwords that nothing recognises.
fn program(command: &[String]) -> String {
    let program = command.first().map_or("", String::as_str);
    match command.len().saturating_sub(1) {
        1 => format!("{program:?} with 1 argument"),
        arguments => format!("{program:?} with {arguments} arguments"),
    }
}

/// What is recorded of a copy, and what goes through it.
fn ends(copy: &Copy, host: &str) -> (String, Passage) {
    let cut = |path: &str| path.chars().take(MAX_PATH).collect::<String>();
    let host = cut(host);
    match copy {
        Copy::Out { path } => {
            let told = format!("copy of {:?} out of the sandbox, to {host:?} on the host", cut(path));
            (told, Passage::Out(Mutex::default()))
        }
        Copy::In { path, .. } => {
            let told = format!("copy of {host:?} on the host into the sandbox, to {:?}", cut(path));
            (told, Passage::In(Mutex::default()))
        }
    }
}
