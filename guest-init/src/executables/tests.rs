use std::cell::Cell;
use std::time::{Duration, Instant};

use wire::confinement::{Executable, Executables, Segment};
use wire::control::{Execution, FromGuest, MAX_PARENT, MAX_PARENTS, RefusalReason, Unlisted};
use wire::subject::{Digest, Program};

use super::facts::Caller;
use super::receipts::{Receipts, Released};
use super::rules::{Content, Facts, Hold, Role, Rules};
use super::*;
use crate::tally::Tell as _;

const GOOD: Digest = Digest([1; 32]);
const BAD: Digest = Digest([2; 32]);
const LD: &str = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";

struct Fake {
    path: &'static str,
    content: Option<Content>,
    role: Role,
    looked: Cell<bool>,
}

impl Facts for Fake {
    fn path(&self) -> Option<&[u8]> {
        Some(self.path.as_bytes()).filter(|path| !path.is_empty())
    }

    fn content(&self) -> Option<Content> {
        self.looked.set(true);
        self.content
    }

    fn role(&self) -> Role {
        self.role
    }
}

fn file(path: &'static str) -> Fake {
    Fake { path, content: None, role: Role::Program, looked: Cell::new(false) }
}

fn with(path: &'static str, digest: Digest, hold: Hold) -> Fake {
    Fake { content: Some(Content { digest, hold }), ..file(path) }
}

fn entry(pattern: &str) -> Executable {
    let part = |part: &str| match part {
        "**" => Segment::AnyNumber,
        part => Segment::Like(part.split('*').map(str::to_owned).collect()),
    };
    Executable::Path(pattern[1..].split('/').map(part).collect())
}

fn rules(allow: &[Executable], deny: &[Executable]) -> Rules {
    let resolve = |path: &str| match path {
        "/bin/sh" => Some(b"/usr/bin/dash".to_vec()),
        "/lib64/ld-linux-x86-64.so.2" => Some(LD.into()),
        _ => None,
    };
    Rules::new(&Executables { allow: allow.to_vec(), deny: deny.to_vec() }, resolve)
}

#[test]
fn paths_match_part_by_part() {
    let table: [(&str, &[&str], &[&str]); 7] = [
        ("/usr/bin/git", &["/usr/bin/git"], &["/usr/bin/gitk", "/bin/git", "/usr/bin/git/x", "usr/bin/git"]),
        (
            "/opt/*/bin/t*l",
            &["/opt/a/bin/tool", "/opt/a/bin/tl"],
            &["/opt/a/b/bin/tool", "/opt/bin/tool", "/opt/a/bin/t"],
        ),
        ("/opt/*", &["/opt/a"], &["/opt", "/opt/a/b"]),
        ("/opt/**/*", &["/opt/a", "/opt/a/b/c"], &["/opt", "/op/a"]),
        ("/a/**/b/**/c", &["/a/b/c", "/a/x/b/y/z/c", "/a/b/b/c"], &["/a/c", "/a/b/d", "/b/c"]),
        ("/**/sh", &["/sh", "/usr/bin/sh", "/tmp/sh"], &["/tmp/sh/x", "/tmp/ssh"]),
        ("/a/x*y*z", &["/a/xyz", "/a/x1y2z"], &["/a/xz", "/a/xyzz1", "/a/yz"]),
    ];
    for (pattern, yes, no) in table {
        let mut rules = rules(&[entry(pattern)], &[]);
        yes.iter()
            .for_each(|path| assert_eq!(rules.judge(&file(path)), Ok(Role::Program), "{pattern} {path}"));
        let refused = Err(RefusalReason::NotAllowed);
        no.iter().for_each(|path| assert_eq!(rules.judge(&file(path)), refused, "{pattern} {path}"));
    }
}

