//! What the pattern stage costs: throughput over texts of many sizes' worth of blocks, and the time of one block of 16 KiB.
//!
//! `cargo xtask bench classify` runs it, beside Microsoft Presidio's patterns where that can be had.

#![expect(clippy::print_stdout, reason = "a measurement that prints nothing is none")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use classify::memory::{Memory, Whose};
use classify::property::Property;
use classify::property::documents::prints;
use classify::{Found, Scanner};
use wire::router::Document;
use wire::rules::{Check, DataClass, Examples, FieldRule, PatternRule, Rules};

/// Bytes of one text.
const BLOCK: usize = 16 * 1024;

/// Texts of each sort, and how often all of them are read.
const TEXTS: usize = 64;
const ROUNDS: usize = 12;

fn main() {
    if let Some(path) = std::env::args().skip_while(|argument| argument != "--write").nth(1) {
        write_texts(&path);
        return;
    }
    let start = Instant::now();
    let (patterns, all) = (Scanner::without_names(), Scanner::new());
    println!("| measured | figure |\n|---|---|\n| compiling the detectors | {:?} |", start.elapsed());
    let ruled =
        Scanner::without_names().with_property(Property::new(&rules(50)).expect("the rules are right"));
    let documents = Property::default().with_documents(&documents()).expect("they are long enough");
    let registered = Scanner::new().with_property(documents);
    for (name, texts) in [("clean", texts(&[])), ("mixed", texts(VALUES))] {
        measure(&patterns, &format!("{name}, patterns"), &texts);
        measure(&ruled, &format!("{name}, patterns and 50 rules of an operator"), &texts);
        measure(&all, &format!("{name}, patterns and names"), &texts);
        measure(&registered, &format!("{name}, patterns, names and 8 MiB of documents"), &texts);
        turns(name, &texts);
    }
}

/// What a conversation of 150 KB costs: looked at without a memory, the first time, again, and with one more message. All
/// in turn, so that what else the machine does meets each of them.
fn turns(name: &str, texts: &[String]) {
    let all: String = texts.concat();
    let pieces =
        (0..100).map(|at| &all[all.floor_char_boundary(at * 1536)..all.floor_char_boundary((at + 1) * 1536)]);
    let messages: Vec<&str> = pieces.collect();
    let mut times: [Vec<Duration>; 4] = Default::default();
    let plain = Scanner::new();
    for round in 0..ROUNDS * 2 {
        let memory = Memory::new(Scanner::new(), &[7; 32]);
        let remember = |messages: &[&str]| {
            let start = Instant::now();
            let (mut found, mut at) = (memory.found(), 0);
            for message in messages {
                memory.scan((message, at), Whose::Others, &mut found);
                at += message.len();
            }
            std::hint::black_box(found.into_parts());
            start.elapsed()
        };
        let (first, again) = (remember(&messages), remember(&messages));
        let more = format!("round {round}: {}", messages[0]);
        let grown = remember(&[&messages[..], &[&more]].concat());
        let start = Instant::now();
        let mut found = Found::with_spans();
        messages.iter().for_each(|message| plain.scan((*message).to_owned(), &mut found));
        std::hint::black_box(found.into_parts());
        let each = [start.elapsed(), first, again, grown];
        times.iter_mut().zip(each).for_each(|(times, time)| times.push(time));
    }
    for (what, mut times) in
        ["without a memory", "first turn", "same turn again", "one message more"].into_iter().zip(times)
    {
        times.sort_unstable();
        println!("| {name}: 150 KB in 100 messages, {what}, p50 | {:?} |", times[times.len() / 2]);
    }
}

/// Rules as operators write them: codes with a prefix, numbers near words with a check digit, names of fields.
fn rules(count: usize) -> Rules {
    let (mut patterns, mut fields) = (Vec::new(), Vec::new());
    for at in 0..count {
        let (name, class, examples) = (format!("kind-{at}"), DataClass::Property, Examples::default());
        let letter = |at: usize| char::from(b'A' + u8::try_from(at % 26).expect("26 fit"));
        let (one, other) = (letter(at), letter(at / 3));
        let near = |pattern: String, words: &[&str], check| PatternRule {
            name: name.clone(),
            class,
            pattern,
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            distance: None,
            check,
            examples: examples.clone(),
        };
        match at % 4 {
            0 => patterns.push(near(format!(r"\b{one}{other}-[0-9]{{6}}\b"), &[], None)),
            1 => patterns.push(near(
                format!(r"\b[0-9]{{{}}}\b", 6 + at % 5),
                &["contract", "Vertrag"],
                Some(Check::Luhn),
            )),
            2 => patterns.push(near(format!(r"(?i)\bproject[ :-]+({one}[a-z]{{4,12}})\b"), &[], None)),
            _ => fields.push(FieldRule { name, class, labels: vec![format!("case {at} number")], examples }),
        }
    }
    Rules { patterns, fields, ..Rules::default() }
}

