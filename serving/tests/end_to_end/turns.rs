//! Who is served when, and what becomes of those who leave or come too late.

use std::io::Read;

use rustix::process::Signal;
use wire::serving::State;

use crate::rig::Rig;

#[test]
fn one_sandbox_does_not_keep_another_waiting() {
    let rig = Rig::new("well", |_, _| {});
    rig.until_ready();
    let first = rig.ask_turn("greedy").turn();
    let second = rig.ask_turn("greedy");
    rig.until(|report| report.waiting == 1);
    let modest = rig.ask_turn("modest");
    let waiting = rig.until(|report| report.waiting == 2);
    assert_eq!((waiting.active, waiting.turns), (1, 1));
    drop(first);
    let turn = modest.turn();
    assert!(second.waits());
    drop(turn);
    second.turn();
}

#[test]
fn who_leaves_while_waiting_loses_the_place_and_who_leaves_a_turn_gives_it_back() {
    // It answers while it starts, and then to nobody who calls.
    let rig = Rig::new("well", |server, _| server.check_s = 600);
    rig.until_ready();
    rig.becomes("hangs");
    let mut first = rig.ask_turn("a").turn();
    first.send();
    let second = rig.ask_turn("a");
    let third = rig.ask_turn("a");
    rig.until(|report| report.waiting == 2);
    drop(second);
    rig.until(|report| report.waiting == 1);
    drop(first);
    third.turn();
}

#[test]
fn so_many_may_wait_and_no_more() {
    let rig = Rig::new("well", |server, _| server.waiting = 1);
    rig.until_ready();
    let _first = rig.ask_turn("a").turn();
    let _second = rig.ask_turn("a");
    rig.until(|report| report.waiting == 1);
    assert_eq!(rig.ask_turn("a").refused(), "1 calls of this sandbox wait already");
    let _other = rig.ask_turn("b");
    rig.until(|report| report.waiting == 2 && report.refused == 1);
}

#[test]
fn a_server_that_nobody_needs_sleeps_and_wakes_for_who_asks() {
    let rig = Rig::new("well", |server, _| server.idle_s = Some(1));
    let asleep = rig.until(|report| report.state == State::Asleep);
    assert_eq!((asleep.pid, asleep.answered), (None, None));
    rig.watch().until_available(true);
    let mut turn = rig.ask_turn("a").turn();
    assert!(turn.call().starts_with("HTTP/1.1 200"));
    let pid = rig.report().pid.unwrap();
    drop(turn);
    rig.until(|report| report.state == State::Asleep && report.pid.is_none());
    assert!(!crate::rig::lives(pid));
    rig.ask_turn("a").turn();
    assert_eq!(rig.report().restarts, 0);
}

#[test]
fn who_waits_for_a_server_that_cannot_start_is_refused() {
    let rig = Rig::new("dies", |server, _| {
        server.idle_s = Some(60);
        (server.pause_ms, server.longest_pause_ms) = (60_000, 60_000);
    });
    rig.until(|report| report.state == State::Asleep);
    // A server's last words may be another sandbox's: they are for the operator.
    let refused = rig.ask_turn("a").refused();
    assert!(
        refused == "the model server 'm' is failing" || refused == "the model server 'm' is down",
        "{refused}"
    );
    let cause = rig.until(|report| report.state == State::Down).cause.unwrap();
    assert!(cause.ends_with("out of memory"), "{cause}");
}

#[test]
fn a_server_that_could_not_start_is_not_said_to_be_asleep_and_is_tried_until_it_answers() {
    let rig = Rig::new("dies", |server, _| server.idle_s = Some(1));
    rig.until(|report| report.state == State::Asleep);
    rig.ask_turn("a").refused();
    rig.until(|report| report.restarts > 2);
    rig.becomes("well");
    rig.until(|report| report.state == State::Asleep && report.answered.is_some());
    rig.ask_turn("a").turn();
}

#[test]
fn it_may_open_as_many_files_as_the_host_lets_it() {
    let rig = Rig::new("well", |_, _| {});
    rig.until_ready();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", rig.child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let of = |place| line.split_ascii_whitespace().nth(place).and_then(|word: &str| word.parse().ok());
    let (soft, hard): (u64, u64) = (of(3).unwrap_or(u64::MAX), of(4).unwrap_or(u64::MAX));
    assert!(soft >= hard.min(16_896), "{line}");
}

#[test]
fn a_call_that_goes_on_is_not_cut_off_by_the_end_and_who_waits_is_refused() {
    let mut rig = Rig::new("well", |server, _| server.stop_s = 30);
    rig.until_ready();
    let mut turn = rig.ask_turn("a").turn();
    let waiting = rig.ask_turn("b");
    rig.until(|report| report.waiting == 1);
    rig.signal(Signal::TERM);
    assert!(waiting.refused().starts_with("the model server 'm' is stopping"));
    assert!(turn.call().starts_with("HTTP/1.1 200"));
    drop(turn);
    assert!(rig.child.wait().unwrap().success());
}

#[test]
fn a_turn_at_a_server_that_ends_ends_too() {
    let rig = Rig::new("well", |_, _| {});
    let pid = rig.until_ready().pid.unwrap();
    let mut turn = rig.ask_turn("a").turn();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    assert_eq!(turn.connection.read(&mut [0]).unwrap_or(0), 0);
    drop(turn.held);
    rig.until(|report| report.active == 0);
}
