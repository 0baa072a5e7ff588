//! Proofs, signed notes and trees. What a proof that holds says is what the tree says that is computed here from its definition
//! (RFC 6962, section 2.1); a proof or a note that was changed proves nothing else; and what was read is written as it was.

#![no_main]

use std::sync::LazyLock;

use audit::checkpoint::{Checkpoint, Note, Signature, VerifyingKey, origin};
use audit::tree::{Collector, Frontier, TreeHash, check_consistency, check_inclusion, leaf};
use audit::verify::{Consistency, Proof};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256};

const GOLDEN: &str = include_str!("../../../audit/export/tests/golden/records.jsonl");

/// A signed log, and the key.
struct Signed {
    leaves: Vec<TreeHash>,
    lines: Vec<&'static str>,
    pair: Ed25519KeyPair,
    key: VerifyingKey,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed");
    let public = pair.public_key().as_ref().try_into().expect("a public key has 32 bytes");
    let lines: Vec<&str> = GOLDEN.lines().collect();
    let leaves = lines.iter().map(|line| leaf(line.as_bytes())).collect();
    Signed { leaves, lines, pair, key: VerifyingKey::new("test", public).expect("a name") }
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(text);
    }
    let mut input = Unstructured::new(bytes);
    let _too_short = changed(&mut input).and_then(|()| trees(&mut input));
});

/// Any text: what can be read is written as it was, and nobody signed it.
fn read(text: &str) {
    let keys = [SIGNED.key.clone()];
    if let Ok(proof) = text.parse::<Proof>() {
        assert_eq!(proof.to_string().parse::<Proof>().expect("what was written can be read"), proof);
        assert!(proof.check(&keys).is_err(), "nobody signed it");
    }
    if let Ok(proof) = text.parse::<Consistency>() {
        let again: Consistency = proof.to_string().parse().expect("what was written can be read");
        assert_eq!(again, proof);
    }
    if let Ok((notes, rest)) = Note::parse_all(text) {
        let written: String = notes.iter().map(|note| format!("{note}\n")).collect();
        let (again, behind) = Note::parse_all(&written).expect("what was written can be read");
        assert!(behind.is_empty() && text.ends_with(rest));
        assert_eq!(again, notes);
        assert!(notes.iter().all(|note| note.checkpoint(&SIGNED.key).is_err()), "nobody signed it");
    }
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
    }
}

/// A right proof of a record, then a changed one: it holds only for what is so.
fn changed(input: &mut Unstructured<'_>) -> Result<()> {
    let signed = &*SIGNED;
    let index = input.choose_index(signed.lines.len())?;
    let text = format!(
        "c2sp.org/tlog-proof@v1\nextra {}\nindex {index}\n{}\n{}",
        BASE64.encode(signed.lines[index]),
        hashes(&inclusion(&signed.leaves, index)),
        signed.note(signed.lines.len()),
    );
    let keys = [signed.key.clone()];
    let (record, _checkpoint) =
        text.parse::<Proof>().and_then(|proof| proof.check(&keys)).expect("it is right");
    assert_eq!(record.sequence, number(index) + 1);
    let mut bytes = text.into_bytes();
    for _change in 0..input.int_in_range(1..=4)? {
        let at = input.choose_index(bytes.len())?;
        match input.int_in_range(0..=2)? {
            0 => bytes[at] = input.arbitrary()?,
            1 => drop(bytes.remove(at)),
            _more => bytes.insert(at, input.arbitrary()?),
        }
    }
    let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
    let Ok(proof) = text.parse::<Proof>() else { return Ok(()) };
    if let Ok((record, checkpoint)) = proof.check(&keys) {
        let line = signed.lines[usize::try_from(record.sequence - 1).expect("the log is short")];
        assert_eq!(proof.line(), line.as_bytes(), "it proves a record that is not there");
        assert_eq!((checkpoint.size, checkpoint.root), (number(signed.lines.len()), root(&signed.leaves)));
    }
    Ok(())
}

