use super::*;

/// The key and the note of the documentation of Go's `sumdb/note`.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn a_note_of_another_implementation_is_verified() {
    let key: VerifyingKey = KEY.parse().unwrap();
    assert_eq!(key.to_string(), KEY);
    let note = Note::parse(NOTE).unwrap();
    assert_eq!(note.to_string(), NOTE);
    // It is signed, and no checkpoint.
    assert!(matches!(note.checkpoint(&key), Err(NoteError::Checkpoint(_))));
    for at in 0..NOTE.len() {
        let mut bad = NOTE.as_bytes().to_vec();
        bad[at] ^= 1;
        let bad = String::from_utf8(bad).map_err(|_not_text| NoteError::Form(""));
        let verified = bad.and_then(|bad| Note::parse(&bad)).and_then(|note| note.checkpoint(&key));
        assert!(!matches!(verified, Err(NoteError::Checkpoint(_)) | Ok(_)), "byte {at}");
    }
}

#[test]
fn mistyped_keys_are_none() {
    for (bad, error) in [
        ("", KeyError::Form),
        ("PeterNeumann", KeyError::Form),
        (&KEY.replace("c74f20a3", "c74f20a4"), KeyError::Id),
        (&KEY.replace("Peter", "Paul"), KeyError::Id),
        (&KEY.replace("ARpc", "Ahpc"), KeyError::Algorithm),
        (&KEY.replace("10TW", "10T"), KeyError::Form),
    ] {
        assert_eq!(bad.parse::<VerifyingKey>(), Err(error), "{bad}");
    }
}

#[test]
fn a_checkpoint_reads_as_it_was_written() {
    let root = crate::tree::leaf(b"x");
    let checkpoint = Checkpoint { origin: origin("test-0a1b2c3d"), size: 7, root };
    assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint.clone()));
    assert_eq!(Checkpoint::parse(&(checkpoint.text() + "extension\n")), Ok(checkpoint.clone()));
    let good = checkpoint.text();
    for bad in [
        "",
        "\n7\nx\n",
        &good.replace("\n7\n", "\n07\n"),
        &good.replace("\n7\n", "\n+7\n"),
        &good[..good.len() - 4],
    ] {
        assert!(matches!(Checkpoint::parse(bad), Err(NoteError::Checkpoint(_))), "{bad}");
    }
}

#[test]
fn notes_in_a_file_are_told_apart_and_an_unfinished_one_is_passed_over() {
    let file = format!("{NOTE}\n{NOTE}\n");
    assert_eq!(Note::parse_all(&file).unwrap().0.len(), 2);
    let first = NOTE.len() + 1;
    for end in 0..file.len() {
        let Some(cut) = file.get(..end) else { continue };
        assert_eq!(Note::parse_all(cut).unwrap().0.len(), usize::from(end >= first), "{end}");
    }
    assert_eq!(Note::parse_all(&file.replacen("— ", "- ", 1)).unwrap_err().0, 1);
    assert_eq!(Note::parse_all("").unwrap(), (vec![], ""));
    assert_eq!(Note::parse_all(&file[..first + 5]).unwrap().1, "If yo");
}
