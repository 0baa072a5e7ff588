//! `inference.yaml` in the operator's configuration directory: the servers of this host, and models beside those that come
//! with the product. Without the file there is no server.

mod check;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use policies::yaml;
use serde::Deserialize;
use wire::catalogue::{Catalogue, Engine, Model};
use wire::serving::{Own, Running, ServerConfig, Source, Wanted};

use crate::failure::Failure;
use crate::layout::Layout;
use crate::unit::Seconds;

/// Its name.
pub(super) const FILE: &str = "inference.yaml";

/// The models that come with the product.
const OWN: &str = include_str!("../../../router/models/catalogue.yaml");

/// What the operator wants to be served.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServingSettings {
    /// The servers, by name.
    pub servers: BTreeMap<String, ServerConfig>,
    /// All models that are known.
    pub catalogue: Catalogue,
}

/// The file, as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    servers: BTreeMap<String, Server>,
    models: BTreeMap<String, Model>,
}

/// One server, as written: `model`, `command` or `url`, and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// A model of the catalogue or a family; with `command` and `url` what that server calls its model.
    pub model: Option<String>,
    /// A program that serves by OpenAI's API, with its arguments.
    pub command: Vec<String>,
    /// Where somebody else's server is: `http://ADDRESS:PORT`.
    pub url: Option<String>,
    /// Tokens of a conversation.
    pub context: Option<u64>,
    /// One program alone.
    pub engine: Option<Engine>,
    /// One form of the model alone.
    pub quantisation: Option<String>,
    /// Where it runs.
    pub device: Device,
    /// Where the weights lie.
    pub weights: Option<String>,
    /// The program, in place of the engine's usual one.
    pub program: Option<PathBuf>,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Further variables of its environment.
    pub env: BTreeMap<String, String>,
    /// Calls at a time.
    pub slots: Option<u32>,
    /// Calls of one sandbox that may wait.
    pub waiting: Option<u32>,
    /// Time without a call after which it is stopped until the next one.
    pub idle: Option<Seconds>,
    /// Longest time from its start to its first answer.
    pub start: Option<Seconds>,
    /// Time between two questions whether it answers.
    pub check: Option<Seconds>,
    /// Longest time for the answer to such a question.
    pub answer: Option<Seconds>,
    /// How long calls may go on when it is to end.
    pub stop: Option<Seconds>,
}

/// Where a model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// On GPUs.
    #[default]
    Gpu,
    /// In the host's memory.
    Processor,
}

/// Why a server cannot be run as it is written: cause and remedy.
type Mistake = (String, &'static str);

impl ServingSettings {
    /// What the operator's file says.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong: the failure names file, line and key.
    pub fn load(layout: &Layout) -> Result<Self, Failure> {
        let path = layout.config.join(FILE);
        let shown = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                let cause = format!("cannot read {shown}: {error}");
                return Err(Failure::new(cause, "make the file readable for you, or remove it"));
            }
        };
        let written: Option<Written> = if text.trim().is_empty() {
            None
        } else {
            yaml::parse(&text, &shown).map_err(|error| Failure::new(&error, error.remedy()))?
        };
        let Written { servers, models } = written.unwrap_or_default();
        for (name, model) in &models {
            check::model(model).map_err(|(cause, remedy)| {
                Failure::new(format_args!("{shown}: models.{name}.{cause}"), remedy)
            })?;
        }
        if servers.values().any(|server| !server.env.is_empty()) {
            check::is_private(&path)?;
        }
        let catalogue = own()?.with(Catalogue { models });
        let servers = servers.into_iter().map(|(name, server)| {
            let read = server.read(&name);
            read.map(|server| (name.clone(), server)).map_err(|(cause, remedy)| {
                Failure::new(format_args!("{shown}: servers.{name}: {cause}"), remedy)
            })
        });
        Ok(Self { servers: servers.collect::<Result<_, Failure>>()?, catalogue })
    }
}

fn own() -> Result<Catalogue, Failure> {
    let read = yaml::parse(OWN, "catalogue.yaml");
    read.map_err(|error| Failure::new(&error, "this is a fault of openshell: please report it"))
}

impl Server {
    fn read(self, name: &str) -> Result<ServerConfig, Mistake> {
        if !wire::id::is_label(name) {
            return Err((
                "its name is no label".to_owned(),
                "use a-z, 0-9 and '-', with no '-' at either end",
            ));
        }
        let seconds = |span: Option<Seconds>, usual: u32| span.map_or(usual, |span| span.0);
        let config = ServerConfig {
            slots: self.slots.unwrap_or(8),
            waiting: self.waiting.unwrap_or(64),
            idle_s: self.idle.map(|span| span.0),
            start_s: seconds(self.start, 15 * 60),
            check_s: seconds(self.check, 30),
            answer_s: seconds(self.answer, 60),
            stop_s: seconds(self.stop, 30),
            pause_ms: 1000,
            longest_pause_ms: 60_000,
            source: self.source()?,
        };
        if config.slots == 0 || config.waiting == 0 {
            return Err(("slots or waiting is 0".to_owned(), "write at least 1: otherwise nobody is served"));
        }
        if config.idle_s.is_some() && matches!(config.source, Source::Running(_)) {
            return Err((
                "idle is for servers that are started here".to_owned(),
                "leave it out beside 'url'",
            ));
        }
        Ok(config)
    }

    fn source(self) -> Result<Source, Mistake> {
        const ONE: &str =
            "write 'model' alone, or 'command' or 'url' with 'model', what that server calls its model";
        let is_chosen = self.context.is_some()
            || self.engine.is_some()
            || self.quantisation.is_some()
            || self.device != Device::Gpu
            || self.weights.is_some()
            || self.program.is_some()
            || !self.arguments.is_empty();
        if self.context == Some(0) {
            return Err((
                "context is 0".to_owned(),
                "write how many tokens a conversation has, or leave it out",
            ));
        }
        let Some(model) = self.model else { return Err(("it names no model".to_owned(), ONE)) };
        match (self.command.is_empty(), self.url) {
            (false, None) if !is_chosen => {
                Ok(Source::Command(Own { command: self.command, model, env: self.env }))
            }
            (true, Some(url)) if !is_chosen && self.env.is_empty() => {
                let address = address(&url).ok_or_else(|| {
                    (
                        format!("'{url}' is no http://ADDRESS:PORT"),
                        "write an address, not a name: http://127.0.0.1:8000",
                    )
                })?;
                Ok(Source::Running(Running { address, model }))
            }
            (true, None) => Ok(Source::Model(Wanted {
                model,
                context: self.context,
                engine: self.engine,
                quantisation: self.quantisation,
                on_processor: self.device == Device::Processor,
                weights: self.weights,
                program: self.program,
                arguments: self.arguments,
                env: self.env,
            })),
            _ => Err(("it is to be started in one way and has what belongs to another".to_owned(), ONE)),
        }
    }
}

/// What it serves is at `/v1` there.
fn address(url: &str) -> Option<std::net::SocketAddr> {
    let rest = url.strip_prefix("http://")?;
    rest.trim_end_matches('/').trim_end_matches("/v1").parse().ok()
}
