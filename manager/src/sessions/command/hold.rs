//! Who holds a command, and how he lets it go: decided before the record says so, so that neither his leaving nor the command's end
//! in between makes the record wrong.

use super::{Command, End, LEFT};
use crate::failure::Failure;

/// What a command's life depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sessions) enum Hold {
    /// Who started it is on it.
    Starter,
    /// It is being let go: who started it may leave, and it is not hung up on before it is known whether it was.
    Detaching,
    /// Nobody.
    Nobody,
}

/// What is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sessions) enum Letting {
    /// Nothing: nobody held it.
    Nothing,
    /// A command that runs.
    Running,
    /// One that has just ended: how is kept.
    Ended,
}

impl Command {
    /// Begins to let it go; [`Self::detach`] or [`Self::hold_again`] follows.
    ///
    /// # Errors
    /// It was hung up on, or did not start, or nobody knows how it ended.
    pub(in crate::sessions) fn detaching(&self) -> Result<Letting, Failure> {
        let mut state = self.state();
        let letting = match (state.hold, &state.end) {
            (Hold::Nobody, _) => return Ok(Letting::Nothing),
            (Hold::Starter | Hold::Detaching, None) => Letting::Running,
            (Hold::Starter | Hold::Detaching, Some(End::Exited(_))) if state.started => Letting::Ended,
            (Hold::Starter | Hold::Detaching, Some(_)) => return Err(over()),
        };
        state.hold = Hold::Detaching;
        Ok(letting)
    }

    /// From here on it goes on, whoever leaves it; one that has ended is kept.
    ///
    /// # Errors
    /// It has ended meanwhile, and there is nothing to keep.
    pub(in crate::sessions) fn detach(&self) -> Result<(), Failure> {
        let mut state = self.state();
        state.hold = Hold::Nobody;
        let nothing = state.end.is_some() && !state.started;
        self.changed.notify_all();
        if nothing { Err(over()) } else { Ok(()) }
    }

    /// It is not let go after all: if who started it has left meanwhile, it is hung up on.
    pub(in crate::sessions) fn hold_again(&self) {
        let mut state = self.state();
        state.hold = Hold::Starter;
        if !state.on_it.contains_key(&self.session) {
            state.ends(End::Cut(LEFT.to_owned()));
            self.ending.notify_all();
        }
        self.changed.notify_all();
    }
}

fn over() -> Failure {
    Failure::new(
        "the command has ended, or whoever started it has left it",
        "openshell audit tail shows which",
    )
}
