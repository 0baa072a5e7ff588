use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode};
use rustix::io::Errno;
use wire::copy::{Attributes, Permissions, Target, Time};

use super::*;

const LIMITS: Limits = Limits { entries: 100, bytes: 1 << 20 };

/// Two directories: where a copy goes, and what is beside it, which no copy may reach.
struct Ground {
    _temp: tempfile::TempDir,
    here: PathBuf,
    beside: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(temp.path()).unwrap();
        let (here, beside) = (root.join("here"), root.join("beside"));
        fs::create_dir(&here).unwrap();
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("secret"), "untouched").unwrap();
        Self { _temp: temp, here, beside }
    }

    fn unpacker(&self) -> Unpacker {
        Unpacker::new(Place::open(text(&self.here), None, Links::Refused).unwrap(), LIMITS)
    }

    /// What a hostile sender does, up to the first refusal.
    fn attack(&self, items: impl IntoIterator<Item = Item>) -> Result<Amount, UnpackError> {
        let mut unpacker = self.unpacker();
        let refused = items.into_iter().try_for_each(|item| unpacker.put(item));
        assert_eq!(fs::read_to_string(self.beside.join("secret")).unwrap(), "untouched");
        assert_eq!(fs::read_dir(&self.beside).unwrap().count(), 1, "something was made beside it");
        refused.map(|()| unpacker.amount())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn name(bytes: impl AsRef<[u8]>) -> Name {
    Name::try_from(bytes.as_ref().to_vec()).unwrap()
}

fn attributes(mode: u32) -> Attributes {
    Attributes { permissions: Permissions::from(mode), modified: Time::new(1_000_000_000, 5).unwrap() }
}

fn file(called: &str, size: u64) -> Item {
    Item::File { name: name(called), attributes: attributes(0o644), size }
}

fn directory(called: &str) -> Item {
    Item::Directory { name: name(called), attributes: attributes(0o755) }
}

fn link(called: &str, target: &str) -> Item {
    let modified = Time::new(1_000_000_000, 5).unwrap();
    Item::Link { name: name(called), target: Target::try_from(target.as_bytes().to_vec()).unwrap(), modified }
}

fn data(offset: u64, bytes: &[u8]) -> Item {
    Item::Data { offset, bytes: bytes.to_vec() }
}

fn copied(from: &Path, to: &Path) -> (Result<Amount, UnpackError>, Vec<String>) {
    let source = Source::open(text(from), Links::Refused).unwrap();
    let called = Typed::parse(text(from)).unwrap().name().cloned();
    let place = Place::open(text(to), called.as_ref(), Links::Refused).unwrap();
    let mut unpacker = Unpacker::new(place, LIMITS);
    let mut left_out = Vec::new();
    let packed = pack(&source, &mut unpacker, &mut |what| left_out.push(what.to_string()));
    assert!(packed.is_err() || unpacker.has_ended());
    (packed.map(|()| unpacker.amount()), left_out)
}

#[test]
fn a_tree_arrives_as_it_was() {
    let ground = Ground::new();
    let tree = ground.here.join("tree");
    fs::create_dir_all(tree.join("sub/closed")).unwrap();
    fs::write(tree.join("sub/run"), vec![7; 100_000]).unwrap();
    fs::set_permissions(tree.join("sub/run"), PermissionsExt::from_mode(0o4751)).unwrap();
    fs::write(tree.join("sub/closed/x"), "x").unwrap();
    fs::write(tree.join("empty"), "").unwrap();
    fs::write(tree.join("a\u{1b}[2Jb"), "odd").unwrap();
    symlink("../../beside/secret", tree.join("sub/out")).unwrap();
    symlink("nowhere", tree.join("dangling")).unwrap();
    fs::set_permissions(tree.join("sub/closed"), PermissionsExt::from_mode(0o500)).unwrap();
    let past = std::time::UNIX_EPOCH + std::time::Duration::new(1_234_567_890, 123_456_789);
    fs::File::open(tree.join("sub")).unwrap().set_modified(past).unwrap();

    let to = ground.here.join("copy");
    let (amount, left_out) = copied(&tree, &to);
    assert_eq!(left_out, Vec::<String>::new());
    assert_eq!(amount, Ok(Amount { files: 4, directories: 3, links: 2, bytes: 100_004 }));
    assert_eq!(fs::read(to.join("sub/run")).unwrap(), vec![7; 100_000]);
    let mode = |path: &str| fs::symlink_metadata(to.join(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("sub/run"), mode("sub/closed")), (0o751, 0o500), "set-user-ID does not travel");
    assert_eq!(fs::read_link(to.join("sub/out")).unwrap(), Path::new("../../beside/secret"));
    assert_eq!(fs::read(to.join("a\u{1b}[2Jb")).unwrap(), b"odd");
    assert_eq!(fs::metadata(to.join("sub")).unwrap().modified().unwrap(), past);
    // Once more, into what is there now: under its own name.
    copied(&tree, &to).0.unwrap();
    assert!(to.join("tree/sub/closed/x").exists());
    for closed in ["tree/sub/closed", "copy/sub/closed", "copy/tree/sub/closed"] {
        fs::set_permissions(ground.here.join(closed), PermissionsExt::from_mode(0o700)).unwrap();
    }
}

#[test]
fn what_is_in_a_directory_arrives_without_it() {
    let ground = Ground::new();
    fs::create_dir_all(ground.here.join("tree/sub")).unwrap();
    fs::write(ground.here.join("tree/sub/x"), "x").unwrap();
    let to = ground.here.join("new");
    let (amount, left_out) = copied(&ground.here.join("tree/."), &to);
    assert_eq!((amount.unwrap().entries(), left_out), (2, Vec::new()));
    assert_eq!(fs::read(to.join("sub/x")).unwrap(), b"x");
}

#[test]
fn holes_stay_holes() {
    let ground = Ground::new();
    let sparse = ground.here.join("sparse");
    let made = fs::File::create(&sparse).unwrap();
    made.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&made, b"middle", 32 << 20).unwrap();
    let (amount, _none) = copied(&sparse, &ground.here.join("copy"));
    let copy = fs::metadata(ground.here.join("copy")).unwrap();
    assert_eq!(copy.len(), 64 << 20);
    assert!(copy.blocks() * 512 < 1 << 20, "{} blocks", copy.blocks());
    assert!(amount.unwrap().bytes < 1 << 20);
    assert_eq!(fs::read(&sparse).unwrap(), fs::read(ground.here.join("copy")).unwrap());
}

