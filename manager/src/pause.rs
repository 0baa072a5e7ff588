//! Letting the machine stand still.
//!
//! The host's kernel stops the machine's process: no code of ours, and none that a guest could have taken over, has to do
//! anything for it. Its memory stays, its connections wait. Time goes on for it, which its kernel is told when it goes on.

use std::io;

use audit::Phase;

use crate::failure::Failure;
use crate::process::Process;
use crate::record::Recorder;

/// Whether the machine stands still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    #[default]
    Going,
    Still,
}

impl Pace {
    /// Lets the machine stand still or go on, on somebody's word. What is so already is not done or recorded again.
    pub(crate) fn change(
        &mut self,
        to: Self,
        machine: &Process,
        (recorder, why): (&mut Recorder, &str),
    ) -> Result<(), Failure> {
        if *self == to {
            // Somebody on the host may have woken it: whoever asks again means it.
            return if to == Self::Still {
                machine.freeze().map_err(|error| not_stopped(&error))
            } else {
                Ok(())
            };
        }
        match to {
            // It stands still already when that is recorded: the agent does nothing more meanwhile.
            Self::Still => {
                machine.freeze().map_err(|error| not_stopped(&error))?;
                recorder.stands(Phase::Paused, why).inspect_err(|_unrecorded| {
                    // Whoever asked is told that it goes on, so it does.
                    let _gone = machine.thaw();
                })?;
                *self = to;
                Ok(())
            }
            Self::Going => {
                recorder.stands(Phase::Resumed, why)?;
                machine.thaw().map_err(|error| {
                    Failure::new(format_args!("the machine cannot go on: {error}"), "end the sandbox")
                })?;
                *self = to;
                Ok(())
            }
        }
    }
}

fn not_stopped(error: &io::Error) -> Failure {
    Failure::new(
        format_args!("the machine cannot be stopped: {error}"),
        "end the sandbox if it must not go on",
    )
}
