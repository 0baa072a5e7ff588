use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use ring::signature::Ed25519KeyPair;

use super::*;
use crate::checkpoint::{Signature, new_pem, public, read_pem};
use crate::log::segments::name;
use crate::log::tests::lines;
use crate::tree::Wrong;

mod provers;
mod tails;

/// A log of 24 records in three segments, signed at 0, 5, 16 and 24, in a directory of its own.
struct Signed {
    _directory: tempfile::TempDir,
    path: PathBuf,
    key: Key,
    lines: Vec<Vec<u8>>,
}

struct Key {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl Key {
    fn new() -> Self {
        let pair = read_pem(&new_pem().unwrap()).unwrap();
        let public = VerifyingKey::new("test", public(&pair)).unwrap();
        Self { pair, public }
    }

    fn sign(&self, lines: &[Vec<u8>], origin: &str) -> Note {
        let mut tree = Frontier::default();
        lines.iter().for_each(|line| tree.push(leaf(line.strip_suffix(b"\n").unwrap())));
        let text = Checkpoint { origin: origin.to_owned(), size: tree.size(), root: tree.root() }.text();
        let bytes = self.pair.sign(text.as_bytes()).as_ref().to_vec();
        Note::unsigned(text).with(Signature { name: "test".to_owned(), id: self.public.id(), bytes })
    }
}

impl Signed {
    fn new() -> Self {
        let signed = Self::unsigned(lines(24));
        signed.write(&signed.lines);
        let notes: Vec<String> =
            [0, 5, 16, 24].iter().map(|size| format!("{}\n", signed.note(*size))).collect();
        fs::write(signed.path.join(CHECKPOINTS), notes.concat()).unwrap();
        signed
    }

    fn unsigned(lines: Vec<Vec<u8>>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::create_dir(&path).unwrap();
        Self { path, _directory: directory, key: Key::new(), lines }
    }

    fn write(&self, lines: &[Vec<u8>]) {
        for (chunk, number) in lines.chunks(10).zip(1..) {
            fs::write(self.path.join(name(number)), chunk.concat()).unwrap();
        }
    }

    /// Adds a record, made up.
    fn push(&mut self, (monotonic, clock): (u64, &str), agent: &str, rest: &str) {
        let last: serde_json::Value = serde_json::from_slice(self.lines.last().unwrap()).unwrap();
        let sequence = self.lines.len() + 1;
        let mut line = format!(
            r#"{{"version":2,"sequence":{sequence},"time":"2026-11-29T{clock}.000000Z","monotonic_ns":{monotonic},"tenant":"local","sandbox":"test-0a1b2c3d","agent":"{agent}",{rest},"prev":{}}}"#,
            last["hash"],
        )
        .into_bytes();
        crate::chain::seal(&mut line);
        line.push(b'\n');
        self.lines.push(line);
    }

    fn note(&self, size: usize) -> Note {
        self.key.sign(&self.lines[..size], "openshell-audit/test-0a1b2c3d")
    }

    fn verify(&self) -> Result<Verified, VerifyError> {
        self.verify_with(&[])
    }

