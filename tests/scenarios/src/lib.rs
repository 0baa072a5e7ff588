//! Whole-product scenarios, black box: they run the `openshell` binary on a machine with a real KVM and
//! look at what a user would see. `cargo xtask test` runs them on this machine if it has hardware KVM, in the KVM
//! lab otherwise; a scenario never looks which.
//!
//! ```no_run
//! use scenarios::Session;
//! let outcome = Session::new("tiny").command(["sh", "-c", "exit 3"]).run();
//! assert_eq!(outcome.code, Some(3), "{outcome}");
//! ```
#![expect(clippy::missing_panics_doc, reason = "a scenario that cannot be set up is a failed test")]

pub mod residue;
pub mod small_disk;
pub mod upstream;

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// An `agent.yaml` in the making, with directories of its own.
#[derive(Debug)]
pub struct Session {
    home: TempDir,
    image: String,
    command: Vec<String>,
    sections: Vec<String>,
    flags: Vec<String>,
    stdin: Vec<u8>,
    environment: Vec<(String, PathBuf)>,
    user: Option<u32>,
}

/// A session that was started.
#[derive(Debug)]
pub struct Started {
    begun: Instant,
    /// The `openshell` process.
    pub child: Child,
    home: TempDir,
    stdin: Vec<u8>,
}

/// What a user saw, and what the log says.
#[derive(Debug)]
pub struct Outcome {
    /// Exit code as a shell says it: 128 and the signal's number when a signal ended the command.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
    /// Records of the sandbox's audit log.
    pub audit: Vec<serde_json::Value>,
    /// What the run left in its own temporary and run-time directories.
    pub leftovers: Vec<String>,
    /// From start to end.
    pub took: Duration,
}

impl Session {
    /// A session of the built-in image `image` that runs `true`.
    #[must_use]
    pub fn new(image: &str) -> Self {
        Self {
            home: tempfile::tempdir().expect("the temporary directory is writable"),
            image: image.to_owned(),
            command: vec!["true".to_owned()],
            sections: Vec::new(),
            flags: Vec::new(),
            stdin: Vec::new(),
            environment: Vec::new(),
            user: None,
        }
    }

    /// The agent's command.
    #[must_use]
    pub fn command<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// A shell script as the agent's command.
    #[must_use]
    pub fn script(self, script: &str) -> Self {
        self.command(["sh", "-c", script])
    }

    /// More of `agent.yaml`, for example `resources: {timeout: 3s}`.
    #[must_use]
    pub fn yaml(mut self, section: &str) -> Self {
        self.sections.push(section.to_owned());
        self
    }

    /// A flag of `openshell vm run`.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// A path in the environment of `openshell`.
    #[must_use]
    pub fn path(mut self, variable: &str, path: impl Into<PathBuf>) -> Self {
        self.environment.push((variable.to_owned(), path.into()));
        self
    }

    /// What the agent reads.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Runs `openshell` as an ordinary user.
    #[must_use]
    pub fn as_user(mut self, uid: u32) -> Self {
        std::os::unix::fs::chown(self.home.path(), Some(uid), Some(uid))
            .expect("scenarios run as root in the lab");
        self.user = Some(uid);
        self
    }

    /// A directory of the session's own, for files that `agent.yaml` names.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.home.path()
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(self) -> Outcome {
        self.start().outcome()
    }

    /// Starts it.
    #[must_use]
    pub fn start(self) -> Started {
        let stdin = self.stdin.clone();
        let (home, mut command) = self.written();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // As a shell starts a command: what the terminal says goes to all of it.
        command.process_group(0);
        let child = command.spawn().expect("openshell is built");
        Started { begun: Instant::now(), child, home, stdin }
    }

    /// Its directory with its `agent.yaml`, and the command that starts it, for whoever gives it other streams.
    #[must_use]
    pub fn written(self) -> (TempDir, Command) {
        let command = serde_json::to_string(&self.command).expect("strings serialise");
        let mut yaml = format!("version: 1\nname: scenario\nimage: {}\ncommand: {command}\n", self.image);
        for section in &self.sections {
            yaml.push_str(section.trim_matches('\n'));
            yaml.push('\n');
        }
        let file = self.home.path().join("agent.yaml");
        fs::write(&file, yaml).expect("the session's directory is writable");
        let mut command = openshell(self.home.path());
        command.args(["vm", "run"]).args(&self.flags).arg(&file).envs(self.environment);
        if let Some(uid) = self.user {
            command.uid(uid);
        }
        (self.home, command)
    }
}

