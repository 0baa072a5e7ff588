//! What an agent does with files outside its workspace, and what it is refused anywhere, is on the record.

use std::fmt::Write as _;

use scenarios::{Outcome, Session};
use serde_json::Value;

/// Runs inside; prints one line for each attempt.
const USES: &str = include_str!("files/uses.py");

/// What the script is refused: what it does, the record's verb and path.
const REFUSED: [(&str, &str, &str); 19] = [
    ("read", "read", "/etc/shadow"),
    ("read by a descriptor", "read", "/root/one"),
    ("read by the working directory", "read", "/etc/../root/two"),
    ("read by openat2", "read", "/root/three"),
    ("write", "write", "/etc/passwd"),
    ("write by openat2", "write", "/etc/group"),
    ("cut", "write", "/etc/hosts"),
    ("make a file", "write", "/etc/new file"),
    ("make a directory", "create", "/etc/directory"),
    ("make a link", "create", "/etc/link"),
    ("make a hard link", "create", "/etc/hard"),
    ("remove", "remove", "/etc/hostname"),
    ("rename", "rename", "/etc/other"),
    ("mode", "attributes", "/etc/debian_version"),
    ("list", "read", "/root"),
    ("enter", "read", "/root"),
    ("look", "inspect", "/root/.ssh/id_rsa"),
    ("execute", "execute", "/etc/profile"),
    ("read a name with a blank", "read", "/root/a b\u{e4}"),
];

/// What it does outside its workspace.
const USED: [(&str, &str, &str); 3] = [
    ("read what is allowed", "read", "/etc/debian_version"),
    ("write what is allowed", "write", "/tmp/out"),
    ("write at home", "write", "/home/agent/note"),
];

fn records<'a>(outcome: &'a Outcome, decision: &str, verb: &str, path: &str) -> Vec<&'a Value> {
    let of = |record: &&Value| {
        (record["action"] == "file-access" || record["action"] == "execution")
            && record["decision"] == decision
            && record["object"]["method"] == verb
            && record["object"]["path"] == path
    };
    outcome.audit.iter().filter(of).collect()
}

fn times(records: &[&Value]) -> u64 {
    records.iter().filter_map(|record| record["object"]["times"].as_u64()).sum()
}

