//! Finding and becoming the agent's program, with the two ways it can fail told apart.

use std::ffi::{CStr, CString};

use rustix::io::Errno;

use jail_layers::namespaces;

/// A command with its environment: no string holds a NUL.
#[derive(Clone)]
pub struct Program {
    arguments: Vec<CString>,
    env: Vec<CString>,
    /// Where a program without a slash in its name is looked for, in order.
    search: Vec<String>,
}

/// Why the program did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExecuted {
    /// There is no such file, here or along `PATH`.
    #[error("command not found")]
    NotFound,
    /// There is one, and it cannot be executed.
    #[error("cannot execute the command")]
    NotExecutable(#[source] Errno),
}

impl Program {
    /// A command and its whole environment; `None` if it is empty or a string holds a NUL.
    #[must_use]
    pub fn new(command: &[String], env: &[(String, String)]) -> Option<Self> {
        let arguments =
            command.iter().map(|text| CString::new(text.as_str()).ok()).collect::<Option<Vec<_>>>()?;
        let env_strings = env
            .iter()
            .map(|(name, value)| CString::new(format!("{name}={value}")).ok())
            .collect::<Option<Vec<_>>>()?;
        let path = env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value.as_str());
        let search = path.split(':').filter(|directory| !directory.is_empty()).map(str::to_owned).collect();
        (!arguments.is_empty()).then_some(Self { arguments, env: env_strings, search })
    }

    pub(super) fn execute(&self) -> NotExecuted {
        if let Err(error) = namespaces::close_on_exec_above_stderr() {
            return NotExecuted::NotExecutable(error);
        }
        let name = self.name();
        if name.to_bytes().contains(&b'/') {
            return self.attempt(name);
        }
        // As a shell does: a match that cannot be executed does not end the search, but is what is
        // reported if no other is found.
        let mut outcome = NotExecuted::NotFound;
        for directory in &self.search {
            let Ok(path) = CString::new([directory.as_bytes(), b"/", name.to_bytes()].concat()) else {
                continue;
            };
            match self.attempt(&path) {
                NotExecuted::NotFound => {}
                refused => outcome = refused,
            }
        }
        outcome
    }

    fn name(&self) -> &CStr {
        self.arguments.first().expect("the constructor refuses an empty command")
    }

    fn attempt(&self, path: &CStr) -> NotExecuted {
        match namespaces::execute(path, &self.arguments, &self.env) {
            // A file that exists may name an interpreter that does not.
            error @ (Errno::NOENT | Errno::NOTDIR) if rustix::fs::stat(path).is_ok() => {
                NotExecuted::NotExecutable(error)
            }
            Errno::NOENT | Errno::NOTDIR => NotExecuted::NotFound,
            error => NotExecuted::NotExecutable(error),
        }
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Program {{ arguments: {:?}, env: <redacted> }}", self.arguments)
    }
}
