//! `process.executables` against an agent that wants to run a program which it may not. The same agent, without
//! the section, succeeds with every attempt: what stops it is the section and nothing else. With and without it,
//! the log tells what ran.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use scenarios::{Outcome, Session, signal_writer};
use serde_json::Value;

/// Runs inside; prints one line for each attempt.
const ATTEMPTS: &str = include_str!("executables/attempts.py");

/// Attempts to run `whoami`, which no list names.
const ATTACKS: [&str; 20] = [
    "directly",
    "by a link",
    "by a copy",
    "by a copy with an allowed name",
    "by a hard link to a copy",
    "by a renamed copy",
    "by its open file",
    "by its open file and no path",
    "by a removed copy",
    "by a file that never had a name",
    "from memory",
    "from memory that asks to be executable",
    "from memory and no path",
    "by the loader",
    "by the loader after a failed start of an allowed program",
    "as the interpreter of a script",
    "by another thread",
    "by a call that forks and executes",
    "as one of many at once",
    "moved to the writable layer",
];

/// What a list of paths cannot see, said in the policy language's page.
const BEYOND: [&str; 4] = [
    "a script given to its interpreter",
    "an allowed file that the agent overwrote",
    "a library of any name",
    "code in an allowed program",
];

const ALLOWED: &str =
    "allow: [python3, sh, cp, \"/usr/lib/**\", /work/tool, \"/tools/**\"], deny: [/tools/denied]";

fn attack(executables: &str) -> Outcome {
    let section =
        if executables.is_empty() { String::new() } else { format!("executables: {{{executables}}}") };
    let session = Session::new("base");
    let tools = session.dir().join("tools");
    std::fs::create_dir(&tools).expect("the session directory is writable");
    executable(&tools.join("denied"), "#!/bin/sh\necho agent\n");
    session
        .command(["python3", "-c", ATTEMPTS])
        .yaml("mounts: [{source: ./tools, target: /tools, mode: copy}]")
        .yaml(&format!("policy: {{process: {{{section}}}}}"))
        .yaml("resources: {memory: 768MiB}")
        .run()
}

fn said(outcome: &Outcome, attempt: &str) -> String {
    let text = outcome.text();
    let line =
        text.lines().find_map(|line| line.strip_prefix(attempt)?.strip_prefix(": ").map(str::to_owned));
    line.unwrap_or_else(|| panic!("nothing about '{attempt}': {outcome}"))
}