#[test]
fn deny_beats_allow_and_survives_removal() {
    let mut rules = rules(&[entry("/usr/**/*")], &[entry("/usr/bin/gcc"), entry("/**/nc")]);
    assert_eq!(rules.judge(&file("/usr/bin/ls")), Ok(Role::Program));
    for denied in ["/usr/bin/gcc", "/usr/local/nc", "/usr/bin/gcc (deleted)", "/tmp/nc"] {
        assert_eq!(rules.judge(&file(denied)), Err(RefusalReason::Denied), "{denied}");
    }
    // What replaced an allowed file is asked about under its own path; the removed one is nobody's.
    assert_eq!(rules.judge(&file("/usr/bin/ls (deleted)")), Err(RefusalReason::NotAllowed));
    assert_eq!(rules.judge(&file("")), Err(RefusalReason::Unreadable));
}

#[test]
fn an_entry_without_a_wildcard_is_also_what_it_leads_to() {
    let mut rules = rules(&[entry("/bin/sh")], &[]);
    assert_eq!(rules.judge(&file("/usr/bin/dash")), Ok(Role::Program));
    assert_eq!(rules.judge(&file("/usr/bin/bash")), Err(RefusalReason::NotAllowed));
}

#[test]
fn a_digest_allows_what_cannot_change_and_denies_anything() {
    let mut pinned = rules(&[Executable::Digest(GOOD)], &[]);
    assert_eq!(pinned.judge(&with("/work/x", GOOD, Hold::Lasting)), Ok(Role::Program));
    assert_eq!(pinned.judge(&with("/work/x", GOOD, Hold::Fleeting)), Err(RefusalReason::NotAllowed));
    assert_eq!(pinned.judge(&with("/work/x", BAD, Hold::Lasting)), Err(RefusalReason::NotAllowed));
    assert_eq!(pinned.judge(&file("/work/x")), Err(RefusalReason::NotAllowed));

    let mut banned = rules(&[entry("/**/*")], &[Executable::Digest(BAD)]);
    assert_eq!(banned.judge(&with("/x", GOOD, Hold::Fleeting)), Ok(Role::Program));
    assert_eq!(banned.judge(&with("/x", BAD, Hold::Fleeting)), Err(RefusalReason::Denied));
    assert_eq!(banned.judge(&file("/x")), Err(RefusalReason::Unreadable));
}

#[test]
fn content_is_read_only_where_a_digest_is_listed() {
    let asked = with("/usr/bin/ls", GOOD, Hold::Lasting);
    assert_eq!(rules(&[entry("/usr/bin/ls")], &[]).judge(&asked), Ok(Role::Program));
    assert!(!asked.looked.get());
}

#[test]
fn the_loader_loads_for_programs_and_is_no_program() {
    let loading = || Fake { role: Role::Loader, ..file(LD) };
    let mut listed = rules(&[entry("/usr/bin/ls")], &[]);
    assert_eq!(listed.judge(&file(LD)), Err(RefusalReason::NotAllowed));
    assert_eq!(listed.judge(&loading()), Ok(Role::Loader));
    let mut wide = rules(&[entry("/usr/**/*")], &[]);
    assert_eq!(wide.judge(&file(LD)), Err(RefusalReason::Loader));
    assert_eq!(wide.judge(&loading()), Ok(Role::Loader));
    let mut other = rules(&[entry("/opt/**/*")], &[]);
    assert_eq!(other.judge(&file("/opt/ld.so")), Ok(Role::Program), "it is not known as a loader yet");
    assert_eq!(other.judge(&Fake { role: Role::Loader, ..file("/srv/ld.so") }), Ok(Role::Loader));
    let mut by_name = rules(&[entry("/lib64/ld-linux-x86-64.so.2")], &[]);
    assert_eq!(by_name.judge(&file(LD)), Ok(Role::Program), "who lists it by name means it");
    let mut denied = rules(&[entry("/usr/bin/ls")], &[entry("/usr/lib/**")]);
    assert_eq!(denied.judge(&loading()), Err(RefusalReason::Denied));
}

