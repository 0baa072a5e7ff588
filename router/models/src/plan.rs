//! The choice. Of a family the best model that fits, of a model the best form that fits, with the longest conversation that
//! fits: in this order. A length that was asked for is never made shorter.

#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;
use wire::catalogue::{Catalogue, Engine, Flags, Model, Variant};

use crate::host::{Device, Host, parse_capability};
use crate::quantity::Gigabytes;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// A model's name, or a family's.
    pub model: String,
    /// Tokens of a conversation; `None`: what is usual for the model, or less if only less fits.
    pub context: Option<u64>,
    /// One program alone.
    pub engine: Option<Engine>,
    /// One form alone.
    pub quantisation: Option<String>,
    /// Where it is to run.
    pub on: On,
    /// Where the weights are, in place of what the catalogue says.
    pub weights: Option<String>,
}

/// Where a model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum On {
    /// On GPUs alone.
    #[default]
    Gpu,
    /// In the host's memory.
    Processor,
}

/// With what a model is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Its name in the catalogue.
    pub model: String,
    /// In which form.
    pub quantisation: String,
    /// By which program.
    pub engine: Engine,
    /// Where the weights are.
    pub source: String,
    /// Tokens of a conversation.
    pub context: u64,
    /// The UUIDs of its devices; none: the host's processor.
    pub devices: Vec<String>,
    /// The driver's numbers of the same devices, at this moment.
    pub indices: Vec<u32>,
    /// What it takes of each device.
    pub bytes_per_device: u64,
    /// What each device has built in.
    pub device_bytes: u64,
    /// The model's own arguments for that program.
    pub arguments: Vec<String>,
    /// Why this one, in one line.
    pub why: String,
}

/// Why nothing is served: each form with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// In one line, with numbers.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
    /// Each form that was looked at, and the reason.
    pub looked_at: Vec<String>,
}

/// One form of a model, and whether this host can serve it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// The model's name.
    pub model: String,
    /// Its family.
    pub family: String,
    /// The form.
    pub quantisation: String,
    /// The program.
    pub engine: Engine,
    /// With how many tokens of a conversation.
    pub context: u64,
    /// What it takes then.
    pub needed_bytes: u64,
    /// Why it does not fit; `None`: it does.
    pub unfit: Option<String>,
}

/// Why one form does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The GPUs are too old for its values.
    Capability(String),
    /// There is too little memory.
    Memory {
        /// What it takes.
        needed: u64,
        /// What is free where most is free.
        free: u64,
    },
    /// A conversation cannot be so long.
    Context {
        /// The longest.
        most: u64,
    },
    /// There is no GPU to be given work.
    NoDevice,
    /// The program does not serve it there.
    Processor,
    /// The program cannot be told of a part of a GPU, and there is nothing else.
    Instance,
    /// The weights are not on this host, and the program does not fetch them.
    Weights,
}

/// Conversations that are tried where the usual one does not fit.
const SHORTER: [u64; 3] = [131_072, 65_536, 32_768];

/// Over how many equal GPUs a model may be spread.
const SPREADS: [usize; 4] = [1, 2, 4, 8];

/// What is added for each part of a model that is spread: buffers of its own, in percent.
const SPREAD_PERCENT: u64 = 5;

/// Chooses.
///
/// # Errors
/// Nothing that was wished for fits, or there is no such model: the refusal says why, with numbers.
pub fn plan(catalogue: &Catalogue, host: &Host, wish: &Wish) -> Result<Plan, Refusal> {
    let models = wished(catalogue, &wish.model);
    if models.is_empty() {
        return Err(Refusal {
            cause: format!("there is no model '{}' in the catalogue", wish.model),
            remedy: "choose one that `openshell inference models` lists, or add it".to_owned(),
            looked_at: Vec::new(),
        });
    }
    let mut failed: Vec<(String, Unfit)> = Vec::new();
    for (name, model) in models {
        for context in contexts(model, wish.context) {
            for variant in forms(model, wish) {
                match placed(model, (variant, context), host, wish) {
                    Ok(devices) => return Ok(found((name, model), (variant, context), &devices, host)),
                    Err(unfit) => failed.push((title(name, variant, context), unfit)),
                }
            }
        }
    }
    Err(refusal(wish, host, &failed))
}

