use std::fs;
use std::path::Path;
use std::time::Duration;

use super::packed::pack;
use super::segments::{list, name, packed_name};
use super::*;
use crate::record::{Action, Event};

/// The lines of a log, chained as the writer chains them.
pub(crate) fn lines(count: u64) -> Vec<Vec<u8>> {
    let mut prev = ChainHash::START;
    let line = |sequence| {
        let event = serde_json::to_string(&Event {
            reason: Some(format!(
                "{sequence} {}",
                "padding ".repeat(usize::try_from(sequence % 40).unwrap())
            )),
            ..Event::new(Action::Lifecycle)
        });
        let mut line = format!(
            r#"{{"version":2,"sequence":{sequence},"time":"2026-11-29T00:00:00.000000Z","monotonic_ns":{sequence},"tenant":"local","sandbox":"test-0a1b2c3d","agent":"test","client":"proxy",{},"prev":"{prev}"}}"#,
            &event.unwrap()[1..].trim_end_matches('}'),
        )
        .into_bytes();
        prev = chain::seal(&mut line);
        line.push(b'\n');
        line
    };
    (1..=count).map(line).collect()
}

/// A log of segments of these many records.
fn log(sizes: &[usize]) -> (tempfile::TempDir, Vec<Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    let all = lines(sizes.iter().sum::<usize>().try_into().unwrap());
    let mut rest = &all[..];
    for (size, number) in sizes.iter().zip(1..) {
        let (segment, after) = rest.split_at(*size);
        fs::write(directory.path().join(name(number)), segment.concat()).unwrap();
        rest = after;
    }
    (directory, all)
}

fn sequences(path: &Path) -> Vec<u64> {
    read(path).unwrap().map(|record| record.unwrap().sequence).collect()
}