#[test]
fn every_refusal_and_every_use_outside_the_workspace_is_recorded() {
    let outcome = Session::new("base").command(["python3", "-c", USES]).run();
    let text = outcome.text();
    let said = |what: &str| {
        text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(": ")).map(str::to_owned)
    };
    let mut wrong = String::new();
    for (what, verb, path) in REFUSED {
        let refused = said(what).is_some_and(|said| said == "errno 13" || said == "errno 1");
        let recorded = records(&outcome, "deny", verb, path);
        if !refused || recorded.is_empty() {
            writeln!(wrong, "{what}: {:?}, {} records of {verb} {path}", said(what), recorded.len()).unwrap();
        }
    }
    for (what, verb, path) in USED {
        let recorded = records(&outcome, "allow", verb, path);
        if said(what).as_deref() != Some("done") || recorded.is_empty() {
            writeln!(wrong, "{what}: {:?}, {} records of {verb} {path}", said(what), recorded.len()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{outcome}");

    let first = records(&outcome, "deny", "read", "/etc/shadow")[0];
    assert_eq!((&first["level"], &first["client"]), (&"filesystem".into(), &"manager".into()), "{outcome}");
    let who = &first["subject"]["owners"][0];
    assert_eq!((&who["binary"], &who["uid"]), (&"/usr/bin/python3.11".into(), &1000.into()), "{outcome}");
    assert!(first["reason"].as_str().is_some_and(|reason| reason.contains("filesystem")), "{outcome}");
    // The file was executed before, so its content is known.
    assert!(who["sha256"].as_str().is_some_and(|digest| digest.len() == 64), "{outcome}");

    // The agent asked 300 times, and 100 files of one directory are few records.
    assert_eq!(times(&records(&outcome, "deny", "read", "/root/again")), 300, "{outcome}");
    assert!(records(&outcome, "deny", "read", "/root/again").len() <= 2, "{outcome}");
    let many =
        |record: &&Value| record["object"]["path"].as_str().is_some_and(|path| path.starts_with("/tmp/"));
    assert!(outcome.audit.iter().filter(many).count() < 50, "{outcome}");
    let by_directory = times(&records(&outcome, "allow", "write", "/tmp/*"));
    assert!(by_directory >= 80, "{by_directory}: {outcome}");

    // What it may do in its workspace is not watched, and that a question was answered with no is no refusal.
    let of = |part: &str| {
        outcome
            .audit
            .iter()
            .any(|record| record["object"]["path"].as_str().is_some_and(|path| path.contains(part)))
    };
    assert_eq!(said("work").as_deref(), Some("done"), "{outcome}");
    assert!(!of("/work/x") && !of("/etc/nsswitch.conf"), "{outcome}");
}

#[test]
fn a_program_that_is_gone_at_once_is_told_of_by_name() {
    let script = "for i in $(seq 20); do cat /etc/hostname; done; cat /etc/shadow; true";
    let outcome = Session::new("tiny").script(script).run();
    let read = records(&outcome, "allow", "read", "/etc/hostname");
    assert_eq!(times(&read), 20, "{outcome}");
    let all = read
        .iter()
        .chain(&records(&outcome, "deny", "read", "/etc/shadow"))
        .map(|record| &record["subject"]["owners"][0]["binary"])
        .collect::<Vec<_>>();
    assert!(all.iter().all(|binary| **binary == "/bin/busybox"), "{all:?}: {outcome}");
}

#[test]
fn no_flood_hides_a_refusal_and_nothing_is_lost_without_a_count() {
    // Refusals of many names, before and after the one that matters, and uses of many names in many directories.
    let script = "cd /tmp; for d in $(seq 60); do mkdir $d; for i in $(seq 20); do echo > $d/$i; done; done; \
                  i=0; while [ $i -lt 1500 ]; do true < /root/$i; i=$((i+1)); done 2> /dev/null; \
                  cat /etc/shadow 2> /dev/null; \
                  while [ $i -lt 3000 ]; do true < /root/$i; i=$((i+1)); done 2> /dev/null; true";
    let outcome = Session::new("tiny").script(script).run();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let refused = outcome
        .audit
        .iter()
        .filter(|record| record["action"] == "file-access" && record["decision"] == "deny");
    let refused: Vec<_> = refused.collect();
    // The shell itself opened the others; the kinds beyond the room are a number.
    assert_eq!(times(&refused), 3001, "{outcome}");
    let used = outcome
        .audit
        .iter()
        .filter(|record| record["action"] == "file-access" && record["decision"] == "allow");
    assert!(used.count() < 1700, "{outcome}");
}

#[test]
fn a_refused_system_call_is_recorded_and_the_kernels_audit_is_out_of_reach() {
    let attack = "import ctypes, socket\n\
                  libc = ctypes.CDLL(None, use_errno=True)\n\
                  for _ in range(500):\n    libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)\n\
                  print('mount', ctypes.get_errno())\n\
                  try:\n    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)\n    print('reached')\n\
                  except OSError as error:\n    print('audit', error.errno)";
    let outcome = Session::new("base").command(["python3", "-c", attack]).run();
    assert_eq!(outcome.text(), "mount 1\naudit 1\n", "{outcome}");
    let of = |call: &str| {
        let is = |record: &&Value| record["action"] == "system-call" && record["object"]["method"] == call;
        outcome.audit.iter().filter(is).collect::<Vec<_>>()
    };
    assert_eq!((times(&of("mount")), times(&of("socket"))), (500, 1), "{outcome}");
    let first = of("mount")[0];
    assert_eq!((&first["decision"], &first["level"]), (&"deny".into(), &"seccomp".into()), "{outcome}");
    assert_eq!(first["subject"]["owners"][0]["binary"], "/usr/bin/python3.11", "{outcome}");
}
