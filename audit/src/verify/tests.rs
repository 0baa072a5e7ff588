use std::path::PathBuf;

use ring::signature::Ed25519KeyPair;

use super::*;
use crate::checkpoint::{Signature, new_pem, public, read_pem};
use crate::log::segments::name;
use crate::log::tests::lines;
use crate::tree::Wrong;

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
        let directory = tempfile::tempdir().unwrap();
        let signed = Self {
            path: directory.path().join("log"),
            _directory: directory,
            key: Key::new(),
            lines: lines(24),
        };
        fs::create_dir(&signed.path).unwrap();
        signed.write(&signed.lines);
        let notes: Vec<String> =
            [0, 5, 16, 24].iter().map(|size| format!("{}\n", signed.note(*size))).collect();
        fs::write(signed.path.join(CHECKPOINTS), notes.concat()).unwrap();
        signed
    }

    fn write(&self, lines: &[Vec<u8>]) {
        for (chunk, number) in lines.chunks(10).zip(1..) {
            fs::write(self.path.join(name(number)), chunk.concat()).unwrap();
        }
    }

    fn note(&self, size: usize) -> Note {
        self.key.sign(&self.lines[..size], "openshell-audit/test-0a1b2c3d")
    }

    fn verify(&self) -> Result<Verified, VerifyError> {
        self.verify_with(&[])
    }

    fn verify_with(&self, others: &[Note]) -> Result<Verified, VerifyError> {
        verify(&self.path, std::slice::from_ref(&self.key.public), others)
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
    assert!(matches!(verify(&log.path, &[], &[]), Err(VerifyError::Note { number: 1, .. })));
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
    assert!(matches!(
        log.verify_with(&[forged]),
        Err(VerifyError::Note { number: 5, source: NoteError::Unsigned(_) })
    ));
    let other_log = log.key.sign(&log.lines, "openshell-audit/other-0a1b2c3d");
    assert!(matches!(log.verify_with(&[other_log]), Err(VerifyError::Origin { number: 5, .. })));
    // Two histories under one key: whoever sees both knows.
    let mut second = log.lines.clone();
    second.swap(3, 4);
    let second = log.key.sign(&second[..16], "openshell-audit/test-0a1b2c3d");
    assert!(matches!(log.verify_with(&[second]), Err(VerifyError::Root { after: 16, .. })));
}

#[test]
fn a_log_without_its_first_segment_is_verified_from_its_frontier() {
    let log = Signed::new();
    let mut frontier = Frontier::default();
    log.lines[..10].iter().for_each(|line| frontier.push(leaf(line.strip_suffix(b"\n").unwrap())));
    let mut reader = log::read(&log.path).unwrap();
    (0..10).for_each(|_record| assert!(reader.next_line().unwrap().is_some()));
    let mark = Mark { position: log::Position { segment: 2, offset: 0 }, ..reader.mark() };
    fs::remove_file(log.path.join(name(1))).unwrap();
    // Removed without a word.
    log.verify().unwrap_err();
    let begun = Begun { mark, frontier };
    fs::write(log.path.join(FRONTIER), serde_json::to_vec(&begun).unwrap()).unwrap();
    let verified = log.verify().unwrap();
    assert_eq!((verified.summary.first, verified.summary.records, verified.before_kept), (11, 24, 2));
    // A frontier that somebody made up leads to other roots.
    let mut made_up = Frontier::default();
    (0..10_u8).for_each(|number| made_up.push(leaf(&[number])));
    fs::write(log.path.join(FRONTIER), serde_json::to_vec(&Begun { mark, frontier: made_up }).unwrap())
        .unwrap();
    assert!(matches!(log.verify(), Err(VerifyError::Root { since: 11, after: 16 })));
}

#[test]
fn a_proof_convinces_without_the_log_and_of_nothing_else() {
    let log = Signed::new();
    let keys = [log.key.public.clone()];
    for sequence in 1..=24 {
        let text = prove(&log.path, sequence, &keys).unwrap().to_string();
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
    assert!(matches!(prove(&log.path, 25, &keys), Err(ProofError::NoRecord(25))));
    assert!(matches!(prove(&log.path, 0, &keys), Err(ProofError::NoRecord(0))));
    fs::write(log.path.join(CHECKPOINTS), log.note(5).to_string() + "\n").unwrap();
    assert!(matches!(prove(&log.path, 6, &keys), Err(ProofError::Unsigned(6))));
}
