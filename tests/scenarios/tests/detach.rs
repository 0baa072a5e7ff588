//! `openshell vm run --detach`, `exec --detach`, `attach` and `stop`: agents and commands that nobody watches, and coming back to them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use scenarios::openshell;
use serde_json::Value;
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

/// What people at three terminals do.
const TERMINALS: &str = "import os, pty, signal, sys, json, subprocess\n\
    program = sys.argv[1]\n\
    signal.alarm(240)\n\
    def vm(*words):\n\
    \x20   pid, fd = pty.fork()\n\
    \x20   if pid == 0: os.execv(program, [program, 'vm', *words])\n\
    \x20   return pid, fd\n\
    def until(fd, word):\n\
    \x20   seen = b''\n\
    \x20   while word not in seen:\n\
    \x20       try: more = os.read(fd, 65536)\n\
    \x20       except OSError: more = b''\n\
    \x20       if not more: raise SystemExit('ended: ' + repr(seen))\n\
    \x20       seen += more\n\
    def ended(pid): return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n\
    def last():\n\
    \x20   listed = subprocess.run([program, 'vm', 'sessions', 'scenario', '--json'], capture_output=True, check=True)\n\
    \x20   return json.loads(listed.stdout)[-1]\n\
    def stands(): return ' '.join(str(last()[word]) for word in ('terminal', 'state', 'attached'))\n\
    pid, fd = vm('shell', 'scenario')\n\
    until(fd, b'$ ')\n\
    os.write(fd, b'echo mar\\'\\'ker; KEPT=kept\\r'); until(fd, b'marker\\r\\n')\n\
    print(stands())\n\
    os.write(fd, b'echo $KEPT\\'\\'\\x10\\x11'); until(fd, b'comes back'); print(ended(pid)); print(stands())\n\
    target = 'scenario/' + str(last()['session'])\n\
    first, fd = vm('attach', target)\n\
    until(fd, b'marker\\r\\n')\n\
    os.write(fd, b'$KEPT\\r'); until(fd, b'keptkept')\n\
    second, other = vm('attach', target)\n\
    until(other, b'keptkept'); print(stands())\n\
    os.kill(first, signal.SIGKILL); print(ended(first)); os.close(fd)\n\
    third, fd = vm('attach', target)\n\
    until(fd, b'keptkept')\n\
    os.write(other, b'exit 6\\r'); print(ended(second), ended(third)); print(stands())\n\
    print(subprocess.run([program, 'vm', 'attach', target], stdin=subprocess.DEVNULL, capture_output=True).returncode)\n\
    pid, fd = vm('shell', 'scenario')\n\
    watch = subprocess.Popen([program, 'vm', 'exec', 'scenario', '--', 'timeout', '120', 'cat', '/tmp/alive'],\n\
    \x20   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)\n\
    until(fd, b'$ '); os.write(fd, b'exec 3>/tmp/alive; echo there >&3; cat\\r')\n\
    print(watch.stdout.readline().strip())\n\
    os.kill(pid, signal.SIGKILL); ended(pid)\n\
    print(repr(watch.stdout.read()), watch.wait())\n";

/// What `vm sessions` says of the command that was started last.
fn last_session(home: &Path) -> Value {
    let listed = output(home, &["sessions", "scenario", "--json"]);
    assert!(listed.status.success(), "{}", text(&listed));
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("it is JSON");
    listed.as_array().and_then(|sessions| sessions.last().cloned()).expect("there is one")
}

