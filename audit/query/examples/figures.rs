//! Figures of reading: `cargo run --release -p audit-query --example figures -- RECORDS [distinct]`.
//!
//! A log of so many records over 30 days, realistic and the same every time, is made in a temporary directory (about 700 bytes a
//! record), verified, indexed and asked. With `distinct` every record has a path of its own, as where an agent goes through a large
//! tree of files.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::unwrap_used, reason = "a broken disk ends a measurement")]

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use audit::chain::{self, ChainHash};
use audit::log::{self, segments};
use audit::{Action, Decision, Event, Object, Owner, Subject};
use audit_query::filter::Pattern;
use audit_query::{Filter, How, Index, search};
use wire::id::{PolicyVersion, RequestId};

const SEGMENT: u64 = 64 << 20;
/// 2026-10-01, in microseconds.
const START: i64 = 1_790_812_800_000_000;

/// How many paths there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Paths {
    /// Some thousands.
    Repeated,
    /// One for each record.
    Distinct,
}

struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// Small numbers often, large ones rarely.
    fn skewed(&mut self, below: u64) -> u64 {
        let bound = self.below(below) + 1;
        self.below(bound)
    }
}

fn main() {
    let records: u64 = std::env::args().nth(1).map_or(200_000, |number| number.parse().unwrap());
    let paths = match std::env::args().nth(2).as_deref() {
        Some("distinct") => Paths::Distinct,
        _few => Paths::Repeated,
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (bytes, making) = timed(|| generate(path, records, paths));
    println!(
        "{records} records, {} MB, {} bytes/record, made in {making:.1?}",
        bytes / 1_000_000,
        bytes / records
    );
    let (whole, verifying) = timed(|| log::verify(path).unwrap());
    assert_eq!(whole.records, records);
    println!("verified in {verifying:.2?}: {:.0} MB/s", megabytes(bytes) / verifying.as_secs_f64());
    let (_index, indexing) = timed(|| Index::of(path).unwrap());
    let size = std::fs::metadata(path.join("index.sqlite")).unwrap().len();
    println!(
        "indexed in {indexing:.1?}: {:.0} records/s, {} bytes/record",
        f64::from(u32::try_from(records).unwrap()) / indexing.as_secs_f64(),
        size / records
    );
    let questions = match paths {
        Paths::Repeated => questions(records),
        Paths::Distinct => questions_of_distinct(records),
    };
    for (name, filter) in questions {
        let ask = |how| {
            timed(|| {
                search(path.to_owned(), filter.clone(), (how, false))
                    .iter()
                    .map(Result::unwrap)
                    .fold(0, |count, _| count + 1)
            })
        };
        let mut times: Vec<(u64, Duration)> = (0..3).map(|_run| ask(How::Index)).collect();
        times.sort_by_key(|(_, time)| *time);
        let (found, median) = times[1];
        println!("{name:<28} {found:>9} found  {median:>10.1?} (median of 3)");
    }
    println!("peak memory {} MB", peak_memory());
    if paths == Paths::Distinct {
        return;
    }
    let host = Filter { host: vec![Pattern::from("rare.example.com")], ..Filter::default() };
    let (_found, scanning) = timed(|| search(path.to_owned(), host, (How::Scan, false)).iter().count());
    println!("the rare host by a scan        {scanning:>10.1?}");
    println!("peak memory {} MB", peak_memory());
}

fn questions(records: u64) -> Vec<(&'static str, Filter)> {
    let pattern = |text: &str| vec![Pattern::from(text)];
    let none = Filter::default;
    let hour = |hour: i64| moment(START + hour * 3_600_000_000);
    vec![
        ("an hour", Filter { since: Some(hour(200)), until: Some(hour(201)), ..none() }),
        ("rare host", Filter { host: pattern("rare.example.com"), ..none() }),
        (
            "hosts by wildcard, an hour",
            Filter { host: pattern("host-1*"), since: Some(hour(99)), until: Some(hour(100)), ..none() },
        ),
        ("rare program", Filter { binary: pattern("tool-rare"), ..none() }),
        ("rare program, common hosts", Filter { host: pattern("*"), binary: pattern("tool-rare"), ..none() }),
        ("rare program, 29 days", Filter { since: Some(hour(24)), binary: pattern("tool-rare"), ..none() }),
        (
            "denied in a day",
            Filter { decision: Some(Decision::Deny), since: Some(hour(0)), until: Some(hour(24)), ..none() },
        ),
        ("rare rule, denied", Filter { rule: pattern("rule-39"), decision: Some(Decision::Deny), ..none() }),
        ("text", Filter { text: Some("needle".to_owned()), ..none() }),
        ("request", Filter { request: pattern(&format!("q-{}", records / 2)), ..none() }),
    ]
}

/// Of what every record has its own, but for one in fifty thousand.
fn questions_of_distinct(records: u64) -> Vec<(&'static str, Filter)> {
    let pattern = |text: &str| vec![Pattern::from(text)];
    let none = Filter::default;
    let hour = |hour: i64| moment(START + hour * 3_600_000_000);
    let half = records / 2;
    vec![
        ("text", Filter { text: Some("needle".to_owned()), ..none() }),
        ("text, any case, an hour", {
            let (since, until) = (Some(hour(200)), Some(hour(201)));
            Filter { text: Some("NEEDLE".to_owned()), since, until, ..none() }
        }),
        ("text that is nowhere", Filter { text: Some("nowhere".to_owned()), ..none() }),
        ("path", Filter { path: pattern(&format!("/work/items/{half}/{half}")), ..none() }),
        ("paths by wildcard", Filter { path: pattern("*needle*"), ..none() }),
        ("nearly all paths, an hour", {
            let (since, until) = (Some(hour(200)), Some(hour(201)));
            Filter { path: pattern("/work/*"), since, until, ..none() }
        }),
        ("level alone", Filter { level: pattern("filesystem"), ..none() }),
        (
            "level alone, denied",
            Filter { level: pattern("filesystem"), decision: Some(Decision::Deny), ..none() },
        ),
        ("action file-access", Filter { action: vec![Action::FileAccess], ..none() }),
    ]
}

fn generate(directory: &Path, records: u64, paths: Paths) -> u64 {
    let mut random = Random(1);
    let (mut prev, mut total, mut number) = (ChainHash::START, 0, 1);
    let mut segment = BufWriter::new(File::create(directory.join(segments::name(number))).unwrap());
    let mut length = 0;
    for sequence in 1..=records {
        let at =
            START + i64::try_from(u128::from(sequence) * 86_400_000_000 * 30 / u128::from(records)).unwrap();
        let event = match paths {
            Paths::Repeated => event(sequence, &mut random),
            Paths::Distinct => of_own_path(sequence, &mut random),
        };
        let event = serde_json::to_string(&event).unwrap();
        let head = format!(
            r#"{{"version":2,"sequence":{sequence},"time":"{}","monotonic_ns":{sequence},"tenant":"local","sandbox":"bench-0a1b2c3d","agent":"bench","client":"proxy",{},"prev":"{prev}""#,
            moment(at),
            &event[1..event.len() - 1],
        );
        prev = chain::digest(format!("{head}}}").as_bytes());
        let line = format!("{head},\"hash\":\"{prev}\"}}\n");
        segment.write_all(line.as_bytes()).unwrap();
        length += u64::try_from(line.len()).unwrap();
        if length >= SEGMENT {
            (total, length, number) = (total + length, 0, number + 1);
            segment.flush().unwrap();
            segment = BufWriter::new(File::create(directory.join(segments::name(number))).unwrap());
        }
    }
    segment.flush().unwrap();
    total + length
}

/// Two in five are requests, the others what became of them, names, and a few denials.
fn event(sequence: u64, random: &mut Random) -> Event {
    let rare = random.below(50_000) == 0;
    let host =
        if rare { "rare.example.com".to_owned() } else { format!("host-{}.example.com", random.skewed(50)) };
    let program =
        if rare { "/opt/tool-rare".to_owned() } else { format!("/usr/bin/tool-{}", random.skewed(20)) };
    let owner = Owner {
        binary: program,
        sha256: Some("ab".repeat(32)),
        script: None,
        pid: 4242,
        uid: 1000,
        parents: Vec::new(),
    };
    let denied = random.below(20) == 0;
    let needle = if random.below(100_000) == 0 { "needle" } else { "items" };
    let path = format!("/v1/{needle}/{}", random.skewed(5000));
    let action = [
        Action::NetworkRequest,
        Action::NetworkRequest,
        Action::NetworkOutcome,
        Action::NameQuery,
        Action::NetworkOutcome,
    ];
    Event {
        subject: Some(Subject::Owners(vec![owner])),
        object: Some(Object::destination(&host, 443).with_request("GET", &path, Some("page=1"))),
        decision: Some(if denied { Decision::Deny } else { Decision::Allow }),
        level: denied.then(|| "path".to_owned()),
        rule: Some(format!("rule-{}", random.skewed(40))),
        policy: Some(PolicyVersion(1)),
        request: Some(RequestId(format!("q-{sequence}"))),
        latency_us: Some(random.below(5000)),
        status: Some(200),
        ..Event::new(action[usize::try_from(random.below(5)).unwrap()])
    }
}

/// One in fifty thousand is about a file.
fn of_own_path(sequence: u64, random: &mut Random) -> Event {
    let needle = if random.below(100_000) == 0 { "needle" } else { "items" };
    let path = format!("/work/{needle}/{sequence}/{sequence}");
    let made = event(sequence, random);
    if random.below(50_000) == 0 {
        let object = Some(Object::file(&path, "read", 1));
        let level = Some("filesystem".to_owned());
        return Event { object, level, action: Action::FileAccess, ..made };
    }
    let object = Object::destination("files.example.com", 443).with_request("GET", &path, None);
    Event { object: Some(object), ..made }
}

fn moment(micros: i64) -> String {
    let moment = jiff::Timestamp::from_microsecond(micros).unwrap();
    moment.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1000).unwrap()) / 1000.0
}

/// In megabytes, as the kernel counts.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1000
}
