//! One run: from just before the process is made to the guest's first line.

use std::io::{BufRead, BufReader, Read};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::boot::Plan;
use super::contender::{Contender, MEMORY_MIB};

/// What init prints first.
const MARK: &[u8] = b"first-line-of-init";

/// What one run came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) contender: Contender,
    pub(super) to_init_us: u32,
    /// Resident memory of the process beside the guest's.
    pub(super) overhead_kib: u32,
    /// What the process itself says: phases and when each ended, since its start.
    pub(super) phases: Vec<(String, u32)>,
}

/// Runs it once.
pub(super) fn measure(contender: Contender, plan: &Plan) -> Result<Measured> {
    let start = contender.prepare(plan)?;
    let before = Instant::now();
    let mut started = start()?;
    let printed = read_until_mark(&mut started.console)?;
    let elapsed = before.elapsed();
    ensure!(
        printed.windows(MARK.len()).any(|window| window == MARK),
        "{} ended before init: {}",
        contender.name(),
        String::from_utf8_lossy(&printed)
    );
    let overhead_kib = overhead(started.child.id())?;
    started.child.kill()?;
    started.child.wait()?;
    let phases = match started.status {
        Some(status) => phases(BufReader::new(status))?,
        None => Vec::new(),
    };
    let to_init_us = u32::try_from(elapsed.as_micros()).context("an hour is too long")?;
    Ok(Measured { contender, to_init_us, overhead_kib, phases })
}

fn read_until_mark(console: &mut impl Read) -> Result<Vec<u8>> {
    let mut printed = Vec::new();
    let mut piece = [0; 4096];
    while !printed.windows(MARK.len()).any(|window| window == MARK) {
        match console.read(&mut piece)? {
            0 => break,
            count => printed.extend_from_slice(&piece[..count]),
        }
    }
    Ok(printed)
}

/// The phases of the first event.
fn phases(mut status: impl BufRead) -> Result<Vec<(String, u32)>> {
    #[derive(Deserialize)]
    struct Ready {
        phases: Vec<Phase>,
    }
    #[derive(Deserialize)]
    struct Phase {
        name: String,
        end_us: u32,
    }
    let mut line = String::new();
    status.read_line(&mut line)?;
    let ready: Ready = serde_json::from_str(&line).with_context(|| format!("not a first event: {line}"))?;
    Ok(ready.phases.into_iter().map(|phase| (phase.name, phase.end_us)).collect())
}

/// Resident pages of every mapping but the guest's memory, which is the only one of its size.
fn overhead(pid: u32) -> Result<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps"))
        .context("cannot read the process's memory map")?;
    Ok(resident_beside_guest(&text))
}

fn resident_beside_guest(smaps: &str) -> u32 {
    let field = |line: &str, name: &str| -> Option<u32> {
        line.strip_prefix(name)?.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    let mut guest = false;
    let mut total = 0;
    for line in smaps.lines() {
        if let Some(size) = field(line, "Size:") {
            guest = size == MEMORY_MIB * 1024;
        }
        if let Some(resident) = field(line, "Rss:").filter(|_| !guest) {
            total += resident;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_memory_is_not_overhead() {
        let smaps =
            "a\nSize: 262144 kB\nRss: 70000 kB\nb\nSize:    132 kB\nRss:    12 kB\nSize: 4 kB\nRss: 4 kB\n";
        assert_eq!(resident_beside_guest(smaps), 16);
    }

    #[test]
    fn phases_are_read_from_the_first_event() {
        let line = r#"{"event":"ready","phases":[{"name":"config","end_us":12}]}"#;
        assert_eq!(phases(line.as_bytes()).unwrap(), [("config".to_owned(), 12)]);
        assert!(phases(&b"{}"[..]).is_err());
    }
}
