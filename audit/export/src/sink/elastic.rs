//! Elasticsearch's bulk interface. A document's id is its record's hash: what comes twice is there once.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use serde::Deserialize;

use super::http::{Question, Receiver, excerpt};
use super::{Elastic, Item, Refusal, TargetError};

#[derive(Debug)]
pub(super) struct Bulk {
    receiver: Receiver,
    path: String,
}

#[derive(Deserialize)]
struct Answer {
    errors: bool,
    #[serde(default)]
    items: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    create: Created,
}

#[derive(Deserialize)]
struct Created {
    status: u16,
    #[serde(default)]
    error: Reason,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reason {
    reason: String,
}

impl Bulk {
    pub(super) fn new(target: Elastic) -> Result<Self, TargetError> {
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        if target.index.is_empty() || !target.index.bytes().all(is_name) {
            return Err(TargetError::Url(target.index));
        }
        let mut receiver = Receiver::new(target.http)?;
        if let Some(key) = target.api_key {
            receiver.add_secret(AUTHORIZATION, "ApiKey ", key);
        }
        let path = format!("/{}/_bulk?filter_path=errors,items.*.status,items.*.error.reason", target.index);
        Ok(Self { receiver, path })
    }

    pub(super) async fn send(&mut self, batch: &[Item]) -> Result<(), Refusal> {
        let mut body = Vec::new();
        for item in batch {
            body.extend_from_slice(format!("{{\"create\":{{\"_id\":\"{}\"}}}}\n", item.hash).as_bytes());
            body.extend_from_slice(&item.content);
            body.push(b'\n');
        }
        let question = Question {
            path: self.path.clone(),
            content_type: "application/x-ndjson",
            headers: Vec::new(),
            body: Bytes::from(body),
        };
        let answer = self.receiver.post(question).await?;
        sort(&answer.body, batch.len())
    }
}

/// What became of each document.
fn sort(body: &[u8], length: usize) -> Result<(), Refusal> {
    let unclear = || Refusal::later(format_args!("not an answer to a bulk request: {}", excerpt(body)));
    let answer: Answer = serde_json::from_slice(body).map_err(|_other| unclear())?;
    if !answer.errors {
        return Ok(());
    }
    if answer.items.len() != length {
        return Err(unclear());
    }
    let mut refused = Vec::new();
    for (index, Outcome { create: Created { status, error } }) in answer.items.into_iter().enumerate() {
        let said = format!("{status}: {}", excerpt(error.reason.as_bytes()));
        match status {
            // 409: it has it already.
            200..=299 | 409 => {}
            400 | 413 | 422 => refused.push((index, said)),
            // Those that were taken meanwhile are known by their ids.
            _ => return Err(Refusal::later(said)),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Refusal::Records(refused)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_has_its_own_outcome() {
        assert_eq!(sort(br#"{"errors":false}"#, 2), Ok(()));
        let items = |second: &str| {
            format!(r#"{{"errors":true,"items":[{{"create":{{"status":201}}}},{{"create":{second}}}]}}"#)
        };
        assert_eq!(sort(items(r#"{"status":409,"error":{"reason":"exists"}}"#).as_bytes(), 2), Ok(()));
        assert_eq!(
            sort(items(r#"{"status":400,"error":{"reason":"no date"}}"#).as_bytes(), 2),
            Err(Refusal::Records(vec![(1, "400: no date".to_owned())]))
        );
        for later in
            [&items(r#"{"status":429}"#), "{}", "<html>", &items(r#"{"status":201}"#).replace("true", "1")]
        {
            assert!(matches!(sort(later.as_bytes(), 2), Err(Refusal::Later { .. })), "{later}");
        }
        assert!(matches!(sort(items(r#"{"status":400}"#).as_bytes(), 3), Err(Refusal::Later { .. })));
    }
}