#[test]
fn mounts_that_execute_nothing_need_no_watch() {
    let mounts = "29 1 0:25 / / rw,nosuid,nodev,relatime shared:1 - overlay overlay rw\n\
                  30 29 0:26 / /proc rw,nosuid,nodev,noexec - proc proc rw\n\
                  31 29 0:27 / /dev/shm rw,nosuid,nodev - tmpfs tmpfs rw\n\
                  32 29 0:28 / /a\\040b\\134c rw - erofs /dev/vdb ro\n\
                  33 29 254:2 /layer1 /work rw,nosuid,nodev - ext4 /dev/vdc rw\n";
    let all = |place: &str| (Extent::FileSystem, place.to_owned());
    let found = [all("/"), all("/dev/shm"), all("/a b\\c"), (Extent::Mount, "/work".to_owned())];
    assert_eq!(executable_mounts(mounts), found, "a part of a file system is watched as a mount");
}

/// What one message tells.
fn told(executions: &Executions, now: Instant) -> (Vec<Execution>, Unlisted) {
    let Some(FromGuest::Executed { executions, unlisted }) = executions.take(now) else { panic!() };
    (executions, unlisted)
}

fn add(executions: &Executions, path: &str, refused: Option<RefusalReason>) {
    of_script(executions, path, refused, None);
}

/// By a shell with as many ancestors as are told.
fn of_script(executions: &Executions, path: &str, refused: Option<RefusalReason>, script: Option<&str>) {
    let script = script.map(str::to_owned);
    let caller = Caller { path: "/bin/sh".to_owned(), version: None, script: script.clone() };
    let mut kind = Kind::new(path.as_bytes(), caller, (refused, None));
    if !executions.again(&mut kind) {
        let parents = vec!["p".repeat(MAX_PARENT); MAX_PARENTS];
        let path = kind.caller().to_owned();
        let caller = Program { path, sha256: Some(GOOD), script, pid: 1, uid: 1000, parents };
        executions.first(kind, caller, || Some(GOOD));
    }
}

#[test]
fn executions_are_counted_and_bounded() {
    let executions = Executions::new().unwrap();
    let start = Instant::now();
    assert_eq!((executions.due(start), executions.take(start)), (None, None));
    (0..1000).for_each(|_| add(&executions, "/tmp/x", None));
    (0..400).for_each(|n| add(&executions, &format!("/tmp/{n}/{}", "long".repeat(1000)), None));
    assert_eq!(executions.due(start), Some(Duration::ZERO));
    let (mut all, mut beyond) = (Vec::new(), 0);
    while executions.due(start).is_some() {
        let (some, unlisted) = told(&executions, start);
        let bytes = wire::frame::encode(&FromGuest::Executed { executions: some.clone(), unlisted }).unwrap();
        assert!(bytes.len() <= wire::frame::SMALL, "{}", bytes.len());
        beyond += unlisted.allowed;
        all.extend(some);
    }
    let times = all.iter().map(|execution| execution.times).sum::<u64>();
    assert_eq!((all.len(), times + beyond), (256, 1400));
    assert!(all.iter().any(|execution| execution.program == "/tmp/x" && execution.times == 1000));
    assert!(all.iter().all(|execution| execution.program.len() <= 1024 && execution.sha256 == Some(GOOD)));
    add(&executions, "/tmp/x", None);
    assert!(executions.due(start).is_some_and(|pause| pause > Duration::ZERO));
}

#[test]
fn what_two_scripts_of_one_shell_execute_is_told_apart() {
    let executions = Executions::new().unwrap();
    for script in ["/work/a.sh", "/work/b.sh", "/work/a.sh"] {
        of_script(&executions, "/usr/bin/curl", None, Some(script));
    }
    let (told, _) = told(&executions, Instant::now());
    let told: Vec<_> = told.iter().map(|told| (told.caller.script.as_deref(), told.times)).collect();
    assert_eq!(told, [(Some("/work/a.sh"), 2), (Some("/work/b.sh"), 1)]);
}