#[test]
fn a_link_that_was_sent_is_not_gone_through() {
    let ground = Ground::new();
    let beside = text(&ground.beside).to_owned();
    let through = [link("out", &beside), directory("out"), file("planted", 1), data(0, b"x")];
    assert_eq!(ground.attack(through), Err(UnpackError::InTheWay("\"out\"".to_owned())));
    // Onto a link: it is replaced, not written through.
    let secret = format!("{beside}/secret");
    let onto = [link("file", &secret), file("file", 5), data(0, b"owned"), Item::End];
    ground.attack(onto).unwrap();
    assert_eq!(fs::read(ground.here.join("file")).unwrap(), b"owned");
}

#[test]
fn a_link_of_an_earlier_copy_is_not_gone_through() {
    let ground = Ground::new();
    symlink(&ground.beside, ground.here.join("out")).unwrap();
    let refused = ground.attack([directory("out"), file("planted", 1)]);
    assert_eq!(refused, Err(UnpackError::InTheWay("\"out\"".to_owned())));
    for path in ["out", "out/.", "out/new", "out/new/"] {
        let typed = ground.here.join(path);
        for called in [None, Some(&name("x"))] {
            let refused = Place::open(&format!("{}/{path}", text(&ground.here)), called, Links::Refused);
            assert!(matches!(refused, Err(PlaceError::Link(_))), "{}: {refused:?}", typed.display());
        }
    }
    // Nor is anything read through it.
    let refused = Source::open(&format!("{}/out/secret", text(&ground.here)), Links::Refused);
    assert!(matches!(refused, Err(PlaceError::Link(_))), "{refused:?}");
    let (amount, _none) = copied(&ground.here.join("out"), &ground.here.join("copied"));
    assert_eq!(amount, Ok(Amount { links: 1, ..Amount::default() }), "the link itself");
}

