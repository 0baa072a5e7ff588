//! One run: from just before the process is made to the guest's first line.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::boot::Plan;
use super::contender::{Contender, MEMORY_MIB};

/// What init prints first.
const MARK: &[u8] = b"first-line-of-init";

/// How long a guest may take, on the lab's clock: several times what the slower contender needs.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);

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

/// Runs it once. `None`: the guest did not come up in time.
pub(super) fn measure(contender: Contender, plan: &Plan) -> Result<Option<Measured>> {
    let start = contender.prepare(plan)?;
    let before = Instant::now();
    let mut started = start()?;
    let mut console = started.console;
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || drop(sender.send((read_until_mark(&mut console), before.elapsed()))));
    let Ok((printed, elapsed)) = receiver.recv_timeout(PATIENCE) else {
        started.child.kill()?;
        started.child.wait()?;
        return Ok(None);
    };
    let printed = printed?;
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
    Ok(Some(Measured { contender, to_init_us, overhead_kib, phases }))
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

/// Resident pages of every mapping but the guest's memory.
fn overhead(pid: u32) -> Result<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps"))
        .context("cannot read the process's memory map")?;
    resident_beside_guest(&text).context("the guest's memory is not in the process's memory map")
}

/// The guest's memory may be several mappings (a kernel's file is mapped into it), without a gap and of its
/// size together.
fn resident_beside_guest(smaps: &str) -> Option<u32> {
    let mappings = mappings(smaps);
    let total: u32 = mappings.iter().map(|mapping| mapping.resident_kib).sum();
    for first in 0..mappings.len() {
        let (mut size, mut resident, mut end) = (0, 0, mappings[first].start);
        for mapping in &mappings[first..] {
            if mapping.start != end || size >= u64::from(MEMORY_MIB) << 20 {
                break;
            }
            size += mapping.end - mapping.start;
            resident += mapping.resident_kib;
            end = mapping.end;
        }
        if size == u64::from(MEMORY_MIB) << 20 {
            return Some(total - resident);
        }
    }
    None
}

struct Mapping {
    start: u64,
    end: u64,
    resident_kib: u32,
}

fn mappings(smaps: &str) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let addresses = range.and_then(|(start, end)| {
            Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
        });
        if let Some((start, end)) = addresses {
            mappings.push(Mapping { start, end, resident_kib: 0 });
        }
        let resident = line.strip_prefix("Rss:").and_then(|rest| rest.trim().strip_suffix(" kB"));
        if let (Some(mapping), Some(Ok(kib))) = (mappings.last_mut(), resident.map(str::parse)) {
            mapping.resident_kib = kib;
        }
    }
    mappings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_memory_is_not_overhead() {
        let smaps = "1000-2000 r-xp 0 0:0 0 /bin/x\nSize: 4 kB\nRss:    4 kB\n\
            10000000-11000000 rw-p 0 0:0 0\nRss: 9000 kB\n\
            11000000-20000000 rw-p 0 0:0 0 kernel\nRss: 100 kB\n\
            20000000-20001000 rw-p 0 0:0 0 [stack]\nRss:    12 kB\n";
        assert_eq!(resident_beside_guest(smaps), Some(16));
        assert_eq!(resident_beside_guest("1000-2000 r-xp 0 0:0 0\nRss: 4 kB\n"), None);
    }

    #[test]
    fn phases_are_read_from_the_first_event() {
        let line = r#"{"event":"ready","phases":[{"name":"config","end_us":12}]}"#;
        assert_eq!(phases(line.as_bytes()).unwrap(), [("config".to_owned(), 12)]);
        assert!(phases(&b"{}"[..]).is_err());
    }
}
