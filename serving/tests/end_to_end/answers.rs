//! When a server counts as one that answers, and what is told when it does not.

use std::net::TcpListener;

use wire::serving::{Running, Source, State};

use crate::rig::{Rig, config, model_server, until};

#[test]
fn a_server_that_loads_gives_no_turns_until_it_has_said_something() {
    let rig = Rig::new("loading", |_, _| {});
    let mut watch = rig.watch();
    watch.until_available(false);
    rig.until(|report| report.state == State::Starting && report.pid.is_some());
    let refused = rig.ask_turn("a").refused();
    assert_eq!(refused, "the model server 'm' is starting");
    rig.becomes("well");
    watch.until_available(true);
    let mut turn = rig.ask_turn("a").turn();
    let answer = turn.call();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""content":"yes""#), "{answer}");
    let report = rig.report();
    assert_eq!((report.turns, report.refused, report.model.as_str()), (1, 1, "big"));
    assert!(report.answered.is_some() && report.pid.is_some() && report.cause.is_none(), "{report:?}");
}

#[test]
fn a_server_that_says_it_is_well_and_answers_nothing_gives_no_turns_and_is_started_anew() {
    let rig = Rig::new("well", |_, _| {});
    let mut watch = rig.watch();
    watch.until_available(true);
    let first = rig.until_ready().pid;
    rig.becomes("hangs");
    watch.until_available(false);
    let refused = rig.ask_turn("a").refused();
    assert!(refused.starts_with("the model server 'm' is "), "{refused}");
    rig.until(|report| report.restarts > 0);
    rig.becomes("well");
    watch.until_available(true);
    assert_ne!(rig.until_ready().pid, first);
}

#[test]
fn one_question_without_an_answer_takes_turns_away_and_the_next_gives_them_back() {
    let rig = Rig::new("well", |server, _| server.answer_s = 4);
    let mut watch = rig.watch();
    watch.until_available(true);
    let before = rig.until_ready();
    rig.becomes("waits");
    watch.until_available(false);
    let failing = rig.report();
    assert_eq!(
        (failing.state, failing.cause.as_deref()),
        (State::Failing, Some("it does not answer: no answer within 4 s"))
    );
    rig.becomes("well");
    watch.until_available(true);
    let after = rig.until_ready();
    assert_eq!((after.pid, after.restarts), (before.pid, 0));
}

#[test]
fn a_model_that_thinks_answers_and_one_that_says_nothing_does_not() {
    let thinks = Rig::new("thinks", |_, _| {});
    thinks.until_ready();
    let empty = Rig::new("empty", |server, _| server.start_s = 1);
    let report = empty.until(|report| report.state == State::Down);
    let cause = report.cause.unwrap();
    assert_eq!(cause, "it gave no answer within 1 s of its start: its answer is no completion");
}

#[test]
fn a_server_that_dies_is_told_with_its_last_words_and_started_again() {
    let rig = Rig::new("dies", |server, _| {
        (server.pause_ms, server.longest_pause_ms) = (60_000, 60_000);
    });
    let report = rig.until(|report| report.state == State::Down);
    let cause = report.cause.unwrap();
    assert!(
        cause.starts_with("it ended (exit status: 3): ") && cause.ends_with("CUDA error: out of memory"),
        "{cause}"
    );
    assert_eq!((report.pid, report.restarts), (None, 1));
    let mended = Rig::new("dies", |_, _| {});
    mended.until(|report| report.restarts > 1);
    mended.becomes("well");
    mended.until_ready();
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let rig = Rig::new("well", |server, _| {
        let Source::Command(own) = &mut server.source else { panic!("it is a command") };
        "/no/such/program".clone_into(&mut own.command[0]);
    });
    let cause = rig.until(|report| report.state == State::Down).cause.unwrap();
    assert!(cause.starts_with("it ended (its program cannot be executed): "), "{cause}");
    assert!(cause.contains("/no/such/program"), "{cause}");
}

#[test]
fn a_server_of_somebody_elses_is_asked_too_and_not_ended() {
    let other = Rig::new("well", |_, _| {});
    let pid = other.until_ready().pid.unwrap();
    let port = words(pid)[2].clone();
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let rig = Rig::new("well", |server, _| {
        *server = config(Source::Running(Running { address, model: "theirs".to_owned() }));
    });
    let report = rig.until_ready();
    assert_eq!((report.pid, report.log, report.model.as_str()), (None, None, "theirs"));
    assert!(rig.ask_turn("a").turn().call().starts_with("HTTP/1.1 200"));
    drop(rig);
    assert!(crate::rig::lives(pid));
}

/// Its words, as it was started.
fn words(pid: i32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    String::from_utf8(line).unwrap().split('\0').map(str::to_owned).collect()
}

/// Kills it at the end of the test.
struct Beside(std::process::Child);

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn who_has_the_port_before_the_server_is_given_nothing() {
    // The server never listens; another process of the same user does, where it should, and answers well.
    let rig = Rig::new("deaf", |server, _| server.start_s = 10);
    let pid = rig.until(|report| report.pid.is_some()).pid.unwrap();
    let started = until("it has become the server", || {
        let words = words(pid);
        (words[0] == model_server().to_str().unwrap()).then_some(words)
    });
    let mode = rig.folder.path().join("theirs");
    std::fs::write(&mode, "well").unwrap();
    let other = std::process::Command::new(model_server())
        .args(&started[1..3])
        .env("MODE", mode)
        .stdout(std::process::Stdio::null())
        .spawn();
    let _other = Beside(other.unwrap());
    let cause = rig.until(|report| report.restarts > 0 || report.state == State::Ready).cause;
    assert!(
        cause.as_ref().is_some_and(|cause| cause.contains("another program of this host listens at port")),
        "{cause:?}"
    );
}

#[test]
fn a_server_that_is_full_is_not_ended_because_its_question_has_to_wait() {
    let rig = Rig::new("well", |_, _| {});
    let before = rig.until_ready();
    let log = before.log.clone().unwrap();
    // It has one slot, and takes its time for the call in it.
    let mut turn = rig.ask_turn("a").turn();
    rig.becomes("waits");
    turn.send();
    // The call, and more questions in a row than end a server that has room.
    until("it was asked again and again", || {
        let printed = std::fs::read_to_string(&log).unwrap();
        (printed.matches("it waits").count() > 4).then_some(())
    });
    let during = rig.report();
    assert_eq!((during.state, during.pid, during.restarts), (State::Ready, before.pid, 0), "{during:?}");
    rig.becomes("well");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut turn.connection, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_question_that_is_none_is_refused() {
    let rig = Rig::new("well", |_, _| {});
    let unknown = wire::serving::Question::Watch { server: "other".to_owned() };
    assert_eq!(rig.ask(unknown).refused(), "there is no model server 'other'");
    // A port that nobody listens at any more is no server.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = Rig::new("well", |server, _| {
        *server = config(Source::Running(Running { address: gone, model: "m".to_owned() }));
        server.start_s = 1;
    });
    let cause = away.until(|report| report.state == State::Down).cause.unwrap();
    assert!(cause.contains(&format!("cannot connect to {gone}")), "{cause}");
}
