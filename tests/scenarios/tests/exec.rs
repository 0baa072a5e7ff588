//! `openshell vm exec`: commands beside the agent, in its confinement, whoever asks for them and however they end.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use scenarios::{Session, Started, openshell};
use serde_json::Value;

/// An agent that says that it is there, and ends when it is told to.
fn agent(image: &str) -> (Started, BufReader<ChildStdout>) {
    let script = "echo here >/tmp/of-the-agent; export OWN=agents; echo ready; read end; exit 0";
    let mut started = Session::new(image)
        .script(script)
        .yaml("env: {COLOUR: blue, SHAPE: round}")
        .yaml("policy: {process: {executables: {allow: [\"/**\"], deny: [/tmp/banned]}}}")
        .start();
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

fn exec(home: &Path, arguments: &[&str]) -> Command {
    let mut command = openshell(home);
    command.args(["vm", "exec", "scenario"]).args(arguments);
    command
}

fn run(home: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = piped(&mut exec(home, arguments));
    let mut stdin = child.stdin.take().expect("it is piped");
    std::thread::scope(|scope| {
        // One that reads nothing may end before it is written to.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("it ends")
    })
}

fn piped(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is built")
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{:?} {out}{err}", output.status.code())
}

fn line(home: &Path, script: &str) -> String {
    let output = run(home, &["--", "sh", "-c", script], b"");
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).expect("it is text").trim_end().to_owned()
}

fn commands(audit: &[Value]) -> Vec<(String, Value, String)> {
    let of = |record: &Value| {
        let life = &record["lifecycle"];
        let phase = life["phase"].as_str().filter(|phase| phase.starts_with("command-"))?;
        let detail = life["detail"].as_str().unwrap_or_default();
        Some((phase.to_owned(), life["code"].clone(), detail.to_owned()))
    };
    audit.iter().filter_map(of).collect()
}

#[test]
fn a_command_runs_beside_the_agent_and_as_confined() {
    let (started, _output) = agent("tiny");
    let home = started.dir().to_path_buf();
    // Its namespaces, its files, its user.
    assert_eq!(
        line(&home, "cat /tmp/of-the-agent; id -u; echo $COLOUR $SHAPE $OWN"),
        "here\n1000\nblue round"
    );
    let agents_view =
        "readlink /proc/self/ns/pid; grep -E 'Cap(Eff|Bnd)|NoNewPrivs|Seccomp:' /proc/self/status";
    let held = line(&home, agents_view);
    for wanted in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"]
    {
        assert!(held.contains(wanted), "{held}");
    }
    // Attacks: what the agent may not, neither may this.
    for attack in [
        "cat /etc/shadow",
        "mount -t tmpfs none /mnt",
        "kill -9 1",
        "echo x >/etc/passwd",
        "cp /bin/busybox /tmp/banned && /tmp/banned true",
        "dmesg",
        "ls /proc/1/root/",
    ] {
        let output = run(&home, &["--", "sh", "-c", attack], b"");
        assert!(!output.status.success(), "{attack}: {}", text(&output));
    }
    let own =
        run(&home, &["-e", "SHAPE=square", "-w", "/tmp", "--", "sh", "-c", "echo $COLOUR $SHAPE; pwd"], b"");
    assert_eq!(String::from_utf8_lossy(&own.stdout), "blue square\n/tmp\n", "{}", text(&own));
    let outcome = started.outcome();
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(0), 0), "{outcome}");
    let commands = commands(&outcome.audit);
    assert_eq!(commands.len(), 2 * 10, "{outcome}");
    assert_eq!(commands[0].0, "command-started");
    assert_eq!(commands[0].2, "session 1, asked for by user 0: \"sh\" with 2 arguments", "{outcome}");
    assert_eq!((commands[1].0.as_str(), &commands[1].1), ("command-ended", &0.into()), "{outcome}");
    let ran = |record: &Value| record["action"] == "execution" && record["object"]["path"] == "/tmp/banned";
    assert!(outcome.audit.iter().any(|record| ran(record) && record["decision"] == "deny"), "{outcome}");
}

#[test]
fn streams_are_whole_and_ends_are_told() {
    let (started, _output) = agent("tiny");
    let home = started.dir().to_path_buf();
    let bytes: Vec<u8> = (0..3 << 20).map(|at: u32| u8::try_from(at % 251).expect("it is small")).collect();
    let output = run(&home, &["--", "cat"], &bytes);
    assert!(output.status.success() && output.stdout == bytes, "{} of {}", output.stdout.len(), bytes.len());
    let output = run(&home, &["--", "sh", "-c", "echo out; echo err >&2; exit 42"], b"");
    assert_eq!(
        (output.status.code(), &*output.stdout, &*output.stderr),
        (Some(42), &b"out\n"[..], &b"err\n"[..])
    );
    for (command, code) in [
        (&["--", "no-such-command"][..], 127),
        (&["--", "/etc/passwd"], 126),
        (&["-w", "/no/such", "--", "true"], 125),
        (&["--", "sh", "-c", "kill -TERM $$"], 143),
    ] {
        let output = run(&home, command, b"");
        assert_eq!(output.status.code(), Some(code), "{command:?}: {}", text(&output));
    }
    // Several at once, one of which never reads.
    line(&home, "mkfifo /tmp/alive");
    let mut stuck = exec(&home, &["--", "sh", "-c", "exec 3>/tmp/alive; echo there >&3; yes"]);
    let mut stuck = piped(&mut stuck);
    let mut watching = exec(&home, &["--", "timeout", "120", "cat", "/tmp/alive"]);
    let mut watching = watching.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it is built");
    let mut alive = BufReader::new(watching.stdout.take().expect("it is piped"));
    let mut there = String::new();
    alive.read_line(&mut there).expect("it can be read");
    assert_eq!(there, "there\n");
    let all: Vec<Child> = (0..8)
        .map(|n| piped(&mut exec(&home, &["--", "sh", "-c", &format!("read a; echo {n}$a")])))
        .collect();
    for (mut child, n) in all.into_iter().zip(0..) {
        child.stdin.take().expect("it is piped").write_all(b"!\n").expect("it takes input");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{n}!\n"), "{}", text(&output));
    }
    stuck.kill().expect("it runs");
    let _reaped = stuck.wait().expect("it was killed");
    // Whoever leaves hangs up: nothing of it is left that holds the pipe.
    let mut rest = String::new();
    alive.read_to_string(&mut rest).expect("it can be read");
    assert_eq!((rest.as_str(), watching.wait().expect("it ends").code()), ("", Some(0)));
    let outcome = started.outcome();
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(0), 0), "{outcome}");
    let cut = |(phase, code, _): &&(String, Value, String)| phase == "command-ended" && code.is_null();
    assert_eq!(commands(&outcome.audit).iter().filter(cut).count(), 2, "{outcome}");
}