fn fault(path: &Path) -> Option<(u64, Fault)> {
    match verify(path) {
        Ok(_summary) => None,
        Err(LogError::Bad { number, fault }) => Some((number, fault)),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn segments_are_one_log_packed_or_not() {
    let (directory, all) = log(&[3, 2000, 0, 4]);
    let path = directory.path();
    let expected: Vec<u64> = (1..=2007).collect();
    assert!(sequences(path) == expected);
    let whole = verify(path).unwrap();
    for number in [2, 1, 3] {
        pack(path, number).unwrap();
        assert!(!path.join(name(number)).exists() && path.join(packed_name(number)).exists());
        assert!(sequences(path) == expected);
        assert_eq!(verify(path).unwrap(), whole);
    }
    let packed = fs::metadata(path.join(packed_name(2))).unwrap().len();
    assert!(packed * 3 < u64::try_from(all[3..2003].concat().len()).unwrap(), "{packed}");
    assert_eq!(list(path).unwrap(), [1, 2, 3, 4]);
    // While a segment is being packed both are there, or what is unfinished.
    fs::write(path.join(name(1)), all[..3].concat()).unwrap();
    fs::write(path.join("000004.packing"), b"half").unwrap();
    assert_eq!(verify(path).unwrap(), whole);
}

/// What a stranger can unpack is what we packed.
#[test]
fn zstd_unpacks_a_packed_segment() {
    let (directory, all) = log(&[3000]);
    pack(directory.path(), 1).unwrap();
    let packed = fs::read(directory.path().join(packed_name(1))).unwrap();
    let mut content = vec![0; all.concat().len()];
    let length = ruzstd::decoding::FrameDecoder::new().decode_all(&packed, &mut content).unwrap();
    assert_eq!((length, content == all.concat()), (content.len(), true));
}

#[test]
fn reading_goes_on_from_every_mark() {
    let (directory, all) = log(&[5, 700, 3]);
    pack(directory.path(), 2).unwrap();
    let mut marks = vec![Mark::START];
    let mut reader = read(directory.path()).unwrap();
    let mut positions = Vec::new();
    while let Some(record) = reader.next() {
        assert_eq!(record.unwrap().sequence, reader.mark().sequence);
        assert_eq!([reader.line(), b"\n"].concat(), all[positions.len()]);
        positions.push(reader.at());
        marks.push(reader.mark());
    }
    assert_eq!(positions.len(), 708);
    for mark in marks.iter().step_by(37).chain(&marks[4..7]).chain(&marks[703..]) {
        let rest: Vec<u64> =
            read_from(directory.path(), mark).unwrap().map(|record| record.unwrap().sequence).collect();
        assert_eq!(rest, (mark.sequence + 1..=708).collect::<Vec<_>>(), "{mark:?}");
    }
    // A mark of another log: what follows does not go on from it.
    let other = Mark { last_hash: ChainHash::START, ..marks[9] };
    assert!(matches!(
        read_from(directory.path(), &other).unwrap().next(),
        Some(Err(LogError::Bad { number: 10, fault: Fault::Unlinked }))
    ));
    let beyond = Mark { position: Position { segment: 2, offset: 1 << 40 }, ..marks[9] };
    assert!(matches!(read_from(directory.path(), &beyond), Err(LogError::Open(_))));
    // Records here and there, in an order that jumps between and within segments.
    let mut lookup = Lookup::new(directory.path());
    for index in [0, 707, 3, 5, 6, 500, 400, 401, 402, 704, 705, 1] {
        assert_eq!(lookup.record(positions[index]).unwrap().sequence, u64::try_from(index).unwrap() + 1);
    }
    for at in [
        Position { segment: 1, offset: 1 },
        Position { segment: 2, offset: 7 },
        Position { segment: 9, offset: 0 },
    ] {
        lookup.record(at).unwrap_err();
    }
}

#[test]
fn what_is_missing_between_segments_is_found() {
    let (directory, all) = log(&[3, 3, 3]);
    let path = directory.path();
    let second = path.join(name(2));
    // Another log's records, with right hashes of their own: nothing is as it was before.
    fs::remove_file(&second).unwrap();
    assert_eq!(fault(path), Some((4, Fault::Unlinked)));
    // The end of a segment cut off within a record.
    fs::write(&second, &all[3..6].concat()[..all[3].len() + 9]).unwrap();
    assert_eq!(fault(path), Some((5, Fault::Unfinished)));
    fs::write(&second, all[3..6].concat()).unwrap();
    assert_eq!(fault(path), None);
    // Without its first segment a log begins late, and says so.
    fs::remove_file(path.join(name(1))).unwrap();
    let summary = verify(path).unwrap();
    assert_eq!((summary.first, summary.records), (4, 9));
    // A first segment that begins late is no such thing.
    fs::rename(&second, path.join(name(1))).unwrap();
    assert_eq!(fault(path), Some((1, Fault::Unlinked)));
}

#[test]
fn no_packed_segment_breaks_the_reader() {
    let (directory, _all) = log(&[900]);
    pack(directory.path(), 1).unwrap();
    let file = directory.path().join(packed_name(1));
    let good = fs::read(&file).unwrap();
    for length in (0..good.len()).step_by(97).chain(good.len() - 40..good.len()) {
        fs::write(&file, &good[..length]).unwrap();
        assert!(read(directory.path()).is_err(), "cut to {length}");
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap()
    };
    for _round in 0..400 {
        let mut bad = good.clone();
        let near_the_end = bad.len() - 1 - random() % 60;
        for at in [random() % bad.len(), near_the_end] {
            bad[at] = u8::try_from(random() % 256).unwrap();
        }
        if bad == good {
            continue;
        }
        fs::write(&file, &bad).unwrap();
        let verified = read(directory.path()).and_then(Reader::verify);
        // What still unpacks to the same is the same.
        assert!(verified.is_err() || verified.unwrap().records == 900);
    }
}

/// Where the first frame of a packed segment of two frames ends, and where its table begins.
fn parts(packed: &[u8]) -> (usize, usize) {
    let table = packed.len() - 9 - 2 * 8;
    let first = u32::from_le_bytes(packed[table..table + 4].try_into().unwrap());
    (first.try_into().unwrap(), table - 8)
}

/// Bytes that no reader of ours looks at are bytes that other tools unpack.
#[test]
fn every_byte_of_a_packed_segment_counts() {
    let (directory, all) = log(&[1200]);
    pack(directory.path(), 1).unwrap();
    let file = directory.path().join(packed_name(1));
    let good = fs::read(&file).unwrap();
    let (first, table) = parts(&good);
    let is_refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        read(directory.path()).and_then(Reader::verify).is_err()
    };
    assert!(!is_refused(&good) && first < table);
    let skippable = [&0x184D_2A50_u32.to_le_bytes()[..], &8_u32.to_le_bytes(), b"unlooked"].concat();
    let insert = |at: usize| [&good[..at], &skippable, &good[at..]].concat();
    assert!(is_refused(&insert(0)), "before the frames");
    assert!(is_refused(&insert(first)), "between frames");
    assert!(is_refused(&insert(table)), "between frames and table");
    // The same with a table that counts it to a frame.
    let counted = |at: usize| {
        let mut bad = insert(at);
        let entry = bad.len() - 9 - 2 * 8;
        let longer = u32::try_from(first + skippable.len()).unwrap();
        bad[entry..entry + 4].copy_from_slice(&longer.to_le_bytes());
        bad
    };
    assert!(is_refused(&counted(0)) && is_refused(&counted(first)), "within a frame");
    // In what lies around the frames every bit counts; a frame whose bits differ and that unpacks to the same is the same.
    let frame = [0..40, first - 8..first + 40, table - 8..good.len()];
    for at in frame.into_iter().flatten() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            let refused = is_refused(&bad);
            assert!(refused || (at < table && content(&file) == all.concat()), "bit {bit} of byte {at}");
        }
    }
}

