use std::fs::{self, File};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use wire::control::{AccessRefusal, FileUse, FromGuest};

use super::known::Known;
use super::opened::Opened;
use super::*;

const DENIED: Option<AccessRefusal> = Some(AccessRefusal::Denied);

fn kind(path: &str, refused: Option<AccessRefusal>) -> Kind {
    Kind { path: path.to_owned(), what: FileUse::Read, program: "/usr/bin/cat".to_owned(), refused }
}

/// A process that is gone.
fn by(program: &str) -> Program {
    Programs::new(Pid::INIT, 1000).described(u32::MAX, program)
}

/// Everything that waits, by path and count.
fn told(tally: &Tally<Kind, First>) -> Vec<(String, u64)> {
    let Some((taken, _)) = tally.take(Instant::now(), |_, _| true) else { return Vec::new() };
    taken.into_iter().map(|counted| (counted.kind.path, counted.times)).collect()
}

#[test]
fn a_repeat_is_told_a_minute_later_or_at_the_end() {
    let (mut known, tally) = (Known::default(), Tally::new(ROOM).unwrap());
    let start = Instant::now();
    let second = |n| start + Duration::from_secs(n);
    known.count(kind("/etc/hosts", None), by, start, &tally);
    assert_eq!((told(&tally), known.due(start)), (vec![("/etc/hosts".to_owned(), 1)], None));
    (1..=30).for_each(|n| known.count(kind("/etc/hosts", None), by, second(n), &tally));
    known.forget(second(30), &tally);
    assert_eq!((told(&tally), known.due(second(30))), (Vec::new(), Some(Duration::from_secs(30))));
    known.forget(second(60), &tally);
    assert_eq!((told(&tally), known.due(second(60))), (vec![("/etc/hosts".to_owned(), 30)], None));
    known.count(kind("/etc/hosts", None), by, second(61), &tally);
    known.tell_all(&tally);
    assert_eq!(told(&tally), [("/etc/hosts".to_owned(), 1)]);
    known.forget(second(300), &tally);
    known.count(kind("/etc/hosts", None), by, second(301), &tally);
    assert_eq!(told(&tally), [("/etc/hosts".to_owned(), 1)], "it was forgotten");
}

#[test]
fn no_number_of_files_hides_a_refusal_and_none_is_lost_without_a_count() {
    let (mut known, tally) = (Known::default(), Tally::new(ROOM).unwrap());
    let now = Instant::now();
    (0..5000).for_each(|n| known.count(kind(&format!("/tmp/{n}"), None), by, now, &tally));
    known.count(kind("/zzz", DENIED), by, now, &tally);
    let (taken, unlisted) = tally.take(now, |_, _| true).unwrap();
    assert_eq!(taken[0].kind.path, "/zzz");
    let listed: u64 = taken.iter().skip(1).map(|counted| counted.times).sum();
    assert_eq!((listed + unlisted.allowed, unlisted.refused), (5000, 0));
}

#[test]
fn a_message_is_never_too_long() {
    let tally: Tally<Kind, First> = Tally::new(ROOM).unwrap();
    for n in 0..ROOM {
        let path = format!("/{n}/{}", "long".repeat(300));
        tally.add(Kind { program: path.clone(), ..kind(&path, None) }, 1, || First {
            by: by(&path),
            at: Instant::now(),
        });
    }
    let mut all = 0;
    while tally.due(Instant::now()).is_some() {
        let Some(message) = message(&tally, Instant::now()) else { break };
        let bytes = wire::frame::encode(&message).unwrap();
        assert!(bytes.len() <= wire::frame::SMALL, "{}", bytes.len());
        let FromGuest::Accessed { accesses, .. } = message else { panic!() };
        assert!(!accesses.is_empty());
        all += accesses.len();
    }
    assert_eq!(all, ROOM);
}

#[test]
fn many_files_of_a_directory_go_by_its_name() {
    let temp = tempfile::tempdir().unwrap();
    let now = Instant::now();
    let mut opened = Opened::new(rustix::process::getuid().as_raw());
    let mut named = |name: &str, what, program: &str| {
        let path = temp.path().join(name);
        fs::write(&path, name).unwrap();
        opened.named(File::open(&path).unwrap().as_fd(), what, program, now).path
    };
    let at = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    for _ in 0..3 {
        for n in 0..16 {
            assert_eq!(
                named(&n.to_string(), FileUse::Read, "/bin/a"),
                at(&n.to_string()),
                "a file counts once"
            );
        }
    }
    assert_eq!(named("x", FileUse::Read, "/bin/a"), at("*"));
    assert_eq!(named("x", FileUse::Write, "/bin/a"), at("x"), "another use");
    assert_eq!(named("x", FileUse::Read, "/bin/b"), at("x"), "another program");
}

