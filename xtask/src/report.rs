//! Steps and their report: one line each, with its time; a failed one with its last words; a summary at the end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Error, Result, bail};

/// Lines of a failed step's output that are shown.
const SHOWN: usize = 80;

/// Lines of a panic that are shown.
const PANIC: usize = 5;

/// What has been done so far.
#[derive(Debug)]
pub(crate) struct Report {
    /// Where the steps' full output is kept.
    logs: PathBuf,
    /// First words of the steps to take; empty for all.
    only: Vec<String>,
    begun: Instant,
    passed: usize,
    failed: Vec<String>,
}

impl Report {
    /// An empty report, which keeps its logs in `logs` and takes the steps that begin with a word of `only`.
    pub(crate) fn new(logs: PathBuf, only: Vec<String>) -> Result<Self> {
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        Ok(Self { logs, only, begun: Instant::now(), passed: 0, failed: Vec::new() })
    }

    /// Does one step and reports it. Returns whether it went well, or was not asked for.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce(&Log) -> Result<String>) -> bool {
        match self.plan(name) {
            Some(step) => self.note(step.take(work)),
            None => true,
        }
    }

    /// A step that can be taken anywhere, if it was asked for.
    pub(crate) fn plan(&self, name: &str) -> Option<Step> {
        let path = self.logs.join(format!("{}.log", name.replace(' ', "-")));
        self.wants(name).then(|| Step { name: name.to_owned(), log: Log { path } })
    }

    /// Reports a step that was taken. Returns whether it went well.
    pub(crate) fn note(&mut self, Taken { name, seconds, outcome }: Taken) -> bool {
        match outcome {
            Ok(line) => {
                println!("  ok   {seconds:7.1} s  {name}: {line}");
                self.passed += 1;
                true
            }
            Err(error) => {
                println!("  FAIL {seconds:7.1} s  {name}: {error:#}");
                self.failed.push(name);
                false
            }
        }
    }

    /// Whether a step was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let word = name.split(' ').next().unwrap_or_default();
        self.only.is_empty() || self.only.iter().any(|only| only == word)
    }

    /// Notes a step that could not be tried because an earlier one failed.
    pub(crate) fn missed(&mut self, name: &str, reason: &str) {
        println!("  FAIL {:7.1} s  {name}: not tried, {reason}", 0.0);
        self.failed.push(name.to_owned());
    }

    /// Prints the summary and turns it into an exit code.
    pub(crate) fn finish(self) -> ExitCode {
        let minutes = self.begun.elapsed().as_secs_f32() / 60.0;
        println!("took {minutes:.1} min");
        println!("{} passed, {} failed", self.passed, self.failed.len());
        if self.failed.is_empty() {
            return ExitCode::SUCCESS;
        }
        println!("failed: {} (full output in {})", self.failed.join(", "), self.logs.display());
        ExitCode::FAILURE
    }
}

/// A step to take.
#[derive(Debug)]
pub(crate) struct Step {
    name: String,
    log: Log,
}

/// What came of a step.
#[derive(Debug)]
pub(crate) struct Taken {
    name: String,
    seconds: f32,
    outcome: Result<String>,
}

impl Step {
    /// Takes it.
    pub(crate) fn take(self, work: impl FnOnce(&Log) -> Result<String>) -> Taken {
        let begun = Instant::now();
        let outcome = work(&self.log);
        Taken { name: self.name, seconds: begun.elapsed().as_secs_f32(), outcome }
    }
}

/// Where one step's output goes.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
}

