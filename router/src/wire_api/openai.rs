//! The OpenAI API: chat completions, completions, embeddings and responses.

mod chat;
mod responses;

use super::fields::{Fields, Reader, require_text};
use super::{Endpoint, NotUnderstood};
use crate::json::Node;
use ::classify::unreadable::TOKEN_IDS;

/// Checks that every member of `body` is understood; notes what holds no text.
pub(super) fn check(endpoint: Endpoint, reader: &mut Reader, body: &Node) -> Result<(), NotUnderstood> {
    match endpoint {
        Endpoint::ChatCompletions => chat::check(reader, body),
        Endpoint::Completions => completions(reader, body),
        Endpoint::Embeddings => embeddings(reader, body),
        _responses => responses::check(reader, body),
    }
}

fn completions(reader: &mut Reader, body: &Node) -> Result<(), NotUnderstood> {
    let fields = Fields {
        plain: &[
            "model",
            "suffix",
            "stream",
            "stream_options",
            "temperature",
            "top_p",
            "n",
            "stop",
            "max_tokens",
            "echo",
            "best_of",
            "logprobs",
            "presence_penalty",
            "frequency_penalty",
            "user",
            "seed",
            "top_k",
            "min_p",
            "repetition_penalty",
        ],
        checked: &["prompt", "logit_bias"],
    };
    let body = reader.object(body, "body", &fields)?;
    require_text(body, "model")?;
    reader.text_or_tokens(body.get("prompt"), "prompt")?;
    logit_bias(reader, body);
    Ok(())
}

fn embeddings(reader: &mut Reader, body: &Node) -> Result<(), NotUnderstood> {
    let fields = Fields { plain: &["model", "encoding_format", "dimensions", "user"], checked: &["input"] };
    let body = reader.object(body, "body", &fields)?;
    require_text(body, "model")?;
    reader.text_or_tokens(body.get("input"), "input")
}

/// A table of token ids can spell a text.
fn logit_bias(reader: &mut Reader, body: &Node) {
    if body.get("logit_bias").is_some_and(|bias| !bias.members().is_empty() || !bias.elements().is_empty()) {
        reader.opaque(TOKEN_IDS);
    }
}

#[cfg(test)]
mod tests;
