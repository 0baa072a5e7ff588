//! However this process or a server ends, nothing that was started stays.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal};
use wire::serving::{ServerConfig, Source, State};

use crate::rig::{Rig, lives, until};

/// Before the server it starts what leaves its group and its session; `first` says what else.
fn with_offspring(server: &mut ServerConfig, folder: &Path, first: &str) {
    let Source::Command(own) = &mut server.source else { panic!("it is a command") };
    let script = format!(
        "{first} setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000' & exec \"$@\"",
        folder.join("offspring").display()
    );
    own.command.splice(0..0, ["sh", "-c", script.as_str(), "sh"].map(str::to_owned));
}

/// All processes of a rig with such a server.
fn processes(rig: &Rig) -> [i32; 2] {
    let server = rig.until_ready().pid.unwrap();
    let path = rig.folder.path().join("offspring");
    let offspring = until("the server has offspring", || fs::read_to_string(&path).ok());
    let all = [server, offspring.trim().parse().unwrap()];
    assert!(all.into_iter().all(lives), "{all:?}");
    all
}

fn keeper_of(server: i32) -> Pid {
    let stat = fs::read_to_string(format!("/proc/{server}/stat")).unwrap();
    let keeper = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
    Pid::from_raw(keeper).unwrap()
}

fn are_gone(processes: [i32; 2]) {
    until("they are gone", || processes.into_iter().all(|pid| !lives(pid)).then_some(()));
}

#[test]
fn asked_to_end_it_ends_its_servers_and_all_that_they_started() {
    let mut rig = Rig::new("well", |server, folder| with_offspring(server, folder, ""));
    let all = processes(&rig);
    rig.signal(Signal::TERM);
    assert!(rig.child.wait().unwrap().success());
    assert!(all.into_iter().all(|pid| !lives(pid)), "{all:?}");
}

#[test]
fn a_server_that_does_not_end_when_asked_is_killed() {
    let mut rig = Rig::new("well", |server, folder| {
        server.stop_s = 1;
        with_offspring(server, folder, "trap '' TERM;");
    });
    let all = processes(&rig);
    rig.signal(Signal::INT);
    assert!(rig.child.wait().unwrap().success());
    assert!(all.into_iter().all(|pid| !lives(pid)), "{all:?}");
}

#[test]
fn when_it_is_killed_its_servers_end_and_all_that_they_started() {
    let mut rig = Rig::new("well", |server, folder| with_offspring(server, folder, ""));
    let all = processes(&rig);
    rig.signal(Signal::KILL);
    rig.child.wait().unwrap();
    are_gone(all);
}

#[test]
fn when_a_keeper_is_killed_its_server_ends_with_all_that_it_started_and_is_started_again() {
    let rig = Rig::new("well", |server, folder| with_offspring(server, folder, ""));
    let all = processes(&rig);
    rustix::process::kill_process(keeper_of(all[0]), Signal::KILL).unwrap();
    are_gone(all);
    let again = rig.until(|report| report.restarts == 1 && report.state == State::Ready);
    assert_ne!(again.pid, Some(all[0]));
}

#[test]
fn a_server_that_ends_takes_along_what_it_started() {
    let rig = Rig::new("well", |server, folder| with_offspring(server, folder, ""));
    let all = processes(&rig);
    rustix::process::kill_process(Pid::from_raw(all[0]).unwrap(), Signal::KILL).unwrap();
    are_gone(all);
}

#[test]
fn a_keeper_that_is_asked_to_end_by_others_goes_on_and_its_server_can_be_asked() {
    let rig = Rig::new("well", |_, _| {});
    let pid = rig.until_ready().pid.unwrap();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        rustix::process::kill_process(keeper_of(pid), signal).unwrap();
    }
    // What is executed does not inherit that.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    let term = 1 << (Signal::TERM.as_raw() - 1);
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & term, 0, "{status}");
    assert!(rig.ask_turn("a").turn().call().starts_with("HTTP/1.1 200"));
    let after = rig.report();
    assert_eq!((after.pid, after.restarts), (Some(pid), 0));
}