#[test]
fn no_number_of_scripts_hides_a_program() {
    let executions = Executions::new().unwrap();
    (0..1000).for_each(|n| of_script(&executions, "/usr/bin/true", None, Some(&format!("/work/{n}.sh"))));
    of_script(&executions, "/usr/bin/curl", None, Some("/work/last.sh"));
    let (mut all, mut beyond) = (Vec::new(), 0);
    while executions.due(Instant::now()).is_some() {
        let (some, unlisted) = told(&executions, Instant::now());
        beyond += unlisted.allowed;
        all.extend(some);
    }
    assert!(all.iter().any(|execution| execution.program == "/usr/bin/curl"));
    assert_eq!((all.iter().map(|execution| execution.times).sum::<u64>(), beyond), (1001, 0));
}

#[test]
fn no_number_of_executions_hides_a_refusal() {
    let executions = Executions::new().unwrap();
    (0..10_000).for_each(|n| add(&executions, &format!("/tmp/{n}"), None));
    add(&executions, "/zzz", Some(RefusalReason::Denied));
    let (first, unlisted) = told(&executions, Instant::now());
    assert_eq!((first[0].program.as_str(), first[0].refused), ("/zzz", Some(RefusalReason::Denied)));
    assert_eq!((unlisted.refused, unlisted.allowed), (0, 10_000 - 256));
}

/// A kind, and what is told of the first of it.
fn kind(program: &str, script: Option<&str>) -> (Kind, First) {
    let script = script.map(str::to_owned);
    let caller = Caller { path: "/bin/sh".to_owned(), version: None, script: script.clone() };
    let path = caller.path.clone();
    let parents = vec!["p".repeat(MAX_PARENT); MAX_PARENTS];
    let caller_told = Program { path, sha256: None, script, pid: 1, uid: 1000, parents };
    (Kind::new(program.as_bytes(), caller, (None, None)), First { caller: caller_told, sha256: Some(GOOD) })
}

fn wait(receipts: &mut Receipts<u32>, program: &str, who: u32) {
    let (kind, first) = kind(program, None);
    receipts.wait(kind, who, |_who| first);
}

fn programs_of(message: Option<FromGuest>) -> Vec<String> {
    let Some(message) = message else { return Vec::new() };
    assert!(wire::frame::encode(&message).unwrap().len() <= wire::frame::SMALL);
    let FromGuest::Executed { executions, unlisted } = message else { panic!() };
    assert_eq!(unlisted, Unlisted::default());
    assert!(executions.iter().all(|execution| (execution.times, execution.refused) == (1, None)));
    executions.into_iter().map(|execution| execution.program).collect()
}

#[test]
fn nobody_runs_what_is_not_on_the_record() {
    let mut receipts = Receipts::new();
    assert_eq!(receipts.tell(), None);
    wait(&mut receipts, "/bin/a", 1);
    assert_eq!(programs_of(receipts.tell()), ["/bin/a"]);
    // Under way: those who come meanwhile wait for the same word, or for the next.
    wait(&mut receipts, "/bin/a", 2);
    wait(&mut receipts, "/bin/b", 3);
    wait(&mut receipts, "/bin/b", 4);
    let (a, b) = (kind("/bin/a", None).0, kind("/bin/b", None).0);
    assert!(!receipts.has(&a) && receipts.tell().is_none());
    let released = receipts.recorded(true);
    let told = |kind: &Kind| Some((kind.clone(), Some(GOOD)));
    assert_eq!(released, [Released { who: 1, told: told(&a) }, Released { who: 2, told: None }]);
    assert!(receipts.has(&a) && !receipts.has(&b));
    assert_eq!(programs_of(receipts.tell()), ["/bin/b"]);
    let released = receipts.recorded(true);
    assert_eq!(released, [Released { who: 3, told: told(&b) }, Released { who: 4, told: None }]);
    // A receipt of nothing releases nobody.
    assert_eq!((receipts.recorded(true), receipts.tell()), (Vec::new(), None));
    // Another program under the same path, or by another script, is another kind.
    assert!(!receipts.has(&kind("/bin/a", Some("/work/x.sh")).0));
    // What the operator lets go without a record has none, and is told again.
    wait(&mut receipts, "/bin/c", 5);
    assert_eq!(programs_of(receipts.tell()), ["/bin/c"]);
    assert_eq!(receipts.recorded(false).len(), 1);
    assert!(!receipts.has(&kind("/bin/c", None).0));
}

