//! A call of the Anthropic API for a server that speaks OpenAI's chat completions, and its answer back.
//!
//! Must never know: zones, findings. What has no counterpart and would change what the model reads is refused; hints for
//! the provider alone (caching, service tiers, thinking) are left out.

pub mod document;
pub mod events;
mod request;

use serde_json::{Value, json};
use wire::router::Api;

pub use request::{Untranslatable, request};

/// Whether a call of one API must be translated for a server of another, and can be.
#[must_use]
pub fn is_needed(call: Api, server: Api) -> bool {
    call == Api::Anthropic && server == Api::OpenAi
}

/// Why a model stopped, in Anthropic's words.
fn stop_reason(finish: Option<&str>) -> &'static str {
    match finish {
        Some("length") => "max_tokens",
        Some("tool_calls" | "function_call") => "tool_use",
        Some("content_filter") => "refusal",
        _ => "end_turn",
    }
}

/// What a model thought, as servers name it.
fn thought(said: &Value) -> Option<&str> {
    let named = |key: &str| said[key].as_str().filter(|text| !text.is_empty());
    named("reasoning_content").or_else(|| named("reasoning"))
}

/// An answer's count of tokens.
fn usage(answer: &Value) -> Value {
    let tokens = |key: &str| answer["usage"][key].as_u64().unwrap_or(0);
    json!({ "input_tokens": tokens("prompt_tokens"), "output_tokens": tokens("completion_tokens") })
}

/// A server's error, in Anthropic's form.
fn error(answer: &Value) -> Option<Value> {
    let error = answer.get("error").filter(|error| !error.is_null())?;
    let message = error["message"].as_str().or(error.as_str()).unwrap_or("the model server reports an error");
    Some(json!({ "type": "error", "error": { "type": "api_error", "message": message } }))
}

#[cfg(test)]
mod tests;