/// Trees of any size: proofs that are made hold, and what holds is so.
fn trees(input: &mut Unstructured<'_>) -> Result<()> {
    let size = input.int_in_range(1..=70_usize)?;
    let leaves: Vec<TreeHash> = (0..size).map(|nth| leaf(&nth.to_le_bytes())).collect();
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    assert_eq!(frontier.root(), root(&leaves));
    let (index, old) = (input.choose_index(size)?, input.int_in_range(1..=size)?);
    let whole = root(&leaves);
    let mut path = inclusion(&leaves, index);
    assert_eq!(check_inclusion(leaves[index], (number(index), number(size)), &path, whole), Ok(()));
    let mut common = consistency(&leaves, old);
    let old_root = root(&leaves[..old]);
    assert_eq!(check_consistency((number(old), old_root), (number(size), whole), &common), Ok(()));
    // Another leaf, place, length or hash.
    change(input, &mut path, &leaves)?;
    let (claimed, place) = (*input.choose(&leaves)?, input.int_in_range(0..=number(size))?);
    if check_inclusion(claimed, (place, number(size)), &path, whole).is_ok() {
        assert_eq!(leaves.get(usize::try_from(place).expect("a tree here is small")), Some(&claimed));
    }
    change(input, &mut common, &leaves)?;
    let (old, claimed) = (input.int_in_range(0..=size + 1)?, input.int_in_range(1..=size)?);
    let claimed = root(&leaves[..claimed]);
    if check_consistency((number(old), claimed), (number(size), whole), &common).is_ok() {
        assert_eq!(leaves.get(..old).map(root), Some(claimed));
    }
    Ok(())
}

fn change(input: &mut Unstructured<'_>, path: &mut Vec<TreeHash>, leaves: &[TreeHash]) -> Result<()> {
    match input.int_in_range(0..=3)? {
        0 => drop(path.pop()),
        1 => path.push(*input.choose(leaves)?),
        2 if !path.is_empty() => {
            let at = input.choose_index(path.len())?;
            path[at] = *input.choose(leaves)?;
        }
        _nothing => {}
    }
    Ok(())
}

impl Signed {
    fn note(&self, size: usize) -> Note {
        let root = root(&self.leaves[..size]);
        let text = Checkpoint { origin: origin("test-0a1b2c3d"), size: number(size), root }.text();
        let bytes = self.pair.sign(text.as_bytes()).as_ref().to_vec();
        Note::unsigned(text).with(Signature { name: "test".to_owned(), id: self.key.id(), bytes })
    }
}

fn inclusion(leaves: &[TreeHash], index: usize) -> Vec<TreeHash> {
    let mut collector = Collector::inclusion(number(index), number(leaves.len())).expect("it is in the tree");
    leaves.iter().for_each(|leaf| collector.leaf(*leaf));
    collector.proof().expect("all leaves went by")
}

fn consistency(leaves: &[TreeHash], old: usize) -> Vec<TreeHash> {
    let mut collector = Collector::consistency(number(old), number(leaves.len())).expect("it was that large");
    leaves.iter().for_each(|leaf| collector.leaf(*leaf));
    collector.proof().expect("all leaves went by")
}

fn hashes(path: &[TreeHash]) -> String {
    path.iter().map(|hash| format!("{}\n", BASE64.encode(hash.as_bytes()))).collect()
}

/// MTH of RFC 6962, written again.
fn root(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => TreeHash::from_bytes(Sha256::digest([]).into()),
        [leaf] => *leaf,
        _more => {
            let half = leaves.len().next_power_of_two() / 2;
            let (left, right) = (root(&leaves[..half]), root(&leaves[half..]));
            let digest =
                Sha256::new().chain_update([1]).chain_update(left.as_bytes()).chain_update(right.as_bytes());
            TreeHash::from_bytes(digest.finalize().into())
        }
    }
}

fn number(size: usize) -> u64 {
    u64::try_from(size).expect("a size here is small")
}
