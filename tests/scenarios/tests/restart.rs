//! An agent that is started again: in the same workspace, with nobody of the life before left, on the record, and not for ever.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::Signal;
use scenarios::{Outcome, Session, openshell, until_recorded};

/// Counts its lives in the workspace.
const COUNT: &str = "n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n > n; echo life $n; ";

fn agent(script: &str, restart: &str) -> Session {
    Session::new("tiny").script(&format!("{COUNT}{script}")).yaml(&format!("restart: {restart}"))
}

/// Phases of the sandbox's life, each with its code and detail.
fn phases(outcome: &Outcome) -> Vec<String> {
    let step = |record: &serde_json::Value| {
        let life = record["lifecycle"].as_object()?;
        let code = life.get("code").map(|code| format!(" {code}")).unwrap_or_default();
        let detail = life.get("detail").and_then(|detail| detail.as_str());
        Some(format!(
            "{}{code}{}",
            life["phase"].as_str()?,
            detail.map(|it| format!(": {it}")).unwrap_or_default()
        ))
    };
    outcome.audit.iter().filter_map(step).collect()
}

/// Runs `openshell vm` on the sandbox of a session.
fn vm(home: &Path, words: &[&str]) -> Command {
    let mut command = openshell(home);
    command.arg("vm").args(words).current_dir(home);
    command
}

fn ask(home: &Path, words: &[&str]) -> Output {
    vm(home, words).stdin(Stdio::null()).output().expect("openshell is built")
}

/// Starts it under a Python script that has its terminal as `fd`.
fn driven(script: &str, program: &Command) -> Child {
    let begin = "import os, pty, signal, sys\n\
        signal.alarm(300)\n\
        pid, fd = pty.fork()\n\
        if pid == 0: os.execv(sys.argv[1], sys.argv[1:])\n\
        seen = b''\n\
        def until(word):\n\
        \x20   global seen\n\
        \x20   while word not in seen:\n\
        \x20       try: more = os.read(fd, 65536)\n\
        \x20       except OSError: more = b''\n\
        \x20       if not more: raise SystemExit('ended: ' + repr(seen))\n\
        \x20       seen += more\n";
    let end = "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let mut command = Command::new("python3");
    command
        .args(["-c", &format!("{begin}{script}{end}")])
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is installed")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_fails_twice_works_the_third_time() {
    let outcome = agent("[ $n = 3 ]", "{policy: on-failure}").run();
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(0), "life 1\nlife 2\nlife 3\n"), "{outcome}");
    assert_eq!(
        phases(&outcome),
        [
            "started",
            "agent-started",
            "agent-restarting 1: exit code 1; restart 1 in a row follows in 1 s",
            "agent-started: restart 1",
            "agent-restarting 1: exit code 1; restart 2 in a row follows in 2 s",
            "agent-started: restart 2",
            "agent-exited 0",
        ],
        "{outcome}"
    );
}

#[test]
fn nobody_of_the_life_before_is_left() {
    // Leaves behind: a session of its own that hears no signal and holds the output; an orphan of an orphan.
    let leave = "setsid sh -c 'trap \"\" HUP TERM INT; echo $$ > a; while :; do sleep 1000; done' & \
                 (setsid sh -c 'sleep 1001 & echo $! > b' &); until [ -s a ] && [ -s b ]; do sleep 0.1; done; \
                 read a < a; read b < b; ls -d /proc/$a /proc/$b; echo $a $b > left; exit 3";
    let look = "read a b < left; ls -d /proc/$a /proc/$b 2>/dev/null || echo nobody";
    let script = format!("if [ $n = 1 ]; then {leave}; fi; {look}");
    // Whoever is left holds the output, whose end would be waited for as long.
    let outcome = agent(&script, "{policy: on-failure, max: 1}").yaml("resources: {timeout: 90s}").run();
    let lives: Vec<_> =
        outcome.text().lines().map(|line| line.split('/').nth(1).unwrap_or(line).to_owned()).collect();
    assert_eq!(lives, ["life 1", "proc", "proc", "life 2", "nobody"], "{outcome}");
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(0), 0), "{outcome}");
}

#[test]
fn a_crash_loop_has_an_end() {
    let outcome = agent("exit $((n+10))", "{policy: always, max: 2}").run();
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(13), "life 1\nlife 2\nlife 3\n"), "{outcome}");
    let restarts = phases(&outcome).iter().filter(|phase| phase.starts_with("agent-restarting")).count();
    assert_eq!(restarts, 2, "{outcome}");
}

#[test]
fn an_agent_is_not_started_again_without_a_word_of_it() {
    let outcome = Session::new("tiny").script(&format!("{COUNT} exit 3")).run();
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(3), "life 1\n"), "{outcome}");
    let outcome = agent("exit 0", "{policy: on-failure}").run();
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(0), "life 1\n"), "{outcome}");
    // What is no program is none the next time either.
    let outcome =
        Session::new("tiny").command(["nothing-of-this-name"]).yaml("restart: {policy: always}").run();
    assert_eq!(outcome.code, Some(127), "{outcome}");
}