fn content(packed: &Path) -> Vec<u8> {
    let mut content = Vec::new();
    let mut reader = packed::Packed::open(fs::File::open(packed).unwrap(), 0).unwrap();
    std::io::Read::read_to_end(&mut reader, &mut content).unwrap();
    content
}

/// A clock that is set back is no fault of the log, and neither is a record that somebody dated before the others: it is told.
#[test]
fn a_record_that_is_dated_back_is_named() {
    let mut prev = ChainHash::START;
    let mut text = Vec::new();
    for (line, second) in lines(5).iter().zip([1, 2, 2, 1, 3]) {
        let line = std::str::from_utf8(line).unwrap();
        let head =
            line.split(",\"prev\"").next().unwrap().replace("00:00:00.0", &format!("00:00:0{second}.0"));
        let mut line = format!("{head},\"prev\":\"{prev}\"}}").into_bytes();
        prev = chain::seal(&mut line);
        text.extend_from_slice(&line);
        text.push(b'\n');
    }
    let summary = |text: &[u8]| Reader::new(text).verify().unwrap();
    assert_eq!(summary(&text).back_at, Some(4));
    assert_eq!(summary(&lines(5).concat()).back_at, None);
}

#[test]
fn a_follower_gets_what_comes_across_segments() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let all = lines(60);
    let writer = std::thread::spawn({
        let (path, all) = (path.clone(), all.clone());
        move || {
            for (chunk, number) in all.chunks(20).zip(1..) {
                let mut file = fs::File::create(path.join(name(number))).unwrap();
                // The next segment is made before it is needed, and stays empty for a while.
                fs::File::create(path.join(name(number + 1))).unwrap();
                for line in chunk {
                    let (half, rest) = line.split_at(line.len() / 2);
                    std::io::Write::write_all(&mut file, half).unwrap();
                    std::thread::yield_now();
                    std::io::Write::write_all(&mut file, rest).unwrap();
                }
                if number > 1 {
                    pack(&path, number - 1).unwrap();
                }
            }
        }
    });
    let mut follow = Follow::all(&path).unwrap();
    for expected in 1..=60 {
        let record = follow.next_within(Duration::from_secs(30)).unwrap().expect("a record comes");
        assert_eq!(record.sequence, expected);
        if expected == 30 {
            follow = Follow::after(&path, &follow.reader().mark()).unwrap();
        }
    }
    writer.join().unwrap();
    assert!(follow.next_within(Duration::ZERO).unwrap().is_none());
}

/// The writer takes back what it could not write whole; who follows has seen half of it, and must not join the two.
#[test]
fn what_was_taken_back_is_not_joined_to_what_came_in_its_place() {
    let (directory, all) = log(&[2]);
    let path = directory.path();
    let mut follow = Follow::all(path).unwrap();
    let segment = path.join(name(1));
    let [first, second] = [&all[0], &all[1]];
    fs::write(&segment, [first.as_slice(), &vec![b'x'; second.len() / 2]].concat()).unwrap();
    assert_eq!(follow.next_now().unwrap().unwrap().sequence, 1);
    assert!(follow.next_now().unwrap().is_none());
    fs::write(&segment, all.concat()).unwrap();
    assert_eq!(follow.next_now().unwrap().unwrap().sequence, 2);
    assert!(follow.next_now().unwrap().is_none());
}
