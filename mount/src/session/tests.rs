//! Requests, and what they come to on the host.

mod attacks;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::content::settled;
use super::testbed::{AGENT, BELIEVED, Bed, Fields, Told};
use crate::directory::Attributes;
use crate::message::testbed::{long, longs, name, op, word, words};
use crate::nodes::Seen;

const RDONLY: u32 = 0;
const WRONLY: u32 = 1;
const RDWR: u32 = 2;
const EXCL: u32 = 0o200;
const TRUNC: u32 = 0o1000;
const APPEND: u32 = 0o2000;

#[test]
fn the_session_begins_with_what_both_sides_can() {
    let bed = Bed::new();
    let begin =
        |version: [u32; 2], flags| bed.ask(op::INIT, 0, &words(&[version[0], version[1], 1 << 20, flags]));
    let told = begin([7, 40], u32::MAX).unwrap();
    assert_eq!(told.len(), 64);
    assert_eq!([word(&told, 0), word(&told, 4), word(&told, 8)], [7, 31, 128 << 10]);
    assert_eq!(word(&told, 12) & (1 << 16), 0, "nothing is written later than the guest believes");
    assert_eq!(word(&told, 20), 128 << 10);
    assert_eq!(word(&begin([7, 31], 1).unwrap(), 12), 1, "no more than the guest can");
    assert_eq!(begin([7, 30], 1), Err(71));
    assert_eq!(begin([6, 50], 1), Err(71));
}

#[test]
fn a_new_session_knows_nothing_of_the_one_before() {
    let bed = Bed::new();
    fs::write(bed.inside("a"), "x").unwrap();
    let node = bed.walk("a").unwrap().node;
    let handle = bed.open(node, RDONLY).unwrap();
    bed.ask(op::INIT, 0, &words(&[7, 31, 0, 0])).unwrap();
    assert_eq!((bed.known(), bed.open(node, RDONLY), bed.read(handle, 0, 1)), (1, Err(116), Err(9)));
}

#[test]
fn files_are_looked_up_and_told_as_the_agents() {
    let bed = Bed::new();
    fs::create_dir(bed.inside("d")).unwrap();
    fs::write(bed.inside("d/f"), "four").unwrap();
    fs::set_permissions(bed.inside("d/f"), PermissionsExt::from_mode(0o6755)).unwrap();
    let told = bed.walk("d/f").unwrap();
    let expected = Told { node: told.node, size: 4, mode: 0o10_0755, uid: AGENT.uid, gid: AGENT.gid };
    assert_eq!(told, expected, "set-user-id bits are not told");
    assert_eq!(bed.walk("d/f").unwrap().node, told.node, "the same file is the same node");
    assert_eq!(bed.walk("d/none"), Err(2));
    assert_eq!(bed.walk("d/f/x"), Err(20));
}

#[test]
fn a_file_made_anew_is_another_node() {
    let bed = Bed::new();
    fs::write(bed.inside("f"), "old").unwrap();
    let old = bed.walk("f").unwrap().node;
    fs::rename(bed.inside("f"), bed.inside("kept aside")).unwrap();
    fs::write(bed.inside("f"), "new").unwrap();
    assert_eq!(bed.open(old, RDONLY), Err(116), "what has the name now is not what the guest knows");
    let new = bed.walk("f").unwrap().node;
    assert_ne!(old, new);
    assert_eq!(bed.read(bed.open(new, RDONLY).unwrap(), 0, 9).unwrap(), b"new");
}

#[test]
fn what_is_told_may_be_believed_as_long_as_is_said() {
    let bed = Bed::new();
    fs::write(bed.inside("f"), "").unwrap();
    for name in [&b"f\0"[..], b"none\0"] {
        let told = bed.ask(op::LOOKUP, 1, name).unwrap();
        assert_eq!(long(&told, 16), u64::from(BELIEVED), "{name:?}");
    }
    let told = bed.ask(op::GETATTR, 1, &[0; 16]).unwrap();
    assert_eq!(long(&told, 0), u64::from(BELIEVED));
}

#[test]
fn what_is_forgotten_is_gone_and_the_top_is_never() {
    let bed = Bed::new();
    fs::write(bed.inside("f"), "").unwrap();
    let node = bed.walk("f").unwrap().node;
    bed.walk("f").unwrap();
    bed.ask(op::FORGET, node, &longs(&[1])).unwrap();
    assert!(bed.open(node, RDONLY).is_ok(), "it was looked up twice");
    bed.ask(op::FORGET, node, &longs(&[9])).unwrap();
    assert_eq!(bed.open(node, RDONLY), Err(116));
    bed.ask(op::FORGET, 1, &longs(&[u64::MAX])).unwrap();
    assert!(bed.walk("f").is_ok());
    assert_eq!(bed.known(), 2);
}