/// Every form of every model, and whether it fits with the usual length of a conversation, or the one that is asked for.
#[must_use]
pub fn survey(catalogue: &Catalogue, host: &Host, context: Option<u64>, on: On) -> Vec<Fit> {
    let mut fits = Vec::new();
    let wish = Wish { model: String::new(), context, engine: None, quantisation: None, on, weights: None };
    for (name, model) in by_rank(catalogue.models.iter().collect()) {
        let context = context.unwrap_or(model.context.default);
        fits.extend(model.variants.iter().map(|variant| Fit {
            model: name.clone(),
            family: model.family.clone(),
            quantisation: variant.quantisation.clone(),
            engine: variant.engine,
            context,
            needed_bytes: needed(model, variant, context),
            unfit: placed(model, (variant, context), host, &wish).err().map(|unfit| unfit.to_string()),
        }));
    }
    fits
}

/// The model of that name, or those of the family.
fn wished<'a>(catalogue: &'a Catalogue, name: &str) -> Vec<(&'a String, &'a Model)> {
    match catalogue.models.get_key_value(name) {
        Some(one) => vec![one],
        None => by_rank(catalogue.models.iter().filter(|(_, model)| model.family == name).collect()),
    }
}

fn by_rank<'a>(mut models: Vec<(&'a String, &'a Model)>) -> Vec<(&'a String, &'a Model)> {
    models.sort_by(|(a, one), (b, other)| other.rank.cmp(&one.rank).then(a.cmp(b)));
    models
}

fn forms<'a>(model: &'a Model, wish: &'a Wish) -> impl Iterator<Item = &'a Variant> {
    model.variants.iter().filter(|variant| {
        // Such a file is for the one program alone.
        (variant.engine == Engine::LlamaCpp || !wish.weights.as_deref().is_some_and(is_gguf))
            && wish.engine.is_none_or(|engine| engine == variant.engine)
            && wish.quantisation.as_ref().is_none_or(|one| *one == variant.quantisation)
    })
}

/// The lengths to try, the longest first.
fn contexts(model: &Model, asked: Option<u64>) -> Vec<u64> {
    let usual = model.context.default;
    match asked {
        Some(context) => vec![context],
        None => [usual].into_iter().chain(SHORTER.into_iter().filter(|shorter| *shorter < usual)).collect(),
    }
}

/// What it takes in all.
fn needed(model: &Model, variant: &Variant, context: u64) -> u64 {
    let bits = u64::from(model.servers.get(&variant.engine).and_then(|flags| flags.kv_bits).unwrap_or(16));
    let cache = (u128::from(model.kv_bytes_per_token) * u128::from(context) * u128::from(bits)).div_ceil(16);
    u64::try_from(cache).unwrap_or(u64::MAX).saturating_add(weights(variant.memory_gb))
}

/// Whole megabytes: a catalogue says no more.
fn weights(gigabytes: f64) -> u64 {
    let megabytes = (gigabytes.max(0.0) * 1000.0).ceil();
    format!("{megabytes:.0}").parse::<u64>().map_or(u64::MAX, |megabytes| megabytes.saturating_mul(1_000_000))
}

fn is_gguf(weights: &str) -> bool {
    Path::new(weights).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
}

/// The devices that take it, if its weights are there.
fn placed<'a>(
    model: &Model,
    (variant, context): (&Variant, u64),
    host: &'a Host,
    wish: &Wish,
) -> Result<Vec<&'a Device>, Unfit> {
    let devices = place(model, (variant, context), host, wish.on)?;
    let source = Path::new(wish.weights.as_ref().unwrap_or(&variant.source));
    // vLLM fetches what is not there.
    let is_there = variant.engine == Engine::Vllm || (source.is_absolute() && source.is_file());
    if is_there { Ok(devices) } else { Err(Unfit::Weights) }
}

