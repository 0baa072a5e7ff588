//! Any bytes as a request to the server of a live mount; and any sequence of requests that are ones. Nothing but its directory
//! changes, and nothing in it lends rights.

#![no_main]

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mount::answer::Answer;
use mount::directory::Directory;
use mount::kept::Kept;
use mount::message::{Operation, Request};
use mount::session::Session;
use wire::spawn::JailUser;

const SECRET: &[u8] = b"of the host";

/// Names that lead somewhere, if anything does.
const NAMES: [&str; 10] = ["d", "out", "secret", "f", "shared", "new", "..", "../out", "", "pipe"];
const TARGETS: [&str; 5] = ["..", "../../out", "/", "secret", "d"];

/// Requests of a sequence. None makes a file long: the disk is this machine's.
const KINDS: [u32; 22] = [1, 1, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 27, 35, 44, 45];

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    if kind & 1 == 0 {
        return parsed(bytes);
    }
    let home = tempfile::tempdir().expect("the temporary directory is writable");
    let (inside, outside) = (home.path().join("in"), home.path().join("out"));
    lay(&inside, &outside).expect("it is empty");
    let directory = fs::File::open(&inside).expect("it was made");
    let agent = JailUser { uid: 1000, gid: 1000 };
    let directory = Directory::of(directory.into(), agent).expect("it is open");
    let session = Session::new(directory, Kept::default(), 1);
    let mut answer = Answer::default();
    let mut bytes = bytes.iter().copied();
    while let Some(message) = message(&mut bytes) {
        let told = session.answer(&message, &mut answer);
        let length = told.first_chunk().map(|length| u32::from_le_bytes(*length));
        assert_eq!(length.and_then(|length| usize::try_from(length).ok()), Some(told.len()));
    }
    untouched(home.path(), &outside);
    plain(&inside);
});

/// Whatever parses says no more than the message holds.
fn parsed(bytes: &[u8]) {
    let Ok(Request { operation, .. }) = Request::parse(bytes) else { return };
    match operation {
        Operation::Lookup(name)
        | Operation::Unlink(name)
        | Operation::RemoveDirectory(name)
        | Operation::MakeNode(name, _)
        | Operation::MakeDirectory(name, _)
        | Operation::SymbolicLink(name, _)
        | Operation::Rename(_, (_, name), _)
        | Operation::Link(_, name)
        | Operation::Create(name, _) => {
            let name = name.as_c_str().to_bytes();
            assert!(!name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/'));
            assert!(name.len() < 256);
        }
        Operation::Write(_, _, content) => assert!(content.len() + 80 == bytes.len()),
        Operation::Forget(nodes) => assert!(nodes.len() * 16 <= bytes.len()),
        _ => {}
    }
}

/// The next request of a sequence.
fn message(bytes: &mut impl Iterator<Item = u8>) -> Option<Vec<u8>> {
    let kind = *KINDS.get(usize::from(bytes.next()?) % KINDS.len())?;
    let mut small = || bytes.next().map(|byte| u64::from(byte % 12));
    let node = small()?;
    let (one, two) = (small()?, small()?);
    let flags = u32::from(bytes.next()?) | u32::from(bytes.next()?) << 8;
    let mut name = |names: &[&str]| {
        let text = names.get(usize::from(bytes.next()?) % names.len())?;
        Some([text.as_bytes(), b"\0"].concat())
    };
    let longs = |numbers: &[u64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let words = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let rest = match kind {
        1 | 10 | 11 => name(&NAMES)?,
        2 => longs(&[one]),
        3 => [words(&[flags, 0]), longs(&[one])].concat(),
        4 => [words(&[flags, 0]), longs(&[one, two, 0, 1, 2, 3]), words(&[0, 0, 0, flags, 0, 1000, 1000, 0])]
            .concat(),
        5 => Vec::new(),
        6 => [name(&NAMES)?, name(&TARGETS)?].concat(),
        8 => [words(&[flags, 0x103, 0, 0]), name(&NAMES)?].concat(),
        9 => [words(&[flags, 0]), name(&NAMES)?].concat(),
        12 => [longs(&[one]), name(&NAMES)?, name(&NAMES)?].concat(),
        13 => [longs(&[one]), name(&NAMES)?].concat(),
        14 | 27 => words(&[flags, 0]),
        15 | 44 => [longs(&[one, two]), words(&[flags, 0]), longs(&[0, 0])].concat(),
        16 => [longs(&[one, two]), words(&[4, 0]), longs(&[0, 0]), b"data".to_vec()].concat(),
        18 => [longs(&[one]), words(&[0, 0]), longs(&[0])].concat(),
        35 => [words(&[flags, flags, 0, 0]), name(&NAMES)?].concat(),
        _ => [longs(&[one]), words(&[flags % 4, 0]), name(&NAMES)?, name(&NAMES)?].concat(),
    };
    let length = u32::try_from(40 + rest.len()).ok()?;
    Some([words(&[length, kind]), longs(&[7, node]), words(&[0, 0, 0, 0]), rest].concat())
}

/// A directory with everything in it that could lead out of it.
fn lay(inside: &Path, outside: &Path) -> std::io::Result<()> {
    fs::create_dir_all(inside.join("d"))?;
    fs::create_dir(outside)?;
    fs::write(outside.join("secret"), SECRET)?;
    fs::set_permissions(outside.join("secret"), fs::Permissions::from_mode(0o640))?;
    fs::write(inside.join("f"), "f")?;
    symlink("../out", inside.join("out"))?;
    symlink("../../out/secret", inside.join("d/secret"))?;
    symlink("../out/secret", inside.join("secret"))
}

fn untouched(home: &Path, outside: &Path) {
    let names = |path: &Path| fs::read_dir(path).expect("it is there").count();
    assert_eq!((names(home), names(outside)), (2, 1), "something came or went beside the directory");
    let secret = outside.join("secret");
    let facts = fs::symlink_metadata(&secret).expect("it is there");
    assert_eq!((facts.mode() & 0o7777, facts.nlink()), (0o640, 1));
    assert_eq!(fs::read(&secret).expect("it can be read"), SECRET);
}

/// No device, no socket, nothing set-user-id.
fn plain(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Ok(facts) = fs::symlink_metadata(&path) else { continue };
        let kind = facts.file_type();
        assert!(!kind.is_char_device() && !kind.is_block_device() && !kind.is_socket(), "{path:?}");
        assert!(kind.is_symlink() || facts.mode() & 0o6000 == 0, "{path:?}: {:o}", facts.mode());
        if kind.is_dir() {
            plain(&path);
        }
    }
}
