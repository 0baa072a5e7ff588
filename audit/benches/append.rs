//! What a record costs: the real writer beside a plain file, and the reader beside a plain hash.
//!
//! `cargo xtask bench audit` runs it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails or prints nothing is none"
)]

#[path = "append/aims.rs"]
mod aims;
#[path = "append/figures.rs"]
mod figures;
#[path = "../tests/process/harness.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod harness;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aims::Aim;
use audit::client::{Blocking, Tokio};
use audit::log::{self, packed, segments};
use audit::{Action, Decision, Event, Object, Subject};
use figures::{processor_time, rate};
use harness::Writer;
use sha2::{Digest as _, Sha256};

const RECORDS: u64 = 300_000;
const TASKS: u64 = 64;
/// Receipts that are waited for one at a time: with nothing else to do, and beside another client.
const RECEIPTS: usize = 20_000;
const BESIDE: usize = 5_000;
const SELDOM: usize = 500;
/// From the first bytes of a request after a silence until the proxy hands in what it decided (measured: 80–110 µs).
const AHEAD: Duration = Duration::from_micros(90);

/// What another client does meanwhile.
#[derive(Clone, Copy)]
struct Load {
    tasks: u64,
    /// Between two events of a task; `None`: the next one follows the receipt of the one before.
    every: Option<Duration>,
}

/// 10,000 records a second, 100,000, and all that the writer takes.
const LOADS: [Load; 3] = [
    Load { tasks: 10, every: Some(Duration::from_millis(1)) },
    Load { tasks: 100, every: Some(Duration::from_millis(1)) },
    Load { tasks: TASKS, every: None },
];

/// Names the process that answers and does nothing else.
const ECHO: &str = "echo";

fn main() {
    if std::env::args().nth(1).as_deref() == Some(ECHO) {
        return answer();
    }
    println!("| measured | figure |\n|---|---|");
    let (writer, [proxy]) = Writer::start(["proxy"]);
    let (elapsed, mut among) = many(proxy);
    let processor = processor_time(writer.pid());
    println!("| acknowledged to {TASKS} tasks | {} records/s |", rate(RECORDS, elapsed));
    let of_processor = rate(RECORDS, processor);
    println!("| per second of the writer's processor time | {of_processor} records |");
    print_times("one receipt among many", &mut among);
    let mut aims = vec![Aim::at_least("records for each second of a processor", of_processor, 100_000)];
    aims.append(&mut latency());
    aims.push(Aim::at_least("verified, MB/s", sizes_and_reading(writer.log()), 200));
    println!("\n| aim | figure | aimed at | |\n|---|---:|---:|---|");
    aims.iter().for_each(Aim::print);
}

/// What a decision waits for its record: with nothing else to do, and beside another client. Beside each, in the same run, as many
/// bytes there and back between two processes.
fn latency() -> Vec<Aim> {
    let mut floor = echo(RECEIPTS);
    print_times("bytes there and back between two processes", &mut floor);
    let (_writer, [socket]) = Writer::start(["manager"]);
    print_beside("one receipt at a time", &mut alone(socket, RECEIPTS), &floor);
    let (_writer, [socket]) = Writer::start(["proxy"]);
    let what = "the same, for a task of the proxy";
    let mut aims = Vec::from(Aim::of_decisions(what, print_beside(what, &mut task(socket), &floor)));
    let (_writer, [socket]) = Writer::start(["manager"]);
    let (mut floor, mut receipts) = seldom(socket);
    print_times("bytes there and back every 10 ms", &mut floor);
    print_beside("one receipt every 10 ms", &mut receipts, &floor);
    let (_writer, [socket]) = Writer::start(["proxy"]);
    let what = "every 10 ms, for a task of the proxy that gave word 90 µs ahead";
    aims.extend(Aim::of_decisions(what, print_beside(what, &mut expected(socket), &floor)));
    for load in LOADS {
        let (_writer, [socket, other]) = Writer::start(["manager", "proxy"]);
        let ((mut receipts, mut floor), others) =
            beside(other, load, || (alone(socket, BESIDE), echo(BESIDE)));
        print_times(
            &format!("bytes there and back while another client writes {others} records/s"),
            &mut floor,
        );
        let times = print_beside("one receipt at a time, meanwhile", &mut receipts, &floor);
        aims.extend(Aim::of_decisions(&format!("one at a time beside {others} records/s"), times));
    }
    aims
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

/// What the manager writes, which has no runtime.
fn alone(socket: UnixStream, times: usize) -> Vec<Duration> {
    let mut client = Blocking::new(socket);
    let event = Event { action: Action::Execution, ..event() };
    timed(times, || {
        let _receipt = client.append(&event).unwrap();
    })
}

/// The floor and the receipts, where everybody has gone to sleep each time.
fn seldom(socket: UnixStream) -> (Vec<Duration>, Vec<Duration>) {
    let mut client = Blocking::new(socket);
    let event = Event { action: Action::Execution, ..event() };
    let receipts = || {
        std::thread::sleep(Duration::from_millis(10));
        timed(1, || {
            let _receipt = client.append(&event).unwrap();
        })
    };
    let receipts = std::iter::repeat_with(receipts).take(SELDOM).flatten().collect();
    let mut exchange = Exchange::begin();
    let floor = || {
        std::thread::sleep(Duration::from_millis(10));
        timed(1, || exchange.once())
    };
    let floor = std::iter::repeat_with(floor).take(SELDOM).flatten().collect();
    exchange.end();
    (floor, receipts)
}

/// The same as the proxy does it: a task of a runtime of one thread, by way of the tasks that own the connection.
fn task(socket: UnixStream) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let (client, event) = (Tokio::new(socket).unwrap(), event());
        let mut times = Vec::with_capacity(RECEIPTS);
        for _receipt in 0..RECEIPTS {
            let started = Instant::now();
            let _receipt = client.append(&event).await.unwrap();
            times.push(started.elapsed());
        }
        times
    })
}