/// The same, once it is in that state.
fn until_state(home: &Path, state: &str) -> Value {
    for _look in 0..300 {
        let session = last_session(home);
        if session["state"] == state {
            return session;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("it did not become {state}: {}", last_session(home));
}

fn exec_detached(home: &Path, script: &str) -> String {
    let begun = output(home, &["exec", "scenario", "--detach", "--", "sh", "-c", script]);
    assert_eq!(begun.status.code(), Some(0), "{}", text(&begun));
    let number = String::from_utf8(begun.stdout).expect("it is text").trim_end().to_owned();
    assert!(number.parse::<u32>().is_ok(), "{number}");
    number
}

/// Whatever a command writes while nobody reads it, it does not wait; the last MiB of it and its end are there for who asks.
#[test]
fn a_detached_command_waits_for_nobody_and_its_end_is_kept() {
    let home = home("while :; do sleep 1; done");
    let home = home.path();
    let _id = detached(home, &[]);
    let script = "head -c 20971520 /dev/zero | tr '\\0' a; echo; echo over >&2; exit 5";
    let number = exec_detached(home, script);
    let ended = until_state(home, "ended");
    assert_eq!(
        (&ended["code"], &ended["terminal"], &ended["attached"]),
        (&5.into(), &false.into(), &0.into())
    );
    // Of its arguments nothing is told.
    assert_eq!(ended["program"], "sh", "{ended}");
    let target = format!("scenario/{number}");
    for _time in 0..2 {
        let found = output(home, &["attach", &target]);
        assert_eq!((found.status.code(), &*found.stderr), (Some(5), &b"over\n"[..]));
        let kept = (1 << 20) - b"over\n".len();
        assert_eq!(found.stdout.len(), kept);
        assert!(found.stdout.starts_with(b"aaaa") && found.stdout.ends_with(b"aaaa\n"));
    }
    // What does not start is told as ever, and leaves nothing.
    for (command, code) in [(&["--", "no-such"][..], 127), (&["-w", "/no/such", "--", "true"], 125)] {
        let refused = output(home, &[&["exec", "scenario", "--detach"], command].concat());
        assert_eq!((refused.status.code(), &*refused.stdout), (Some(code), &b""[..]), "{}", text(&refused));
    }
    assert_eq!(last_session(home)["session"].to_string(), number);
    let absent = output(home, &["attach", "scenario/99"]);
    assert_eq!(absent.status.code(), Some(125), "{}", text(&absent));
    assert!(text(&absent).contains("no command of the sandbox has number 99"), "{}", text(&absent));
    assert_eq!(output(home, &["stop", "scenario"]).status.code(), Some(0));
}

/// One that does not want to end is killed, by who asks again at once; and only the sandbox's user and root are heard.
#[test]
fn a_command_is_ended_by_its_own_user() {
    let home = home("while :; do sleep 1; done");
    let home = home.path();
    let id = detached(home, &[]);
    let number = exec_detached(home, "trap '' TERM; echo deaf; while :; do sleep 1; done");
    let target = format!("scenario/{number}");
    let mut watching = vm(home, &["attach", &target]);
    let mut watching = watching.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it is built");
    let mut out = BufReader::new(watching.stdout.take().expect("it is piped"));
    assert_eq!(line(&mut out), "deaf\n");
    let asking = vm(home, &["stop", &target]).stdout(Stdio::piped()).spawn().expect("it is built");
    scenarios::until_recorded(home, |line| line.contains("\"command-stopped\""));
    let stopped = output(home, &["stop", &target]);
    assert!(text(&stopped).ends_with(&format!("/{number}: ended\n")), "{}", text(&stopped));
    assert!(asking.wait_with_output().expect("it ends").status.success());
    assert_eq!(watching.wait().expect("it ends").code(), Some(137));

    // Others are not heard even where they reach the socket.
    let run = home.join("run/openshell").join(&id);
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    run.ancestors().take_while(|path| path.starts_with(home)).for_each(|path| open(path, 0o755));
    ["lock", "control.sock"].iter().for_each(|file| open(&run.join(file), 0o666));
    for attack in [
        &["sessions", "scenario"][..],
        &["attach", &target],
        &["stop", &target],
        &["exec", "scenario", "--detach", "--", "true"],
    ] {
        let other = vm(home, attack).uid(1000).stdin(Stdio::null()).output().expect("it is built");
        assert!(text(&other).contains("the sandbox is another user's"), "{attack:?}: {}", text(&other));
    }
    let audit = openshell(home).args(["audit", "tail", "--json", "-n", "500"]).output().expect("it is built");
    let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
    for told in
        [": \\\"sh\\\" with 2 arguments, detached\"", "attached to session 1\"", ": session 1 has ended\""]
    {
        assert!(audit.contains(told), "{told} is not in {audit}");
    }
    assert!(!audit.contains("echo deaf"), "{audit}");
    assert_eq!(output(home, &["stop", "scenario"]).status.code(), Some(0));
}

/// A command that writes all the time to a caller who reads nothing ends when it is asked to, and how is on the record before he reads on.
#[test]
fn a_caller_who_reads_nothing_keeps_no_command_from_ending() {
    let home = home("while :; do sleep 1; done");
    let home = home.path();
    let _id = detached(home, &[]);
    let mut flooded = vm(home, &["exec", "scenario", "--", "cat", "/dev/zero"]);
    let mut flooded =
        flooded.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program is built");
    let mut out = flooded.stdout.take().expect("it is piped");
    out.read_exact(&mut [0; 4096]).expect("it writes");
    let number = last_session(home)["session"].to_string();
    let stopped = output(home, &["stop", &format!("scenario/{number}")]);
    assert!(text(&stopped).ends_with(&format!("/{number}: ended\n")), "{}", text(&stopped));
    let audit = openshell(home).args(["audit", "tail", "--json", "-n", "500"]).output().expect("it is built");
    let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
    let ended = audit.lines().find(|line| line.contains("\"command-ended\"")).expect("it is on the record");
    assert!(ended.contains("143"), "{ended}");
    drop(out);
    assert_eq!(flooded.wait().expect("it ends").code(), Some(143));
    let refused = output(home, &["exec", "scenario", "--detach-keys", "ctrl-a", "--", "true"]);
    assert!(text(&refused).contains("without --tty"), "{}", text(&refused));
    assert_eq!(output(home, &["stop", "scenario"]).status.code(), Some(0));
}

/// A shell: left by keys it goes on, whatever its clients do; left in any other way before that, it ends, and lets go of the pipe that
/// it holds.
#[test]
fn a_shell_is_left_by_keys_and_found_again() {
    let home = home("while :; do sleep 1; done");
    let home = home.path();
    let _id = detached(home, &[]);
    let made = output(home, &["exec", "scenario", "--", "mkfifo", "/tmp/alive"]);
    assert!(made.status.success(), "{}", text(&made));
    let program = openshell(home);
    let mut command = Command::new("python3");
    command.args(["-c", TERMINALS]).arg(program.get_program());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let seen = command.output().expect("python3 is installed");
    let expected =
        "True attached 1\n0\nTrue detached 0\nTrue detached 2\n-9\n6 6\nTrue ended 0\n6\nthere\n'' 0\n";
    assert_eq!(String::from_utf8_lossy(&seen.stdout), expected, "{}", text(&seen));
    let audit = openshell(home).args(["audit", "tail", "--json", "-n", "500"]).output().expect("it is built");
    let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert_eq!(audit.matches("\"command-detached\"").count(), 1, "{audit}");
    assert_eq!(output(home, &["stop", "scenario"]).status.code(), Some(0));
}
