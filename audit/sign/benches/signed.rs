//! What a record costs with everything that a sandbox has: the writer, its signer, segments that are closed and packed, and records
//! of which no two are equal.
//!
//! `cargo xtask bench audit` runs it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails or prints nothing is none"
)]

#[path = "../../benches/append/figures.rs"]
mod figures;
#[path = "../tests/killed/rig.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod rig;
#[path = "../tests/process/start.rs"]
mod start;

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

use audit::client::{Blocking, Tokio};
use audit::record::Owner;
use audit::verify::{self, Elsewhere};
use audit::{Action, Decision, Event, Object, Subject};
use figures::{processor_time, rate};
use rig::{Pace, Rig, Running};

/// As a log is kept without an audit.yaml.
const SHIPPED: Pace = Pace { segment_bytes: 64 << 20, sync_ms: 50, sign_ms: 1000 };

const RECORDS: u64 = 600_000;
const TASKS: u64 = 64;
/// Receipts that are waited for one at a time: several seconds of them, so that checkpoints come in between.
const RECEIPTS: u64 = 100_000;

fn main() {
    println!("| with a signer, no two records equal | figure |\n|---|---|");
    let rig = Rig::new(SHIPPED);
    let running = rig.go_on(["proxy"]);
    let Running { mut writer, mut signer, clients, feeding } = running;
    let elapsed = many(clients);
    let [of_writer, of_signer] = [&writer, &signer].map(|process| processor_time(process.id()));
    end([&mut writer, &mut signer]);
    feeding.join().unwrap();
    println!("| acknowledged to {TASKS} tasks | {} records/s |", rate(RECORDS, elapsed));
    println!("| per second of the writer's processor time | {} records |", rate(RECORDS, of_writer));
    println!("| per second of both processes' | {} records |", rate(RECORDS, of_writer + of_signer));
    reading(&rig);
    latency();
}

/// What a decision waits for its record, one at a time.
fn latency() {
    let rig = Rig::new(SHIPPED);
    let Running { mut writer, mut signer, clients, feeding } = rig.go_on(["proxy"]);
    let mut times = alone(clients);
    end([&mut writer, &mut signer]);
    feeding.join().unwrap();
    times.sort_unstable();
    let at = |part: usize| times[times.len() / 1000 * part];
    println!(
        "| one receipt at a time | p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?} |",
        at(500),
        at(990),
        at(999),
        times[times.len() - 1]
    );
}

/// They end by themselves without clients, the writer first.
fn end(processes: [&mut Child; 2]) {
    for process in processes {
        assert!(process.wait().unwrap().success());
    }
}

fn event(number: u64) -> Event {
    let owner = Owner {
        binary: format!("/usr/bin/tool-{}", number % 23),
        sha256: Some(format!("{number:064x}")),
        script: Some(format!("/work/agent-{}.py", number % 7)),
        pid: u32::try_from(number % 30_000).unwrap(),
        uid: 1000,
        parents: vec!["/usr/bin/bash".to_owned()],
    };
    let path = format!("/v1/items/{number}");
    Event {
        subject: Some(Subject::Owners(vec![owner])),
        object: Some(Object::destination(&format!("host-{}.example.com", number % 101), 443).with_request(
            "GET",
            &path,
            Some("a=b"),
        )),
        decision: Some(Decision::Allow),
        rule: Some(format!("rule-{}", number % 50)),
        ..Event::new(Action::NetworkRequest)
    }
}

fn many(mut clients: Vec<UnixStream>) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let socket = clients.pop().unwrap();
    runtime.block_on(async {
        let client = Tokio::new(socket).unwrap();
        let started = Instant::now();
        let task = |client: Tokio, first: u64| async move {
            for record in 0..RECORDS / TASKS {
                let _receipt = client.append(&event(first + record)).await.unwrap();
            }
        };
        let tasks: Vec<_> =
            (0..TASKS).map(|number| tokio::spawn(task(client.clone(), number * RECORDS))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        started.elapsed()
    })
}

fn alone(mut clients: Vec<UnixStream>) -> Vec<Duration> {
    let mut client = Blocking::new(clients.pop().unwrap());
    let one = |number| {
        let event = event(number);
        let started = Instant::now();
        let _receipt = client.append(&event).unwrap();
        started.elapsed()
    };
    (0..RECEIPTS).map(one).collect()
}

/// All of it: records, chain, tree and every checkpoint.
fn reading(rig: &Rig) {
    let started = Instant::now();
    let verified = verify::verify(&rig.log, &rig.keys(), &Elsewhere::default()).unwrap();
    let elapsed = started.elapsed();
    let bytes = verified.summary.bytes;
    println!(
        "| verified, with {} checkpoints | {} MB/s |",
        checkpoints(rig),
        rate(bytes, elapsed) / 1_000_000
    );
    let on_disk: u64 =
        fs::read_dir(&rig.log).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    let records = verified.summary.records;
    println!(
        "| bytes per record, on the disk with the last segment plain | {}, {} |",
        bytes / records,
        on_disk / records
    );
}

fn checkpoints(rig: &Rig) -> usize {
    let text = fs::read_to_string(rig.log.join(verify::CHECKPOINTS)).unwrap();
    text.lines().filter(|line| line.starts_with("openshell-audit/")).count()
}