#[test]
fn a_stop_between_two_lives_is_the_end() {
    let mut session = agent("exit 7", "{policy: on-failure, delay: 10m}").start();
    session.until_said("life 1");
    let home = session.dir().to_path_buf();
    until_recorded(&home, |line| line.contains("agent-restarting"));
    let listed = ask(&home, &["ps"]);
    assert!(said(&listed).ends_with("  restarting\n"), "{listed:?}");
    // The machine is there meanwhile.
    assert_eq!(said(&ask(&home, &["exec", "scenario", "--", "cat", "n"])), "1\n");
    assert!(ask(&home, &["stop", "scenario"]).status.success());
    let outcome = session.outcome();
    assert_eq!(outcome.code, Some(7), "{outcome}");
    let restarted = phases(&outcome).iter().any(|phase| phase.contains("agent-started: restart"));
    assert!(!restarted, "{outcome}");
}

#[test]
fn the_time_of_all_lives_together_is_bounded() {
    let outcome = agent("exit 1", "{policy: always, delay: 10m}").yaml("resources: {timeout: 4s}").run();
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(124), "life 1\n"), "{outcome}");
}

#[test]
fn a_lack_of_memory_is_a_failure_by_name() {
    let outcome = agent("[ $n = 2 ] || exec tail /dev/zero", "{policy: on-failure}")
        .yaml("policy: {process: {limits: {memory: 48MiB}}}")
        .run();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let named = phases(&outcome).iter().any(|phase| phase.contains(": out of memory; restart 1"));
    assert!(named, "{outcome}");
}

#[test]
fn the_end_of_input_is_one_for_every_life() {
    let outcome = agent("wc -c; [ $n = 2 ]", "{policy: on-failure}").stdin("four").run();
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(0), "life 1\n4\nlife 2\n0\n"), "{outcome}");
}

/// The first life leaves its terminal without echo and dies; the second has it as the first had it.
#[test]
fn a_terminal_goes_on() {
    let script = "if [ $n = 1 ]; then stty raw -echo; kill -9 $$; fi; \
                  stty -a | grep -q -- '-icanon' && echo raw; tty; read word; echo got $word";
    let session = agent(script, "{policy: on-failure}").flag("--tty");
    let driver = "until(b'/dev/pts/')\n\
        os.write(fd, b'word\\r')\n\
        until(b'got word')\n\
        print('raw' if b'raw' in seen else 'as before')\n";
    let (home, program) = session.written();
    let seen = driven(driver, &program).wait_with_output().expect("it can be waited for");
    assert_eq!(said(&seen), "as before\n0\n", "{seen:?}");
    drop(home);
}

