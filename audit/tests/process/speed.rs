//! How fast the real writer acknowledges. The figures are printed; the bounds are wide, because a busy
//! machine runs this too.

use std::time::{Duration, Instant};

use crate::harness::Writer;
use audit::client::{Blocking, Tokio};
use audit::{Action, Decision, Event, Object, Subject, log};

const RECORDS: u64 = 60_000;
const TASKS: u64 = 64;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn many_records_from_many_tasks() {
    let (writer, [proxy]) = Writer::start(["proxy"]);
    let client = Tokio::new(proxy).unwrap();
    let started = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_task| {
            let client = client.clone();
            tokio::spawn(async move {
                let event = event();
                for _record in 0..RECORDS / TASKS {
                    client.append(&event).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let elapsed = started.elapsed();
    let writing = Instant::now();
    let summary = log::verify(writer.log()).unwrap();
    let verifying = writing.elapsed();
    let per_second = |count: u64, time: Duration| u128::from(count) * 1_000_000_000 / time.as_nanos();
    println!("{} records/s acknowledged to {TASKS} tasks", per_second(summary.records, elapsed));
    println!("{} bytes/record", summary.bytes / summary.records);
    println!("{} MB/s verified", per_second(summary.bytes, verifying) / 1_000_000);
    println!("writer: {:?} of processor time", writer.processor_time());
    assert!(per_second(summary.records, elapsed) > 2000);
}

#[test]
fn one_receipt_at_a_time() {
    let (_writer, [manager]) = Writer::start(["manager"]);
    let mut client = Blocking::new(manager);
    let event = event();
    let mut times: Vec<Duration> = (0..5000)
        .map(|_record| {
            let started = Instant::now();
            client.append(&event).unwrap();
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("one receipt: p50 {:?}, p99 {:?}, max {:?}", times[2500], times[4950], times[4999]);
    assert!(times[2500] < Duration::from_millis(20));
}
