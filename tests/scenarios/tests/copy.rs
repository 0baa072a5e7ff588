//! `openshell vm cp`: trees both ways, as the agent could read and write them, and nothing outside what was named.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ChildStdout, Command, Output, Stdio};

use scenarios::{Session, Started, openshell, until_recorded};

/// An agent that runs `script`, says that it is there, and ends when it is told to.
fn agent(script: &str) -> (Started, BufReader<ChildStdout>) {
    let script = format!("{script}\necho ready; read end; exit 0");
    let mut started = Session::new("tiny").script(&script).start();
    let mut output = BufReader::new(started.child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    while line != "ready\n" {
        line.clear();
        if output.read_line(&mut line).expect("it can be read") == 0 {
            panic!("the agent did not start: {}", started.outcome());
        }
    }
    (started, output)
}

fn copy(home: &Path, arguments: &[&str]) -> Command {
    let mut command = openshell(home);
    command.args(["vm", "cp"]).args(arguments).current_dir(home);
    command
}

fn run(home: &Path, from: &str, to: &str) -> Output {
    copy(home, &[from, to]).output().expect("it is built")
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{:?} {out}{err}", output.status.code())
}

fn copied(home: &Path, from: &str, to: &str) {
    let output = run(home, from, to);
    assert_eq!(output.status.code(), Some(0), "{from} to {to}: {}", text(&output));
}

/// Nothing is copied, and the cause is said with a remedy.
fn refused(home: &Path, (from, to): (&str, &str), cause: &str) {
    let output = run(home, from, to);
    assert_eq!(output.status.code(), Some(1), "{from} to {to}: {}", text(&output));
    let said = text(&output);
    assert!(said.contains(cause) && said.contains("remedy: "), "{from} to {to}: {said}");
}

fn inside(home: &Path, script: &str) -> String {
    let mut command = openshell(home);
    let output = command.args(["vm", "exec", "scenario", "--", "sh", "-c", script]).output();
    let output = output.expect("it is built");
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).expect("it is text").trim_end().to_owned()
}

#[test]
fn trees_go_both_ways_as_they_are_and_are_on_the_record() {
    let (started, _output) = agent("true");
    let home = started.dir().to_path_buf();
    let tree = home.join("tree");
    fs::create_dir_all(tree.join("sub/deeper")).expect("it is writable");
    fs::write(tree.join("sub/run"), vec![7; 3_000_000]).expect("it is writable");
    fs::set_permissions(tree.join("sub/run"), PermissionsExt::from_mode(0o4750)).expect("it is ours");
    fs::write(tree.join("sub/deeper/a\u{1b}[2Jb"), "odd").expect("it is writable");
    symlink("../sub", tree.join("sub/link")).expect("it is writable");
    let sparse = fs::File::create(tree.join("sparse")).expect("it is writable");
    sparse.set_len(200 << 20).expect("it may be long");
    let past = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890);
    sparse.set_modified(past).expect("it is ours");

    copied(&home, "tree", "scenario:/work");
    let listed = inside(
        &home,
        "cd /work/tree && stat -c '%a %u %Y %s' sub/run sparse && readlink sub/link && du -k sparse",
    );
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("750 1000 ") && lines[0].ends_with(" 3000000"), "{listed}");
    assert_eq!(lines[1], "644 1000 1234567890 209715200", "{listed}");
    assert_eq!(lines[2], "../sub", "{listed}");
    let kept: u64 = lines[3].split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number");
    assert!(kept < 1024, "the hole was filled: {listed}");

    // Relative to the agent's directory; under a new name.
    copied(&home, "scenario:tree", "back");
    let back = home.join("back");
    assert_eq!(fs::read(back.join("sub/run")).expect("it came"), vec![7; 3_000_000]);
    assert_eq!(fs::metadata(back.join("sub/run")).expect("it came").mode() & 0o7777, 0o750);
    assert_eq!(fs::read_link(back.join("sub/link")).expect("it came"), Path::new("../sub"));
    let sparse = fs::metadata(back.join("sparse")).expect("it came");
    assert_eq!((sparse.len(), sparse.modified().expect("it has one")), (200 << 20, past));
    assert!(sparse.blocks() * 512 < 1 << 20, "the hole was filled");
    assert_eq!(fs::read(back.join("sub/deeper/a\u{1b}[2Jb")).expect("it came"), b"odd");
    // What is in a directory, and one file.
    copied(&home, "scenario:/work/tree/sub/.", "contents");
    assert!(home.join("contents/deeper").is_dir());
    fs::write(home.join("one"), "1").expect("it is writable");
    copied(&home, "one", "scenario:/work/tree/renamed");
    assert_eq!(inside(&home, "cat /work/tree/renamed"), "1");

    let outcome = started.outcome();
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(0), 0), "{outcome}");
    let told: Vec<&str> =
        outcome.audit.iter().filter_map(|record| record["lifecycle"]["detail"].as_str()).collect();
    let here = home.display();
    for wanted in [
        format!(
            "session 1, asked for by user 0: copy of \"{here}/tree\" on the host into the sandbox, to \"/work\""
        ),
        "session 1: passed: 3 files, 3 directories, 1 link, 3000003 bytes".to_owned(),
        format!(
            "session 3, asked for by user 0: copy of \"tree\" out of the sandbox, to \"{here}/back\" on the host"
        ),
        "session 3: passed: 3 files, 3 directories, 1 link, 3000003 bytes".to_owned(),
    ] {
        assert!(told.contains(&wanted.as_str()), "{wanted} is not in {told:#?}");
    }
}

