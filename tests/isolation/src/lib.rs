//! The escape suite: attempts to get out of the agent's confinement, and which walls hold each of them alone.
//!
//! The table in [`attempts`] is the statement, and the test `walls` holds it to the kernel: every attempt is made with no wall at
//! all, where it must work, or it would prove nothing; with all of them; with each one left out; and behind each one alone.
//! Nothing here knows how a wall is put up: that is `jail-layers`', and the test's.
#![expect(unsafe_code, reason = "attempts are raw system calls")]

pub mod attempts;
pub mod stage;

use rustix::io::Errno;

/// A wall around the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// Processes, IPC, host name, control groups and network of its own.
    Namespaces,
    /// A tree of its own, with a minimal `/dev`, its own `/proc` and masks.
    Mounts,
    /// Resource limits of each process.
    Limits,
    /// An ordinary user without capabilities or a way to them.
    Identity,
    /// Paths, abstract sockets and signals by rule.
    Landlock,
    /// An allow list of system calls.
    Seccomp,
    /// The kernel's settings.
    Settings,
}

impl Wall {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Namespaces,
        Self::Mounts,
        Self::Limits,
        Self::Identity,
        Self::Landlock,
        Self::Seccomp,
        Self::Settings,
    ];
}

/// An attempt to get out.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// What is tried.
    pub name: &'static str,
    /// Tries it; `Ok` if the attacker has what he wanted.
    pub make: fn() -> Result<(), Errno>,
    /// What holds it: each entry is enough, of an entry all walls are needed.
    pub held_by: &'static [&'static [Wall]],
    /// Why it is borne that one wall alone, or one with any other, holds it; empty where a second one does.
    pub alone: &'static str,
}

impl Attempt {
    /// Whether the table says that `standing` holds it.
    #[must_use]
    pub fn is_held_by(&self, standing: &[Wall]) -> bool {
        self.held_by.iter().any(|walls| walls.iter().all(|wall| standing.contains(wall)))
    }

    /// Those of which none may fall.
    #[must_use]
    pub fn last_walls(&self) -> Vec<Wall> {
        let without =
            |fallen: Wall| Wall::ALL.into_iter().filter(move |wall| *wall != fallen).collect::<Vec<_>>();
        Wall::ALL.into_iter().filter(|fallen| !self.is_held_by(&without(*fallen))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page says is what the suite holds the kernel to.
    #[test]
    fn the_page_has_the_table() {
        let page = include_str!("../../../docs/isolation.md");
        let walls = |walls: &[Wall]| walls.iter().map(|wall| format!("{wall:?}")).collect::<Vec<_>>();
        for attempt in attempts::all() {
            let held_by: Vec<_> = attempt.held_by.iter().map(|all| walls(all).join(" + ")).collect();
            let last = walls(&attempt.last_walls()).join(", ");
            let why = if last.is_empty() { String::new() } else { format!("{last}: {}", attempt.alone) };
            let row = format!("| {} | {} | {why} |", attempt.name, held_by.join(", "));
            assert!(page.contains(&row), "the page lacks the row\n{row}");
        }
    }
}