    fn verify_with(&self, others: &[Note]) -> Result<Verified, VerifyError> {
        let elsewhere = Elsewhere { notes: others.to_vec(), ..Elsewhere::default() };
        verify(&self.path, std::slice::from_ref(&self.key.public), &elsewhere)
    }
}

#[test]
fn a_log_is_what_was_signed() {
    let log = Signed::new();
    let verified = log.verify().unwrap();
    assert_eq!((verified.summary.records, verified.checkpoints, verified.before_kept), (24, 4, 0));
    assert_eq!(verified.newest.unwrap().size, 24);
    // What is not signed yet is no mistake; nobody's key is.
    let unsigned = log.note(5).to_string();
    fs::write(log.path.join(CHECKPOINTS), unsigned + "\n").unwrap();
    assert_eq!(log.verify().unwrap().newest.unwrap().size, 5);
    assert!(matches!(
        verify(&log.path, &[], &Elsewhere::default()),
        Err(VerifyError::Note { number: 1, .. })
    ));
}

/// Whoever has the log and not the key makes the chain again, as if nothing had happened.
#[test]
fn history_made_again_without_the_key_is_found() {
    let log = Signed::new();
    let again = |change: &dyn Fn(&mut Vec<String>)| {
        let mut texts: Vec<String> =
            log.lines.iter().map(|line| String::from_utf8(line.clone()).unwrap()).collect();
        change(&mut texts);
        let mut prev = crate::ChainHash::START;
        let mut out = Vec::new();
        for (text, sequence) in texts.iter().zip(1..) {
            let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
            value["sequence"] = sequence.into();
            let head = text.split(",\"prev\"").next().unwrap().to_owned();
            let head = head.replacen(
                &format!("\"sequence\":{}", sequence_of(text)),
                &format!("\"sequence\":{sequence}"),
                1,
            );
            let mut line = format!("{head},\"prev\":\"{prev}\"}}").into_bytes();
            prev = crate::chain::seal(&mut line);
            line.push(b'\n');
            out.push(line);
        }
        out
    };
    type Attack<'a> = (&'a str, &'a dyn Fn(&mut Vec<String>), u64);
    let attacks: [Attack<'_>; 4] = [
        ("edited", &|lines| lines[7] = lines[7].replace("8 ", "9 "), 16),
        ("removed", &|lines| drop(lines.remove(2)), 5),
        ("moved", &|lines| lines.swap(17, 18), 24),
        ("inserted", &|lines| lines.insert(20, lines[1].clone()), 24),
    ];
    for (what, attack, at) in attacks {
        let forged = again(attack);
        log.write(&forged);
        // The chain alone knows nothing of it.
        log::verify(&log.path).unwrap_or_else(|error| panic!("{what}: {error}"));
        let found = log.verify().unwrap_err();
        assert!(matches!(found, VerifyError::Root { after, .. } if after == at), "{what}: {found}");
        log.write(&log.lines);
        log.verify().unwrap();
    }
}

fn sequence_of(text: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(text).unwrap()["sequence"].as_u64().unwrap()
}

#[test]
fn an_end_that_was_cut_off_is_found_by_a_checkpoint() {
    let log = Signed::new();
    let newest = log.note(24);
    fs::remove_file(log.path.join(name(3))).unwrap();
    assert!(matches!(log.verify(), Err(VerifyError::Truncated { records: 20, signed: 24 })));
    // The checkpoints cut back with the records: only one that was kept elsewhere tells.
    let old = format!("{}\n{}\n", log.note(5), log.note(16));
    fs::write(log.path.join(CHECKPOINTS), old).unwrap();
    log.verify().unwrap();
    assert!(matches!(log.verify_with(&[newest]), Err(VerifyError::Truncated { records: 20, signed: 24 })));
}

/// Whoever has no key takes the checkpoints away, and makes the chain as he likes.
#[test]
fn a_log_without_its_checkpoints_proves_nothing() {
    let log = Signed::new();
    let file = log.path.join(CHECKPOINTS);
    let now = std::time::SystemTime::now();
    let gone = |log: &Signed| log.verify().unwrap().unproven(Writer::Gone, now);
    assert_eq!(gone(&log), Some(Unproven::NoEnd), "all is signed, and nothing says how its sandbox ended");
    fs::write(&file, format!("{}\n", log.note(16))).unwrap();
    assert_eq!(gone(&log), Some(Unproven::End { since: 17, records: 24 }));
    fs::write(&file, "").unwrap();
    assert_eq!(gone(&log), Some(Unproven::Unsigned(24)));
    fs::remove_file(&file).unwrap();
    assert_eq!(gone(&log), Some(Unproven::Unsigned(24)));
    // One that was kept elsewhere serves as well.
    let with_kept = log.verify_with(&[log.note(24)]).unwrap();
    assert_eq!(with_kept.unproven(Writer::Gone, now), Some(Unproven::NoEnd));
}

/// Whoever has no key cuts a log together with its checkpoints, to where one of these stood: only what the writer wrote last is an
/// end.
#[test]
fn what_comes_after_the_end_of_a_sandbox_is_not_cut_off_unseen() {
    let mut log = Signed::new();
    for rest in [
        r#""client":"manager","action":"lifecycle","lifecycle":{"phase":"agent-exited","code":0}"#,
        r#""client":"router","action":"inference-outcome","reason":"a million tokens""#,
        r#""client":"audit","action":"log-end""#,
    ] {
        log.push((25, "00:00:00"), "test", rest);
    }
    let cut_to = |records: usize| {
        log.write(&log.lines[..records]);
        fs::write(log.path.join(CHECKPOINTS), format!("{}\n", log.note(records))).unwrap();
        log.verify().unwrap().unproven(Writer::Gone, std::time::SystemTime::now())
    };
    assert_eq!(cut_to(27), None);
    assert_eq!([cut_to(26), cut_to(25)], [Some(Unproven::NoEnd), Some(Unproven::NoEnd)]);
}

/// While a sandbox writes, only the last moments may lack a checkpoint.
#[test]
fn a_log_that_grows_may_lack_its_last_checkpoint_only() {
    let log = Signed::new();
    fs::write(log.path.join(CHECKPOINTS), format!("{}\n", log.note(16))).unwrap();
    let verified = log.verify().unwrap();
    assert_eq!(verified.unsigned_since.as_deref(), Some("2026-11-29T00:00:00.000000Z"));
    // All records of the test are of this moment.
    let then = std::time::UNIX_EPOCH + Duration::from_secs(1_795_910_400);
    let writes = Writer::Writes { interval: Duration::from_secs(5) };
    let at = |seconds| verified.unproven(writes, then + Duration::from_secs(seconds));
    assert_eq!(at(34), None);
    assert_eq!(at(36), Some(Unproven::End { since: 17, records: 24 }));
    // Nor are they of a moment that is still to come.
    let before = |seconds| verified.unproven(writes, then - Duration::from_secs(seconds));
    assert_eq!((before(34), before(36)), (None, Some(Unproven::End { since: 17, records: 24 })));
}

#[test]
fn a_copy_knows_what_the_log_lacks() {
    let log = Signed::new();
    let copy = log.path.with_extension("checkpoints");
    let notes =
        |sizes: &[usize]| sizes.iter().map(|size| format!("{}\n", log.note(*size))).collect::<String>();
    let elsewhere = Elsewhere { copies: vec![copy.clone(), copy.with_extension("none")], notes: Vec::new() };
    let with_copy = || verify(&log.path, std::slice::from_ref(&log.key.public), &elsewhere);
    // It may begin late, and lack some.
    fs::write(&copy, notes(&[16])).unwrap();
    assert_eq!(with_copy().unwrap().missing(), None);
    fs::write(&copy, notes(&[16, 24])).unwrap();
    assert_eq!(with_copy().unwrap().missing(), None);
    for (own, size) in [(notes(&[5, 16]), 16), (String::new(), 0)] {
        fs::write(log.path.join(CHECKPOINTS), own).unwrap();
        let missing = Unproven::Missing { copy: copy.clone(), size: 24, own: size };
        assert_eq!(with_copy().unwrap().missing(), Some(missing));
    }
    // Records and checkpoints cut off together.
    fs::remove_file(log.path.join(name(3))).unwrap();
    assert!(matches!(with_copy(), Err(VerifyError::Truncated { records: 20, signed: 24 })));
    log.write(&log.lines);
    // Another history in the copy, or a stranger's.
    let mut other = log.lines.clone();
    other.swap(3, 4);
    for (forger, matching) in [(&log.key, true), (&Key::new(), false)] {
        let note = forger.sign(&other[..16], "openshell-audit/test-0a1b2c3d");
        fs::write(&copy, format!("{note}\n")).unwrap();
        match with_copy() {
            Err(VerifyError::Root { after: 16, .. }) => assert!(matching),
            Err(VerifyError::Copy { path, .. }) => assert!(!matching && path == copy),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_byte_counts() {
    let log = Signed::new();
    for file in [name(1), name(3), CHECKPOINTS.to_owned()] {
        let path = log.path.join(&file);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            // A last checkpoint without its end is told of, and covers nothing.
            let told =
                |verified: Verified| verified.last == LastNote::Unfinished && verified.checkpoints == 3;
            assert!(log.verify().map_or(true, told), "byte {at} of {file}");
        }
        fs::write(&path, &good).unwrap();
    }
    log.verify().unwrap();
}

#[test]
fn checkpoints_of_others_are_refused() {
    let log = Signed::new();
    let stranger = Key::new();
    let forged = stranger.sign(&log.lines, "openshell-audit/test-0a1b2c3d");
    let elsewhere = |notes: &[Note]| match log.verify_with(notes) {
        Err(VerifyError::Elsewhere(error)) => *error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        elsewhere(&[log.note(5), forged]),
        VerifyError::Note { number: 2, source: NoteError::Unsigned(_) }
    ));
    let other_log = log.key.sign(&log.lines, "openshell-audit/other-0a1b2c3d");
    assert!(matches!(elsewhere(&[other_log]), VerifyError::Origin { number: 1, .. }));
    // Two histories under one key: whoever sees both knows.
    let mut second = log.lines.clone();
    second.swap(3, 4);
    let second = log.key.sign(&second[..16], "openshell-audit/test-0a1b2c3d");
    assert!(matches!(elsewhere(&[log.note(16), second.clone()]), VerifyError::Root { after: 16, .. }));
    assert!(matches!(log.verify_with(&[second]), Err(VerifyError::Root { after: 16, .. })));
}

/// They are read once, in the order in which the signer wrote them: one that was moved would not be compared.
#[test]
fn checkpoints_that_were_moved_are_found() {
    let log = Signed::new();
    let write = |sizes: &[usize]| {
        let notes: Vec<String> = sizes.iter().map(|size| format!("{}\n", log.note(*size))).collect();
        fs::write(log.path.join(CHECKPOINTS), notes.concat()).unwrap();
    };
    write(&[5, 5, 16, 24, 24]);
    assert_eq!(log.verify().unwrap().checkpoints, 5);
    for (sizes, at) in [(&[5, 24, 16][..], 3), (&[24, 5], 2), (&[16, 16, 5, 24], 3)] {
        write(sizes);
        assert!(matches!(log.verify(), Err(VerifyError::Order { number }) if number == at), "{sizes:?}");
    }
    fs::write(log.path.join(CHECKPOINTS), vec![b'x'; 1 << 20]).unwrap();
    assert!(matches!(log.verify(), Err(VerifyError::Note { number: 1, .. })), "a line without an end");
}

/// The frontier before segment 2, as anybody who has the log can make it.
fn begun_at_2(log: &Signed, records: usize) -> Begun {
    let mut frontier = Frontier::default();
    log.lines[..records].iter().for_each(|line| frontier.push(leaf(line.strip_suffix(b"\n").unwrap())));
    let mut reader = log::read(&log.path).unwrap();
    (0..records).for_each(|_record| assert!(reader.next_line().unwrap().is_some()));
    Begun { mark: Mark { position: log::Position { segment: 2, offset: 0 }, ..reader.mark() }, frontier }
}

/// Adds the record of a removal, as the manager has it written.
fn record_removal(log: &mut Signed, begun: &Begun, client: &str) {
    let last: serde_json::Value = serde_json::from_slice(log.lines.last().unwrap()).unwrap();
    let sequence = log.lines.len() + 1;
    let mut line = format!(
        r#"{{"version":2,"sequence":{sequence},"time":"2026-11-29T00:00:00.000000Z","monotonic_ns":99,"tenant":"local","sandbox":"test-0a1b2c3d","agent":"test","client":"{client}","action":"log-retention","reason":"kept long enough: {}","prev":{}}}"#,
        begun.removal(),
        last["hash"],
    )
    .into_bytes();
    crate::chain::seal(&mut line);
    line.push(b'\n');
    log.lines.push(line);
    log.write(&log.lines);
}

#[test]
fn segments_that_were_removed_by_whom_they_belong_to_are_no_loss() {
    let mut log = Signed::new();
    let begun = begun_at_2(&log, 10);
    begin_removal(&log.path, &begun).unwrap();
    record_removal(&mut log, &begun, "manager");
    let notes = format!("{}\n{}\n{}\n", log.note(5), log.note(16), log.note(25));
    fs::write(log.path.join(CHECKPOINTS), notes).unwrap();
    // Stopped at any step: before the segment is gone, and before the file has its name.
    assert_eq!(log.verify().unwrap().summary.first, 1);
    fs::remove_file(log.path.join(name(1))).unwrap();
    let verified = log.verify().unwrap();
    assert_eq!((verified.summary.first, verified.summary.records, verified.before_kept), (11, 25, 1));
    assert_eq!(verified.removed_under, Some(16));
    end_removal(&log.path).unwrap();
    assert_eq!(log.verify().unwrap(), verified);
    // A frontier that somebody made up leads to other roots.
    let mut made_up = Frontier::default();
    (0..10_u8).for_each(|number| made_up.push(leaf(&[number])));
    begin_removal(&log.path, &Begun { frontier: made_up, ..begun.clone() }).unwrap();
    assert!(matches!(log.verify(), Err(VerifyError::Root { since: 11, after: 16 })));
    fs::write(log.path.join("frontier.new"), b"{\"mark\"").unwrap();
    log.verify().unwrap();
    fs::remove_file(log.path.join(FRONTIER)).unwrap();
    assert!(matches!(log.verify(), Err(VerifyError::Gone(2))));
}

/// Nothing but the other checkpoints can be held against those over removed records: two that the same key signed for one size are two
/// histories.
#[test]
fn checkpoints_over_removed_records_contradict_each_other() {
    let mut log = Signed::new();
    let begun = begun_at_2(&log, 10);
    begin_removal(&log.path, &begun).unwrap();
    record_removal(&mut log, &begun, "manager");
    fs::remove_file(log.path.join(name(1))).unwrap();
    end_removal(&log.path).unwrap();
    let own = format!("{}\n{}\n{}\n", log.note(5), log.note(16), log.note(25));
    fs::write(log.path.join(CHECKPOINTS), own).unwrap();
    let mut other = log.lines.clone();
    other.swap(1, 2);
    let (fits, contradicts) = (log.note(5), log.key.sign(&other[..5], "openshell-audit/test-0a1b2c3d"));
    let copy = log.path.with_extension("checkpoints");
    let elsewhere = |notes: &[&Note]| Elsewhere {
        copies: vec![copy.clone()],
        notes: notes.iter().map(|note| (*note).clone()).collect(),
    };
    let verified =
        |elsewhere: &Elsewhere| verify(&log.path, std::slice::from_ref(&log.key.public), elsewhere);
    fs::write(&copy, format!("{fits}\n{}\n", log.note(16))).unwrap();
    assert_eq!(verified(&elsewhere(&[&fits])).unwrap().before_kept, 2);
    let another = |found| matches!(found, Err(VerifyError::Root { after: 5, .. }));
    assert!(another(verified(&elsewhere(&[&contradicts]))), "one that was kept elsewhere");
    fs::write(&copy, format!("{contradicts}\n{}\n", log.note(16))).unwrap();
    assert!(another(verified(&elsewhere(&[]))), "one in a copy");
}

/// Somebody who can write the directory and has no key takes the beginning away, and makes it look like retention.
#[test]
fn a_beginning_that_somebody_took_away_is_missed() {
    let mut log = Signed::new();
    let begun = begun_at_2(&log, 10);
    begin_removal(&log.path, &begun).unwrap();
    end_removal(&log.path).unwrap();
    fs::remove_file(log.path.join(name(1))).unwrap();
    assert!(matches!(log.verify(), Err(VerifyError::Unrecorded(10))));
    // With a record of it, which nobody signed, or which another client wrote.
    let whole = log.lines.clone();
    record_removal(&mut log, &begun, "manager");
    fs::remove_file(log.path.join(name(1))).unwrap();
    assert!(matches!(log.verify(), Err(VerifyError::Unrecorded(10))));
    log.lines = whole;
    record_removal(&mut log, &begun, "proxy");
    fs::remove_file(log.path.join(name(1))).unwrap();
    fs::write(log.path.join(CHECKPOINTS), format!("{}\n", log.note(25))).unwrap();
    assert!(matches!(log.verify(), Err(VerifyError::Unrecorded(10))));
}

/// The record is written like every other one: nothing in it may look like a secret.
#[test]
fn the_record_of_a_removal_is_not_redacted() {
    let redactor = classify::redact::Redactor::new();
    for number in 0..3000_u64 {
        let last_hash = crate::chain::seal(&mut number.to_string().into_bytes());
        let mark = Mark {
            position: log::Position { segment: number, offset: 0 },
            sequence: number * 9_999_991,
            last_hash,
        };
        let reason = format!("kept long enough: {}", Begun { mark, ..Begun::whole() }.removal());
        let mut event = crate::record::Event {
            reason: Some(reason.clone()),
            ..crate::record::Event::new(crate::record::Action::LogRetention)
        };
        event.redact(&redactor);
        assert_eq!(event.reason, Some(reason));
    }
}

#[test]
fn a_segment_that_is_there_is_verified_whatever_says_that_it_was_removed() {
    let log = Signed::new();
    begin_removal(&log.path, &begun_at_2(&log, 10)).unwrap();
    end_removal(&log.path).unwrap();
    let path = log.path.join(name(1));
    let bad = fs::read_to_string(&path).unwrap().replacen("padding", "Padding", 1);
    fs::write(&path, bad).unwrap();
    assert!(matches!(log.verify(), Err(VerifyError::Log(LogError::Bad { number: 1, .. }))));
}

#[test]
fn a_proof_convinces_without_the_log_and_of_nothing_else() {
    let log = Signed::new();
    let keys = [log.key.public.clone()];
    for sequence in 1..=24 {
        let text = prove(&log.path, sequence, &keys, None).unwrap().to_string();
        let proof: Proof = text.parse().unwrap();
        assert_eq!(proof.to_string(), text);
        let (record, checkpoint) = proof.check(&keys).unwrap();
        assert_eq!((record.sequence, checkpoint.size), (sequence, 24));
        // The same path for another record, or at another place.
        let other = &log.lines[usize::try_from(sequence % 24).unwrap()];
        let moved = Proof { line: other.strip_suffix(b"\n").unwrap().to_vec(), ..proof.clone() };
        assert!(matches!(moved.check(&keys), Err(ProofError::Path(Wrong::Root))));
        Proof { index: sequence % 24, ..proof.clone() }.check(&keys).unwrap_err();
        assert!(proof.check(&[Key::new().public]).is_err());
        if sequence == 7 {
            for at in 0..text.len() {
                let mut bad = text.clone().into_bytes();
                bad[at] ^= 1;
                let checked = String::from_utf8(bad).ok().and_then(|bad| bad.parse::<Proof>().ok());
                assert!(checked.is_none_or(|bad| bad.check(&keys).is_err()), "byte {at}");
            }
        }
    }
    assert!(matches!(prove(&log.path, 25, &keys, None), Err(ProofError::NoRecord(25))));
    assert!(matches!(prove(&log.path, 0, &keys, None), Err(ProofError::NoRecord(0))));
    fs::write(log.path.join(CHECKPOINTS), log.note(5).to_string() + "\n").unwrap();
    assert!(matches!(prove(&log.path, 6, &keys, None), Err(ProofError::Unsigned(6))));
}
