//! Logs of any shape. The reader returns exactly the records that lead from the start without a fault, as they are counted here
//! from the definition alone; it returns the same ones however the log is cut into segments, packed, and written while it is
//! read; and whatever stands in a packed segment, nothing but records of an unbroken chain comes out.

#![no_main]

use std::fs;
use std::path::Path;

use audit::log::{Follow, LogError, packed, read, segments};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Records of every kind, as the writer left them.
const GOLDEN: &str = include_str!("../../../audit/export/tests/golden/records.jsonl");
const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where segments are written: in memory, because packing waits until they are on the disk.
const MEMORY: &str = "/dev/shm";
/// Records of the log that is edited: with more of them an input takes longer and says nothing more.
const RECORDS: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    foreign(bytes);
    let _too_short = edited(&mut Unstructured::new(bytes));
});

/// The bytes as they are: as a log, as the only segment, and as a packed one.
fn foreign(bytes: &[u8]) {
    let lines = good(bytes);
    let reader = audit::log::Reader::new(bytes);
    assert_eq!(reader.take_while(std::result::Result::is_ok).count(), lines, "another number of records");
    let folder = folder();
    let log = folder.path();
    fs::write(log.join(segments::packed_name(1)), bytes).expect("a segment can be written");
    let mut content = Vec::new();
    if let Ok(mut reader) = read(log) {
        while let Some(Ok(_record)) = reader.next() {
            content.extend_from_slice(reader.line());
            content.push(b'\n');
        }
        assert_eq!(
            good(&content),
            content.split(|byte| *byte == b'\n').count() - 1,
            "a broken chain came out"
        );
    }
}

/// The golden log after some edits, of which the next record's place in the chain may be made good again.
fn edited(input: &mut Unstructured<'_>) -> Result<()> {
    let log = log(input)?;
    let expected = good(&log);
    let mut reader = audit::log::Reader::new(&log[..]);
    let whole: Vec<String> =
        reader.by_ref().map_while(std::result::Result::ok).map(|r| r.hash.to_string()).collect();
    assert_eq!(whole.len(), expected, "another number of records");
    // The same in segments, at the ends of lines.
    let kept = folder();
    let folder = kept.path();
    let (mut number, mut segment) = (1, Vec::new());
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        segment.extend_from_slice(line);
        if line.ends_with(b"\n") && input.ratio(1, 3)? {
            write(folder, number, &segment, input.ratio(1, 2)?);
            (number, segment) = (number + 1, Vec::new());
        }
    }
    // The last one grows while it is read.
    let cut = input.int_in_range(0..=segment.len())?;
    let last = folder.join(segments::name(number));
    fs::write(&last, &segment[..cut]).expect("a segment can be written");
    let mut follow = Follow::all(folder).expect("the log is there");
    let mut followed = Vec::new();
    let is_over = drain(&mut follow, &mut followed).is_err();
    fs::write(&last, &segment).expect("a segment can be written");
    if !is_over {
        let _fault = drain(&mut follow, &mut followed);
    }
    assert_eq!(followed, whole, "followed, it has other records");
    Ok(())
}

fn drain(follow: &mut Follow, hashes: &mut Vec<String>) -> std::result::Result<(), LogError> {
    while let Some(record) = follow.next_now()? {
        hashes.push(record.hash.to_string());
    }
    Ok(())
}

fn write(folder: &Path, number: u64, segment: &[u8], is_packed: bool) {
    fs::write(folder.join(segments::name(number)), segment).expect("a segment can be written");
    if is_packed {
        packed::pack(folder, number).expect("a segment can be packed");
    }
}

/// A folder that goes when it is dropped.
fn folder() -> TempDir {
    tempfile::tempdir_in(MEMORY).expect("a folder can be made")
}

fn log(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut lines: Vec<String> = GOLDEN.lines().take(RECORDS).map(str::to_owned).collect();
    for _edit in 0..input.int_in_range(0..=3)? {
        let at = input.choose_index(lines.len())?;
        match input.int_in_range(0..=6)? {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let other = input.choose_index(lines.len())?;
                lines.swap(at, other);
            }
            3 => {
                lines[at] =
                    replaced(&lines[at], "\"sequence\":", &input.int_in_range(0..=RECORDS + 1)?.to_string())
            }
            4 => lines[at] = replaced(&lines[at], "\"version\":", &input.int_in_range(0..=3_u8)?.to_string()),
            5 => {
                lines[at] = lines[at].replace("test-0a1b2c3d", input.choose(&["test-0a1b2c3e", "", "../x"])?)
            }
            _text => {
                let mut bytes = lines[at].clone().into_bytes();
                let place = input.choose_index(bytes.len())?;
                bytes[place] = *input.choose(b"\0\"{}[]:,0a \\")?;
                lines[at] = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    let mut out = Vec::new();
    let mut hashes = vec![START.to_owned()];
    for line in lines {
        let last = &hashes[hashes.len() - 1];
        // Whoever forges a log can make the hashes right again: all of them, or each for itself.
        let line = match input.int_in_range(0..=7)? {
            0 => line,
            1 => sealed(&line, input.choose(&hashes)?),
            _right => sealed(&line, last),
        };
        hashes.extend(claimed(&line));
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    if input.ratio(1, 8)? {
        out.truncate(input.int_in_range(0..=out.len())?);
    }
    Ok(out)
}

/// The value of a number, by another one.
fn replaced(line: &str, key: &str, number: &str) -> String {
    let Some((before, rest)) = line.split_once(key) else { return line.to_owned() };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}{key}{number}{rest}")
}

/// The same record behind another one.
fn sealed(line: &str, prev: &str) -> String {
    let Some((head, _old)) = line.rsplit_once(",\"prev\":\"") else { return line.to_owned() };
    let body = format!("{head},\"prev\":\"{prev}\"}}");
    let hash = hexadecimal(&Sha256::digest(&body));
    format!("{},\"hash\":\"{hash}\"}}", &body[..body.len() - 1])
}

fn claimed(line: &str) -> Option<String> {
    Some(line.rsplit_once(",\"hash\":\"")?.1.get(..64)?.to_owned())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many records from the start are without a fault: the definition, written again.
fn good(log: &[u8]) -> usize {
    let mut rest = log;
    let (mut count, mut prev, mut sandbox) = (0_u64, START.to_owned(), None);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let Some((hash, owner)) = follows(&rest[..end], count + 1, &prev) else { break };
        if sandbox.get_or_insert_with(|| owner.clone()) != &owner || end > audit::MAX_EVENT + 4096 {
            break;
        }
        (count, prev, rest) = (count + 1, hash, &rest[end + 1..]);
    }
    usize::try_from(count).expect("a log in memory is short")
}

/// The hash of a line and whose it is, if it is record `number` behind `prev`.
fn follows(line: &[u8], number: u64, prev: &str) -> Option<(String, String)> {
    let at = line.len().checked_sub(75)?;
    let seal = std::str::from_utf8(&line[at..]).ok()?;
    let hash = seal.strip_prefix(",\"hash\":\"")?.strip_suffix("\"}")?;
    let digest = Sha256::new().chain_update(&line[..at]).chain_update(b"}").finalize();
    let value: Value = serde_json::from_slice(line).ok()?;
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let is_next = hexadecimal(&digest) == hash
        && value["sequence"].as_u64() == Some(number)
        && text("prev").as_deref() == Some(prev)
        && (1..=2).contains(&value["version"].as_u64()?);
    // Whether the rest is a record is the record's own definition.
    let _record: audit::Record = serde_json::from_slice(line).ok().filter(|_record| is_next)?;
    Some((hash.to_owned(), text("sandbox")?))
}
