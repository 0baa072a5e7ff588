//! What a server is started with: program, arguments, environment, port.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use models::{On, Plan, Wish};
use wire::catalogue::Engine;
use wire::serving::{Own, ServerConfig, Source, Wanted};

use crate::devices::{Devices, NoPlan, Reservation};
use crate::dial::{Target, free_port};

/// A server that can be started, or asked.
#[derive(Debug)]
pub struct Launch {
    /// Where it will be, or is.
    pub target: Target,
    /// What is executed; `None`: somebody else runs it.
    pub command: Option<Command>,
    /// What was chosen, and its memory.
    pub reservation: Option<Reservation>,
}

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub words: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(String, OsString)>,
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
        Source::Running(running) => {
            Ok(Launch { target: Target::Other(running.address), command: None, reservation: None })
        }
        Source::Command(own) => {
            let port = free_port().map_err(LaunchError::Port)?;
            let command = Some(own_command(own, port));
            Ok(Launch { target: Target::Own(port), command, reservation: None })
        }
        Source::Model(wanted) => {
            let reservation = devices.plan(&wish(wanted))?;
            let port = free_port().map_err(LaunchError::Port)?;
            let command = command(wanted, &reservation.plan, (name, port, config.slots))?;
            let (command, reservation) = (Some(command), Some(reservation));
            Ok(Launch { target: Target::Own(port), command, reservation })
        }
    }
}

fn wish(wanted: &Wanted) -> Wish {
    Wish {
        model: wanted.model.clone(),
        context: wanted.context,
        engine: wanted.engine,
        quantisation: wanted.quantisation.clone(),
        on: if wanted.on_processor { On::Processor } else { On::Gpu },
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
    let devices = ("CUDA_VISIBLE_DEVICES".to_owned(), plan.devices.join(",").into());
    let own = wanted.env.iter().map(|(name, value)| (name.clone(), value.into()));
    Ok(Command { words: words.collect(), env: environment().chain([devices]).chain(own).collect() })
}

fn vllm(plan: &Plan, source: &str, (name, port, slots): (&str, u16, u32)) -> Vec<String> {
    let words = [
        ("--host", "127.0.0.1".to_owned()),
        ("--port", port.to_string()),
        ("--served-model-name", name.to_owned()),
        ("--max-model-len", plan.context.to_string()),
        ("--max-num-seqs", slots.to_string()),
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
        ("--parallel", slots.to_string()),
        ("--n-gpu-layers", layers.to_owned()),
    ];
    let pairs = words.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    // Calls share the conversation's memory: one alone may have all of it.
    Ok(pairs.chain(["--kv-unified".to_owned()]).collect())
}

/// The share of a device that it takes, in hundredths and rounded up: the server reserves that much at its start.
fn share(needed: u64, total: u64) -> String {
    let hundredths = (u128::from(needed) * 100).div_ceil(u128::from(total.max(1))).clamp(1, 99);
    format!("0.{hundredths:02}")
}

fn environment() -> impl Iterator<Item = (String, OsString)> {
    let kept = KEPT.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?)));
    kept.chain(QUIET.map(|(name, value)| (name.to_owned(), value.into())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn plan(engine: Engine, devices: &[&str]) -> Plan {
        Plan {
            model: "nano".to_owned(),
            quantisation: "fp8".to_owned(),
            engine,
            source: "maker/nano-fp8".to_owned(),
            context: 65_536,
            devices: devices.iter().map(|uuid| (*uuid).to_owned()).collect(),
            bytes_per_device: 40_500_000_000,
            device_bytes: 80_000_000_000,
            arguments: vec!["--reasoning-parser".to_owned(), "nemotron_v3".to_owned()],
            why: String::new(),
        }
    }

    fn wanted() -> Wanted {
        Wanted {
            model: "nemotron".to_owned(),
            context: None,
            engine: None,
            quantisation: None,
            on_processor: false,
            weights: None,
            program: Some("/opt/serve".into()),
            arguments: vec!["--seed".to_owned(), "1".to_owned()],
            env: BTreeMap::from([("HF_HUB_OFFLINE".to_owned(), "1".to_owned())]),
        }
    }

    fn line(command: &Command) -> String {
        command.words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn vllm_gets_place_length_share_and_the_models_own_flags() {
        let command = command(&wanted(), &plan(Engine::Vllm, &["GPU-1", "GPU-2"]), ("m", 8001, 4)).unwrap();
        assert_eq!(
            line(&command),
            "/opt/serve serve maker/nano-fp8 --host 127.0.0.1 --port 8001 --served-model-name m --max-model-len 65536 \
             --max-num-seqs 4 --tensor-parallel-size 2 --gpu-memory-utilization 0.51 --reasoning-parser nemotron_v3 --seed 1"
        );
        let has = |name: &str, value: &str| command.env.contains(&(name.to_owned(), value.into()));
        assert!(has("CUDA_VISIBLE_DEVICES", "GPU-1,GPU-2") && has("HF_HUB_OFFLINE", "1"));
        assert!(has("DO_NOT_TRACK", "1"));
    }

    #[test]
    fn llama_cpp_gets_a_file_that_is_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let there = Wanted { weights: Some(path.clone()), ..wanted() };
        let said = line(&command(&there, &plan(Engine::LlamaCpp, &[]), ("m", 8001, 4)).unwrap());
        assert!(
            said.starts_with(&format!("/opt/serve --model {path} --host 127.0.0.1 --port 8001 --alias m")),
            "{said}"
        );
        assert!(said.contains("--ctx-size 65536 --parallel 4 --n-gpu-layers 0 --kv-unified"), "{said}");
        let error = command(&wanted(), &plan(Engine::LlamaCpp, &[]), ("m", 8001, 4)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the weights of nano fp8 are not at 'maker/nano-fp8': name their file in `weights`"
        );
    }

    #[test]
    fn an_own_command_gets_its_port_and_nothing_of_the_environment_but_what_finds_things() {
        let own = Own {
            command: ["serve", "--at", "127.0.0.1:{port}", "{model}"].map(str::to_owned).into(),
            model: "big".to_owned(),
            env: BTreeMap::from([("HOST".to_owned(), "127.0.0.1:{port}".to_owned())]),
        };
        let command = own_command(&own, 9);
        assert_eq!(line(&command), "serve --at 127.0.0.1:9 big");
        assert!(command.env.contains(&("HOST".to_owned(), "127.0.0.1:9".into())));
        let is_known = |name: &str| {
            KEPT.contains(&name) || QUIET.iter().any(|(quiet, _)| *quiet == name) || name == "HOST"
        };
        assert!(command.env.iter().all(|(name, _)| is_known(name)), "{:?}", command.env);
    }
}