#[test]
fn content_is_created_written_and_read() {
    let bed = Bed::new();
    let (told, handle) = bed.create(1, "new", (RDWR, 0o644)).unwrap();
    assert_eq!(
        (told.mode, bed.write(handle, 0, b"hello"), bed.write(handle, 5, b" host")),
        (0o10_0644, Ok(5), Ok(5))
    );
    assert_eq!(bed.read(handle, 4, 100).unwrap(), b"o host");
    assert_eq!(fs::read_to_string(bed.inside("new")).unwrap(), "hello host");
    bed.ask(op::FSYNC, told.node, &[longs(&[handle]), words(&[0, 0])].concat()).unwrap();
    let close = [longs(&[handle]), words(&[0, 0]), longs(&[0])].concat();
    bed.ask(op::RELEASE, told.node, &close).unwrap();
    assert_eq!(bed.ask(op::RELEASE, told.node, &close), Err(9));
    assert_eq!(bed.create(1, "new", (RDWR | EXCL, 0o644)), Err(17));
    let (again, handle) = bed.create(1, "new", (RDWR, 0o600)).unwrap();
    assert_eq!((again.node, bed.read(handle, 0, 5).unwrap()), (told.node, b"hello".to_vec()));
}

#[test]
fn flags_of_open_mean_what_they_say() {
    let bed = Bed::new();
    fs::write(bed.inside("f"), "0123456789").unwrap();
    let node = bed.walk("f").unwrap().node;
    let read_only = bed.open(node, RDONLY).unwrap();
    assert_eq!(bed.write(read_only, 0, b"x"), Err(9));
    let append = bed.open(node, WRONLY | APPEND).unwrap();
    bed.write_as((append, 0), (0, WRONLY | APPEND), b"end").unwrap();
    assert_eq!(fs::read_to_string(bed.inside("f")).unwrap(), "0123456789end");
    bed.open(node, WRONLY | TRUNC).unwrap();
    assert_eq!(fs::read_to_string(bed.inside("f")).unwrap(), "");
    assert_eq!(bed.open(node, 3), Err(22));
}

#[test]
fn what_is_appended_goes_to_the_end_and_what_was_cached_to_its_place() {
    const CACHED: u32 = 1;
    let bed = Bed::new();
    fs::write(bed.inside("f"), "0123456789").unwrap();
    let handle = bed.open(bed.walk("f").unwrap().node, RDWR | APPEND).unwrap();
    bed.write_as((handle, 2), (CACHED, 0), b"ab").unwrap();
    bed.write_as((handle, 4), (CACHED, RDWR | APPEND), b"cd").unwrap();
    // After `fcntl(F_SETFL, 0)`.
    bed.write_as((handle, 0), (0, RDWR), b"x").unwrap();
    assert_eq!(fs::read_to_string(bed.inside("f")).unwrap(), "x1abcd6789");
    fs::write(bed.inside("f"), "the host has made it longer").unwrap();
    bed.write_as((handle, 10), (0, RDWR | APPEND), b", and this follows").unwrap();
    let content = fs::read_to_string(bed.inside("f")).unwrap();
    assert_eq!(content, "the host has made it longer, and this follows");
}

#[test]
fn names_are_made_moved_linked_and_removed() {
    let bed = Bed::new();
    let dir = bed.make(op::MKDIR, 1, &[words(&[0o755, 0]), name("d")].concat()).unwrap();
    let file = bed.make(op::MKNOD, dir.node, &[words(&[0o10_0640, 0, 0, 0]), name("f")].concat()).unwrap();
    let plain = bed.make(op::MKNOD, dir.node, &[words(&[0o10_0600, 0, 0, 0]), name("p")].concat()).unwrap();
    assert_eq!((file.mode, plain.mode), (0o10_0640, 0o10_0600));
    let link = bed.make(op::SYMLINK, 1, &[name("l"), name("d/f")].concat()).unwrap();
    assert_eq!(bed.ask(op::READLINK, link.node, &[]).unwrap(), b"d/f");
    assert_eq!(bed.ask(op::READLINK, file.node, &[]), Err(22));
    let hard = bed.make(op::LINK, 1, &[longs(&[file.node]), name("hard")].concat()).unwrap();
    assert_eq!(hard.node, file.node);
    assert_eq!(fs::metadata(bed.inside("d/f")).unwrap().nlink(), 2);
    bed.ask(op::RENAME, dir.node, &[longs(&[1]), name("p"), name("q")].concat()).unwrap();
    assert!(
        bed.ask(op::GETATTR, plain.node, &[words(&[0, 0]), longs(&[0])].concat()).is_ok(),
        "found at its new place"
    );
    bed.ask(op::RENAME2, 1, &[longs(&[1]), words(&[1, 0]), name("q"), name("l")].concat()).unwrap_err();
    bed.ask(op::RENAME2, 1, &[longs(&[1]), words(&[2, 0]), name("q"), name("l")].concat()).unwrap();
    assert!(fs::symlink_metadata(bed.inside("q")).unwrap().is_symlink());
    assert_eq!(bed.ask(op::READLINK, link.node, &[]).unwrap(), b"d/f", "both have moved");
    assert_eq!(
        bed.ask(op::RENAME2, 1, &[longs(&[1]), words(&[4, 0]), name("q"), name("w")].concat()),
        Err(22)
    );
    assert_eq!(bed.ask(op::RMDIR, 1, &name("d")), Err(39));
    bed.ask(op::UNLINK, dir.node, &name("f")).unwrap();
    bed.ask(op::RMDIR, 1, &name("d")).unwrap();
    assert!(!bed.inside("d").exists() && bed.inside("hard").exists());
}