impl Log {
    /// The file, emptied.
    pub(crate) fn create(&self) -> Result<File> {
        File::create(&self.path).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Runs a command with its output in the log and returns that; an error quotes its end.
    pub(crate) fn run(&self, command: &mut Command) -> Result<String> {
        let file = self.create()?;
        let program = command.get_program().to_owned();
        let program = Path::new(&program).display().to_string();
        let both = file.try_clone().context("cannot share the log")?;
        let status = command.stdin(Stdio::null()).stdout(file).stderr(both).status();
        let status = status.with_context(|| format!("cannot run {program}"))?;
        if status.success() {
            self.text()
        } else {
            bail!(self.failure(&format!("{program} failed ({status})")))
        }
    }

    /// What the log holds.
    pub(crate) fn text(&self) -> Result<String> {
        let bytes = fs::read(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// An error that quotes what the log says of failed tests, or else its end.
    pub(crate) fn failure(&self, what: &str) -> Error {
        let text = self.text().unwrap_or_default();
        let mut lines = of_failed_tests(&text);
        if lines.is_empty() {
            lines = text.lines().collect();
            lines.drain(..lines.len().saturating_sub(SHOWN));
        }
        lines.truncate(SHOWN);
        Error::msg(format!("{what}\n{}", lines.join("\n")))
    }
}

/// The lines of a test run's output that say which tests failed, and then why: hundreds of programs' output stands
/// after them.
fn of_failed_tests(output: &str) -> Vec<&str> {
    let lines: Vec<&str> = output.lines().collect();
    let failed = |line: &&&str| line.starts_with("test ") && line.ends_with("... FAILED");
    let mut of_tests: Vec<&str> = lines.iter().filter(failed).copied().collect();
    for (at, line) in lines.iter().enumerate() {
        if line.contains("' panicked at ") || line.contains(") panicked at ") {
            of_tests.extend(&lines[at..lines.len().min(at + PANIC)]);
        } else if line.starts_with("error: test failed") || line.contains("process didn't exit successfully")
        {
            of_tests.push(line);
        }
    }
    of_tests
}

/// Adds up what test programs printed: `12 tests in 3 programs`. A run in which nothing was tested has failed.
pub(crate) fn count_tests(output: &str) -> Result<String> {
    let results: Vec<&str> =
        output.lines().filter_map(|line| line.strip_prefix("test result: ok. ")).collect();
    let passed: u32 = results.iter().filter_map(|line| line.split(' ').next()?.parse::<u32>().ok()).sum();
    if passed == 0 {
        bail!("no test ran")
    } else {
        Ok(format!("{passed} tests in {} programs", results.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_counted_and_its_output_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut report = Report::new(folder.path().to_owned(), Vec::new()).unwrap();
        assert!(report.step("say it", |log| log.run(Command::new("echo").arg("words"))));
        assert_eq!(fs::read_to_string(folder.path().join("say-it.log")).unwrap(), "words\n");
        assert!(!report.step("fail", |log| log.run(Command::new("sh").args(["-c", "echo why >&2; exit 3"]))));
        assert_eq!((report.passed, report.failed.as_slice()), (1, &["fail".to_owned()][..]));
        assert!(Log { path: folder.path().join("fail.log") }.failure("x").to_string().contains("why"));
    }

    #[test]
    fn steps_are_chosen_by_their_first_word() {
        let folder = tempfile::tempdir().unwrap();
        let report = Report::new(folder.path().to_owned(), vec!["scenario".to_owned()]).unwrap();
        assert!(report.wants("scenario run"));
        assert!(!report.wants("scenarios"));
    }

    #[test]
    fn failed_tests_are_quoted_from_among_the_output_of_others() {
        let output = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\n---- b stdout ----\n\nthread 'b' (7) \
                      panicked at src/b.rs:1:2:\nwhy\n\n\n\nfailures:\nerror: test failed, to rerun pass `-p b`\n\
                      running 0 tests\n";
        let quoted = of_failed_tests(output);
        assert_eq!(quoted[..3], ["test b ... FAILED", "thread 'b' (7) panicked at src/b.rs:1:2:", "why"]);
        assert_eq!(quoted.last(), Some(&"error: test failed, to rerun pass `-p b`"));
        assert!(of_failed_tests("error[E0308]: mismatched types\n").is_empty());
    }

    #[test]
    fn tests_are_added_up() {
        let output =
            "running 2 tests\ntest result: ok. 2 passed; 0 failed;\ntest result: ok. 10 passed; 0 failed;\n";
        assert_eq!(count_tests(output).unwrap(), "12 tests in 2 programs");
        assert!(count_tests("test result: ok. 0 passed;\n").is_err());
    }
}
