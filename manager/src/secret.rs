//! Where secrets come from: the operator's environment, files, commands and vaults. None is written anywhere from here.

mod vault;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wire::secret::Secret;

use crate::failure::Failure;
use crate::process::ended_within;

pub use vault::VaultSource;

/// How long a command may take: somebody may have to touch a key.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most bytes that are read of a file or a command.
const MOST: u64 = 64 * 1024;

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum SecretSource {
    /// An environment variable of the manager.
    Env(String),
    /// A file; newlines at its end are dropped.
    File(PathBuf),
    /// A program and its arguments, which prints it: a keyring's, a vault's. No shell reads it; newlines at the end
    /// are dropped.
    Command(Vec<String>),
    /// A HashiCorp Vault.
    Vault(Box<VaultSource>),
}

impl SecretSource {
    /// Makes a relative path one in `base`.
    pub(crate) fn resolve(&mut self, base: &Path) {
        match self {
            Self::File(path) => *path = base.join(&path),
            Self::Vault(source) => source.resolve(base),
            Self::Env(_) | Self::Command(_) => {}
        }
    }

    /// What is wrong with it that can be told without reading it.
    pub(crate) fn check(&self) -> Result<(), (String, String)> {
        if let Self::Vault(source) = self { source.check() } else { Ok(()) }
    }

    /// The files that it comes from.
    pub(crate) fn files(&self) -> Vec<&PathBuf> {
        match self {
            Self::File(path) => vec![path],
            Self::Vault(source) => source.ca.iter().chain(source.token.files()).collect(),
            Self::Env(_) | Self::Command(_) => Vec::new(),
        }
    }

    /// What runs on the host for it, as far as that is named: the program, and arguments that are paths.
    pub(crate) fn programs(&self) -> Vec<PathBuf> {
        let words = match self {
            Self::Command(words) => words,
            Self::Vault(source) => return source.token.programs(),
            Self::Env(_) | Self::File(_) => return Vec::new(),
        };
        let Some((program, arguments)) = words.split_first() else { return Vec::new() };
        let searched = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&searched).map(|directory| directory.join(program));
        let program = if program.contains('/') {
            Some(program.into())
        } else {
            found.into_iter().find(|path| path.exists())
        };
        let paths = arguments.iter().map(PathBuf::from).filter(|path| path.is_absolute());
        program.into_iter().chain(paths).collect()
    }

    /// The secret.
    ///
    /// # Errors
    /// The variable is not set, the file cannot be read, the command fails, or the vault does not give it; none of it is
    /// quoted.
    pub fn read(&self) -> Result<Secret, Failure> {
        match self {
            Self::Env(name) => std::env::var(name).map(Secret::new).map_err(|_unset| {
                Failure::new(
                    format_args!("the environment variable {name} is not set"),
                    "set it, or name another source in the file that names it",
                )
            }),
            Self::File(path) => read_text(fs::File::open(path)).map_err(|cause| {
                Failure::new(
                    format_args!("cannot read {}: {cause}", path.display()),
                    "name a file that you may read, with the secret in it and nothing else",
                )
            }),
            Self::Command(argv) => run(argv).map_err(|cause| {
                let program = argv.first().map_or("", String::as_str);
                Failure::new(
                    format_args!("the command '{program}' gives no secret: {cause}"),
                    "run it by hand: it must print the secret and nothing else, and exit with 0",
                )
            }),
            Self::Vault(source) => source.read(),
        }
    }
}

fn read_text(from: std::io::Result<impl Read>) -> Result<Secret, String> {
    let mut text = zeroize::Zeroizing::new(Vec::new());
    let read = from.and_then(|from| from.take(MOST + 1).read_to_end(&mut text));
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > MOST {
        return Err(format!("it has more than {MOST} bytes"));
    }
    let text = std::str::from_utf8(&text).map_err(|_not_text| "it is no text".to_owned())?;
    Ok(Secret::new(text.trim_end_matches('\n').to_owned()))
}

fn run(argv: &[String]) -> Result<Secret, String> {
    let (program, arguments) = argv.split_first().ok_or_else(|| "it is empty".to_owned())?;
    let mut command = Command::new(program);
    // What it says of its troubles is for the operator, who sees it.
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    // Not where openshell was started: what lies there may be an agent's, and many programs believe it.
    command.current_dir("/");
    let mut child = Ended(command.spawn().map_err(|error| error.to_string())?);
    let output = child.0.stdout.take();
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let read = read_text(output.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::BrokenPipe)));
        let _nobody_waits = sender.send(read);
    });
    let until = Instant::now() + PATIENCE;
    let late = || format!("it did not end within {} s", PATIENCE.as_secs());
    let secret = receiver.recv_timeout(PATIENCE).map_err(|_elapsed| late())??;
    // It has closed its output: it is about to end, or never will.
    match ended_within(&mut child.0, until.saturating_duration_since(Instant::now())) {
        Some(status) if status.success() => Ok(secret),
        Some(status) => Err(format!("it ended with {status}")),
        None => Err(late()),
    }
}

/// A command that does not outlive its question.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // One that is gone already needs no signal.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(argv: &[&str]) -> Result<Secret, Failure> {
        SecretSource::Command(argv.iter().map(|word| (*word).to_owned()).collect()).read()
    }

    #[test]
    fn a_command_prints_it() {
        let secret = command(&["printf", "correct-horse\\n"]).unwrap();
        assert_eq!(secret.expose(), "correct-horse");
        // No shell: a variable is a text.
        assert_eq!(command(&["echo", "$HOME"]).unwrap().expose(), "$HOME");
    }

    #[test]
    fn a_command_that_fails_gives_none_and_is_not_quoted() {
        for argv in [
            &["sh", "-c", "echo correct-horse; exit 3"][..],
            &["false"],
            &["/nonexistent/program"],
            &[],
            &["head", "-c", "100000", "/dev/zero"],
            &["printf", "\\377"],
        ] {
            let failure = command(argv).unwrap_err();
            assert!(!failure.to_string().contains("horse"), "{failure}");
            assert_eq!(failure.status.code(), 125);
        }
    }

    #[test]
    fn a_file_loses_its_last_newlines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "one\ntwo\n\n").unwrap();
        assert_eq!(SecretSource::File(path).read().unwrap().expose(), "one\ntwo");
        let missing = SecretSource::File(folder.path().join("missing")).read().unwrap_err();
        assert!(missing.cause.contains("missing"), "{missing}");
    }
}
