//! The processes of one sandbox together, and what it means when one of them says what it should not.

use wire::audit::{AuditEvent, SignEvent};
use wire::control::{FromGuest, Stage};
use wire::machine::MachineEvent;
use wire::mount::MountEvent;
use wire::proxy::ProxyEvent;
use wire::router::RouterEvent;

use crate::control::Heard;
use crate::event::Event;
use crate::failure::{Failure, chain};
use crate::interruption::interrupted;
use crate::process::{Process, Report};
use crate::serial::Console;

/// The processes of one sandbox. Fields are dropped in order: the machine first, the log last.
#[derive(Debug)]
pub(crate) struct Processes {
    pub(crate) machine: Process,
    /// The servers of live mounts.
    pub(crate) mounts: Vec<Process>,
    pub(crate) proxy: Option<Process>,
    pub(crate) router: Option<Process>,
    pub(crate) audit: Process,
    pub(crate) sign: Option<Process>,
}

impl Processes {
    /// Explains an event that should not have come.
    pub(crate) fn failure(&mut self, event: Event, console: &Console) -> Failure {
        const BUG: &str = "this is a fault of openshell: please report it with the lines above";
        let gone = |process: Option<&mut Process>| {
            process.map_or_else(|| "a process ended".to_owned(), Process::post_mortem)
        };
        match event {
            Event::Machine(Report::Event(MachineEvent::Failed { cause, remedy })) => {
                Failure::new(cause, remedy)
            }
            Event::Proxy(Report::Event(ProxyEvent::Failed { cause, remedy })) => Failure::new(cause, remedy),
            Event::Router(Report::Event(RouterEvent::Failed { cause, remedy })) => {
                Failure::new(cause, remedy)
            }
            Event::Mount(_, Report::Event(MountEvent::Failed { cause, remedy })) => {
                Failure::new(cause, remedy)
            }
            Event::Audit(Report::Event(AuditEvent::Failed { cause, remedy }))
            | Event::Sign(Report::Event(SignEvent::Failed { cause, remedy })) => Failure::new(cause, remedy),
            Event::Machine(Report::Event(MachineEvent::Panicked { reason })) => panicked(&reason),
            Event::Machine(Report::Event(_)) => Failure::new(
                format_args!(
                    "the guest stopped before the agent ended; its last lines: {}",
                    console.tail(3).join(" | ")
                ),
                "run again with --console to see why",
            ),
            Event::Guest(Heard::Message(FromGuest::Failed { stage: Stage::Image, cause })) => {
                Failure::new(format_args!("guest-init failed (Image): {cause}"), REMAKE)
            }
            Event::Guest(Heard::Message(FromGuest::Failed { stage, cause })) => Failure::new(
                format_args!("guest-init failed ({stage:?}): {cause}"),
                "run again with --console; a full writable layer needs a larger resources.disk or resources.memory",
            ),
            Event::Guest(Heard::Broken(error)) => {
                Failure::new(format_args!("the guest's control channel: {}", chain(&error)), BUG)
            }
            Event::Guest(_) | Event::Executing(_) => Failure::new("the guest spoke out of turn", BUG),
            Event::Machine(Report::Gone) => Failure::new(self.machine.post_mortem(), BUG),
            Event::Proxy(_) => Failure::new(gone(self.proxy.as_mut()), BUG),
            Event::Router(_) => Failure::new(gone(self.router.as_mut()), BUG),
            Event::Mount(index, _) => Failure::new(gone(self.mounts.get_mut(index)), BUG),
            Event::Audit(_) => Failure::new(self.audit.post_mortem(), BUG),
            Event::Sign(_) => Failure::new(gone(self.sign.as_mut()), BUG),
            Event::Operator(_) | Event::Command(_) | Event::Credentials(_) => {
                Failure::new("an operator spoke before the agent ran", BUG)
            }
            Event::Noticed(_) => Failure::new("something was noticed before the agent ran", BUG),
            Event::Signal(_) => interrupted(),
        }
    }
}

/// What the guest's kernel says when a block of the root image does not lead to the root hash (`drivers/md/dm-verity-target.c`).
const CORRUPTED: &str = "dm-verity device corrupted";

/// What it says when a block cannot be read: its file was cut short, or the host's disk failed.
const UNREADABLE: &str = "dm-verity device has I/O error";

const REMAKE: &str = "remove the image with `openshell image rm`, or make the file that `image` names again; then check the disk, and who may write it";

fn panicked(reason: &str) -> Failure {
    if reason == CORRUPTED || reason == UNREADABLE {
        return Failure::new(
            "the root image was changed or is damaged: what the guest read does not match its root hash; the machine was ended",
            REMAKE,
        );
    }
    Failure::new(
        format_args!("the guest's kernel panicked: {reason}"),
        "give the guest more memory (resources.memory), or run again with --console to see the whole report",
    )
}
