//! Models that a host can serve itself, as data: what each takes, and with what each server must be started for it. The
//! catalogue that comes with the product and what an operator adds have the same form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Models by their name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Each model once.
    pub models: BTreeMap<String, Model>,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Whoever wishes for the family gets the best of it that fits.
    pub family: String,
    /// The greater, the better within its family.
    pub rank: u32,
    /// How many tokens a conversation may have.
    pub context: Context,
    /// Bytes that the cache of one token takes at 16 bits a value; a server with 8 bits takes half.
    pub kv_bytes_per_token: u64,
    /// With what each server is started for this model, in place of what is usual for the server.
    #[serde(default)]
    pub servers: BTreeMap<Engine, Flags>,
    /// What there is of it, the best first.
    pub variants: Vec<Variant>,
}

/// Lengths of a conversation, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// What is served if nobody asks for another.
    pub default: u64,
    /// The longest.
    pub most: u64,
}

/// A program that serves models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Engine {
    /// vLLM.
    #[serde(rename = "vllm")]
    Vllm,
    /// llama.cpp's `llama-server`.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
}

/// How a server is started for a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flags {
    /// Bits of one value in the cache: 16 or 8.
    pub kv_bits: Option<u8>,
    /// Arguments beside those that say where, what and how much.
    pub arguments: Vec<String>,
}

/// One form of a model's weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// How its values are stored: `bf16`, `fp8`, `nvfp4`, `q4_k_m`.
    pub quantisation: String,
    /// Who can serve it.
    pub engine: Engine,
    /// Where its maker has it, or a path on this host: the server gets this word.
    pub source: String,
    /// Gigabytes (10⁹ bytes) that it takes without the cache of a conversation.
    pub memory_gb: f64,
    /// The oldest GPU that computes with such values, by its CUDA compute capability: `10.0`. Without it, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_capability: Option<String>,
    /// Arguments beside the model's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
}

impl Engine {
    /// Its name, as people write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llama.cpp",
        }
    }
}

impl Catalogue {
    /// This catalogue and another one, whose models take the place of those of the same name.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.models.extend(other.models);
        self
    }
}
