//! Everything that can be wrong: one line of cause, one of remedy, the documented exit code, nothing left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::Signal;
use scenarios::residue::Residue;
use scenarios::small_disk::SmallDisk;
use scenarios::{Outcome, Session, openshell, until_recorded};

/// The failure is explained in two lines, and nothing stays.
fn refused(before: &Residue, outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{outcome}");
    let ours: Vec<&str> = outcome
        .stderr
        .lines()
        .filter(|line| line.starts_with("openshell: ") || line.starts_with("  remedy: "))
        .collect();
    assert_eq!(ours.len(), 2, "one line of cause, one of remedy: {outcome}");
    for word in words {
        assert!(ours[0].contains(word), "'{word}' is not in the cause: {outcome}");
    }
    assert_eq!(&Residue::now(), before, "something was left behind: {outcome}");
    assert!(outcome.leftovers.is_empty(), "left behind: {:?}", outcome.leftovers);
}

#[test]
fn an_unknown_key_is_named_with_file_and_line() {
    let before = Residue::now();
    let outcome = Session::new("tiny").yaml("comand: [x]").run();
    refused(&before, &outcome, 125, &["agent.yaml:5", "comand"]);
    assert!(outcome.stderr.contains("command"), "did you mean: {outcome}");
}

#[test]
fn a_wrong_type_is_named_with_its_line() {
    let before = Residue::now();
    refused(&before, &Session::new("tiny").yaml("resources: {vcpus: many}").run(), 125, &["agent.yaml:5"]);
}

#[test]
fn a_missing_file() {
    let before = Residue::now();
    refused(&before, &Session::new("tiny").yaml("egress: {ca: ./none.pem}").run(), 125, &["none.pem"]);
}

#[test]
fn an_image_that_is_not_there() {
    let before = Residue::now();
    refused(&before, &Session::new("./none.erofs").run(), 125, &["none.erofs"]);
}

#[test]
fn an_image_that_is_no_image() {
    let before = Residue::now();
    let session = Session::new("./junk.erofs");
    fs::write(session.dir().join("junk.erofs"), vec![7; 8192]).unwrap();
    refused(&before, &session.run(), 125, &["junk.erofs"]);
}

#[test]
fn a_mount_source_that_is_not_there() {
    let before = Residue::now();
    let outcome = Session::new("tiny").yaml("mounts: [{source: ./none, target: /work, mode: ro}]").run();
    refused(&before, &outcome, 125, &["none"]);
}