/// What is piped in without an end is there for every life, and in nobody's way.
#[test]
fn input_without_an_end_stops_no_restart() {
    let script = "read word; echo got $word; [ $n = 3 ] || exit 1; until [ -e go ]; do sleep 0.2; done";
    let (home, program) = agent(script, "{policy: on-failure}").written();
    let mut shell = Command::new("sh");
    shell.args(["-c", "yes | \"$@\"", "sh"]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let mut running = shell.stdout(Stdio::piped()).spawn().expect("there is a shell");
    let mut lines = BufReader::new(running.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let mut said: Vec<_> = lines.by_ref().take(2).collect();
    until_recorded(home.path(), |line| line.contains("restart 2\""));
    let gone = ask(home.path(), &["exec", "scenario", "--", "touch", "go"]);
    assert!(gone.status.success(), "{gone:?}");
    said.extend(lines);
    assert_eq!(said, ["life 1", "got y", "life 2", "got y", "life 3", "got y"]);
    assert_eq!(running.wait().expect("it can be waited for").code(), Some(0));
}

/// An operator's process of the pause has the agent's terminal, which hears of nobody else then.
#[test]
fn whom_an_operator_starts_in_a_pause_the_next_life_does_not_meet() {
    let look = "[ -e pid ] || exit 1; [ -d /proc/$(cat pid) ] && echo somebody || echo nobody; tty; read word; echo got $word";
    let restart = "{policy: on-failure, delay: 20s}";
    let (home, _program) = agent(look, restart).written();
    let home = home.path();
    let started = ask(home, &["run", "--detach", "--tty", "agent.yaml"]);
    assert!(started.status.success(), "{started:?}");
    let mut attached = vm(home, &["attach", "scenario"]);
    let attached = attached.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut attached = attached.spawn().expect("it is built");
    until_recorded(home, |line| line.contains("agent-restarting"));
    let take = "exec 3<>/dev/pts/0; echo $$ > pid; exec sleep 1000";
    let taken = ask(home, &["exec", "scenario", "--", "sh", "-c", take]);
    assert_eq!(taken.status.code(), Some(137), "{taken:?}");
    let mut lines =
        BufReader::new(attached.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let mut until = |word: &str| lines.by_ref().find(|line| line.contains(word));
    assert_eq!(until("o").as_deref().map(str::trim_end), Some("nobody"));
    assert!(until("/dev/pts/0").is_some());
    attached.stdin.as_ref().expect("it is piped").write_all(b"word\n").expect("it reads");
    assert!(until("got word").is_some());
    assert_eq!(attached.wait().expect("it ends").code(), Some(0));
}

/// Memory that outlives its processes, and a stream that the kernel keeps open for nobody, as both ends of the sockets that it is in are
/// on their way in each other; and each life has records of its own.
#[test]
fn the_next_life_finds_the_files_and_nothing_else() {
    let script = "import array, ctypes, os, socket, sys\n\
        life = len(os.listdir('.'))\n\
        open(str(life), 'w').close()\n\
        open('/tmp/kept', 'a').write('x')\n\
        segments = len(open('/proc/sysvipc/shm').readlines()) - 1\n\
        print(life, os.path.getsize('/tmp/kept'), os.listdir('/dev/shm'), segments, flush=True)\n\
        assert ctypes.CDLL(None).shmget(7, 4096, 0o1600) >= 0\n\
        os.makedirs('/dev/shm/a/b')\n\
        open('/dev/shm/a/b/c', 'w').close()\n\
        one, other = socket.socketpair()\n\
        rights = array.array('i', [one.fileno(), other.fileno(), 1, 2])\n\
        other.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])\n\
        sys.exit(life < 2)\n";
    let outcome = Session::new("base")
        .command(["python3", "-c", script])
        .yaml("restart: {policy: on-failure}")
        .yaml("resources: {timeout: 180s}")
        .run();
    assert_eq!(
        (outcome.code, outcome.text().as_str()),
        (Some(0), "0 1 [] 0\n1 2 [] 0\n2 3 [] 0\n"),
        "{outcome}"
    );
    let ends = |record: &&serde_json::Value| {
        ["agent-restarting", "agent-exited"].iter().any(|phase| record["lifecycle"]["phase"] == *phase)
    };
    // Who looks between opening and writing sees it read.
    let is_written = |record: &&serde_json::Value| {
        record["object"]["path"] == "/tmp/kept" && record["object"]["method"] == "write"
    };
    let mut written = Vec::new();
    let mut since = 0;
    for record in &outcome.audit {
        since += usize::from(is_written(&record));
        if ends(&record) {
            written.push(std::mem::take(&mut since));
        }
    }
    assert_eq!(written, [1, 1, 1], "{outcome}");
}

/// The agent puts a link to where only root gets in the place of a directory above its working directory.
#[test]
fn the_working_directory_is_entered_as_the_agents_user() {
    let script = "cat status && exit 0; cd /tmp && mv a b && mkdir a && ln -s /proc/1/task/1 a/work && echo linked; exit 1";
    let outcome = Session::new("tiny")
        .script(script)
        .yaml("workdir: /tmp/a/work")
        .yaml("restart: {policy: on-failure, max: 1}")
        .run();
    assert_eq!((outcome.code, outcome.text().as_str()), (Some(125), "linked\n"), "{outcome}");
    assert!(outcome.stderr.contains("cannot enter the working directory /tmp/a/work"), "{outcome}");
}

#[test]
fn who_interrupts_a_pause_ends_the_run() {
    let mut session = agent("exit 7", "{policy: on-failure, delay: 10m}").start();
    session.until_said("life 1");
    until_recorded(session.dir(), |line| line.contains("agent-restarting"));
    session.signal(Signal::INT);
    let outcome = session.outcome();
    assert_eq!(outcome.code, Some(130), "{outcome}");
}

/// Nobody reads a terminal in a pause.
#[test]
fn the_key_that_interrupts_ends_the_run_in_a_pause() {
    let session = agent("exit 7", "{policy: on-failure, delay: 10m}").flag("--tty");
    let driver = "until(b'life 1')\n\
        print('begun', flush=True)\n\
        sys.stdin.readline()\n\
        os.write(fd, b'typed\\x03')\n";
    let (home, program) = session.written();
    let mut driver = driven(driver, &program);
    let mut said = BufReader::new(driver.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    assert_eq!(said.next().as_deref(), Some("begun"));
    until_recorded(home.path(), |line| line.contains("agent-restarting"));
    driver.stdin.as_ref().expect("it is piped").write_all(b"paused\n").expect("it reads");
    assert_eq!(said.next().as_deref(), Some("130"));
    driver.wait().expect("it ends");
}
