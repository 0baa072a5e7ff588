//! The operator's terminal: raw while the agent has it, given back on every path out.

use std::io::stdin;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use wire::control::Size;

use crate::failure::Failure;

/// Standard input in raw mode; back to normal when dropped.
#[derive(Debug)]
pub struct Raw(Termios);

impl Raw {
    /// Makes standard input raw.
    ///
    /// # Errors
    /// Standard input is not a terminal.
    pub fn enter() -> Result<Self, Failure> {
        let not_a_terminal = |_errno| {
            Failure::new(
                "--tty was asked for, but standard input is not a terminal",
                "leave --tty out when input is a pipe or a file",
            )
        };
        let before = tcgetattr(stdin()).map_err(not_a_terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw).map_err(not_a_terminal)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // What the terminal answered to the guest's last questions is not for the shell. It may be gone; then nobody
        // is left to see it raw.
        let _gone = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
    }
}

/// The terminal's present size; a common one where it cannot be told.
#[must_use]
pub fn size() -> Size {
    tcgetwinsize(stdin())
        .map_or(Size { rows: 24, columns: 80 }, |size| Size { rows: size.ws_row, columns: size.ws_col })
}