#[test]
fn a_truncated_kernel() {
    let before = Residue::now();
    let session = Session::new("tiny");
    let kernel = session.dir().join("vmlinux");
    fs::write(&kernel, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0").unwrap();
    let flag = kernel.display().to_string();
    refused(&before, &session.flag("--kernel").flag(flag).run(), 125, &["kernel"]);
}

#[test]
fn memory_below_what_the_guest_needs() {
    let before = Residue::now();
    refused(&before, &Session::new("tiny").yaml("resources: {memory: 64MiB}").run(), 125, &["memory"]);
}

#[test]
fn a_full_writable_layer_is_the_agents_own_error() {
    let before = Residue::now();
    let script = "dd if=/dev/zero of=/tmp/fill bs=1M count=400 2>&1 | tail -1; dd if=/dev/zero of=/tmp/after bs=64k count=64 2>/dev/null || exit 28";
    let outcome = Session::new("tiny").yaml("resources: {memory: 256MiB, disk: 16MiB}").script(script).run();
    assert_eq!(outcome.code, Some(28), "{outcome}");
    assert_eq!((Residue::now(), outcome.leftovers), (before, vec![]));
}

#[test]
fn a_host_disk_that_fills_up_under_the_sandboxs_disk_ends_the_run_and_keeps_the_log() {
    let session = Session::new("tiny").yaml("resources: {memory: 256MiB, disk: 256MiB}");
    let disk = SmallDisk::mount(session.dir().join("state"), 24);
    let before = Residue::now();
    let fill =
        "echo up; (printf %65536s x; read go; while :; do printf %65536s x; done) | dd of=/tmp/fill bs=64k";
    let mut started = session.script(fill).stdin("go\n").start();
    started.until_said("up");
    // The log lies on that disk too, and would be the one that has no room if more were to be recorded then.
    until_recorded(started.dir(), |line| line.contains("\"/tmp/fill\"") && line.contains("\"write\""));
    let (home, outcome) = started.finish();
    refused(&before, &outcome, 125, &["writable disk", "No space left on device"]);
    assert!(outcome.stderr.contains("XDG_STATE_HOME"), "{outcome}");
    let phases: Vec<&str> =
        outcome.audit.iter().filter_map(|record| record["lifecycle"]["phase"].as_str()).collect();
    assert_eq!(phases, ["started", "agent-started", "failed"], "{outcome}");
    let sandbox = outcome.audit[0]["sandbox"].as_str().unwrap();
    let verified = openshell(home.path()).args(["audit", "verify", sandbox]).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");
    assert!(disk.used_kib() < 1024, "{} KiB of 24 MiB are still in use", disk.used_kib());
    drop(disk);
}

#[test]
fn a_host_disk_that_is_full_already_is_named_with_what_does_not_fit() {
    for yaml in ["resources: {disk: 64MiB}", "mounts: [{source: ./big, target: /work, mode: copy}]"] {
        let session = Session::new("tiny").yaml(yaml);
        fs::create_dir(session.dir().join("big")).unwrap();
        fs::write(session.dir().join("big/file"), vec![7; 1 << 20]).unwrap();
        let disk = SmallDisk::mount(session.dir().join("state"), 1);
        disk.fill();
        let before = Residue::now();
        let (home, outcome) = session.start().finish();
        refused(&before, &outcome, 125, &["no space left"]);
        assert!(outcome.stderr.contains("state/openshell/disks"), "the remedy says where: {outcome}");
        drop((disk, home));
    }
}

#[test]
fn a_kernel_that_panics_is_reported_with_its_reason() {
    let before = Residue::now();
    let session = Session::new("tiny");
    // An initramfs without /init, and no root device: the kernel cannot go on.
    let initramfs = session.dir().join("empty.cpio");
    fs::write(&initramfs, [0; 512]).unwrap();
    let flag = initramfs.display().to_string();
    refused(&before, &session.flag("--initramfs").flag(flag).run(), 125, &["panicked", "VFS"]);
}

#[test]
fn a_guest_that_never_says_hello_times_out_with_its_last_lines() {
    let before = Residue::now();
    let session = Session::new("tiny");
    // The only program of this guest prints one line and then does nothing.
    let script = "set -e; mkdir root; cp /bin/busybox root/busybox; \
                  printf '#!/busybox sh\\necho I only sleep\\nexec /busybox sleep 1000\\n' > root/init; \
                  chmod 755 root/init; mkdir root/dev; mknod root/dev/console c 5 1; \
                  cd root; find . | cpio --quiet -o -H newc > ../silent.cpio; rm -r ../root";
    let made =
        std::process::Command::new("sh").args(["-c", script]).current_dir(session.dir()).status().unwrap();
    assert!(made.success());
    let initramfs = session.dir().join("silent.cpio").display().to_string();
    let outcome = session.flag("--initramfs").flag(initramfs).flag("--boot-timeout").flag("30").run();
    refused(&before, &outcome, 125, &["did not come up within 30 s", "I only sleep"]);
}

#[test]
fn a_log_that_cannot_be_written_stops_the_run() {
    let before = Residue::now();
    let session = Session::new("tiny").script("echo ran");
    let state = session.dir().join("state/openshell");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("audit"), "a file, not a directory").unwrap();
    let outcome = session.run();
    refused(&before, &outcome, 125, &["audit log"]);
    assert_eq!(outcome.text(), "", "{outcome}");
}

#[test]
fn ctrl_c_at_every_stage() {
    for delay in [0, 50, 200, 500, 1000, 2000, 4000, 8000] {
        let before = Residue::now();
        let started = Session::new("tiny").command(["sleep", "1000"]).start();
        std::thread::sleep(Duration::from_millis(delay));
        started.signal(Signal::INT);
        let outcome = started.outcome();
        assert_eq!(outcome.code, Some(130), "after {delay} ms: {outcome}");
        assert_eq!(Residue::now(), before, "after {delay} ms: {outcome}");
    }
}

#[test]
fn a_killed_manager_leaves_no_process() {
    let before = Residue::now();
    let mut started = Session::new("tiny").script("echo up; exec sleep 1000").start();
    started.until_said("up");
    started.signal(Signal::KILL);
    let outcome = started.outcome();
    assert_eq!(outcome.code, Some(137), "{outcome}");
    // The kernel ends the children as soon as their parent is gone; reaping takes a moment.
    let gone = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Residue::now() == before
    });
    assert!(gone, "{:?}\n{before:?}", Residue::now());
}

#[test]
fn no_permission_for_kvm() {
    let before = Residue::now();
    let kvm = "/dev/kvm";
    let mode = fs::metadata(kvm).unwrap().permissions();
    // Root may open it whatever its mode; the command therefore runs as an ordinary user.
    fs::set_permissions(kvm, fs::Permissions::from_mode(0o600)).unwrap();
    let outcome = Session::new("tiny").as_user(65534).run();
    fs::set_permissions(kvm, mode).unwrap();
    refused(&before, &outcome, 125, &["/dev/kvm"]);
}
