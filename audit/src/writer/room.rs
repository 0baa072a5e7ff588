//! How much of the disk a log may take, and how much of it stays free for others. One agent whose denials fill its log must
//! not take the disk from every other sandbox.

use std::fs::File;
use std::time::{Duration, Instant};

use wire::audit::Limits;

/// What stays free of a disk where the operator says nothing: as much as a closed segment needs while it is packed.
const RESERVE: u64 = 64 << 20;

/// Of a small disk it is this part instead.
const PART: u64 = 16;

/// The disk is asked for its free space after so many bytes, or after so long, whichever is first.
const BYTES: u64 = 1 << 20;
const PAUSE: Duration = Duration::from_secs(1);

/// What a log takes, and may.
#[derive(Debug)]
pub(crate) struct Room {
    limits: Limits,
    /// Bytes on the disk of the log's files beside the present segment.
    others: u64,
    /// When the disk is to be asked again, or after how many more bytes.
    next_look: Instant,
    unseen: u64,
}

/// Why a log may not grow, though the disk may have room for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// It takes what it may.
    #[error("the log has reached the {} that log.most in audit.yaml lets it take", size(*.0))]
    Most(u64),
    /// Others would have too little.
    #[error("{} are free on the disk, of which log.reserve in audit.yaml leaves {} to others", size(*free), size(*reserve))]
    Reserve {
        /// Bytes that are free.
        free: u64,
        /// Bytes that stay so.
        reserve: u64,
    },
}

impl NoRoom {
    /// Whether the log itself made it so. Then nothing goes on, whatever is to become of actions while a disk is full: an agent that
    /// fills its own log must not act unrecorded from there on.
    pub(crate) fn is_the_logs_own(&self) -> bool {
        matches!(self, Self::Most(_))
    }

    /// What to do about it, in one line.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Most(_) => {
                "see with `openshell audit query --count` what fills the log; raise log.most in audit.yaml if it may be so long"
            }
            Self::Reserve { .. } => {
                "free space on the disk that holds the audit log, or lower log.reserve in audit.yaml"
            }
        }
    }
}

impl Room {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, others: 0, next_look: Instant::now(), unseen: 0 }
    }

    /// The present segment, of `left` bytes, is left; all files of the log before it take `others`.
    pub(crate) fn go_on(&mut self, left: u64, others: u64) {
        self.others = left + others;
        self.next_look = Instant::now();
    }

    /// Whether the segment of `present` bytes may grow by `more`.
    pub(crate) fn look(&mut self, segment: &File, (present, more): (u64, u64)) -> Result<(), NoRoom> {
        if let Some(most) = self.limits.most.filter(|most| self.others + present + more > *most) {
            return Err(NoRoom::Most(most));
        }
        self.unseen += more;
        let now = Instant::now();
        if self.unseen < BYTES && now < self.next_look {
            return Ok(());
        }
        (self.unseen, self.next_look) = (more, now + PAUSE);
        // One that does not say how full it is says so when it is.
        let Ok(disk) = rustix::fs::fstatvfs(segment) else { return Ok(()) };
        let [all, free] = [disk.f_blocks, disk.f_bavail].map(|blocks| blocks.saturating_mul(disk.f_frsize));
        let reserve = self.limits.reserve.unwrap_or(RESERVE.min(all / PART));
        if free.saturating_sub(more) < reserve { Err(NoRoom::Reserve { free, reserve }) } else { Ok(()) }
    }
}

fn size(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}