/// The devices that take it; none of them for the processor.
fn place<'a>(
    model: &Model,
    (variant, context): (&Variant, u64),
    host: &'a Host,
    on: On,
) -> Result<Vec<&'a Device>, Unfit> {
    if context > model.context.most {
        return Err(Unfit::Context { most: model.context.most });
    }
    let needed = needed(model, variant, context);
    match on {
        On::Processor if variant.engine != Engine::LlamaCpp => Err(Unfit::Processor),
        On::Processor if host.memory_bytes < needed => Err(Unfit::Memory { needed, free: host.memory_bytes }),
        On::Processor => Ok(Vec::new()),
        On::Gpu => on_gpus(variant, needed, host),
    }
}

fn on_gpus<'a>(variant: &Variant, needed: u64, host: &'a Host) -> Result<Vec<&'a Device>, Unfit> {
    if host.devices.is_empty() {
        return Err(Unfit::NoDevice);
    }
    let least = variant.compute_capability.as_deref();
    let mut able: Vec<&Device> = host.devices.iter().filter(|device| is_able(device, least)).collect();
    if able.is_empty() {
        return Err(Unfit::Capability(least.unwrap_or_default().to_owned()));
    }
    if variant.engine == Engine::Vllm {
        // It reads what it may use as numbers, and the parts of a GPU have none.
        able.retain(|device| !device.is_instance);
        if able.is_empty() {
            return Err(Unfit::Instance);
        }
    }
    // The one with the least free memory that is enough: what is larger stays for what needs it.
    able.sort_by(|a, b| a.free_bytes.cmp(&b.free_bytes).then(a.uuid.cmp(&b.uuid)));
    for spread in SPREADS {
        let each = part(needed, spread);
        let taken = |device: &Device| taken(variant.engine, each, device.total_bytes);
        let enough = able.iter().copied().filter(|device| device.free_bytes >= taken(device));
        let found = match spread {
            1 => enough.take(1).collect(),
            _ => equal(enough.collect(), spread),
        };
        if found.len() == spread {
            return Ok(found);
        }
    }
    Err(Unfit::Memory { needed, free: able.last().map_or(0, |device| device.free_bytes) })
}

/// So many whole GPUs of one name.
fn equal(devices: Vec<&Device>, count: usize) -> Vec<&Device> {
    let whole: Vec<&Device> = devices.into_iter().filter(|device| !device.is_instance).collect();
    let of_name = |name: &str| -> Vec<&Device> {
        whole.iter().copied().filter(|device| device.name == name).take(count).collect()
    };
    whole.iter().map(|device| of_name(&device.name)).find(|found| found.len() == count).unwrap_or_default()
}

/// What one of so many devices takes.
fn part(needed: u64, spread: usize) -> u64 {
    match u64::try_from(spread) {
        Ok(spread) if spread > 1 => {
            let each = needed.div_ceil(spread);
            each.saturating_add(each / 100 * SPREAD_PERCENT)
        }
        _ => needed,
    }
}

/// What a server of that program takes of a device from which it needs so much: vLLM takes a share that it is told with four
/// decimals.
fn taken(engine: Engine, needed: u64, total: u64) -> u64 {
    match engine {
        Engine::LlamaCpp => needed,
        Engine::Vllm => {
            let taken = u128::from(total) * u128::from(ten_thousandths(needed, total)) / 10_000;
            u64::try_from(taken).unwrap_or(u64::MAX).max(needed)
        }
    }
}

/// The share of a device, rounded up.
#[must_use]
pub fn ten_thousandths(needed: u64, total: u64) -> u64 {
    let share = (u128::from(needed) * 10_000).div_ceil(u128::from(total.max(1)));
    u64::try_from(share.clamp(1, 9999)).unwrap_or(9999)
}

/// A device that does not say what it can is not taken for what only some can.
fn is_able(device: &Device, least: Option<&str>) -> bool {
    match least {
        None => true,
        Some(least) => match (device.capability, parse_capability(least)) {
            (Some(has), Some(least)) => has >= least,
            _ => false,
        },
    }
}