#[test]
fn a_file_without_a_name_lives_while_it_is_open() {
    let bed = Bed::new();
    let (told, handle) = bed.create(1, "t", (RDWR, 0o600)).unwrap();
    bed.ask(op::UNLINK, 1, &name("t")).unwrap();
    bed.write(handle, 0, b"still").unwrap();
    let told = bed
        .change(told.node, 1 << 3, Fields { size: 3, ..Fields::default() })
        .map(|now| (told.node, now.size));
    let (node, size) = told.unwrap();
    assert_eq!((size, bed.read(handle, 0, 9).unwrap()), (3, b"sti".to_vec()));
    bed.ask(op::RELEASE, node, &[longs(&[handle]), words(&[0, 0]), longs(&[0])].concat()).unwrap();
    assert_eq!(bed.ask(op::GETATTR, node, &[words(&[0, 0]), longs(&[0])].concat()), Err(116));
}

#[test]
fn a_file_without_a_name_is_reached_through_whatever_of_it_is_open() {
    let bed = Bed::new();
    let (Told { node, .. }, first) = bed.create(1, "t", (RDWR, 0o600)).unwrap();
    let second = bed.open(node, RDONLY).unwrap();
    let third = bed.open(node, RDONLY).unwrap();
    bed.close(node, third).unwrap();
    fs::write(bed.inside("u"), "").unwrap();
    bed.ask(op::RENAME, 1, &[longs(&[1]), name("u"), name("t")].concat()).unwrap();
    bed.close(node, second).unwrap();
    // The guest's kernel names no handle for `fstat`, `fchmod` and `futimens`.
    assert!(bed.ask(op::GETATTR, node, &[words(&[0, 0]), longs(&[0])].concat()).is_ok());
    assert_eq!(
        bed.change(node, 1, Fields { mode: 0o640, ..Fields::default() }).map(|now| now.mode),
        Ok(0o10_0640)
    );
    assert!(bed.change(node, 1 << 5, Fields { times: (0, 5), ..Fields::default() }).is_ok());
    let cut = Fields { handle: first, size: 7, mode: 0o600, ..Fields::default() };
    let now = bed.change(node, 1 | 1 << 3 | 1 << 6, cut).unwrap();
    assert_eq!((now.size, now.mode), (7, 0o10_0600));
    let facts = fs::metadata(bed.inside("t")).unwrap();
    assert!(facts.len() == 0 && facts.mtime() != 5, "what has the name now is another file");
    bed.close(node, first).unwrap();
    assert_eq!(bed.ask(op::GETATTR, node, &[words(&[0, 0]), longs(&[0])].concat()), Err(116));
}

