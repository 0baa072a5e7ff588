//! Any bytes as a copy out of a sandbox: as frames, and as items that are ones. Nothing but the destination changes, and no
//! more comes than may.

#![no_main]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use copy::{Limits, Links, Place, Sink, Unpacker};
use libfuzzer_sys::fuzz_target;
use wire::copy::{Attributes, Item, Name, Permissions, Target, Time};
use wire::frame::{Pieces, SMALL};

const SECRET: &[u8] = b"of the host";
const LIMITS: Limits = Limits { entries: 24, bytes: 4096 };

/// Names that lead somewhere, if anything does: a directory, a link to one, a link to a file, a file, another name of a
/// file outside.
const NAMES: [&str; 9] = ["d", "out", "secret", "f", "shared", "new", "..", "../out", "d/secret"];
const TARGETS: [&str; 5] = ["..", "../../out", "/", "secret", "d"];

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let home = tempfile::tempdir().expect("the temporary directory is writable");
    let (inside, outside) = (home.path().join("in"), home.path().join("out"));
    lay(&inside, &outside).expect("it is empty");
    let name = (kind & 2 != 0).then(|| name(kind >> 2)).flatten();
    let to = inside.to_str().expect("it is text");
    let Ok(place) = Place::open(to, name.as_ref(), Links::Refused) else { return };
    let mut unpacker = Unpacker::new(place, LIMITS);
    if kind & 1 == 0 {
        let mut pieces = Pieces::default();
        pieces.push(bytes);
        while let Ok(Some(item)) = pieces.next::<Item>(SMALL) {
            if unpacker.put(item).is_err() {
                break;
            }
        }
    } else {
        let mut bytes = bytes.iter().copied();
        while let Some(item) = item(&mut bytes) {
            if unpacker.put(item).is_err() {
                break;
            }
        }
    }
    let amount = unpacker.amount();
    assert!(amount.entries() <= LIMITS.entries && amount.bytes <= LIMITS.bytes, "{amount}");
    drop(unpacker);
    untouched(home.path(), &outside);
    plain(&inside);
});

/// A destination with everything in it that could lead out of it.
fn lay(inside: &Path, outside: &Path) -> std::io::Result<()> {
    fs::create_dir_all(inside.join("d"))?;
    fs::create_dir(outside)?;
    fs::write(outside.join("secret"), SECRET)?;
    fs::set_permissions(outside.join("secret"), fs::Permissions::from_mode(0o640))?;
    fs::write(inside.join("f"), "old")?;
    symlink("../out", inside.join("out"))?;
    symlink("../out/secret", inside.join("secret"))?;
    symlink("../../out", inside.join("d/out"))?;
    fs::hard_link(outside.join("secret"), inside.join("shared"))
}

fn item(bytes: &mut impl Iterator<Item = u8>) -> Option<Item> {
    let kind = bytes.next()?;
    let attributes = |bytes: &mut dyn Iterator<Item = u8>| {
        let mode = u32::from_le_bytes([bytes.next()?, bytes.next()?, bytes.next()?, 0]);
        let modified = Time::new(i64::from(bytes.next()?) << (mode % 56), mode % 1_000_000_000).ok()?;
        Some(Attributes { permissions: Permissions::from(mode), modified })
    };
    Some(match kind % 7 {
        0 => Item::Directory { name: name(bytes.next()?)?, attributes: attributes(bytes)? },
        1 => Item::Leave,
        2 => {
            let size = u64::from(bytes.next()?) << (kind / 7);
            Item::File { name: name(bytes.next()?)?, attributes: attributes(bytes)?, size }
        }
        3 => {
            let (offset, length) = (u64::from(bytes.next()?) << (kind / 7), bytes.next()?);
            Item::Data { offset, bytes: vec![kind; usize::from(length) * 8] }
        }
        4 => Item::Void,
        5 => {
            let target = TARGETS[usize::from(bytes.next()?) % TARGETS.len()];
            let target = Target::try_from(target.as_bytes().to_vec()).ok()?;
            Item::Link { name: name(bytes.next()?)?, target, modified: Time::new(0, 0).ok()? }
        }
        _ => Item::End,
    })
}

/// One of [`NAMES`]; none of those that lead out of a directory is one.
fn name(number: u8) -> Option<Name> {
    let name = NAMES[usize::from(number) % NAMES.len()];
    let made = Name::try_from(name.as_bytes().to_vec());
    assert_eq!(made.is_err(), name == ".." || name.contains('/'), "{name}");
    made.ok()
}

/// What lies beside the destination is as it was.
fn untouched(home: &Path, outside: &Path) {
    assert_eq!(entries(home), ["in", "out"]);
    assert_eq!(entries(outside), ["secret"]);
    let secret = outside.join("secret");
    assert_eq!(fs::read(&secret).expect("it is there"), SECRET);
    let mode = fs::metadata(&secret).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("it is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("it is there").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Directories, files and links, and nothing that runs with somebody else's rights.
fn plain(directory: &Path) {
    for entry in fs::read_dir(directory).expect("root reads everything") {
        let entry = entry.expect("it is there");
        let metadata = entry.metadata().expect("it is there");
        let kind = metadata.file_type();
        assert!(kind.is_dir() || kind.is_file() || kind.is_symlink(), "{entry:?}");
        assert!(kind.is_symlink() || metadata.permissions().mode() & 0o7000 == 0, "{entry:?}");
        if kind.is_dir() {
            plain(&entry.path());
        }
    }
}