/// What the agent may not read or write, a copy does not either.
#[test]
fn a_copy_has_no_more_rights_than_the_agent() {
    let (started, _output) =
        agent("mkdir -p tree/closed; echo x >tree/open; mkfifo tree/pipe; ln -s /etc/shadow tree/shadow");
    let home = started.dir().to_path_buf();
    fs::write(home.join("planted"), "x").expect("it is writable");
    refused(&home, ("scenario:/etc/shadow", "stolen"), "Permission denied");
    refused(&home, ("scenario:/proc/1/environ", "stolen"), "");
    refused(&home, ("scenario:/no/such", "stolen"), "No such file");
    assert!(!home.join("stolen").exists());
    for place in ["/etc/planted", "/usr/bin/planted", "/"] {
        refused(&home, ("planted", &format!("scenario:{place}")), "Permission denied");
    }
    // A link goes as a link: what it leads to stays where it is. What cannot go is told.
    let output = run(&home, "scenario:tree", ".");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("\"tree/pipe\" is left out"), "{}", text(&output));
    assert_eq!(fs::read_link(home.join("tree/shadow")).expect("it came"), Path::new("/etc/shadow"));
    assert_eq!(fs::read(home.join("tree/open")).expect("it came"), b"x\n");
    let outcome = started.outcome();
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(0), 0), "{outcome}");
    // The directory was named by a descriptor of a process that may be gone when somebody looks.
    let is_refusal = |record: &serde_json::Value| {
        let path = record["object"]["path"].as_str();
        record["decision"] == "deny" && path.is_some_and(|path| path == "/etc/shadow" || path == "/?/shadow")
    };
    assert!(outcome.audit.iter().any(is_refusal), "{outcome}");
}

/// An agent that lays links gets nothing on the host that was not named.
#[test]
fn links_of_the_agent_lead_no_copy_anywhere() {
    let (started, _output) = agent("true");
    let home = started.dir().to_path_buf();
    let beside = home.join("beside");
    fs::create_dir(&beside).expect("it is writable");
    fs::write(beside.join("secret"), "untouched").expect("it is writable");
    let there = beside.display().to_string();
    inside(&home, &format!("mkdir -p a/out b/out/; cd a && rmdir out && ln -s {there} out"));
    inside(&home, "echo owned >b/out/secret; echo owned >b/out/planted");
    // First the link, then what goes through it.
    copied(&home, "scenario:a/.", "taken");
    refused(&home, ("scenario:b/.", "taken"), "\"out\" is in the way");
    for (from, to) in [("scenario:b/out/secret", "taken/out"), ("scenario:b/out/secret", "taken/out/secret")]
    {
        refused(&home, (from, to), "goes through a symbolic link");
    }
    refused(&home, ("taken/out/secret", "scenario:/work"), "goes through a symbolic link");
    assert_eq!(fs::read(beside.join("secret")).expect("it is there"), b"untouched");
    assert_eq!(fs::read_dir(&beside).expect("it is there").count(), 1);
    // More than was allowed is stopped, and what is there is said.
    inside(&home, "mkdir many; cd many; for i in 1 2 3 4 5 6 7 8 9; do echo $i >$i; done");
    let output = copy(&home, &["--max-entries", "5", "scenario:many", "some"]).output().expect("it is built");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("more than 5") && said.contains("before that, it copied 3 files, 1 directory"),
        "{said}"
    );
    let outcome = started.outcome();
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(0), 0), "{outcome}");
}

#[test]
fn archives_go_through_standard_streams() {
    let (started, _output) = agent("mkdir -p made/sub; echo x >made/sub/x; ln -s x made/sub/link");
    let home = started.dir().to_path_buf();
    let output = run(&home, "scenario:made", "-");
    assert!(output.status.success(), "{}", text(&output));
    fs::write(home.join("made.tar"), &output.stdout).expect("it is writable");
    let list =
        Command::new("tar").args(["tf"]).arg(home.join("made.tar")).output().expect("tar is installed");
    assert_eq!(String::from_utf8_lossy(&list.stdout), "made/\nmade/sub/\nmade/sub/link\nmade/sub/x\n");
    let mut into = copy(&home, &["-", "scenario:/tmp"]).stdin(Stdio::piped()).spawn().expect("it is built");
    into.stdin.take().expect("it is piped").write_all(&output.stdout).expect("it reads");
    assert!(into.wait().expect("it ends").success());
    assert_eq!(inside(&home, "cat /tmp/made/sub/link"), "x");
    for pair in [("a", "b"), ("scenario:a", "scenario:b")] {
        refused(&home, pair, "sandbox");
    }
    // Its caller's end ends it, and the sandbox goes on.
    let mut waits = copy(&home, &["-", "scenario:/tmp"]).stdin(Stdio::piped()).spawn().expect("it is built");
    let stdin = waits.stdin.take();
    let begun = |record: &str| record.contains("copy of \\\"-\\\"") && record.contains("session 4,");
    until_recorded(&home, begun);
    let pid = rustix::process::Pid::from_child(&waits);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let status = waits.wait().expect("it ends");
    // One that has not begun to listen for it is ended by the signal itself.
    assert_eq!(status.code().or(status.signal().map(|number| 128 + number)), Some(130));
    drop(stdin);
    assert_eq!(inside(&home, "echo on"), "on");
    let outcome = started.outcome();
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(0), 0), "{outcome}");
}
