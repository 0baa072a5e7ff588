//! What a hostile agent, a hung disk or another user of the host tries against a running sandbox.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use scenarios::residue::Residue;
use scenarios::{Session, Started, signal_writer};

/// Waits until the agent has said `up`, as its log shows.
fn until_started(started: &Started) {
    let log = started.dir().join("state/openshell/audit");
    let begun = Instant::now();
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    let written = |logs: &Path| {
        let mut files = entries(logs).flat_map(|log| entries(&log.path()).collect::<Vec<_>>());
        files.any(|file| {
            let is_segment = file.path().extension().is_some_and(|extension| extension == "jsonl");
            is_segment && file.metadata().is_ok_and(|metadata| metadata.len() > 0)
        })
    };
    while !written(&log) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the sandbox did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn other_users_of_the_host_see_nothing_of_a_running_sandbox() {
    let session = Session::new("tiny");
    fs::create_dir(session.dir().join("secret")).unwrap();
    fs::write(session.dir().join("secret/file"), "operator's secret").unwrap();
    let started = session
        .yaml("mounts: [{source: ./secret, target: /in, mode: ro}]\nresources: {disk: 64MiB}")
        .command(["sleep", "1000"])
        .start();
    until_started(&started);
    for private in ["run/openshell", "state/openshell/disks"] {
        let mode = fs::metadata(started.dir().join(private)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{private} is open to others: {mode:o}");
    }
    // The disks have no name: nobody can open them, and nothing stays if everybody is killed now.
    assert_eq!(fs::read_dir(started.dir().join("state/openshell/disks")).unwrap().count(), 0);
    started.signal_group(rustix::process::Signal::INT);
    let outcome = started.outcome();
    assert_eq!(outcome.code, Some(130), "{outcome}");
}

#[test]
fn a_log_that_hangs_does_not_keep_the_machine_alive() {
    let before = Residue::now();
    let session = Session::new("tiny").yaml("resources: {timeout: 3s}");
    let started = session.script("trap '' TERM; while true; do sleep 1; done").start();
    until_started(&started);
    signal_writer("-STOP");
    let outcome = started.outcome();
    assert!([Some(124), Some(125)].contains(&outcome.code), "{outcome}");
    assert_eq!(Residue::now(), before, "{outcome}");
}
