//! The OpenAI API: chat completions, completions, embeddings and responses.

mod chat;
mod fields;
mod responses;

use super::{Endpoint, NotUnderstood};
use crate::json::Node;
use ::classify::Category;
use fields::{Fields, Reader};

/// Token ids instead of text.
const TOKEN_IDS: Category = Category::unclassifiable("token-ids");

/// State that the provider keeps, named by an id.
const REMOTE_STATE: Category = Category::unclassifiable("remote-state");

/// Checks that every member of `body` is understood; names what holds no text.
pub(super) fn check(endpoint: Endpoint, body: &Node) -> Result<Vec<Category>, NotUnderstood> {
    let mut reader = Reader::default();
    match endpoint {
        Endpoint::ChatCompletions => chat::check(&mut reader, body)?,
        Endpoint::Completions => completions(&mut reader, body)?,
        Endpoint::Embeddings => embeddings(&mut reader, body)?,
        Endpoint::Responses => responses::check(&mut reader, body)?,
    }
    Ok(reader.into_opaque())
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

fn require_text(body: &Node, key: &'static str) -> Result<(), NotUnderstood> {
    match body.get(key) {
        Some(Node::Text(_)) => Ok(()),
        Some(_) => Err(NotUnderstood::new(key, "must be a string")),
        None => Err(NotUnderstood::new(key, "is missing")),
    }
}

#[cfg(test)]
mod tests;