fn found(
    (name, model): (&str, &Model),
    (variant, context): (&Variant, u64),
    devices: &[&Device],
    host: &Host,
) -> Plan {
    let needed = needed(model, variant, context);
    let each = part(needed, devices.len());
    let flags = model.servers.get(&variant.engine).cloned().unwrap_or_else(Flags::default);
    let place = match devices {
        [] => format!("the host's memory, of which {} are free", Gigabytes(host.memory_bytes)),
        [one] => format!("{} ({}), which has {} free", one.name, one.uuid, Gigabytes(one.free_bytes)),
        many => format!("{} of {}, {} on each", many.len(), many[0].name, Gigabytes(each)),
    };
    Plan {
        model: name.to_owned(),
        quantisation: variant.quantisation.clone(),
        engine: variant.engine,
        source: variant.source.clone(),
        context,
        devices: devices.iter().map(|device| device.uuid.clone()).collect(),
        indices: devices.iter().map(|device| device.index).collect(),
        bytes_per_device: devices
            .iter()
            .map(|device| taken(variant.engine, each, device.total_bytes))
            .max()
            .unwrap_or(each),
        device_bytes: devices.iter().map(|device| device.total_bytes).min().unwrap_or(0),
        arguments: flags.arguments.into_iter().chain(variant.arguments.iter().cloned()).collect(),
        why: format!("{} takes {} and fits {place}", title(name, variant, context), Gigabytes(needed)),
    }
}

fn title(name: &str, variant: &Variant, context: u64) -> String {
    format!("{name} {} with {context} tokens", variant.quantisation)
}

fn said((title, unfit): &(String, Unfit)) -> String {
    format!("{title}: {unfit}")
}

/// What would have needed least is what the reader can do something about.
fn refusal(wish: &Wish, host: &Host, failed: &[(String, Unfit)]) -> Refusal {
    let least = failed.iter().filter_map(|(title, unfit)| match unfit {
        Unfit::Memory { needed, .. } => Some((*needed, title, unfit)),
        _ => None,
    });
    // What would run here, were it here, is nearest.
    let absent = failed.iter().find(|(_, unfit)| *unfit == Unfit::Weights);
    let cause = match (least.min_by_key(|(needed, ..)| *needed), absent.or(failed.first())) {
        (Some(_), _) if absent.is_some() => absent.map(said).unwrap_or_default(),
        (Some((_, title, unfit)), _) => format!("{title}: {unfit}"),
        (None, Some(first)) => said(first),
        (None, None) => format!("'{}' is not in the catalogue in that form", wish.model),
    };
    let remedy = match wish.context {
        _ if absent.is_some() => "name the file of the weights in `weights`, or choose a form that fits",
        _ if failed.is_empty() => "see what there is with `openshell inference models`",
        Some(_) => {
            "ask for a shorter context or a smaller form, or free memory of a GPU (`openshell gpu ls`)"
        }
        None => "choose a smaller model or form, or free memory of a GPU (`openshell gpu ls`)",
    };
    let mut looked_at: Vec<String> =
        failed.iter().map(|(title, unfit)| format!("{title}: {unfit}")).collect();
    looked_at.extend(host.left_out.iter().map(|device| format!("not used: {device}")));
    Refusal { cause, remedy: remedy.to_owned(), looked_at }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Capability(least) => {
                write!(f, "its values need a GPU of compute capability {least} or newer")
            }
            Self::Memory { needed, free } => {
                write!(f, "needs {}, the largest free device has {}", Gigabytes(*needed), Gigabytes(*free))
            }
            Self::Context { most } => write!(f, "a conversation has at most {most} tokens"),
            Self::NoDevice => f.write_str("there is no GPU that can be given work"),
            Self::Processor => f.write_str("its program serves it on a GPU alone"),
            Self::Instance => {
                f.write_str("vLLM does not find the parts of a divided GPU (MIG): llama.cpp does")
            }
            Self::Weights => {
                f.write_str("its weights are not on this host: fetch them and name their file in `weights`")
            }
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Refusal {}