/// What shares its content with something elsewhere is not written to.
#[test]
fn a_file_with_two_names_changes_under_one() {
    let ground = Ground::new();
    fs::hard_link(ground.beside.join("secret"), ground.here.join("same")).unwrap();
    ground.attack([file("same", 5), data(0, b"owned"), Item::End]).unwrap();
    assert_eq!(fs::read(ground.here.join("same")).unwrap(), b"owned");
}

#[test]
fn what_is_there_keeps_its_permissions_and_its_kind() {
    let ground = Ground::new();
    fs::create_dir(ground.here.join("kept")).unwrap();
    fs::set_permissions(ground.here.join("kept"), PermissionsExt::from_mode(0o700)).unwrap();
    let open = Item::Directory { name: name("kept"), attributes: attributes(0o777) };
    ground.attack([open, Item::Leave, Item::End]).unwrap();
    assert_eq!(fs::metadata(ground.here.join("kept")).unwrap().mode() & 0o777, 0o700);
    assert!(matches!(ground.attack([file("kept", 0)]), Err(UnpackError::InTheWay(_))));
    assert!(matches!(ground.attack([link("kept", "x")]), Err(UnpackError::InTheWay(_))));
}

#[test]
fn no_more_comes_than_may() {
    let ground = Ground::new();
    let crowd = (0..10_000_000_u32).map(|number| file(&number.to_string(), 0));
    assert_eq!(ground.attack(crowd), Err(UnpackError::TooMany(LIMITS.entries)));
    assert_eq!(fs::read_dir(&ground.here).unwrap().count(), 100 - 1, "the last one was not whole");
    let flood = (0..).map(|part: u64| data(part * 1024, &[1; 1024]));
    let flood = [file("flood", 1 << 40)].into_iter().chain(flood);
    assert_eq!(ground.attack(flood), Err(UnpackError::TooMuch(LIMITS.bytes)));
    assert!(!ground.here.join("flood").exists(), "a part of it was left");
    let refused = ground.attack([file("huge", u64::MAX)]);
    assert_eq!(refused, Err(UnpackError::TooLong("\"huge\"".to_owned())));
    let deep = (0..).map(|_level: u32| directory("d"));
    assert!(matches!(ground.attack(deep), Err(UnpackError::OutOfTurn(_) | UnpackError::TooMany(_))));
}

#[test]
fn parts_are_of_their_file_and_in_their_order() {
    let ground = Ground::new();
    let attacks = [
        vec![data(0, b"x")],
        vec![file("a", 4), data(4, b"x")],
        vec![file("a", 4), data(u64::MAX, b"x")],
        vec![file("a", 4), data(1, b"x"), data(0, b"x")],
        vec![file("a", 4), data(0, b"")],
        vec![file("a", 1 << 20), data(0, &vec![1; wire::copy::MAX_DATA + 1])],
        vec![Item::Leave],
        vec![Item::Void],
        vec![directory("d"), Item::End],
        vec![Item::End, Item::End],
        vec![Item::End, file("late", 0)],
    ];
    for attack in attacks {
        let refused = ground.attack(attack.clone());
        assert!(matches!(refused, Err(UnpackError::OutOfTurn(_))), "{attack:?}: {refused:?}");
        assert!(!ground.here.join("a").exists() && !ground.here.join("late").exists(), "{attack:?}");
    }
}

