//! An agent that is started again: in the same workspace, with nobody of the life before left, on the record, and not for ever.

use std::process::{Command, Output};

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
    let leave = "mkfifo f; setsid sh -c 'trap \"\" HUP TERM INT; echo $$ > f; while :; do sleep 1000; done' & read a < f; \
                 (setsid sh -c 'sleep 1001 & echo $! > f' &); read b < f; ls -d /proc/$a /proc/$b; echo $a $b > left; exit 3";
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
    let ask =
        |words: &[&str]| openshell(&home).args(["vm"]).args(words).output().expect("openshell is built");
    assert!(said(&ask(&["ps"])).ends_with("  restarting\n"), "{:?}", ask(&["ps"]));
    // The machine is there meanwhile.
    assert_eq!(said(&ask(&["exec", "scenario", "--", "cat", "n"])), "1\n");
    assert!(ask(&["stop", "scenario"]).status.success());
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
    let driver = "import os, pty, signal, sys\n\
        signal.alarm(120)\n\
        pid, fd = pty.fork()\n\
        if pid == 0: os.execv(sys.argv[1], sys.argv[1:])\n\
        seen = b''\n\
        def until(word):\n\
        \x20   global seen\n\
        \x20   while word not in seen:\n\
        \x20       try: more = os.read(fd, 65536)\n\
        \x20       except OSError: more = b''\n\
        \x20       if not more: raise SystemExit('ended: ' + repr(seen))\n\
        \x20       seen += more\n\
        until(b'/dev/pts/')\n\
        os.write(fd, b'word\\r')\n\
        until(b'got word')\n\
        print('raw' if b'raw' in seen else 'as before')\n\
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let (home, program) = session.written();
    let mut command = Command::new("python3");
    command.args(["-c", driver]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let seen = command.output().expect("python3 is installed");
    assert_eq!(said(&seen), "as before\n0\n", "{seen:?}");
    drop(home);
}
