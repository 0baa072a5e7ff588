//! Model servers of this host's own: what `openshell-serving` is started with, and how others speak to it.
//!
//! It listens at [`SOCKET`] in a directory of its own. Who connects sends one line, an [`Ask`], and gets [`Tell`]s, one a
//! line:
//!
//! | asked | told |
//! |---|---|
//! | [`Question::Watch`] | a [`Tell::Standing`] at once and at every change, until the connection is closed |
//! | [`Question::Turn`] | once it is the sandbox's turn, [`Tell::Turn`] with a connection to the model server as a descriptor beside it; or [`Tell::Refused`] |
//! | [`Question::Status`] | one [`Tell::Status`] |
//!
//! A turn lasts as long as its connection. What is said to the model server never comes through here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, Engine};
use crate::id::SandboxId;
use crate::spawn::Fd;

/// The name of the socket.
pub const SOCKET: &str = "serving.sock";

/// The longest line of either side, in bytes: a report has many servers.
pub const LONGEST_LINE: usize = 256 * 1024;

/// The servers of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServingConfig {
    /// [`crate::VERSION`].
    pub version: u32,
    /// Where it listens; made by who starts it.
    pub directory: PathBuf,
    /// The lock that says that it runs, held for as long as this is open.
    pub lock: Fd,
    /// Where the servers' logs go.
    pub logs: PathBuf,
    /// NVIDIA's management library, if not the one that the dynamic linker finds.
    pub library: Option<PathBuf>,
    /// What can be served.
    pub catalogue: Catalogue,
    /// The servers, by name.
    pub servers: BTreeMap<String, ServerConfig>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// What is started or found.
    pub source: Source,
    /// Calls at a time.
    pub slots: u32,
    /// Calls that may wait for one of a sandbox.
    pub waiting: u32,
    /// Seconds without a call after which it is stopped until the next one; `None`: it always runs.
    pub idle_s: Option<u32>,
    /// Longest time from the start to the first answer, in seconds.
    pub start_s: u32,
    /// Seconds between two questions whether it answers.
    pub check_s: u32,
    /// Longest time for the answer to such a question, in seconds.
    pub answer_s: u32,
    /// How long calls may go on once the end is announced, and how long the server has to end itself then, in seconds.
    pub stop_s: u32,
    /// Pause before the first start after a failure, in milliseconds; it doubles with each further one.
    pub pause_ms: u32,
    /// The longest such pause, in milliseconds.
    pub longest_pause_ms: u32,
}

/// Where a server comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Source {
    /// A model of the catalogue.
    Model(Wanted),
    /// A program of the operator's that serves a model by OpenAI's API.
    Command(Own),
    /// A server that somebody else runs.
    Running(Running),
}

/// A model of the catalogue, as it is wished for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Its name, or its family's.
    pub model: String,
    /// Tokens of a conversation.
    pub context: Option<u64>,
    /// One program alone.
    pub engine: Option<Engine>,
    /// One form alone.
    pub quantisation: Option<String>,
    /// Whether it runs in the host's memory and not on a GPU.
    pub on_processor: bool,
    /// Where the weights lie, in place of what the catalogue says.
    pub weights: Option<String>,
    /// The program, in place of the engine's usual one.
    pub program: Option<PathBuf>,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Further variables of its environment.
    pub env: BTreeMap<String, String>,
}

/// A program of the operator's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// Program and arguments; `{port}` and `{model}` are replaced.
    pub command: Vec<String>,
    /// What it calls its model.
    pub model: String,
    /// Further variables of its environment, replaced in the same way.
    pub env: BTreeMap<String, String>,
}

/// A server that somebody else runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    /// What it calls its model.
    pub model: String,
}

/// The values of an environment may be secrets: its names alone print.
struct Names<'a>(&'a BTreeMap<String, String>);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|name| (name, format_args!("<redacted>")))).finish()
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, context, engine, quantisation, on_processor, weights, program, arguments, env } =
            self;
        f.debug_struct("Wanted")
            .field("model", model)
            .field("context", context)
            .field("engine", engine)
            .field("quantisation", quantisation)
            .field("on_processor", on_processor)
            .field("weights", weights)
            .field("program", program)
            .field("arguments", arguments)
            .field("env", &Names(env))
            .finish()
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, model, env } = self;
        f.debug_struct("Own")
            .field("command", command)
            .field("model", model)
            .field("env", &Names(env))
            .finish()
    }
}

/// What is asked, and by which build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// [`crate::VERSION`].
    pub version: u32,
    /// What.
    pub ask: Question,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Question {
    /// How a server stands, from now on.
    Watch {
        /// Its name.
        server: String,
    },
    /// A connection to a server, when it is the sandbox's turn.
    Turn {
        /// Its name.
        server: String,
        /// For whom.
        sandbox: SandboxId,
    },
    /// How all of them stand, in full.
    Status,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Tell {
    /// How the server stands.
    Standing {
        /// Whether a turn can be had, at once or after a wait.
        available: bool,
        /// What it calls its model.
        model: String,
    },
    /// It is the sandbox's turn; the connection comes with this line.
    Turn {},
    /// There is none.
    Refused {
        /// Why, in one line.
        cause: String,
    },
    /// How all servers stand.
    Status {
        /// By name.
        servers: Vec<Report>,
    },
}

/// How a server stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// In one word.
    pub state: State,
    /// Why it is not ready, in one line.
    pub cause: Option<String>,
    /// What its model is called.
    pub model: String,
    /// Why it is served in this way; `None`: it was not chosen here, or not yet.
    pub plan: Option<String>,
    /// The process, while there is one of ours.
    pub pid: Option<i32>,
    /// Since when it is in this state, in seconds since 1970.
    pub since: u64,
    /// When it last answered a question of ours, in seconds since 1970.
    pub answered: Option<u64>,
    /// Turns that it gave.
    pub turns: u64,
    /// Those that go on.
    pub active: u32,
    /// Those that are waited for.
    pub waiting: u32,
    /// Those that were refused.
    pub refused: u64,
    /// Starts after a failure.
    pub restarts: u64,
    /// Its log; `None`: it is somebody else's.
    pub log: Option<PathBuf>,
}

/// The states of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is not there until somebody asks.
    Asleep,
    /// It is there, and has not answered yet.
    Starting,
    /// It answers.
    Ready,
    /// It did not answer the last question.
    Failing,
    /// It ended, or could not be started: it is started again after a pause.
    Down,
    /// It is being ended.
    Stopping,
}

impl State {
    /// In one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asleep => "asleep",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Failing => "failing",
            Self::Down => "down",
            Self::Stopping => "stopping",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_an_environment_do_not_print() {
        let env = BTreeMap::from([("HF_TOKEN".to_owned(), "hf_secret".to_owned())]);
        let own = Own { command: vec!["serve".to_owned()], model: "m".to_owned(), env: env.clone() };
        let wanted = Wanted {
            model: "m".to_owned(),
            context: None,
            engine: None,
            quantisation: None,
            on_processor: false,
            weights: None,
            program: None,
            arguments: Vec::new(),
            env,
        };
        for printed in [format!("{:?}", Source::Command(own)), format!("{:?}", Source::Model(wanted))] {
            assert!(printed.contains("HF_TOKEN") && !printed.contains("hf_secret"), "{printed}");
        }
    }
}
