//! What the file's figures must be. A figure that cannot be meant is refused where it is read, and not when a GPU runs out of
//! memory.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use wire::catalogue::{Model, Variant};

use super::Mistake;
use crate::failure::Failure;

/// More than any host has.
const MOST_GIGABYTES: f64 = 1_000_000.0;

/// Whether a model can be planned with: the mistake begins with the key.
pub(super) fn model(model: &Model) -> Result<(), Mistake> {
    if model.context.default == 0 || model.context.default > model.context.most {
        return Err((
            format!("context: {} of at most {} tokens", model.context.default, model.context.most),
            "write a default of at least 1 that is not above 'most'",
        ));
    }
    for (engine, flags) in &model.servers {
        if let Some(bits) = flags.kv_bits.filter(|bits| ![8, 16].contains(bits)) {
            let key = format!("servers.{}.kv_bits: {bits} is no size of a value", engine.as_str());
            return Err((key, "write 8 or 16, or leave it out for 16"));
        }
    }
    if model.variants.is_empty() {
        return Err((
            "variants: there is none".to_owned(),
            "write at least one: {quantisation: bf16, engine: vllm, source: PATH, memory_gb: 20}",
        ));
    }
    model.variants.iter().enumerate().try_for_each(|(number, form)| variant(number, form))
}

fn variant(number: usize, form: &Variant) -> Result<(), Mistake> {
    if form.quantisation.is_empty() || form.source.is_empty() {
        let cause = format!("variants[{number}]: quantisation or source is empty");
        return Err((cause, "name the form, and where its weights are"));
    }
    // Not a number is neither.
    if !(form.memory_gb > 0.0 && form.memory_gb <= MOST_GIGABYTES) {
        return Err((
            format!("variants[{number}].memory_gb: {} is no amount of memory", form.memory_gb),
            "write the gigabytes that the model takes without a conversation, as in 18 or 19.3",
        ));
    }
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    let is_capability =
        |text: &str| text.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    match form.compute_capability.as_deref().filter(|text| !is_capability(text)) {
        Some(text) => Err((
            format!("variants[{number}].compute_capability: '{text}' is none"),
            "write it with its minor number and in quotes, as in \"9.0\"",
        )),
        None => Ok(()),
    }
}

/// A file with an environment may have secrets in it.
pub(super) fn is_private(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| {
        Failure::new(format_args!("cannot read {shown}: {error}"), "make the file readable for you")
    })?;
    if metadata.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::new(
        format_args!("{shown} has an 'env', which may hold secrets, and is not for you alone"),
        format_args!("chmod 600 {shown}"),
    ))
}
