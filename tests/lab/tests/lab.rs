//! The lab as its callers use it: real machines, real KVM inside, nothing left behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use lab::frame::User;
use lab::{Clock, Ended, Input, Lab, LabError, Options, RunOptions, Stream};

/// What a command said and how it ended.
struct Seen {
    ended: Ended,
    stdout: String,
    stderr: String,
}

/// One processor: a kernel that patches its own code panics now and then while a second emulated one runs that code.
fn options() -> Options {
    Options { memory_mib: 1024, cpus: 1, ..Options::new(vec![env!("CARGO_BIN_EXE_lab-guest").into()]) }
}

fn run(lab: &mut Lab, options: &RunOptions, argv: &[&str]) -> Result<Seen, LabError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
    let ended = lab.run(&argv, options, &mut |stream, bytes| match stream {
        Stream::Stdout => stdout.extend(bytes),
        Stream::Stderr => stderr.extend(bytes),
    })?;
    Ok(Seen { ended, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() })
}

fn shell(lab: &mut Lab, script: &str) -> Seen {
    run(lab, &RunOptions::default(), &["sh", "-c", script]).unwrap()
}

/// One lab, one command after the other: what a caller may rely on.
#[test]
fn a_lab_runs_commands() {
    let mut lab = Lab::start(&options()).unwrap();

    let seen = shell(&mut lab, "uname -r; echo problem >&2; exit 7");
    assert_eq!(seen.ended, Ended::Exit(7));
    assert!(seen.stdout.contains("cloud-amd64"), "{}", seen.stdout);
    assert_eq!(seen.stderr, "problem\n");

    // The host's files are there, a change is not the host's.
    let host = tempfile::NamedTempFile::new().unwrap();
    fs::write(host.path(), "host").unwrap();
    let path = host.path().to_str().unwrap();
    let seen = shell(&mut lab, &format!("cat {path}; echo lab >{path}; cat {path}"));
    assert_eq!(seen.stdout, "hostlab\n");
    assert_eq!(fs::read_to_string(path).unwrap(), "host");

    // Not even by the way that the lab itself takes.
    let seen = shell(
        &mut lab,
        &format!("mkdir /tmp/raw && mount -t virtiofs root /tmp/raw && echo lab >/tmp/raw{path}"),
    );
    assert!(seen.stderr.contains("Read-only file system"), "{}", seen.stderr);
    assert_eq!(fs::read_to_string(path).unwrap(), "host");

    // Standard input, of more than one frame, arrives whole and ends.
    let input = Input::Bytes(vec![b'x'; 100_000]);
    let seen = run(&mut lab, &RunOptions { input, ..RunOptions::default() }, &["wc", "-c"]).unwrap();
    assert_eq!(seen.stdout.trim(), "100000");

    let user = User::Named("nobody".to_owned());
    let seen =
        run(&mut lab, &RunOptions { user, ..RunOptions::default() }, &["sh", "-c", "id -un; cat </dev/kvm"])
            .unwrap();
    assert_eq!(seen.stdout, "nobody\n");
    assert!(!seen.stderr.contains("Permission denied"), "{}", seen.stderr);

    let missing = run(&mut lab, &RunOptions::default(), &["/no/such/program"]);
    assert!(matches!(missing, Err(LabError::NotStarted(_))));

    assert_eq!(shell(&mut lab, "kill -TERM $$").ended, Ended::Exit(143));
    assert_eq!(lab.trouble(), None);
}

#[test]
fn results_come_back_by_name() {
    let mut lab = Lab::start(&options()).unwrap();
    shell(
        &mut lab,
        "mkdir -p /tmp/results/deep && head -c 3000000 /dev/zero >/tmp/results/deep/zeros && ln -s deep /tmp/results/link",
    );
    let here = tempfile::tempdir().unwrap();
    lab.copy_out(Path::new("/tmp/results"), &here.path().join("new/name")).unwrap();
    assert_eq!(fs::metadata(here.path().join("new/name/deep/zeros")).unwrap().len(), 3_000_000);
    assert_eq!(fs::read_link(here.path().join("new/name/link")).unwrap(), Path::new("deep"));
    lab.copy_out(Path::new("/tmp/results/deep/zeros"), here.path()).unwrap();
    assert!(here.path().join("zeros").is_file());

    let missing = lab.copy_out(Path::new("/tmp/nothing"), here.path()).unwrap_err();
    assert!(missing.to_string().contains("/tmp/nothing"), "{missing}");
    // Nothing half-unpacked stays, and the lab still works.
    assert_eq!(fs::read_dir(here.path()).unwrap().count(), 2);
    assert_eq!(shell(&mut lab, "true").ended, Ended::Exit(0));
}

#[test]
fn a_command_ends_at_its_time_limit() {
    let mut lab = Lab::start(&options()).unwrap();
    let short = RunOptions { time_limit: Duration::from_secs(2), ..RunOptions::default() };
    let seen =
        run(&mut lab, &short, &["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"]).unwrap();
    assert_eq!((seen.ended, seen.stdout.as_str()), (Ended::TimeLimit, "up\n"));
    assert_eq!(shell(&mut lab, "pgrep -c sleep").stdout, "0\n");
}

/// The deterministic clock counts instructions: a fixed piece of work takes the same time twice, whatever the
/// host is doing.
#[test]
fn instructions_are_a_clock() {
    let time = || {
        let mut lab = Lab::start(&Options { clock: Clock::Instructions, ..options() }).unwrap();
        lab.settle(&["/bin/sh".into()]).unwrap();
        let script = "read a _ </proc/uptime; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; read b _ </proc/uptime; echo $a $b";
        let seen = shell(&mut lab, script).stdout;
        let (a, b) = seen.trim().split_once(' ').unwrap();
        b.parse::<f64>().unwrap() - a.parse::<f64>().unwrap()
    };
    let (first, second) = (time(), time());
    assert!(first > 0.05, "{first}");
    assert!((first - second).abs() <= first * 0.05 + 0.02, "{first} and {second}");
}

#[test]
fn settled_files_are_the_labs_own() {
    let mut lab = Lab::start(&options()).unwrap();
    lab.settle(&["/bin/true".into(), "/bin/sh".into()]).unwrap();
    let seen = shell(&mut lab, "cmp /bin/true /usr/bin/true && ldd /bin/true | grep -q libc && /bin/true");
    assert_eq!(seen.ended, Ended::Exit(0), "{}", seen.stderr);
    assert!(
        matches!(lab.settle(&["/no/such/folder/file".into()]), Err(LabError::Settle(why)) if why.contains("/no/such"))
    );
}

/// A lab that cannot start says why, and nothing of it stays.
#[test]
fn a_lab_that_fails_says_why() {
    let silent = Options { guest: vec!["/no/such/guest".into()], ..options() };
    let error = Lab::start(&silent).unwrap_err();
    assert!(matches!(&error, LabError::Gone(words) if words.contains("/no/such/guest")), "{error}");
    let unknown = Options { modules: vec!["no_such_module".to_owned()], ..options() };
    assert!(matches!(Lab::start(&unknown), Err(LabError::Machine(_))));
    let late = Options { start_limit: Duration::from_millis(1), ..options() };
    assert!(matches!(Lab::start(&late), Err(LabError::Silent { .. })));
}
