use std::fs;
use std::process::Command;

use ::copy::{Framed, Links, Place, Source, Unpacker};
use wire::frame::{self, Pieces};

use super::*;

const LIMITS: Limits = Limits { entries: 100, bytes: 1 << 20 };

fn tar(directory: &std::path::Path, arguments: &[&str], archive: &[u8]) -> Vec<u8> {
    let path = directory.join("../archive.tar");
    fs::write(&path, archive).unwrap();
    let mut command = Command::new("tar");
    let output = command.current_dir(directory).args(arguments).stdin(fs::File::open(path).unwrap());
    let output = output.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Puts the items of a framed stream into a tree.
fn written(framed: &[u8], to: &std::path::Path) {
    let place = Place::open(to.to_str().unwrap(), None, Links::Refused).unwrap();
    let mut unpacker = Unpacker::new(place, LIMITS);
    let mut items = Pieces::default();
    items.push(framed);
    while let Some(item) = items.next(frame::SMALL).unwrap() {
        unpacker.put(item).unwrap();
    }
    assert!(unpacker.has_ended());
}

/// What tar itself wrote arrives, and what we write tar itself reads: long names, links, empty files and holes.
#[test]
fn tar_and_we_understand_one_another() {
    let temp = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(temp.path()).unwrap();
    let tree = root.join("tree");
    let deep = format!("{}/{}", "d".repeat(120), "e".repeat(120));
    fs::create_dir_all(tree.join(&deep)).unwrap();
    fs::write(tree.join(&deep).join("long"), "long").unwrap();
    fs::write(tree.join("empty"), "").unwrap();
    fs::write(tree.join("zeros"), vec![0; 100_000]).unwrap();
    fs::write(tree.join("block"), vec![5; 1024]).unwrap();
    std::os::unix::fs::symlink("x".repeat(150), tree.join("link")).unwrap();
    let packed = tar(&tree, &["c", "--format=gnu", "."], b"");
    for format in [packed, tar(&tree, &["c", "--format=pax", "."], b"")] {
        let mut framed = Framed(Vec::new());
        unpack(format.as_slice(), &mut framed, &mut |what| panic!("{what}")).unwrap();
        let arrived = root.join("arrived");
        fs::create_dir(&arrived).unwrap();
        written(&framed.0, &arrived);

        let mut archive = Archive::new(Vec::new(), Some(Name::try_from(b"asked".to_vec()).unwrap()), LIMITS);
        let source = Source::open(arrived.to_str().unwrap(), Links::Refused).unwrap();
        ::copy::pack(&source, &mut archive, &mut |what| panic!("{what}")).unwrap();
        let back = root.join("back");
        fs::create_dir(&back).unwrap();
        tar(&back, &["x"], &archive.out);
        let mut same = Command::new("diff");
        same.args(["-r", "--no-dereference"]).arg(&tree).arg(back.join("asked"));
        let same = same.output().unwrap();
        assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stdout));
        fs::remove_dir_all(&arrived).unwrap();
        fs::remove_dir_all(&back).unwrap();
    }
}

#[test]
fn a_path_that_leads_elsewhere_is_refused() {
    for path in [&b"../x"[..], b"a/../../x"] {
        let attributes = Attributes { permissions: Permissions::from(0o644), modified: epoch() };
        let mut archive = Archive::new(Vec::new(), None, LIMITS);
        archive.block(&header(EntryType::Regular, attributes, 0), path).unwrap();
        let mut framed = Framed(Vec::new());
        let refused = unpack(archive.out.as_slice(), &mut framed, &mut |what| panic!("{what}"));
        assert!(matches!(refused, Err(Unsent::Cause(cause)) if cause.contains("leads elsewhere")));
    }
}

/// A sandbox that promises more than it may send is stopped before the zeros of its holes are written.
#[test]
fn holes_count_in_an_archive() {
    let attributes = Attributes { permissions: Permissions::from(0o644), modified: epoch() };
    let mut archive = Archive::new(Vec::new(), None, LIMITS);
    let name = Name::try_from(b"huge".to_vec()).unwrap();
    let refused = archive.put(Item::File { name, attributes, size: 1 << 50 });
    assert!(matches!(refused, Err(ArchiveError::TooMuch(..))));
    assert!(archive.out.is_empty());
}

/// Whoever unpacks the archive may go through links that are in it: none is followed by something of its name.
#[test]
fn nothing_in_an_archive_comes_twice() {
    let name = |text: &str| Name::try_from(text.as_bytes().to_vec()).unwrap();
    let attributes = Attributes { permissions: Permissions::from(0o755), modified: epoch() };
    let directory = |called| Item::Directory { name: name(called), attributes };
    let target = Target::try_from(b"/etc".to_vec()).unwrap();
    let link = Item::Link { name: name("out"), target, modified: epoch() };
    let attacks = [
        vec![link.clone(), directory("out")],
        vec![directory("d"), link.clone(), Item::Leave, directory("d")],
        vec![directory("z"), Item::Leave, link.clone(), directory("a")],
    ];
    for attack in attacks {
        let mut archive = Archive::new(Vec::new(), None, LIMITS);
        let refused = attack.into_iter().try_for_each(|item| archive.put(item));
        assert!(matches!(refused, Err(ArchiveError::OutOfTurn)), "{refused:?}");
    }
}