#[test]
fn who_is_gone_waits_no_longer() {
    let mut receipts = Receipts::new();
    (0..100).for_each(|who| wait(&mut receipts, &format!("/bin/{}", who % 5), who));
    assert_eq!(programs_of(receipts.tell()).len(), 5);
    let mut gone = receipts.give_up(|who| who % 5 != 3 || *who > 20);
    gone.sort_unstable();
    assert_eq!((gone.len(), receipts.held()), (96, 4));
    let released = receipts.recorded(true);
    assert_eq!(released.iter().map(|released| released.who).collect::<Vec<_>>(), [3, 8, 13, 18]);
    assert_eq!((receipts.held(), receipts.tell()), (0, None));
    // Whoever comes after one that was told and is gone is compared with what was told.
    wait(&mut receipts, "/bin/x", 1);
    wait(&mut receipts, "/bin/x", 2);
    assert_eq!(programs_of(receipts.tell()), ["/bin/x"]);
    assert_eq!(receipts.give_up(|_who| true), [1, 2]);
    let (other, first) = kind("/bin/x", None);
    receipts.wait(other.clone(), 3, |_who| First { sha256: Some(BAD), ..first });
    assert_eq!(receipts.recorded(true), [Released { who: 3, told: Some((other, Some(GOOD))) }]);
    // Of what nobody waits for any more nothing is told.
    wait(&mut receipts, "/bin/y", 4);
    assert_eq!((receipts.give_up(|_who| true).len(), receipts.tell(), receipts.held()), (1, None, 0));
}

#[test]
fn a_thread_is_the_one_that_waited_for_as_long_as_it_lives() {
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = Pid::from_child(&child);
    let ours = Waiter::of(rustix::thread::gettid());
    let waiter = Waiter::of(pid);
    assert!(waiter.is_some() && waiter == Waiter::of(pid) && waiter != ours);
    child.kill().and_then(|()| child.wait()).unwrap();
    assert_eq!(Waiter::of(pid), None);
}

#[test]
fn of_any_number_that_wait_each_is_told_and_few_are_remembered() {
    let mut receipts = Receipts::new();
    (0..5000).for_each(|n| wait(&mut receipts, &format!("/tmp/{n}/{}", "long".repeat(100)), n));
    let (mut told, mut released) = (0, 0);
    loop {
        let programs = programs_of(receipts.tell());
        if programs.is_empty() {
            break;
        }
        told += programs.len();
        released += receipts.recorded(true).len();
    }
    assert_eq!((told, released), (5000, 5000));
    let mut has = |n: u32| receipts.has(&kind(&format!("/tmp/{n}/{}", "long".repeat(100)), None).0);
    assert_eq!((0..5000).filter(|n| has(*n)).collect::<Vec<_>>(), (5000 - 4096..5000).collect::<Vec<_>>());
}

#[test]
fn without_lists_everything_runs_and_a_loader_is_no_program() {
    let resolve = |path: &str| (path == "/lib64/ld-linux-x86-64.so.2").then(|| LD.into());
    let mut free = Rules::none(resolve);
    assert_eq!(free.judge(&file("/tmp/x")), Ok(Role::Program));
    assert_eq!(free.judge(&file("")), Ok(Role::Program));
    assert_eq!(free.judge(&Fake { role: Role::Loader, ..file(LD) }), Ok(Role::Loader));
    assert_eq!(free.judge(&file(LD)), Ok(Role::Program), "somebody executes it");
    let other = || Fake { role: Role::Loader, ..file("/srv/ld.so") };
    assert_eq!(free.judge(&other()), Ok(Role::Program));
    free.met("/srv/ld.so".into());
    assert_eq!(free.judge(&other()), Ok(Role::Loader));
}