#[test]
fn what_no_list_names_does_not_run_whichever_way() {
    let free = attack("");
    let held = attack(ALLOWED);
    let mut wrong = String::new();
    for attempt in ATTACKS {
        let (without, with) = (said(&free, attempt), said(&held, attempt));
        if without != "ran" || with == "ran" {
            writeln!(wrong, "{attempt}: without the section {without}, with it {with}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{held}");
    for attempt in BEYOND {
        assert_eq!(said(&held, attempt), "ran", "the page says that this is not seen: {attempt}");
    }
    let records = executions(&held, "deny");
    let of = |path: &str| records.iter().filter(|record| record["object"]["path"] == path).count();
    assert!(of("/usr/bin/whoami") > 0 && of("/tmp/copy") > 0, "{held}");
    let loader =
        |record: &&Value| record["reason"].as_str().is_some_and(|reason| reason.contains("dynamic loader"));
    assert!(records.iter().any(|record| loader(&record)), "{held}");
    assert!(executions(&free, "deny").is_empty(), "{free}");
    let ran = executions(&free, "allow");
    let told = |path: &str| ran.iter().any(|record| record["object"]["path"] == path);
    assert!(told("/usr/bin/whoami") && told("/tmp/copy"), "{free}");
    assert!(!ran.iter().any(|record| record["reason"].is_string()), "{free}");
}

#[test]
fn what_ran_is_told_with_its_content_and_who_ran_it() {
    let session = Session::new("tiny");
    let tools = session.dir().join("tools");
    std::fs::create_dir(&tools).expect("the session directory is writable");
    executable(&tools.join("tool"), "#!/bin/sh\nexit 0\n");
    let digest = sha256(&tools.join("tool"));
    let outcome = session
        .script("for i in $(seq 500); do /tools/tool; done; for i in $(seq 40); do cp /tools/tool /tmp/$i; /tmp/$i; done")
        .yaml("mounts: [{source: ./tools, target: /tools, mode: ro}]")
        .run();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let ran = executions(&outcome, "allow");
    let of = |path: &str| ran.iter().filter(|record| record["object"]["path"] == path).collect::<Vec<_>>();
    let times = |path| of(path).iter().filter_map(|record| record["object"]["times"].as_u64()).sum::<u64>();
    assert_eq!(times("/tools/tool"), 500, "{outcome}");
    let tool = of("/tools/tool")[0];
    assert_eq!(tool["object"]["sha256"], digest.as_str(), "{outcome}");
    assert_eq!(tool["subject"]["owners"][0]["binary"], "/bin/busybox", "{outcome}");
    for copy in 1..=40 {
        let copies = of(&format!("/tmp/{copy}"));
        assert_eq!((copies.len(), &copies[0]["object"]["sha256"]), (1, &digest.as_str().into()), "{outcome}");
    }
    // Scripts and their interpreter, and the shell itself; no loader and no library is among them.
    let mut programs: Vec<_> = ran.iter().filter_map(|record| record["object"]["path"].as_str()).collect();
    programs.sort_unstable();
    programs.dedup();
    assert!(programs.len() < 50, "{programs:?}: {outcome}");
}

/// An agent that runs a program for the first time while the log takes nothing.
#[test]
fn what_is_not_on_the_record_does_not_run() {
    let session = Session::new("tiny");
    let folder = session.dir().join("in");
    std::fs::create_dir(&folder).expect("the session directory is writable");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
    let mut started = session
        .yaml("mounts: [{source: ./in, target: /in, mode: rw}]")
        .script(
            "printf '#!/bin/sh\\necho > /in/ran\\n' > /tmp/new; chmod +x /tmp/new; cp /bin/busybox /tmp/known; /tmp/known true; \
             echo ready; while [ ! -e /in/go ]; do :; done; /tmp/new & \
             n=0; while [ $n -lt 50 ]; do /tmp/known true; n=$((n+1)); done; \
             echo 'echo > /in/changed' >> /tmp/new; echo > /in/looked; wait",
        )
        .start();
    started.until_said("ready");
    signal_writer("-STOP");
    std::fs::write(folder.join("go"), "").expect("the session directory is writable");
    // Looked for in the mount: the agent's output waits behind what the log does not take.
    let patience = Instant::now() + Duration::from_secs(120);
    while !folder.join("looked").exists() {
        assert!(Instant::now() < patience, "the agent did not come to its end");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!folder.join("ran").exists(), "it ran, and no log says so");
    signal_writer("-CONT");
    let (directory, outcome) = started.finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(directory.path().join("in/ran").exists(), "{outcome}");
    let ran = executions(&outcome, "allow");
    // What it became while it waited is told as well, and that is what ran.
    assert!(directory.path().join("in/changed").exists(), "{outcome}");
    let contents: std::collections::BTreeSet<_> = ran
        .iter()
        .filter(|record| record["object"]["path"] == "/tmp/new")
        .map(|record| record["object"]["sha256"].to_string())
        .collect();
    assert_eq!(contents.len(), 2, "{contents:?}: {outcome}");
}

#[test]
fn who_executes_is_told_with_script_ancestors_and_policy() {
    let session = Session::new("tiny");
    let tools = session.dir().join("tools");
    std::fs::create_dir(&tools).expect("the session directory is writable");
    for name in ["one", "two"] {
        executable(&tools.join(name), "#!/bin/sh\nfor i in 1 2 3; do /bin/cat /dev/null; done\n");
    }
    let outcome = session
        .script("/tools/one; /tools/two; /tools/one; cat /etc/shadow; true")
        .yaml("mounts: [{source: ./tools, target: /tools, mode: ro}]")
        .yaml("policy:\n  network:\n    - name: api\n      binary: {allow: [/usr/bin/curl]}\n      destination: {allow: ['api.example.com:443']}\n      method: {allow: [GET]}\n      path: {allow: [/]}")
        .run();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let ran = executions(&outcome, "allow");
    let by_script = |script: &str| {
        let by = ran.iter().filter(|record| record["subject"]["owners"][0]["script"] == script);
        by.filter_map(|record| record["object"]["times"].as_u64()).sum::<u64>()
    };
    assert_eq!((by_script("/tools/one"), by_script("/tools/two")), (6, 3), "{outcome}");
    let of = |script: &str| ran.iter().find(|record| record["subject"]["owners"][0]["script"] == script);
    let one = of("/tools/one").expect("it was told above");
    assert_eq!(one["subject"]["owners"][0]["parents"][0], "/bin/busybox", "{outcome}");
    let of_guest = |record: &&Value| record["action"] == "execution" || record["action"] == "file-access";
    let told: Vec<_> = outcome.audit.iter().filter(of_guest).collect();
    assert!(told.iter().any(|record| record["decision"] == "deny"), "{outcome}");
    let policies: Vec<_> = told.iter().map(|record| &record["policy"]).collect();
    assert!(policies.iter().all(|policy| policy.as_u64() == Some(1)), "{policies:?}: {outcome}");
}

#[test]
fn repeats_are_counted_and_told_who_tried() {
    let script = "cp /bin/busybox /tmp/x; for i in $(seq 300); do /tmp/x; done; \
                  for i in $(seq 40); do cp /tmp/x /tmp/x$i; /tmp/x$i; done";
    let outcome = Session::new("tiny")
        .script(script)
        .yaml("policy: {process: {executables: {allow: [/bin/busybox], deny: [\"/tmp/x3*\"]}}}")
        .run();
    let records = executions(&outcome, "deny");
    let times: u64 = records.iter().filter_map(|record| record["object"]["times"].as_u64()).sum();
    assert_eq!(times, 340, "{outcome}");
    // Each of the 41 programs is told at once, and what is repeated a few times a second, however slow the machine is.
    let most = 60 + 4 * outcome.took.as_secs();
    assert!((records.len() as u64) < most, "{} records: {outcome}", records.len());
    let first = &records[0];
    assert_eq!((&first["decision"], &first["level"]), (&"deny".into(), &"executable".into()), "{outcome}");
    assert_eq!(first["subject"]["owners"][0]["binary"], "/bin/busybox", "{outcome}");
    assert_eq!(first["subject"]["owners"][0]["uid"], 1000, "{outcome}");
}

#[test]
fn a_command_that_is_not_listed_is_126_and_recorded() {
    let outcome = Session::new("tiny")
        .command(["sleep", "1"])
        .yaml("policy: {process: {executables: {allow: [/usr/bin/other]}}}")
        .run();
    assert_eq!(outcome.code, Some(126), "{outcome}");
    assert!(outcome.stderr.contains("process.executables"), "{outcome}");
    assert_eq!(executions(&outcome, "deny")[0]["object"]["path"], "/bin/busybox", "{outcome}");
}

#[test]
fn a_digest_allows_that_content_where_the_agent_cannot_write() {
    let session = Session::new("tiny");
    let tools = session.dir().join("tools");
    std::fs::create_dir(&tools).unwrap();
    for (name, text) in [("good", "#!/bin/sh\necho good ran\n"), ("bad", "#!/bin/sh\necho bad ran\n")] {
        executable(&tools.join(name), text);
    }
    let digest = sha256(&tools.join("good"));
    let outcome = session
        .script("/tools/good; /tools/bad; cp /tools/good /tmp/good; /tmp/good; echo end")
        .yaml("mounts: [{source: ./tools, target: /tools, mode: ro}]")
        .yaml(&format!(
            "policy: {{process: {{executables: {{allow: [/bin/busybox, \"sha256:{digest}\"]}}}}}}"
        ))
        .run();
    assert_eq!(outcome.text(), "good ran\nend\n", "{outcome}");
    let refused: Vec<_> =
        executions(&outcome, "deny").iter().map(|record| record["object"]["path"].clone()).collect();
    assert!(refused.contains(&"/tools/bad".into()) && refused.contains(&"/tmp/good".into()), "{outcome}");
}

fn executable(file: &Path, text: &str) {
    std::fs::write(file, text).expect("the session directory is writable");
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o755)).expect("the file is ours");
}

fn executions(outcome: &Outcome, decision: &str) -> Vec<Value> {
    let is = |record: &&Value| record["action"] == "execution" && record["decision"] == decision;
    outcome.audit.iter().filter(is).cloned().collect()
}

fn sha256(file: &Path) -> String {
    let output = std::process::Command::new("sha256sum").arg(file).output().expect("sha256sum is installed");
    String::from_utf8(output.stdout).expect("digits are ASCII")[..64].to_owned()
}
