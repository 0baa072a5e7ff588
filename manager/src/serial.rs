//! The guest's serial console: kept in a small ring, so that a failed boot can be explained.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

/// Lines that are kept.
const LINES: usize = 40;

/// Bytes of one line that are kept; the guest chooses its lines' lengths.
const LINE_BYTES: usize = 400;

/// The last lines of the console. The reader thread writes, whoever reports a failure reads.
#[derive(Clone, Debug, Default)]
pub struct Console(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<String>,
    partial: Vec<u8>,
}

impl Console {
    /// Reads the console to its end on a thread of its own, passing every chunk to `tee` as well.
    pub fn read(&self, mut pipe: File, mut tee: impl FnMut(&[u8]) + Send + 'static) {
        let ring = Arc::clone(&self.0);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut chunk) {
                tee(&chunk[..n]);
                ring.lock().unwrap_or_else(PoisonError::into_inner).push(&chunk[..n]);
            }
        });
    }

    /// The last `n` lines that are not empty.
    #[must_use]
    pub fn tail(&self, n: usize) -> Vec<String> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let partial = printable(&ring.partial);
        let all = ring.lines.iter().cloned().chain((!partial.is_empty()).then_some(partial));
        let all: Vec<String> = all.collect();
        all[all.len().saturating_sub(n)..].to_vec()
    }
}

impl Ring {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                _ if self.partial.len() < LINE_BYTES => self.partial.push(*byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        let line = printable(&std::mem::take(&mut self.partial));
        if line.is_empty() {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

/// The guest must not drive the operator's terminal: only printable ASCII passes.
fn printable(bytes: &[u8]) -> String {
    let keep = bytes.iter().map(|b| if (0x20..0x7f).contains(b) { char::from(*b) } else { ' ' });
    keep.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_lines_bounded_and_harmless() {
        let mut ring = Ring::default();
        for n in 0..100 {
            ring.push(format!("line {n} \x1b[31m{}\r\n", "x".repeat(1000)).as_bytes());
        }
        assert_eq!(ring.lines.len(), LINES);
        assert!(ring.lines.iter().all(|line| line.len() <= LINE_BYTES && !line.contains('\x1b')));
        assert!(ring.lines.back().unwrap().starts_with("line 99"));
    }
}
