//! What a server is started with: program, arguments, environment, port.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use models::{On, Plan, Wish};
use wire::catalogue::Engine;
use wire::serving::{Own, ServerConfig, Source, Wanted};

use crate::devices::{Devices, NoPlan, Reservation};
use crate::dial::free_port;

/// A server that can be started, or asked.
#[derive(Debug)]
pub struct Launch {
    /// Where it will be, or is.
    pub address: SocketAddr,
    /// What is executed; `None`: somebody else runs it.
    pub command: Option<Command>,
    /// What was chosen, and its memory.
    pub reservation: Option<Reservation>,
}

/// What is executed.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub words: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(String, OsString)>,
}

/// The values of its environment may be secrets.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Command").field("words", &self.words).field("env", &names).finish()
    }
}

/// Why a server cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Nothing was chosen.
    #[error(transparent)]
    Plan(#[from] NoPlan),
    /// There is no port.
    #[error("no port of this host is free")]
    Port(#[source] io::Error),
    /// The weights are not where they should be.
    #[error("the weights of {model} {quantisation} are not at '{place}': name their file in `weights`")]
    Weights {
        /// The model.
        model: String,
        /// Its form.
        quantisation: String,
        /// Where they should be.
        place: String,
    },
}

/// What a server gets of the environment: what finds programs, libraries and files. Nothing else, least of all secrets.
const KEPT: [&str; 10] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "HF_HOME",
    "XDG_CACHE_HOME",
    "VIRTUAL_ENV",
];

/// Servers that report their use to their makers do so unless they are told not to.
const QUIET: [(&str, &str); 3] =
    [("DO_NOT_TRACK", "1"), ("VLLM_NO_USAGE_STATS", "1"), ("HF_HUB_DISABLE_TELEMETRY", "1")];

/// Chooses what is to be chosen. It takes a while: not for an event loop.
///
/// # Errors
/// [`LaunchError`].
pub fn prepare(name: &str, config: &ServerConfig, devices: &Devices) -> Result<Launch, LaunchError> {
    match &config.source {
        Source::Running(running) => Ok(Launch { address: running.address, command: None, reservation: None }),
        Source::Command(own) => {
            let port = free_port().map_err(LaunchError::Port)?;
            let command = Some(own_command(own, port));
            Ok(Launch { address: local(port), command, reservation: None })
        }
        Source::Model(wanted) => {
            let reservation = devices.plan(&wish(wanted))?;
            let port = free_port().map_err(LaunchError::Port)?;
            let command = command(wanted, &reservation.plan, (name, port, config.slots))?;
            let (command, reservation) = (Some(command), Some(reservation));
            Ok(Launch { address: local(port), command, reservation })
        }
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn wish(wanted: &Wanted) -> Wish {
    Wish {
        model: wanted.model.clone(),
        context: wanted.context,
        engine: wanted.engine,
        quantisation: wanted.quantisation.clone(),
        on: if wanted.on_processor { On::Processor } else { On::Gpu },
        weights: wanted.weights.clone(),
    }
}

fn own_command(own: &Own, port: u16) -> Command {
    let replaced = |text: &str| -> OsString {
        text.replace("{port}", &port.to_string()).replace("{model}", &own.model).into()
    };
    let env = own.env.iter().map(|(name, value)| (name.clone(), replaced(value)));
    Command {
        words: own.command.iter().map(|word| replaced(word)).collect(),
        env: environment().chain(env).collect(),
    }
}

fn command(
    wanted: &Wanted,
    plan: &Plan,
    (name, port, slots): (&str, u16, u32),
) -> Result<Command, LaunchError> {
    let source = wanted.weights.as_deref().unwrap_or(&plan.source);
    let (usual, words) = match plan.engine {
        Engine::Vllm => ("vllm", vllm(plan, source, (name, port, slots))),
        Engine::LlamaCpp => ("llama-server", llama_cpp(plan, source, (name, port, slots))?),
    };
    let program = wanted.program.as_ref().map_or_else(|| OsString::from(usual), |path| path.clone().into());
    let further = plan.arguments.iter().chain(&wanted.arguments).cloned();
    let words = std::iter::once(program).chain(words.into_iter().chain(further).map(OsString::from));
    let own = wanted.env.iter().map(|(name, value)| (name.clone(), value.into()));
    Ok(Command { words: words.collect(), env: environment().chain(visible(plan)).chain(own).collect() })
}

/// The devices that it may use: no others are visible to it.
fn visible(plan: &Plan) -> Vec<(String, OsString)> {
    let named = |name: &str, value: String| (name.to_owned(), OsString::from(value));
    match plan.engine {
        Engine::LlamaCpp => vec![named("CUDA_VISIBLE_DEVICES", plan.devices.join(","))],
        // It takes each for a number. CUDA counts as the driver does if it is told to.
        Engine::Vllm => {
            let numbers: Vec<String> = plan.indices.iter().map(u32::to_string).collect();
            vec![
                named("CUDA_DEVICE_ORDER", "PCI_BUS_ID".to_owned()),
                named("CUDA_VISIBLE_DEVICES", numbers.join(",")),
            ]
        }
    }
}

/// Calls that it can take: those of the sandboxes, and the question whether it answers.
fn calls(slots: u32) -> String {
    slots.saturating_add(1).to_string()
}

fn vllm(plan: &Plan, source: &str, (name, port, slots): (&str, u16, u32)) -> Vec<String> {
    let words = [
        ("--host", "127.0.0.1".to_owned()),
        ("--port", port.to_string()),
        ("--served-model-name", name.to_owned()),
        ("--max-model-len", plan.context.to_string()),
        ("--max-num-seqs", calls(slots)),
        ("--tensor-parallel-size", plan.devices.len().max(1).to_string()),
        ("--gpu-memory-utilization", share(plan.bytes_per_device, plan.device_bytes)),
    ];
    let pairs = words.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    ["serve".to_owned(), source.to_owned()].into_iter().chain(pairs).collect()
}

fn llama_cpp(
    plan: &Plan,
    source: &str,
    (name, port, slots): (&str, u16, u32),
) -> Result<Vec<String>, LaunchError> {
    if !Path::new(source).is_absolute() || !Path::new(source).is_file() {
        let (model, quantisation) = (plan.model.clone(), plan.quantisation.clone());
        return Err(LaunchError::Weights { model, quantisation, place: source.to_owned() });
    }
    let layers = if plan.devices.is_empty() { "0" } else { "999" };
    let words = [
        ("--model", source.to_owned()),
        ("--host", "127.0.0.1".to_owned()),
        ("--port", port.to_string()),
        ("--alias", name.to_owned()),
        ("--ctx-size", plan.context.to_string()),
        ("--parallel", calls(slots)),
        ("--n-gpu-layers", layers.to_owned()),
    ];
    let pairs = words.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    // Calls share the conversation's memory: one alone may have all of it.
    Ok(pairs.chain(["--kv-unified".to_owned()]).collect())
}

/// The share of a device that it takes: the server reserves that much at its start.
fn share(needed: u64, total: u64) -> String {
    format!("0.{:04}", models::ten_thousandths(needed, total))
}

fn environment() -> impl Iterator<Item = (String, OsString)> {
    let kept = KEPT.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?)));
    kept.chain(QUIET.map(|(name, value)| (name.to_owned(), value.into())))
}
