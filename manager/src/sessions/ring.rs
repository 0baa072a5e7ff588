//! The last MiB that a command wrote, by where it wrote it. It grows as there is something to keep.

use std::collections::VecDeque;

use wire::control::{MAX_CHUNK, Stream};

/// Bytes that are kept.
pub(super) const KEPT: usize = 1024 * 1024;

/// Changes between the streams that are kept: one that writes single bytes to one and the other in turn is kept for less long.
const RUNS: usize = 16 * 1024;

/// What was written last. Places in it are counted from the command's first byte.
#[derive(Default)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    /// Bytes on one stream, with none on the other between them, in the order they came.
    runs: VecDeque<Run>,
    end: u64,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    stream: Stream,
    /// The place after its last byte.
    end: u64,
}

impl Ring {
    /// The place of the first byte that is kept.
    pub(super) fn start(&self) -> u64 {
        self.end - length(self.bytes.len())
    }

    /// Where that will be when so many bytes more have come on this stream.
    pub(super) fn start_after(&self, stream: Stream, bytes: usize) -> u64 {
        let by_bytes = (self.end + length(bytes)).saturating_sub(length(KEPT));
        let full = self.runs.len() >= RUNS && self.runs.back().is_some_and(|run| run.stream != stream);
        let by_runs = if full { self.runs.front().map_or(0, |run| run.end) } else { 0 };
        self.start().max(by_bytes).max(by_runs)
    }

    /// Keeps what was written; what was kept longest makes room for it.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let start = self.start_after(stream, bytes.len());
        let lost = usize::try_from(start - self.start()).unwrap_or(usize::MAX);
        let unkept = lost.saturating_sub(self.bytes.len());
        self.bytes.drain(..lost - unkept);
        let kept = &bytes[unkept..];
        self.reserve(self.bytes.len() + kept.len());
        self.bytes.extend(kept);
        self.end += length(bytes.len());
        // Before there is one more: the room for runs stays what it is.
        while self.runs.front().is_some_and(|run| run.end <= start) {
            self.runs.pop_front();
        }
        match self.runs.back_mut() {
            Some(last) if last.stream == stream => last.end = self.end,
            _ => self.runs.push_back(Run { stream, end: self.end }),
        }
    }

    /// What was written to one stream from there on, at most [`MAX_CHUNK`] bytes; none, if nothing was, or it is not kept.
    pub(super) fn read(&self, from: u64) -> Option<(Stream, Vec<u8>)> {
        let run = self.runs.get(self.runs.partition_point(|run| run.end <= from))?;
        let skip = usize::try_from(from.checked_sub(self.start())?).ok()?;
        let here = usize::try_from(run.end - from).unwrap_or(usize::MAX).min(MAX_CHUNK);
        Some((run.stream, self.bytes.range(skip..skip + here).copied().collect()))
    }

    /// Doubles the room as long as there is more to come than fits, and has never more than is kept.
    fn reserve(&mut self, needed: usize) {
        if needed > self.bytes.capacity() {
            let room = needed.next_power_of_two().min(KEPT);
            self.bytes.reserve_exact(room - self.bytes.len());
        }
    }
}

impl std::fmt::Debug for Ring {
    /// Without what was written, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring {{ <{} bytes> to {} }}", self.bytes.len(), self.end)
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ring: &Ring) -> Vec<(Stream, u8)> {
        let (mut at, mut seen) = (ring.start(), Vec::new());
        while let Some((stream, bytes)) = ring.read(at) {
            assert!(!bytes.is_empty() && bytes.len() <= MAX_CHUNK);
            at += length(bytes.len());
            seen.extend(bytes.into_iter().map(|byte| (stream, byte)));
        }
        assert_eq!(at, ring.end);
        seen
    }

    /// Pieces of every size, on both streams, across the end of the ring: the last MiB is there, byte for byte.
    #[test]
    fn the_last_mib_is_kept_exactly() {
        let mut ring = Ring::default();
        let mut written = Vec::new();
        let sizes = [1, 7, 4096, MAX_CHUNK, 31, 1000, MAX_CHUNK - 1, 2];
        for (turn, size) in sizes.iter().cycle().enumerate().take(400) {
            let stream = if turn % 3 == 0 { Stream::Stderr } else { Stream::Stdout };
            let bytes: Vec<u8> = (0..*size).map(|at| u8::try_from((at + turn) % 251).unwrap()).collect();
            ring.push(stream, &bytes);
            written.extend(bytes.into_iter().map(|byte| (stream, byte)));
            let kept = written.len().min(KEPT);
            assert_eq!(ring.end, length(written.len()));
            assert_eq!(ring.bytes.len(), kept);
            assert!(ring.bytes.capacity() <= KEPT);
            if turn % 50 == 49 {
                assert!(all(&ring) == written[written.len() - kept..], "turn {turn}");
            }
        }
        assert!(written.len() > 2 * KEPT);
        assert_eq!(ring.read(ring.end), None);
        assert_eq!(ring.read(ring.start() - 1), None, "it is not kept");
    }

    #[test]
    fn it_takes_no_more_room_than_it_needs() {
        let mut ring = Ring::default();
        ring.push(Stream::Stdout, b"hi");
        assert!(ring.bytes.capacity() < 64);
        ring.push(Stream::Stdout, &vec![1; 2 * KEPT]);
        assert_eq!((ring.start(), ring.end), (length(KEPT + 2), length(2 * KEPT + 2)));
        assert!(ring.bytes.capacity() <= KEPT);
    }

    /// Whoever asks what will be lost is told so.
    #[test]
    fn changes_between_streams_are_bounded() {
        let mut ring = Ring::default();
        for turn in 0..3 * RUNS {
            let stream = if turn % 2 == 0 { Stream::Stderr } else { Stream::Stdout };
            let told = ring.start_after(stream, 3);
            ring.push(stream, b"abc");
            assert_eq!(ring.start(), told);
        }
        assert_eq!((ring.runs.len(), ring.bytes.len()), (RUNS, 3 * RUNS));
        assert_eq!(all(&ring).len(), 3 * RUNS);
    }
}
