use super::*;
use crate::verify::blocks::LEAVES;

/// A log of 3100 records, three blocks and a rest, in three segments; signed at 2100 and at the end.
fn large() -> Signed {
    let log = Signed::unsigned(lines(3100));
    for (chunk, number) in log.lines.chunks(1200).zip(1..) {
        fs::write(log.path.join(name(number)), chunk.concat()).unwrap();
    }
    fs::write(log.path.join(CHECKPOINTS), format!("{}\n{}\n", log.note(2100), log.note(3100))).unwrap();
    log
}

fn check(log: &Signed, sequence: u64) {
    let keys = [log.key.public.clone()];
    let proof = prove(&log.path, sequence, &keys, None).unwrap();
    let (record, checkpoint) = proof.check(&keys).unwrap();
    assert_eq!((record.sequence, checkpoint.size), (sequence, 3100));
}

/// What the file of hashes is for: a proof that does not read records it does not need.
#[test]
fn with_the_file_of_hashes_a_proof_reads_its_own_block_and_the_rest() {
    let log = large();
    check(&log, 1);
    let file = fs::read(log.path.join("tree")).unwrap();
    assert_eq!(file.len(), 3 * 80);
    // Another record of the first block cannot be read any more: nobody needs it for one of the second.
    let first = log.path.join(name(1));
    let mut bad = fs::read(&first).unwrap();
    bad[5] ^= 1;
    fs::write(&first, bad).unwrap();
    for sequence in [LEAVES + 1, LEAVES + 100, 2 * LEAVES, 3 * LEAVES, 3100] {
        check(&log, sequence);
    }
    let keys = [log.key.public.clone()];
    assert!(matches!(prove(&log.path, 3, &keys, None), Err(ProofError::Log(VerifyError::Log(_)))));
    // Without the file there is no other way than to read all.
    fs::remove_file(log.path.join("tree")).unwrap();
    assert!(matches!(prove(&log.path, LEAVES + 1, &keys, None), Err(ProofError::Log(VerifyError::Log(_)))));
}

#[test]
fn a_file_of_hashes_that_is_wrong_is_made_again() {
    let log = large();
    check(&log, 2500);
    let path = log.path.join("tree");
    let good = fs::read(&path).unwrap();
    let bad = (0..good.len()).step_by(7).map(|at| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        bad
    });
    for bad in bad.chain([good[..100].to_vec(), vec![0; 10], vec![0xff; 800]]) {
        fs::write(&path, &bad).unwrap();
        check(&log, 2500);
    }
}

#[test]
fn consistency_is_proved_from_every_kind_of_size_and_of_nothing_else() {
    let log = large();
    let keys = [log.key.public.clone()];
    let at = |size: u64| log.note(usize::try_from(size).unwrap()).checkpoint(&keys[0]).unwrap();
    // Twice, as the second time the hashes are known.
    for old in [1, 2, 1000, LEAVES, 1500, 2 * LEAVES, 2100, 3099, 3100].repeat(2) {
        let text = prove_consistency(&log.path, old, &keys).unwrap().to_string();
        let proof: Consistency = text.parse().unwrap();
        assert_eq!(proof.to_string(), text);
        assert_eq!(proof.check(&at(old), &keys).unwrap().size, 3100, "from {old}");
        // Another past, another size, another log.
        let other = Checkpoint { root: leaf(b"other"), ..at(old) };
        assert!(matches!(proof.check(&other, &keys), Err(ProofError::Path(Wrong::Root))));
        assert!(matches!(proof.check(&at(old - 1), &keys), Err(ProofError::Other { .. })));
        let other = Checkpoint { origin: origin_of("other"), ..at(old) };
        assert!(matches!(proof.check(&other, &keys), Err(ProofError::Other { .. })));
        assert!(proof.check(&at(old), &[Key::new().public]).is_err());
    }
    for old in [0, 3101] {
        prove_consistency(&log.path, old, &keys).unwrap_err();
    }
}

fn origin_of(sandbox: &str) -> String {
    crate::checkpoint::origin(sandbox)
}