#[test]
fn attributes_are_changed() {
    let bed = Bed::new();
    fs::write(bed.inside("f"), "0123456789").unwrap();
    let node = bed.walk("f").unwrap().node;
    let now = bed.change(node, 1, Fields { mode: 0o100, ..Fields::default() }).unwrap();
    assert_eq!(now.mode, 0o10_0100);
    let now = bed.change(node, 1 | 1 << 3, Fields { mode: 0o600, size: 4, ..Fields::default() }).unwrap();
    assert_eq!((now.mode, now.size), (0o10_0600, 4));
    bed.change(node, 1 << 4 | 1 << 5, Fields { times: (1_000_000, 2_000_000), ..Fields::default() }).unwrap();
    let facts = fs::metadata(bed.inside("f")).unwrap();
    assert_eq!((facts.atime(), facts.mtime()), (1_000_000, 2_000_000));
    let own = Fields { uid: AGENT.uid, gid: AGENT.gid, ..Fields::default() };
    assert!(bed.change(node, 1 << 1 | 1 << 2, own).is_ok(), "to whom it belongs it may be given");
    for (valid, fields) in [(1 << 1, Fields { uid: 0, ..own }), (1 << 2, Fields { gid: 0, ..own })] {
        assert_eq!(bed.change(node, valid, fields), Err(1));
    }
    symlink("f", bed.inside("l")).unwrap();
    let link = bed.walk("l").unwrap().node;
    assert_eq!(bed.change(link, 1, Fields { mode: 0o777, ..Fields::default() }), Err(95));
    bed.change(link, 1 << 5, Fields { times: (0, 5), ..Fields::default() }).unwrap();
    assert_eq!(fs::metadata(bed.inside("f")).unwrap().mtime(), 2_000_000, "the link's, not the file's");
}

#[test]
fn directories_of_any_length_are_listed_once() {
    let bed = Bed::new();
    let mut names: Vec<String> =
        (0..700).map(|index| format!("{index:0>width$}", width = 1 + index % 200)).collect();
    names.iter().for_each(|name| fs::write(bed.inside(name), "").unwrap());
    names.sort();
    for (opcode, size) in
        [(op::READDIR, 4096), (op::READDIR, 1 << 17), (op::READDIRPLUS, 4096), (op::READDIRPLUS, 1 << 17)]
    {
        let mut listed = bed.list(1, (opcode, size));
        listed.sort();
        assert_eq!(listed.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names);
        let looked_up = listed.iter().all(|(_, node)| *node > 1);
        assert_eq!(looked_up, opcode == op::READDIRPLUS);
    }
    assert_eq!(bed.known(), 701);
}

#[test]
fn room_is_given_and_taken_and_holes_are_found() {
    let bed = Bed::new();
    let (told, handle) = bed.create(1, "f", (RDWR, 0o600)).unwrap();
    let allocate = |mode, offset, length| {
        bed.ask(op::FALLOCATE, told.node, &[longs(&[handle, offset, length]), words(&[mode, 0])].concat())
    };
    allocate(0, 0, 1 << 16).unwrap();
    assert_eq!(fs::metadata(bed.inside("f")).unwrap().len(), 1 << 16);
    assert_eq!(allocate(1 << 6, 0, 4096), Err(95), "to share blocks is not offered");
    bed.write(handle, 1 << 20, b"data").unwrap();
    let seek = |offset, whence| {
        bed.ask(op::LSEEK, told.node, &[longs(&[handle, offset]), words(&[whence, 0])].concat())
    };
    assert_eq!(long(&seek((1 << 20) + 2, 4).unwrap(), 0), (1 << 20) + 4);
    assert_eq!(seek(0, 0), Err(22));
    let (_, other) = bed.create(1, "g", (RDWR, 0o600)).unwrap();
    let copy = longs(&[handle, 1 << 20, 0, other, 0, 4, 0]);
    assert_eq!(word(&bed.ask(op::COPY, told.node, &copy).unwrap(), 0), 4);
    assert_eq!(fs::read(bed.inside("g")).unwrap(), b"data");
    assert_eq!(bed.ask(op::STATFS, 1, &[]).unwrap().len(), 80);
}

#[test]
fn what_the_guest_has_cached_is_kept_only_if_nothing_has_changed_for_sure() {
    let bed = Bed::new();
    fs::write(bed.inside("f"), "one").unwrap();
    let node = bed.walk("f").unwrap().node;
    let keeps = || word(&bed.ask(op::OPEN, node, &words(&[RDONLY, 0])).unwrap(), 8) & 2 != 0;
    assert!(!keeps(), "the first time");
    assert!(!keeps(), "it was changed just now: another change may have the same time");
    let of = |changed| settled(&Attributes { changed, size: 3, ..Attributes::default() });
    assert_eq!(of((1_000_000, 0)), Some(Seen { changed: [(0, 0), (1_000_000, 0)], size: 3 }));
    assert_eq!(
        (of((i64::MAX, 0)), of((i64::MAX / 2, 0))),
        (None, None),
        "a clock that is ahead proves nothing"
    );
}

#[test]
fn what_is_not_offered_is_said_so() {
    let bed = Bed::new();
    for opcode in [0, 7, 19, 21, 22, 23, 24, 25, 31, 32, 33, 34, 37, 39, 40, 48, 50, 51, 4096, u32::MAX] {
        assert_eq!(bed.ask(opcode, 1, &[0; 64]), Err(38), "{opcode}");
    }
}
