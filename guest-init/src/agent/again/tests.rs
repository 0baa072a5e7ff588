use std::io::{Read, Write};
use std::process::{Child, Command};

use super::*;

/// Runs a script as a session of its own, whose terminal this is.
fn session([stdin, stdout, stderr]: [OwnedFd; 3], script: &str) -> Child {
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", "sh", "-c", script]);
    command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap()
}

/// What comes out of a terminal until nobody has its other side.
fn said(master: &OwnedFd) -> String {
    let (mut text, mut chunk) = (Vec::new(), [0; 512]);
    let mut terminal = std::fs::File::from(master.try_clone().unwrap());
    while let Ok(length @ 1..) = terminal.read(&mut chunk) {
        text.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(text).unwrap()
}

/// `TIOCGEXCL`, by a program that every machine has.
fn is_exclusive(terminal: &OwnedFd) -> bool {
    let ask = "import fcntl; import sys; sys.exit(fcntl.ioctl(0, 0x80045440, bytes(4)) != bytes(4))";
    let mut python = Command::new("python3");
    !python.args(["-c", ask]).stdin(terminal.try_clone().unwrap()).status().unwrap().success()
}

#[test]
fn a_terminal_serves_the_next_session_as_it_served_the_first() {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
    let streams = [slave.try_clone().unwrap(), slave.try_clone().unwrap(), slave];
    let kept = Kept::of(&master).unwrap();

    // Whoever leaves the terminal raw, small, for itself only, stopped and without rights, and dies.
    let leave = "import fcntl, os, termios; termios.tcflow(0, termios.TCOOFF); fcntl.ioctl(0, termios.TIOCEXCL); os.fchmod(0, 0)";
    let leave = format!("stty raw -echo rows 1 columns 1; echo first; python3 -c '{leave}'; kill -9 $$");
    let mut first = session(streams, &leave);
    assert_eq!(said(&master), "first\n");
    first.wait().unwrap();

    let mut lives = Lives { terminal: Some(kept) };
    lives.resize(Size { rows: 33, columns: 111 });
    let (ours, streams) = lives.terminal.as_ref().unwrap().reopen().unwrap();
    let Streams::Terminal(ours) = ours else { panic!("a terminal stays one") };
    assert_eq!(rustix::fs::fstat(&streams[0]).unwrap().st_mode & 0o777, 0o620);
    assert!(!is_exclusive(&streams[0]), "only root could open it once more");
    let mut second =
        session(streams, "stty size; stty -a | grep -o ' .icanon'; read line; echo \"got $line\"");
    std::fs::File::from(ours.try_clone().unwrap()).write_all(b"hello\n").unwrap();
    let text = said(&ours);
    assert!(text.contains("33 111") && text.contains("got hello") && !text.contains("-icanon"), "{text}");
    second.wait().unwrap();
}