impl Started {
    /// The session's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.home.path()
    }

    /// Sends `openshell` a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)
            .expect("openshell is running");
    }

    /// Sends a signal to `openshell` and whatever of it is in its process group, as a terminal and many supervisors do.
    pub fn signal_group(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process_group(rustix::process::Pid::from_child(&self.child), signal)
            .expect("openshell is running");
    }

    /// Waits for the end.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        self.finish().1
    }

    /// Waits until the agent has written `line`, and reads no more of what it writes.
    pub fn until_said(&mut self, line: &str) {
        let output = self.child.stdout.take().expect("it is waited for once");
        let said = BufReader::new(output).lines().map_while(Result::ok).any(|said| said == line);
        assert!(said, "the agent ended before it said '{line}'");
    }

    /// Waits for the end, and keeps the session's directory.
    #[must_use]
    pub fn finish(mut self) -> (TempDir, Outcome) {
        if let Some(mut stdin) = self.child.stdin.take() {
            let bytes = std::mem::take(&mut self.stdin);
            // An agent that does not read leaves its input unread.
            std::thread::spawn(move || stdin.write_all(&bytes));
        }
        let output = self.child.wait_with_output().expect("openshell can be waited for");
        let outcome = Outcome {
            code: output.status.code().or(output.status.signal().map(|number| 128 + number)),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            leftovers: leftovers(self.home.path()),
            audit: audit(&self.home.path().join("state/openshell/audit")),
            took: self.begun.elapsed(),
        };
        (self.home, outcome)
    }
}

impl Outcome {
    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "exit code {:?} after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code,
            self.took,
            self.text(),
            self.stderr
        )?;
        writeln!(f, "--- audit")?;
        self.audit.iter().try_for_each(|record| writeln!(f, "{record}"))
    }
}

/// `openshell` with configuration and state of its own under `home`, and the machine's image cache.
#[must_use]
pub fn openshell(home: &Path) -> Command {
    let mut command = Command::new(program("openshell"));
    let temporary = home.join("tmp");
    fs::create_dir_all(&temporary).expect("the session's directory is writable");
    command
        // Whoever runs the test may have variables of his own, in a home that another user cannot read.
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_STATE_HOME", home.join("state"))
        .env("XDG_RUNTIME_DIR", home.join("run"))
        .env("TMPDIR", temporary);
    command
}

/// Waits until the log of a session's sandbox, which runs, has a line that `is` the wanted one.
pub fn until_recorded(home: &Path, is: impl Fn(&str) -> bool) {
    let mut tail = openshell(home);
    let tail = tail.args(["audit", "tail", "--follow", "--json"]).stdout(Stdio::piped());
    let mut tail = tail.spawn().expect("it is built");
    let lines = BufReader::new(tail.stdout.take().expect("it is piped")).lines();
    let found = lines.map_while(Result::ok).any(|line| is(&line));
    tail.kill().and_then(|()| tail.wait()).expect("it can be ended");
    assert!(found, "the sandbox ended before it was recorded");
}

/// Signals the audit writers of this machine, of which there is one: scenarios run one after the other.
///
/// # Panics
/// There is none.
pub fn signal_writer(signal: &str) {
    let told = Command::new("pkill").args([signal, "-x", "openshell-audit"]).status();
    assert!(told.expect("pkill is there").success(), "there is no audit writer");
}

/// The machine's image cache.
#[must_use]
pub fn cache() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    cache.expect("somebody's home is known").join("openshell")
}

/// A program of the product, built beside the running test.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    // …/release/deps/<test> → …/release/<name>
    test.ancestors().nth(2).expect("tests run from target/<profile>/deps").join(name)
}

/// `slots` and `starting` are locks, not leftovers: they are made once and used again.
fn leftovers(home: &Path) -> Vec<String> {
    let directories = [home.join("tmp"), home.join("run/openshell"), home.join("state/openshell/disks")]
        .into_iter()
        .filter_map(|path| fs::read_dir(path).ok());
    let names = directories
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !["slots", "starting"].contains(&name.as_str())).collect()
}

/// The text of a segment, plain or packed.
fn records(segment: &Path) -> Option<String> {
    if segment.extension().is_some_and(|extension| extension == "jsonl") {
        return fs::read_to_string(segment).ok();
    }
    let unpacked = Command::new("zstd").args(["--decompress", "--stdout", "--quiet"]).arg(segment).output();
    let unpacked = unpacked.expect("zstd is installed");
    assert!(unpacked.status.success(), "{}: {unpacked:?}", segment.display());
    String::from_utf8(unpacked.stdout).ok()
}

fn audit(directory: &Path) -> Vec<serde_json::Value> {
    let entries = |path: &Path| {
        fs::read_dir(path).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path())
    };
    let mut segments: Vec<_> = entries(directory).flat_map(|log| entries(&log).collect::<Vec<_>>()).collect();
    segments
        .retain(|path| path.extension().is_some_and(|extension| extension == "jsonl" || extension == "zst"));
    segments.sort();
    // A segment has two names while it is packed; the plain one comes first.
    segments.dedup_by_key(|path| path.to_string_lossy().trim_end_matches(".zst").to_owned());
    segments
        .iter()
        .filter_map(|segment| records(segment))
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect()
}
