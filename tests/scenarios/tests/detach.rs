//! `openshell vm run --detach`, `attach` and `stop`: an agent that nobody watches, and coming back to it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use scenarios::openshell;
use tempfile::TempDir;

fn home(script: &str) -> TempDir {
    let home = tempfile::tempdir().expect("the temporary directory is writable");
    let command = serde_json::to_string(&["sh", "-c", script]).expect("strings serialise");
    let yaml = format!("version: 1\nname: scenario\nimage: tiny\ncommand: {command}\n");
    fs::write(home.path().join("agent.yaml"), yaml).expect("it is writable");
    home
}

fn vm(home: &Path, arguments: &[&str]) -> Command {
    let mut command = openshell(home);
    command.arg("vm").args(arguments).current_dir(home);
    command
}

fn output(home: &Path, arguments: &[&str]) -> Output {
    vm(home, arguments).stdin(Stdio::null()).output().expect("it is built")
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{:?} {out}{err}", output.status.code())
}

/// Starts it, and says its id.
fn detached(home: &Path, flags: &[&str]) -> String {
    let arguments: Vec<&str> =
        ["run", "--detach"].into_iter().chain(flags.iter().copied()).chain(["agent.yaml"]).collect();
    let started = output(home, &arguments);
    assert_eq!(started.status.code(), Some(0), "{}", text(&started));
    let id = String::from_utf8(started.stdout).expect("it is text").trim_end().to_owned();
    assert!(id.starts_with("scenario-"), "{id}");
    id
}

fn attached(home: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = vm(home, &["attach", "scenario"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is built");
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    (child, out)
}

fn line(out: &mut impl BufRead) -> String {
    let mut line = String::new();
    out.read_line(&mut line).expect("it can be read");
    line
}

#[test]
fn an_agent_runs_on_and_is_found_again() {
    let home = home("echo begun; while read word; do echo got $word; [ $word = end ] && exit 7; done");
    let home = home.path();
    let id = detached(home, &[]);
    let listed = output(home, &["ps"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout), format!("{id}  running\n"));
    // What was written before is shown again, and what is typed reaches it.
    let (mut first, mut out) = attached(home);
    assert_eq!(line(&mut out), "begun\n");
    first.stdin.as_mut().expect("it is piped").write_all(b"one\n").expect("it reads");
    assert_eq!(line(&mut out), "got one\n");
    // Who leaves, by the end of his input or by a signal, ends nothing.
    let pid = rustix::process::Pid::from_child(&first);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    assert_eq!(first.wait().expect("it ends").code(), Some(0));
    // Several at once.
    let (mut second, mut out) = attached(home);
    let (mut third, mut also) = attached(home);
    for out in [&mut out, &mut also] {
        assert_eq!((line(out), line(out)), ("begun\n".to_owned(), "got one\n".to_owned()));
    }
    drop(third.stdin.take());
    second.stdin.as_mut().expect("it is piped").write_all(b"end\n").expect("it reads");
    for (mut child, mut out) in [(second, out), (third, also)] {
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("it is text");
        assert_eq!((rest.as_str(), child.wait().expect("it ends").code()), ("got end\n", Some(7)));
    }
    assert!(output(home, &["logs", &id]).stdout.ends_with(b"got end\n"));
}

#[test]
fn it_is_stopped_and_leaves_nothing() {
    let home = home("trap 'echo asked; exit 0' TERM; echo begun; while :; do sleep 1; done");
    let home = home.path();
    let id = detached(home, &[]);
    let (watching, mut out) = attached(home);
    assert_eq!(line(&mut out), "begun\n");
    let stopped = output(home, &["stop", "scenario"]);
    assert_eq!(String::from_utf8_lossy(&stopped.stdout), format!("{id}: ended\n"), "{}", text(&stopped));
    assert_eq!(output(home, &["ps"]).stdout, b"");
    assert!(!home.join("run/openshell").join(&id).exists());
    assert_eq!(line(&mut out), "asked\n");
    let watched = watching.wait_with_output().expect("it ends");
    assert_eq!(watched.status.code(), Some(0), "the agent's own");
    assert_eq!(output(home, &["logs", "scenario"]).stdout, b"begun\nasked\n");
    let gone = output(home, &["stop", "scenario"]);
    assert_eq!(gone.status.code(), Some(1), "{}", text(&gone));
    let audit = openshell(home).args(["audit", "tail", "--json"]).output().expect("it is built");
    let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.contains("\"stopped\"") && audit.contains("asked for by user 0"), "{audit}");
}

#[test]
fn what_does_not_start_is_told_with_its_code() {
    let home = home("true");
    fs::write(home.path().join("bad.yaml"), "version: 1\nnaem: x\n").expect("it is writable");
    let bad = output(home.path(), &["run", "--detach", "bad.yaml"]);
    assert_eq!(bad.status.code(), Some(125), "{}", text(&bad));
    assert!(text(&bad).contains("naem") && text(&bad).contains("remedy: "), "{}", text(&bad));
    assert_eq!(output(home.path(), &["ps"]).stdout, b"");
}

/// A terminal: the keys leave it, and whoever comes back finds it at the size of his own.
#[test]
fn a_terminal_is_left_by_keys_and_found_again() {
    let home = home("stty size; while read word; do echo got $word; done");
    let home = home.path();
    let _id = detached(home, &["--tty"]);
    let driver = "import os, pty, signal, sys, fcntl, termios, struct\n\
        argv = sys.argv[1:]\n\
        signal.alarm(120)\n\
        def until(fd, word):\n\
        \x20   seen = b''\n\
        \x20   while word not in seen:\n\
        \x20       try: more = os.read(fd, 65536)\n\
        \x20       except OSError: more = b''\n\
        \x20       if not more: raise SystemExit('ended: ' + repr(seen))\n\
        \x20       seen += more\n\
        for word in (b'one', b'two'):\n\
        \x20   pid, fd = pty.fork()\n\
        \x20   if pid == 0:\n\
        \x20       os.execv(argv[0], argv)\n\
        \x20   until(fd, b'24 80')\n\
        \x20   os.write(fd, word + b'\\n')\n\
        \x20   until(fd, b'got ' + word)\n\
        \x20   os.write(fd, b'\\x10\\x11')\n\
        \x20   until(fd, b'detached')\n\
        \x20   print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let program = openshell(home);
    let mut command = Command::new("python3");
    command.args(["-c", driver]).arg(program.get_program()).args(["vm", "attach", "scenario"]);
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let seen = command.output().expect("python3 is installed");
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "0\n0\n", "{}", text(&seen));
    let stopped = output(home, &["stop", "scenario"]);
    assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped));
}
