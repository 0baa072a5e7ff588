//! `openshell vm logs`: what an agent wrote, for whoever was not there.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Output, Stdio};

use scenarios::{Session, openshell};

fn logs(home: &Path, arguments: &[&str]) -> Output {
    openshell(home).args(["vm", "logs"]).args(arguments).output().expect("it is built")
}

fn follow(home: &Path) -> Child {
    let mut command = openshell(home);
    command.args(["vm", "logs", "scenario", "--follow"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it is built")
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{:?} {out}{err}", output.status.code())
}

#[test]
fn output_is_shown_as_it_comes_and_after_the_end() {
    let script = "printf 'one\\n\\033[2Jtwo\\n'; echo odd >&2; read word; echo got $word; exit 3";
    let mut started = Session::new("tiny").script(script).start();
    let home = started.dir().to_path_buf();
    let mut stderr = BufReader::new(started.child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("odd") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).expect("it can be read"), 0, "the agent did not start");
    }
    let early = logs(&home, &["scenario"]);
    assert_eq!(early.stdout, b"one\n\x1b[2Jtwo\n", "a file gets it as it is: {}", text(&early));
    assert_eq!(early.stderr, b"odd\n", "{}", text(&early));
    assert_eq!(logs(&home, &["scenario", "--tail", "2"]).stdout, b"\x1b[2Jtwo\n");

    let mut followers = [follow(&home), follow(&home)];
    for follower in &mut followers {
        let mut begun = [0; 4];
        follower.stdout.as_mut().expect("it is piped").read_exact(&mut begun).expect("it comes");
        assert_eq!(&begun, b"one\n");
    }
    started.child.stdin.take().expect("it is piped").write_all(b"word\n").expect("it reads");
    for follower in followers {
        let output = follower.wait_with_output().expect("it ends with the sandbox");
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(0), b"\x1b[2Jtwo\ngot word\n".as_slice())
        );
    }
    let (home, outcome) = started.finish();
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(3), 0), "{outcome}");
    let late = logs(home.path(), &["scenario", "--follow"]);
    assert_eq!(
        (late.status.code(), late.stdout.as_slice()),
        (Some(0), b"one\n\x1b[2Jtwo\ngot word\n".as_slice())
    );
    let unknown = logs(home.path(), &["nobody"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", text(&unknown));
    assert!(text(&unknown).contains("remedy: "), "{}", text(&unknown));
}

/// A terminal is not driven by what a guest wrote, unless somebody wants that.
#[test]
fn a_terminal_is_not_driven() {
    let outcome = Session::new("tiny").script("printf 'a\\033[2J\\007b\\n'").start().finish();
    let (home, outcome) = outcome;
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let driver = "import os, pty, sys\n\
        pid, fd = pty.fork()\n\
        if pid == 0:\n    os.execv(sys.argv[1], sys.argv[1:])\n\
        seen = b''\n\
        try:\n    while True:\n        more = os.read(fd, 65536)\n        if not more: break\n        seen += more\n\
        except OSError: pass\n\
        os.waitpid(pid, 0)\n\
        sys.stdout.buffer.write(seen)\n";
    let seen = |arguments: &[&str]| {
        let program = openshell(home.path());
        let mut command = std::process::Command::new("python3");
        command.args(["-c", driver]).arg(program.get_program()).args(["vm", "logs"]).args(arguments);
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        String::from_utf8(command.output().expect("python3 is installed").stdout).expect("it is text")
    };
    assert_eq!(seen(&["scenario"]), "a\u{fffd}[2J\u{fffd}b\r\n");
    assert_eq!(seen(&["scenario", "--raw"]), "a\u{1b}[2J\u{7}b\r\n");
}

/// More than is kept: the agent is not stopped by it, and the last of it is there.
#[test]
fn large_output_is_cut_at_its_begin() {
    let script = "yes 0123456789012345678901234567890123456789012345678901234567890 | head -c 30000000; echo; echo last";
    let (home, outcome) = Session::new("tiny").script(script).start().finish();
    assert_eq!((outcome.code, outcome.stdout.len()), (Some(0), 30_000_006), "{}", outcome.stderr);
    let kept = logs(home.path(), &["scenario"]);
    assert!(kept.stdout.len() > 8_000_000 && kept.stdout.len() < 17_000_000, "{} bytes", kept.stdout.len());
    assert!(outcome.stdout.ends_with(&kept.stdout), "what is kept is not the end of what was written");
}
