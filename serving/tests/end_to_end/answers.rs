//! When a server counts as one that answers, and what is told when it does not.

use std::net::TcpListener;

use wire::serving::{Running, Source, State};

use crate::rig::{Rig, config};

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
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let port = String::from_utf8(line).unwrap().split('\0').nth(2).unwrap().to_owned();
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

#[test]
fn who_has_the_port_before_the_server_is_given_nothing() {
    // The server never listens; somebody else does, where it should. Only a listener of the same user counts as the server.
    let is_root = rustix::process::geteuid().is_root();
    let rig = Rig::new("well", |server, _| {
        let Source::Command(own) = &mut server.source else { panic!("it is a command") };
        if is_root {
            let other = ["setpriv", "--reuid", "65534", "--clear-groups"].map(str::to_owned);
            own.command.splice(0..0, other);
        }
        server.start_s = 3;
    });
    if is_root {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(crate::rig::model_server().parent().unwrap(), open).unwrap();
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(rig.folder.path(), readable).unwrap();
        let cause = rig.until(|report| report.state == State::Down).cause.unwrap();
        assert!(cause.contains("another user of this host listens at port"), "{cause}");
        assert!(rig.ask_turn("a").refused().starts_with("the model server 'm' is "));
    } else {
        rig.until_ready();
    }
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
