//! Secrets of a HashiCorp Vault. Another program asks it: the manager speaks to nobody.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;

use serde::{Deserialize, Serialize};
use wire::secret::Secret;
use wire::vault::{Engine, VaultAnswer, VaultQuestion};
use zeroize::Zeroizing;

use super::{Ended, MOST, PATIENCE, SecretSource};
use crate::failure::Failure;
use crate::layout::{Program, program};

/// Where a secret is in a vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultSource {
    /// `https://host` or `https://host:port`.
    pub address: String,
    /// Where the engine is mounted.
    #[serde(default = "secret")]
    pub mount: String,
    /// Where the secret is in it.
    pub path: String,
    /// Which of its fields; without it, all of them as a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The version of the key/value engine; 1 also for engines that make secrets.
    #[serde(default = "two")]
    pub kv: u8,
    /// The namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Where the vault's token comes from; no other vault.
    pub token: Box<SecretSource>,
    /// A file of roots, in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

fn secret() -> String {
    "secret".to_owned()
}

fn two() -> u8 {
    2
}

impl VaultSource {
    pub(super) fn resolve(&mut self, base: &Path) {
        self.token.resolve(base);
        if let Some(ca) = &mut self.ca {
            *ca = base.join(&ca);
        }
    }

    /// What can be told without asking.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let wrong = |cause: String, remedy: &str| Err((cause, remedy.to_owned()));
        if matches!(*self.token, SecretSource::Vault(_)) {
            return wrong(
                "the token of a vault comes from a vault".to_owned(),
                "name a file, a variable or a command",
            );
        }
        if !matches!(self.kv, 1 | 2) {
            return wrong(
                format!("there is no version {} of the key/value engine", self.kv),
                "write 'kv: 1' or 'kv: 2'",
            );
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@+=,:".contains(&byte);
        let is_path = |path: &str| {
            path.split('/').all(|part| !matches!(part, "" | "." | "..") && part.bytes().all(plain))
        };
        if let Some(path) = [&self.mount, &self.path].into_iter().find(|path| !is_path(path)) {
            return wrong(
                format!("'{path}' is no path in a vault"),
                "write it as `vault kv get` takes it, for example agents/slack",
            );
        }
        Ok(())
    }

    /// Asks for it.
    pub(super) fn read(&self) -> Result<Secret, Failure> {
        self.check().map_err(|(cause, remedy)| Failure::new(cause, remedy))?;
        let question = self.question()?;
        let unasked = |cause: String| {
            Failure::new(
                format_args!("cannot ask the vault: {cause}"),
                "install all of openshell's programs of one build into one directory",
            )
        };
        match ask(&program(Program::Vault)?, &question).map_err(unasked)? {
            VaultAnswer::Secret(secret) => Ok(secret),
            VaultAnswer::Refused { cause, remedy } => Err(Failure::new(cause, remedy)),
        }
    }

    fn question(&self) -> Result<VaultQuestion, Failure> {
        let token = self.token.read()?;
        let roots_pem = self.ca.as_ref().map(|ca| {
            std::fs::read_to_string(ca).map_err(|error| {
                Failure::new(
                    format_args!("cannot read {}: {error}", ca.display()),
                    "name a file of PEM certificates that you may read",
                )
            })
        });
        let roots_pem = roots_pem.transpose()?;
        let (engine, between) =
            if self.kv == 2 { (Engine::Versioned, "/data/") } else { (Engine::Plain, "/") };
        Ok(VaultQuestion {
            version: wire::VERSION,
            address: self.address.clone(),
            path: format!("{}{between}{}", self.mount, self.path),
            engine,
            field: self.field.clone(),
            namespace: self.namespace.clone(),
            token,
            roots_pem,
        })
    }
}

/// Lets the program ask.
fn ask(program: &Path, question: &VaultQuestion) -> Result<VaultAnswer, String> {
    let mut command = Command::new(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/").env_clear();
    // Where the system's roots are, if somebody moved them.
    let moved = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter();
    command.envs(moved.filter_map(|name| Some((name, std::env::var_os(name)?))));
    let mut child = Ended(command.spawn().map_err(|error| error.to_string())?);
    let question = Zeroizing::new(serde_json::to_vec(question).map_err(|error| error.to_string())?);
    let (input, output) = (child.0.stdin.take(), child.0.stdout.take());
    // It ends by itself, unless it cannot: a thread that waits for it ends with it.
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let _nobody_waits = sender.send(exchange((input, output), &question));
    });
    let answer = receiver.recv_timeout(PATIENCE);
    let answer = answer.map_err(|_elapsed| format!("it did not end within {} s", PATIENCE.as_secs()))?;
    answer.map_err(|error| error.to_string())
}

fn exchange(
    (input, output): (Option<ChildStdin>, Option<ChildStdout>),
    question: &[u8],
) -> std::io::Result<VaultAnswer> {
    let (Some(mut input), Some(output)) = (input, output) else {
        return Err(std::io::ErrorKind::BrokenPipe.into());
    };
    input.write_all(question)?;
    drop(input);
    // A secret may be twice as long as JSON writes it, and a bit is around it.
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    output.take(3 * MOST).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|_quotes_it| std::io::Error::other("its answer is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> VaultSource {
        match policies::yaml::parse(&format!("vault: {text}\n"), "agent.yaml").unwrap() {
            SecretSource::Vault(source) => *source,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_asks_where_the_engine_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hvs.token\n").unwrap();
        let mut two =
            source("{address: 'https://v.example', path: agents/slack, field: t, token: {file: token}}");
        two.resolve(folder.path());
        two.check().unwrap();
        let question = two.question().unwrap();
        assert_eq!(
            (question.path.as_str(), question.engine),
            ("secret/data/agents/slack", Engine::Versioned)
        );
        assert_eq!(question.token.expose(), "hvs.token");
        let mut one = source(
            "{address: 'https://v.example', mount: aws, path: creds/r, kv: 1, namespace: a, token: {command: [echo, t0ken]}}",
        );
        one.resolve(folder.path());
        let question = one.question().unwrap();
        assert_eq!((question.path.as_str(), question.engine), ("aws/creds/r", Engine::Plain));
        assert_eq!((question.field, question.namespace.as_deref()), (None, Some("a")));
        one.ca = Some(folder.path().join("missing.pem"));
        assert!(one.question().unwrap_err().cause.contains("missing.pem"));
    }

    #[test]
    fn every_mistake_is_a_cause_and_a_remedy() {
        for (text, cause) in [
            ("{address: a, path: p, kv: 3, token: {env: X}}", "no version 3"),
            ("{address: a, path: ../p, token: {env: X}}", "no path in a vault"),
            ("{address: a, path: 'p?list=true', token: {env: X}}", "no path in a vault"),
            ("{address: a, path: /p, token: {env: X}}", "no path in a vault"),
            ("{address: a, mount: 'a b', path: p, token: {env: X}}", "no path in a vault"),
            (
                "{address: a, path: p, token: {vault: {address: b, path: q, token: {env: X}}}}",
                "comes from a vault",
            ),
        ] {
            let (told, remedy) = source(text).check().unwrap_err();
            assert!(told.contains(cause) && !remedy.is_empty(), "{told}");
        }
    }

    #[test]
    fn a_program_that_says_nothing_gives_no_secret() {
        let source = source("{address: 'https://v.example', path: p, token: {command: [echo, hvs.t0ken]}}");
        let question = source.question().unwrap();
        for program in ["/bin/true", "/bin/cat", "/nonexistent"] {
            let told = ask(Path::new(program), &question).unwrap_err();
            assert!(!told.contains("t0ken"), "{told}");
        }
    }
}