/// The same, every 10 ms, where the writer hears ahead that a request is being read.
fn expected(socket: UnixStream) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let (client, event) = (Tokio::new(socket).unwrap(), event());
        let mut times = Vec::with_capacity(SELDOM);
        for _receipt in 0..SELDOM {
            tokio::time::sleep(Duration::from_millis(10)).await;
            client.expect();
            let until = Instant::now() + AHEAD;
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            let started = Instant::now();
            let _receipt = client.append(&event).await.unwrap();
            times.push(started.elapsed());
        }
        times
    })
}

/// What `measure` measures while tasks on `other` hand in what they may, and how many records came of those in a second.
fn beside<T>(other: UnixStream, load: Load, measure: impl FnOnce() -> T) -> (T, u128) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let client = runtime.block_on(async { Tokio::new(other).unwrap() });
    let started = Instant::now();
    let tasks: Vec<_> = (0..load.tasks)
        .map(|_task| {
            let (client, is_over) = (client.clone(), Arc::clone(&is_over));
            runtime.spawn(async move {
                let (event, mut records) = (event(), 0);
                let mut turn = tokio::time::interval(load.every.unwrap_or(Duration::from_secs(1)));
                while !is_over.load(Ordering::Relaxed) {
                    if load.every.is_some() {
                        let _now = turn.tick().await;
                    }
                    let _receipt = client.append(&event).await.unwrap();
                    records += 1;
                }
                records
            })
        })
        .collect();
    let measured = measure();
    is_over.store(true, Ordering::Relaxed);
    let records: u64 = tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).sum();
    (measured, rate(records, started.elapsed()))
}

fn echo(times: usize) -> Vec<Duration> {
    let mut exchange = Exchange::begin();
    let times = timed(times, || exchange.once());
    exchange.end();
    times
}

/// As many bytes as an event and a receipt, in the same frames, to a process that does nothing with them.
struct Exchange {
    socket: UnixStream,
    answering: Child,
    event: Vec<u8>,
}

impl Exchange {
    fn begin() -> Self {
        let (socket, theirs) = UnixStream::pair().unwrap();
        Self { socket, answering: answering(theirs), event: harness::line_of(&event()) }
    }

    fn once(&mut self) {
        self.socket.write_all(&self.event).unwrap();
        assert_eq!(harness::read_reply(&mut self.socket).len(), 40);
    }

    fn end(mut self) {
        drop(self.socket);
        self.answering.wait().unwrap();
    }
}

fn answering(socket: UnixStream) -> Child {
    let this = std::env::current_exe().unwrap();
    Command::new(this).arg(ECHO).stdin(Stdio::from(OwnedFd::from(socket))).spawn().unwrap()
}

/// Answers every frame with one of a receipt's length.
fn answer() {
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut event = vec![0; harness::line_of(&self::event()).len()];
    let receipt = [&40_u32.to_le_bytes()[..], &[0; 40]].concat();
    while socket.read_exact(&mut event).is_ok() {
        socket.write_all(&receipt).unwrap();
    }
}

fn timed(times: usize, mut action: impl FnMut()) -> Vec<Duration> {
    let mut once = || {
        let started = Instant::now();
        action();
        started.elapsed()
    };
    (0..times).map(|_time| once()).collect()
}

/// The rate of verification.
fn sizes_and_reading(log: &Path) -> u128 {
    let started = Instant::now();
    let summary = log::verify(log).unwrap();
    let megabytes = |time| rate(summary.bytes, time) / 1_000_000;
    let verified = megabytes(started.elapsed());
    println!("| verified | {verified} MB/s |");
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
    verified
}

fn print_times(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let (half, most) = quantiles(times);
    println!("| {what} | p50 {half:?}, p99 {most:?} |");
}

/// The same, and how many times the floor that is. The quantiles.
fn print_beside(what: &str, times: &mut [Duration], floor: &[Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    let ((half, most), (floor_half, floor_most)) = (quantiles(times), quantiles(floor));
    println!(
        "| {what} | p50 {half:?} ({:.1} times that), p99 {most:?} ({:.1} times) |",
        half.div_duration_f64(floor_half),
        most.div_duration_f64(floor_most)
    );
    (half, most)
}

/// p50 and p99.
fn quantiles(sorted: &[Duration]) -> (Duration, Duration) {
    (sorted[sorted.len() / 2], sorted[sorted.len() / 100 * 99])
}
