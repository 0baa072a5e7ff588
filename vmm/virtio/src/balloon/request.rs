//! A report: a chain of pages that the driver holds nothing in.

use crate::memory::Pages;
use crate::queue::{Buffers, ChainFault};

/// Why a chain is no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportFault {
    /// The chain itself is unusable: one of its buffers is outside of memory, for example.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// A buffer is for the device to read: its content is not the device's to drop.
    #[error("reported page for reading")]
    ForReading,
    /// A buffer begins or ends within a page, whose rest the driver may still use.
    #[error("reported range of no whole pages")]
    Unaligned,
}

/// Pages whose content the driver gives up.
#[derive(Debug)]
pub struct Report<'m> {
    /// Which.
    pub pages: Pages<'m>,
}

impl<'m> Report<'m> {
    /// Reads a chain as a report, all of it or nothing.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(chain: Result<Buffers<'m>, ChainFault>) -> Result<Self, ReportFault> {
        let Buffers { readable, writable } = chain?;
        if !readable.is_empty() {
            return Err(ReportFault::ForReading);
        }
        let pages = writable.into_pages().ok_or(ReportFault::Unaligned)?;
        Ok(Self { pages })
    }
}