/// Documents of 8 MiB, the most that are taken, which share nothing with the texts.
fn documents() -> Vec<Document> {
    let document = |number: u32| {
        let text: String = (0..104_000)
            .map(|at| format!("{:08x} ", (number * 104_000 + at).wrapping_mul(2_654_435_761)))
            .collect();
        Document { name: format!("document-{number}"), prints: prints([text.as_str()]) }
    };
    (0..9).map(document).collect()
}

fn measure(scanner: &Scanner, name: &str, texts: &[String]) {
    let mut times: Vec<Duration> = Vec::with_capacity(TEXTS * ROUNDS);
    let mut values = 0;
    let before = processor_time();
    for _round in 0..ROUNDS {
        for text in texts {
            let text = text.clone();
            let start = Instant::now();
            let mut found = Found::default();
            scanner.scan(text, &mut found);
            times.push(start.elapsed());
            values += found.into_findings().iter().map(|(_category, count)| count).sum::<u32>();
        }
    }
    let total = processor_time() - before;
    times.sort_unstable();
    let megabytes = f64::from(u32::try_from(times.len() * BLOCK).expect("the texts are few")) / 1e6;
    println!("| {name}: per second of one core | {:.0} MB |", megabytes / total.as_secs_f64());
    println!("| {name}: 16 KiB, p50 | {:?} |", times[times.len() / 2]);
    println!("| {name}: 16 KiB, p99 | {:?} |", times[times.len() * 99 / 100]);
    println!(
        "| {name}: values in a text | {:.1} |",
        f64::from(values) / f64::from(u32::try_from(times.len()).expect("the texts are few"))
    );
}

/// What this thread has run: other programs on the machine are not counted.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.expect("it begins with a number"))
}

/// The texts, for another program to read: one in each file.
fn write_texts(directory: &str) {
    for (name, texts) in [("clean", texts(&[])), ("mixed", texts(VALUES))] {
        for (index, text) in texts.iter().enumerate().take(4) {
            std::fs::write(format!("{directory}/{name}-{index}.txt"), text).expect("the directory is there");
        }
    }
}

/// Texts of sentences in turn, their numbers different every time, with one of `values` after every eighth.
fn texts(values: &[&str]) -> Vec<String> {
    let mut state = 1_u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits fit") % below
    };
    let mut texts = Vec::new();
    for _text in 0..TEXTS {
        let mut text = String::with_capacity(BLOCK + 256);
        let mut count = 0;
        while text.len() < BLOCK {
            let number = next(100_000);
            text.push_str(&SENTENCES[next(SENTENCES.len())].replace('#', &number.to_string()));
            count += 1;
            if count % 8 == 0 && !values.is_empty() {
                write!(text, " {} ", values[next(values.len())]).expect("a string takes what is written");
            }
            text.push(if count % 3 == 0 { '\n' } else { ' ' });
        }
        text.truncate(text.floor_char_boundary(BLOCK));
        texts.push(text);
    }
    texts
}

/// What agents read and write: prose, code, logs, structured data, in several languages.
const SENTENCES: &[&str] = &[
    "The function returns an error when the queue is full, so the caller has to decide whether to wait or to drop the item.",
    "Please summarise the discussion in three bullet points and list the open questions at the end.",
    "let total = items.iter().filter(|item| item.enabled).map(|item| item.size * #).sum::<usize>();",
    "2026-03-11T08:15:30.#Z INFO worker finished batch # in 48 ms, 3 retries, queue length #",
    "{\"type\":\"function\",\"name\":\"read_file\",\"arguments\":{\"path\":\"src/lib.rs\",\"offset\":#,\"limit\":200}}",
    "Die Verarbeitung dauert etwa # Millisekunden; danach wird das Ergebnis in die Datei geschrieben.",
    "La réunion est prévue la semaine prochaine, et le compte rendu sera envoyé à toute l'équipe.",
    "El servicio responde con un código de estado y un mensaje que describe el problema encontrado.",
    "if response.status_code != 200: raise RuntimeError(f\"unexpected status {response.status_code}\")",
    "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904 touches # files and removes the deprecated interface",
    "- [ ] write the migration, - [x] review the schema, - [ ] measure the index on table_#",
    "See https://docs.example.org/guide/chapter-#.html for the details of the configuration file.",
    "The patient approach is to measure first; the phone call with the vendor can wait until the account is open.",
    "SELECT region, count(*) FROM orders WHERE total > # GROUP BY region ORDER BY 2 DESC LIMIT 10;",
    "export const handler = async (event) => { const body = JSON.parse(event.body ?? '{}'); return body.id; };",
    "Memory use grew from # MB to # MB between the two releases, mostly because of the larger cache.",
];

/// What must be found among them.
const VALUES: &[&str] = &[
    "card 4111 1111 1111 1111",
    "IBAN DE89 3704 0044 0532 0130 00",
    "jane.doe@example.com",
    "SSN 536-22-1234",
    "MRN: 00123456",
    "DOB: 03/14/1961",
    "+44 20 7946 0958",
    "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "codice fiscale RSSMRA85T10A562S",
    "metformin 500 mg",
    "221B Baker Street",
    "NHS number 943 476 5919",
];