/// Who unpacks an archive uses one file in each of hundreds of directories.
#[test]
fn a_temporary_tree_is_one_directory_however_deep() {
    let now = Instant::now();
    let mut opened = Opened::new(1000);
    let mut fold =
        |path: &str, refused| opened.folded(path.to_owned(), (FileUse::Write, refused), "/bin/a", now);
    for n in 0..16 {
        let path = format!("/tmp/unpacked/{n}/x");
        assert_eq!(fold(&path, None), path);
    }
    assert_eq!(fold("/tmp/unpacked/a/b/c", None), "/tmp/unpacked/*");
    assert_eq!(fold("/tmp/unpacked/x", None), "/tmp/unpacked/*");
    for other in ["/tmp/other/x", "/tmp/x", "/var/tmp/unpacked/x", "/tmpunpacked/0/x", "/home/agent/a/b"] {
        assert_eq!(fold(other, None), other);
    }
    assert_eq!(
        fold("/tmp/unpacked/a/b/c", DENIED),
        "/tmp/unpacked/a/b/c",
        "refusals are by their own directory"
    );
}

#[test]
fn directories_are_forgotten_and_a_path_without_a_name_is_told() {
    let start = Instant::now();
    let mut opened = Opened::new(1000);
    let mut fold = |path: String, now| opened.folded(path, (FileUse::Write, None), "/bin/a", now);
    (0..1024).for_each(|n| assert_eq!(fold(format!("/tmp/{n}/x"), start), format!("/tmp/{n}/x")));
    assert_eq!(fold("/tmp/other/x".to_owned(), start), "/tmp/other/*", "there is no room for more");
    let later = start + Duration::from_secs(61);
    opened.forget(later);
    assert_eq!(
        opened.folded("/tmp/other/x".to_owned(), (FileUse::Write, None), "/bin/a", later),
        "/tmp/other/x"
    );

    // Deeper than any path that the kernel tells.
    let temp = tempfile::tempdir().unwrap();
    let mut deep =
        rustix::fs::open(temp.path(), rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    let name = "d".repeat(250);
    for _ in 0..20 {
        rustix::fs::mkdirat(&deep, &name, 0o700.into()).unwrap();
        deep = rustix::fs::openat(&deep, &name, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::RDWR;
    let file = rustix::fs::openat(&deep, "x", flags, 0o600.into()).unwrap();
    assert_eq!(opened.named(file.as_fd(), FileUse::Write, "/bin/a", later).path, "/?");
}

#[test]
fn the_systems_files_are_one_and_what_the_agent_has_there_is_not() {
    let now = Instant::now();
    let shell = File::open("/usr/bin/env").unwrap();
    let mut strangers = Opened::new(1000);
    let mut named = |what| strangers.named(shell.as_fd(), what, "/bin/a", now);
    assert_eq!(named(FileUse::Read), opened::Name { path: "/usr/*".to_owned(), once: true });
    assert!(!named(FileUse::Write).once && named(FileUse::Write).path != "/usr/*");
    let own = Opened::new(0).named(shell.as_fd(), FileUse::Read, "/bin/a", now);
    assert!(!own.once && own.path != "/usr/*");
}

#[test]
fn a_forgotten_file_is_told_of_again_once_it_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("file");
    fs::write(&path, "x").unwrap();
    let notices = Notices::new().unwrap();
    notices.mount_of(temp.path()).unwrap();
    // Others use the same mount.
    let told = || {
        let mut seen = Vec::new();
        loop {
            let notices = notices.waiting().unwrap();
            if notices.is_empty() {
                return seen;
            }
            for notice in notices {
                let file = notice.file.expect("the queue has room");
                let name = fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file)))
                    .unwrap();
                if name == path {
                    seen.push((notice.written, file));
                }
            }
        }
    };
    let read = || drop(fs::read(&path).unwrap());
    read();
    let (written, file) = told().pop().expect("an opening");
    assert!(!written);
    notices.forget_openings(file.as_fd()).unwrap();
    drop(file);
    read();
    assert!(told().is_empty());
    fs::write(&path, "y").unwrap();
    assert!(told().iter().any(|(written, _)| *written));
    read();
    assert!(!told().is_empty());
}
