//! What a record costs: the real writer beside a plain file, and the reader beside a plain hash.
//!
//! `cargo xtask bench audit` runs it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails or prints nothing is none"
)]

#[path = "../tests/process/harness.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod harness;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use audit::client::{Blocking, Tokio};
use audit::log::{self, packed, segments};
use audit::{Action, Decision, Event, Object, Subject};
use harness::Writer;
use sha2::{Digest as _, Sha256};

const RECORDS: u64 = 300_000;
const TASKS: u64 = 64;
/// Receipts that are waited for one at a time.
const ALONE: usize = 20_000;

fn main() {
    println!("| measured | figure |\n|---|---|");
    let (writer, [proxy]) = Writer::start(["proxy"]);
    let (elapsed, mut among) = many(proxy);
    let processor = processor_time(writer.pid());
    println!("| acknowledged to {TASKS} tasks | {} records/s |", rate(RECORDS, elapsed));
    println!("| per second of the writer's processor time | {} records |", rate(RECORDS, processor));
    print_times("one receipt among many", &mut among);
    let (_writer, [socket]) = Writer::start(["proxy"]);
    print_times("one receipt at a time", &mut alone(socket));
    print_times("bytes there and back on such a socket, for comparison", &mut echo());
    sizes_and_reading(writer.log());
}

fn event() -> Event {
    let owner = wire::subject::Program {
        path: "/usr/bin/python3.11".to_owned(),
        sha256: Some(wire::subject::Digest([7; 32])),
        script: Some("/work/agent.py".to_owned()),
        pid: 7,
        uid: 1000,
        parents: vec!["/usr/bin/bash".to_owned()],
    };
    Event {
        subject: Some(Subject::from(&wire::subject::Subject::Owners(vec![owner]))),
        object: Some(Object::destination("api.example.com", 443).with_request(
            "GET",
            "/v1/items/7",
            Some("a=b"),
        )),
        decision: Some(Decision::Allow),
        rule: Some("items".to_owned()),
        ..Event::new(Action::NetworkRequest)
    }
}

/// How long all took, and each.
fn many(socket: UnixStream) -> (Duration, Vec<Duration>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Tokio::new(socket).unwrap();
        let started = Instant::now();
        let task = |client: Tokio| async move {
            let event = event();
            let mut times = Vec::new();
            for _record in 0..RECORDS / TASKS {
                let started = Instant::now();
                let _receipt = client.append(&event).await.unwrap();
                times.push(started.elapsed());
            }
            times
        };
        let tasks: Vec<_> = (0..TASKS).map(|_task| tokio::spawn(task(client.clone()))).collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        (started.elapsed(), times)
    })
}

fn alone(socket: UnixStream) -> Vec<Duration> {
    let (mut client, event) = (Blocking::new(socket), event());
    timed(|| {
        let _receipt = client.append(&event).unwrap();
    })
}

/// As many bytes as an event and a receipt, to a thread that does nothing with them.
fn echo() -> Vec<Duration> {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let event = harness::line_of(&event());
    let length = event.len();
    let answering = std::thread::spawn(move || {
        let mut taken = vec![0; length];
        while theirs.read_exact(&mut taken).is_ok() {
            theirs.write_all(&[0; 44]).unwrap();
        }
    });
    let times = timed(|| {
        ours.write_all(&event).unwrap();
        ours.read_exact(&mut [0; 44]).unwrap();
    });
    drop(ours);
    answering.join().unwrap();
    times
}

fn timed(mut action: impl FnMut()) -> Vec<Duration> {
    let mut once = || {
        let started = Instant::now();
        action();
        started.elapsed()
    };
    (0..ALONE).map(|_time| once()).collect()
}

fn sizes_and_reading(log: &Path) {
    let started = Instant::now();
    let summary = log::verify(log).unwrap();
    let megabytes = |time| rate(summary.bytes, time) / 1_000_000;
    println!("| verified | {} MB/s |", megabytes(started.elapsed()));
    let bytes = std::fs::read(log).unwrap();
    let started = Instant::now();
    let _digest = std::hint::black_box(Sha256::digest(&bytes));
    println!("| plain SHA-256 of the same bytes | {} MB/s |", megabytes(started.elapsed()));
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join(segments::name(1));
    let started = Instant::now();
    let mut file = File::create(&plain).unwrap();
    file.write_all(&bytes).unwrap();
    file.sync_data().unwrap();
    println!("| plain write and fdatasync of the same bytes | {} MB/s |", megabytes(started.elapsed()));
    let started = Instant::now();
    packed::pack(directory.path(), 1).unwrap();
    println!("| packed | {} MB/s |", megabytes(started.elapsed()));
    let small = std::fs::metadata(directory.path().join(segments::packed_name(1))).unwrap().len();
    println!("| bytes per record, packed | {}, {} |", summary.bytes / RECORDS, small / summary.records);
}

/// User and system time of a process, which the kernel tells in 1/100 s.
fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
}

fn rate(count: u64, time: Duration) -> u128 {
    u128::from(count) * 1_000_000_000 / time.as_nanos()
}

fn print_times(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let (half, most) = (times[times.len() / 2], times[times.len() / 100 * 99]);
    println!("| {what} | p50 {half:?}, p99 {most:?} |");
}
