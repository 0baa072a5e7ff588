//! What verifying a signed log costs: `cargo bench -p audit --bench verify -- RECORDS` makes one of so many records in segments,
//! with a checkpoint for every 115 of them, 86,400 for ten million. The log needs 700 bytes a record in `TMPDIR`, which are
//! freed at the end.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails or prints nothing is none"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use audit::checkpoint::{Checkpoint, Note, Signature, VerifyingKey, new_pem, origin, public, read_pem};
use audit::log::segments;
use audit::tree::{Frontier, leaf};
use audit::verify::{CHECKPOINTS, Elsewhere, prove, verify};
use audit::{ChainHash, chain};

const SANDBOX: &str = "test-0a1b2c3d";
/// Records when nobody says how many.
const RECORDS: u64 = 300_000;
/// Records in a segment of 64 MiB, and under each checkpoint more than under the one before.
const SEGMENT: u64 = 96_000;
const SIGNED: u64 = 115;

fn main() {
    let records = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(RECORDS);
    let directory = tempfile::tempdir().unwrap();
    let key = make(directory.path(), records);
    let (before, started, processor) = (peak_kilobytes(), Instant::now(), processor_time());
    let verified = verify(directory.path(), std::slice::from_ref(&key), &Elsewhere::default()).unwrap();
    let (elapsed, processor) = (started.elapsed(), processor_time() - processor);
    assert_eq!(verified.newest.unwrap().size, verified.summary.records);
    let rate = |time: Duration| u128::from(verified.summary.bytes) * 1000 / time.as_nanos();
    println!("| measured | figure |\n|---|---|");
    println!(
        "| records, bytes, checkpoints | {records}, {}, {} |",
        verified.summary.bytes, verified.checkpoints
    );
    println!(
        "| verified with tree and signatures | {} MB/s, {:.1} s |",
        rate(elapsed),
        elapsed.as_secs_f64()
    );
    println!("| the same for a second of its processor time | {} MB |", rate(processor));
    println!("| peak memory before and after | {before} KB, {} KB |", peak_kilobytes());
    for (what, record) in [("first", records / 2), ("second", records / 3)] {
        let started = Instant::now();
        prove(directory.path(), record, std::slice::from_ref(&key), None).unwrap();
        println!("| the {what} proof | {:.3} s |", started.elapsed().as_secs_f64());
    }
    println!("| peak memory after all | {} KB |", peak_kilobytes());
}

/// A log as the writer and the signer leave it, and who signed it.
fn make(log: &Path, records: u64) -> VerifyingKey {
    let pair = read_pem(&new_pem().unwrap()).unwrap();
    let key = VerifyingKey::new("bench", public(&pair)).unwrap();
    let mut notes = BufWriter::new(File::create(log.join(CHECKPOINTS)).unwrap());
    let (mut tree, mut prev) = (Frontier::default(), ChainHash::START);
    let mut segment = None;
    for number in 1..=records {
        if number % SEGMENT == 1 {
            let name = segments::name(number / SEGMENT + 1);
            segment = Some(BufWriter::with_capacity(1 << 20, File::create(log.join(name)).unwrap()));
        }
        let mut line = line(number, prev);
        prev = chain::digest(line.as_bytes());
        line.pop();
        line.push_str(&format!(",\"hash\":\"{prev}\"}}"));
        tree.push(leaf(line.as_bytes()));
        line.push('\n');
        segment.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        if number % SIGNED == 0 || number == records {
            let text = Checkpoint { origin: origin(SANDBOX), size: number, root: tree.root() }.text();
            let bytes = pair.sign(text.as_bytes()).as_ref().to_vec();
            let signature = Signature { name: "bench".to_owned(), id: key.id(), bytes };
            writeln!(notes, "{}", Note::unsigned(text).with(signature)).unwrap();
        }
    }
    key
}

fn line(number: u64, prev: ChainHash) -> String {
    format!(
        "{{\"version\":2,\"sequence\":{number},\"time\":\"2026-11-29T05:20:47.000000Z\",\"monotonic_ns\":{number},\
         \"tenant\":\"local\",\"sandbox\":\"{SANDBOX}\",\"agent\":\"test\",\"client\":\"proxy\",\
         \"action\":\"network-request\",\"subject\":{{\"owners\":[{{\"binary\":\"/usr/bin/python3.11\",\
         \"sha256\":\"{:064x}\",\"script\":\"/work/agent.py\",\"pid\":7,\"uid\":1000,\
         \"parents\":[\"/usr/bin/bash\"]}}]}},\"object\":{{\"host\":\"api.example.com\",\"port\":443,\
         \"method\":\"GET\",\"path\":\"/v1/items/{number}\",\"query_keys\":[\"a\"]}},\"decision\":\"allow\",\
         \"rule\":\"items\",\"prev\":\"{prev}\"}}",
        7
    )
}

/// What the process has computed so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// The most memory that the process has had.
fn peak_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