#[test]
fn a_signal_goes_to_the_command_and_the_agents_end_ends_it() {
    let (mut started, _output) = agent("tiny");
    let home = started.dir().to_path_buf();
    let script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done";
    let mut child = piped(&mut exec(&home, &["--", "sh", "-c", script]));
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut ready = String::new();
    output.read_line(&mut ready).expect("it can be read");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("it can be read");
    assert_eq!((rest.as_str(), child.wait().expect("it ends").code()), ("caught\n", Some(9)));

    let mut child = piped(&mut exec(&home, &["--", "sh", "-c", "echo ready; exec sleep 1000"]));
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    output.read_line(&mut ready).expect("it can be read");
    drop(started.child.stdin.take());
    assert!([Some(125), Some(137)].contains(&child.wait().expect("it ends").code()));
    let outcome = started.outcome();
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(0), 0), "{outcome}");
    let gone = openshell(&home).args(["vm", "exec", "scenario", "--", "true"]).output().expect("it is built");
    assert_eq!(gone.status.code(), Some(125), "{}", text(&gone));
    assert!(text(&gone).contains("no sandbox 'scenario' is running"), "{}", text(&gone));
}

/// An agent that moves its working directory, which is a path of its rules, and puts a link to everything there gets no
/// other process of the sandbox more than it has.
#[test]
fn what_the_agent_moves_gets_a_command_no_more_files() {
    // The working directory itself is a mount, which nobody can move; what it lies in is not.
    let script = "cd /home/agent && mv d q && mkdir d && ln -s / d/p && ls -l d >&2; ls /; echo ready; read end; exit 0";
    let mut started = Session::new("tiny").script(script).yaml("workdir: /home/agent/d/p").start();
    let mut output = BufReader::new(started.child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("it can be read");
    assert_eq!(line, "ready\n", "the agent itself reads the root directory");
    let home = started.dir().to_path_buf();
    for attack in ["ls /", "ls .", "cat /var/lib/*", "cd / && ls"] {
        let output = run(&home, &["--", "sh", "-c", attack], b"");
        assert!(!output.status.success(), "{attack}: {}", text(&output));
    }
    let long = run(&home, &["--", "sh", "-c", &"a".repeat(70_000)], b"");
    assert_eq!(long.status.code(), Some(125), "{}", text(&long));
    let outcome = started.outcome();
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(0), 0), "{outcome}");
    assert!(outcome.stderr.contains("p -> /"), "the attack was not made: {outcome}");
}

/// A shell in a terminal, as a person has it: a name for the terminal, its size, job control, Ctrl-C.
#[test]
fn a_shell_has_a_terminal() {
    let (started, _output) = agent("base");
    let home = started.dir().to_path_buf();
    let driver = "import os, pty, signal, sys, fcntl, termios, struct\n\
        argv = sys.argv[1:]\n\
        pid, fd = pty.fork()\n\
        if pid == 0:\n    os.execv(argv[0], argv)\n\
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 101, 0, 0))\n\
        signal.alarm(120)\n\
        seen = b''\n\
        def until(word):\n\
        \x20   global seen\n\
        \x20   while word not in seen:\n\
        \x20       more = os.read(fd, 65536)\n\
        \x20       if not more: raise SystemExit('ended: ' + repr(seen))\n\
        \x20       seen += more\n\
        \x20   seen = seen.split(word, 1)[1]\n\
        until(b'$ ')\n\
        os.write(fd, b'stty size; tty; sleep 1000 &\\n')\n\
        until(b'33 101'); until(b'/dev/pts/')\n\
        os.write(fd, b'jobs; sh -c \"echo up\\\"\\\"on; exec sleep 1000\"\\n'); until(b'Running'); until(b'upon')\n\
        os.write(fd, b'\\x03'); os.write(fd, b'echo status $?; exit 5\\n')\n\
        until(b'status 130')\n\
        _, status = os.waitpid(pid, 0)\n\
        print('exit', os.waitstatus_to_exitcode(status))\n";
    let program = openshell(&home);
    let mut command = Command::new("python3");
    command.args(["-c", driver]).arg(program.get_program()).args(["vm", "shell", "scenario"]);
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let output = command.output().expect("python3 is installed");
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("exit 5\n"), "{}", text(&output));
    let outcome = started.outcome();
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(0), 0), "{outcome}");
}
