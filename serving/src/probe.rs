//! Whether a server answers: by a completion, because a server that says that it is well may have lost its model, its GPU
//! or its patience.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use crate::dial::{DialError, Target, dial};

/// The largest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// Tokens that are asked for: a model that thinks before it speaks says something within them too.
const TOKENS: u32 = 16;

/// Why a server does not count as one that answers.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    /// It cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It breaks off.
    #[error("it broke off")]
    Broken(#[source] hyper::Error),
    /// It refuses.
    #[error("it answers with status {0}")]
    Status(StatusCode),
    /// What it says is no completion.
    #[error("its answer is no completion")]
    Strange,
    /// It takes too long.
    #[error("no answer within {0} s")]
    TooSlow(u64),
}

/// Asks for a completion.
///
/// # Errors
/// There is none: why.
pub async fn probe(target: Target, model: &str, limit: Duration) -> Result<(), Silence> {
    let answer = tokio::time::timeout(limit, ask(target, model)).await;
    answer.unwrap_or(Err(Silence::TooSlow(limit.as_secs())))
}

async fn ask(target: Target, model: &str) -> Result<(), Silence> {
    let stream = dial(target).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Silence::Broken)?;
    let question = json!({
        "model": model, "max_tokens": TOKENS, "temperature": 0, "stream": false,
        "messages": [{"role": "user", "content": "Answer with the word yes."}],
    });
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/chat/completions")
        .header(header::HOST, target.address().to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(question.to_string())));
    let Ok(request) = request else { return Err(Silence::Strange) };
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(Silence::Broken)?;
        let status = answer.status();
        if status != StatusCode::OK {
            return Err(Silence::Status(status));
        }
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        let Ok(body) = body else { return Err(Silence::Strange) };
        if is_completion(&body.to_bytes()) { Ok(()) } else { Err(Silence::Strange) }
    };
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = exchange.as_mut() => answer,
        // A server may close as soon as it has said everything.
        _closed = connection.as_mut() => exchange.await,
    }
}

/// Something was said, thought, or called. With a few tokens a model that reasons has not come to its answer yet.
fn is_completion(body: &[u8]) -> bool {
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return false };
    let message = &document["choices"][0]["message"];
    let is_text = |key: &str| message[key].as_str().is_some_and(|text| !text.is_empty());
    let is_list = |key: &str| message[key].as_array().is_some_and(|list| !list.is_empty());
    is_text("content") || is_text("reasoning_content") || is_text("reasoning") || is_list("tool_calls")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_says_thinks_or_calls_is_a_completion_and_nothing_is_not() {
        for (message, expected) in [
            (r#"{"content": "yes"}"#, true),
            (r#"{"content": null, "reasoning_content": "The user"}"#, true),
            (r#"{"content": "", "reasoning": "The user"}"#, true),
            (r#"{"content": null, "tool_calls": [{"id": "1"}]}"#, true),
            (r#"{"content": ""}"#, false),
            (r#"{"content": null, "reasoning_content": "", "tool_calls": []}"#, false),
        ] {
            let body = format!(r#"{{"choices": [{{"message": {message}}}]}}"#);
            assert_eq!(is_completion(body.as_bytes()), expected, "{message}");
        }
        for body in ["", "ok", r#"{"status": "ok"}"#, r#"{"choices": []}"#, r#"{"error": {"code": 503}}"#] {
            assert!(!is_completion(body.as_bytes()), "{body}");
        }
    }
}