/// The sender does not choose what the one thing is called that somebody asked for.
#[test]
fn one_thing_has_the_name_that_was_asked_for() {
    let ground = Ground::new();
    let place = || Place::open(text(&ground.here), Some(&name("asked")), Links::Refused).unwrap();
    let mut unpacker = Unpacker::new(place(), LIMITS);
    for item in [directory(".bashrc"), file("x", 0), Item::Leave] {
        unpacker.put(item).unwrap();
    }
    assert!(unpacker.put(file("y", 0)).is_err(), "a second one came");
    assert!(ground.here.join("asked/x").exists());
    assert_eq!(fs::read_dir(&ground.here).unwrap().count(), 1);
}

#[test]
fn a_copy_that_is_cut_off_leaves_no_half_file() {
    let ground = Ground::new();
    let mut unpacker = ground.unpacker();
    for item in [file("whole", 1), data(0, b"x"), file("half", 10), data(0, b"x")] {
        unpacker.put(item).unwrap();
    }
    assert_eq!((unpacker.amount().files, unpacker.has_ended()), (1, false));
    drop(unpacker);
    assert!(ground.here.join("whole").exists() && !ground.here.join("half").exists());
}

#[test]
fn what_cannot_travel_is_left_out_and_told() {
    let ground = Ground::new();
    let tree = ground.here.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("kept"), "kept").unwrap();
    let pipe = tree.join("pipe\n\u{1b}[2J");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let (amount, left_out) = copied(&tree, &ground.here.join("copy"));
    assert_eq!(amount.unwrap().files, 1);
    let told = r#""tree/pipe\n\u{1b}[2J" is left out: it is neither a file nor a directory nor a link"#;
    assert_eq!(left_out, [told]);
}

#[test]
fn a_place_is_where_cp_would_put_it() {
    let ground = Ground::new();
    let here = text(&ground.here);
    fs::write(ground.here.join("file"), "").unwrap();
    let place = |path: &str, called: Option<&str>| {
        Place::open(&format!("{here}{path}"), called.map(name).as_ref(), Links::Refused)
    };
    let named = |place: Result<Place, PlaceError>| match place {
        Ok(Place::As { name, .. }) => String::from_utf8(name.as_bytes().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(named(place("", Some("x"))), "x");
    assert_eq!(named(place("/new", Some("x"))), "new");
    assert_eq!(named(place("/file", Some("x"))), "file");
    assert!(matches!(place("/new/", Some("x")), Err(PlaceError::NotADirectory(_))));
    assert!(matches!(place("/file/", Some("x")), Err(PlaceError::NotADirectory(_))));
    assert!(matches!(place("/no/new", Some("x")), Err(PlaceError::Open { cause: Errno::NOENT, .. })));
    assert!(matches!(place("/file", None), Err(PlaceError::NotADirectory(_))));
    assert!(matches!(place("/made", None), Ok(Place::Into(_))));
    assert!(ground.here.join("made").is_dir());
}

/// Whatever comes in whatever order, into what came before: nothing is touched beside it.
#[test]
fn no_order_of_items_leads_elsewhere() {
    let ground = Ground::new();
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let targets =
        [text(&ground.beside).to_owned(), "..".to_owned(), "../beside/secret".to_owned(), "a".to_owned()];
    for _round in 0..400 {
        let mut items = Vec::new();
        for _step in 0..30 {
            let called = ["a", "b", "secret", "planted"][usize::try_from(random(4)).unwrap()];
            items.push(match random(6) {
                0 | 1 => directory(called),
                2 => Item::Leave,
                3 => link(called, &targets[usize::try_from(random(4)).unwrap()]),
                4 => file(called, 9),
                _other => data(random(9), b"x"),
            });
        }
        let _refused_or_not = ground.attack(items);
    }
    assert!(fs::read_dir(&ground.here).unwrap().count() > 0, "nothing was written at all");
}