#[test]
fn what_retention_left_is_proved() {
    let log = large();
    let keys = [log.key.public.clone()];
    let begun = begun_at_2(&log, 1200);
    begin_removal(&log.path, &begun).unwrap();
    fs::remove_file(log.path.join(name(1))).unwrap();
    for sequence in [1201, 1300, 2 * LEAVES, 2 * LEAVES + 1, 3100].repeat(2) {
        check(&log, sequence);
    }
    assert!(matches!(prove(&log.path, 1200, &keys, None), Err(ProofError::Removed(1201))));
    let old = log.note(2100).checkpoint(&keys[0]).unwrap();
    for _twice in 0..2 {
        prove_consistency(&log.path, 2100, &keys).unwrap().check(&old, &keys).unwrap();
    }
    assert!(matches!(prove_consistency(&log.path, 1199, &keys), Err(ProofError::Removed(1201))));
}

#[test]
fn the_newest_checkpoint_is_found_at_the_end_of_however_many() {
    let log = Signed::new();
    let path = log.path.join(CHECKPOINTS);
    let many = format!("{}\n", log.note(5)).repeat(400) + &format!("{}\n", log.note(16));
    let unfinished = format!("{}\n", log.note(24));
    for end in 0..unfinished.len() {
        let Some(part) = unfinished.get(..end) else { continue };
        fs::write(&path, format!("{many}{part}")).unwrap();
        assert_eq!(newest_note(&log.path).unwrap(), Some(log.note(16)), "{end}");
    }
    fs::write(&path, &unfinished).unwrap();
    assert_eq!(newest_note(&log.path).unwrap(), Some(log.note(24)));
    fs::write(&path, "").unwrap();
    assert_eq!(newest_note(&log.path).unwrap(), None);
}

fn among(notes: &[Note], witness: &VerifyingKey) -> Result<Option<Checkpoint>, VerifyError> {
    cosigned(notes.iter().cloned().map(Ok), witness)
}

#[test]
fn a_witness_is_believed_only_what_it_cosigned() {
    let log = Signed::new();
    let pair = read_pem(&new_pem().unwrap()).unwrap();
    let witness = VerifyingKey::of_witness("w1", public(&pair)).unwrap();
    assert_eq!(witness.to_string().parse(), Ok(witness.clone()));
    let cosign = |size: usize| {
        let note = log.note(size);
        let time = 1_795_000_000_u64;
        let text = format!("cosignature/v1\ntime {time}\n{}", note.text());
        let bytes = [&time.to_be_bytes()[..], pair.sign(text.as_bytes()).as_ref()].concat();
        note.with(Signature { name: "w1".to_owned(), id: witness.id(), bytes })
    };
    let notes = [log.note(24), cosign(5), cosign(16)];
    assert_eq!(among(&notes, &witness).unwrap().unwrap().size, 16);
    assert_eq!(among(&notes[..1], &witness).unwrap(), None);
    // The time is signed as well, and a signature of the text alone is none of a witness.
    for at in [0, 7, 8, 71] {
        let mut forged = cosign(5);
        forged.signatures.last_mut().unwrap().bytes[at] ^= 1;
        assert!(matches!(among(&[forged], &witness), Err(VerifyError::Note { number: 1, .. })));
    }
    let plain = pair.sign(log.note(5).text().as_bytes()).as_ref().to_vec();
    let plain = log.note(5).with(Signature { name: "w1".to_owned(), id: witness.id(), bytes: plain });
    assert!(among(&[plain], &witness).is_err());
    // Proofs can rest on a cosigned checkpoint.
    let keys = [log.key.public.clone()];
    let proof = prove(&log.path, 3, &keys, Some(&cosign(5))).unwrap();
    assert_eq!(proof.check(&keys).unwrap().1.size, 5);
    assert_eq!(among(std::slice::from_ref(proof.note()), &witness).unwrap().unwrap().size, 5);
    assert!(matches!(prove(&log.path, 6, &keys, Some(&cosign(5))), Err(ProofError::Unsigned(6))));
}
