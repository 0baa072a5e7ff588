//! What a record costs in each format. `cargo xtask bench audit` runs it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails or prints nothing is none"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use audit::Record;
use audit_export::Format;

/// One record of every action.
const RECORDS: &str = include_str!("../tests/golden/records.jsonl");
const LEAST: Duration = Duration::from_secs(1);

fn main() {
    let records: Vec<Record> =
        audit::log::Reader::new(RECORDS.as_bytes()).map(|record| record.unwrap()).collect();
    println!("| format | records/s | bytes/record |\n|---|---|---|");
    for (name, format) in Format::BY_NAME.into_iter().chain([("otlp protobuf", Format::OtlpProtobuf)]) {
        let (mut count, mut bytes) = (0_u64, 0_u64);
        let mut out = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < LEAST {
            for record in &records {
                out.clear();
                format.render(black_box(record), &mut out);
                count += 1;
                bytes += black_box(&out).len() as u64;
            }
        }
        println!("| {name} | {:.0} | {} |", count as f64 / begun.elapsed().as_secs_f64(), bytes / count);
    }
}
