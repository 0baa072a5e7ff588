//! Splunk's HTTP Event Collector, with indexer acknowledgement if the operator wants it.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Deserialize;

use super::http::{Question, Receiver, excerpt};
use super::webhook::joined;
use super::{Acknowledgement, Item, Refusal, Splunk, TargetError};

/// How long Splunk may take to index a batch, and how often it is asked. It has no event to wait for.
const ASKED: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

/// Codes of Splunk's that are about the events and not about us: no data, invalid data, and the three of a field.
const ABOUT_EVENTS: [i64; 5] = [5, 6, 12, 13, 15];

#[derive(Debug)]
pub(super) struct Collector {
    receiver: Receiver,
    acknowledgement: Acknowledgement,
    channel: String,
}

#[derive(Deserialize)]
struct Taken {
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

#[derive(Deserialize)]
struct Refused {
    code: i64,
}

#[derive(Deserialize)]
struct Acks {
    acks: std::collections::BTreeMap<String, bool>,
}

impl Collector {
    pub(super) fn new(target: Splunk) -> Result<Self, TargetError> {
        let mut receiver = Receiver::new(target.http)?;
        receiver.add_secret(AUTHORIZATION, "Splunk ", target.token);
        Ok(Self { receiver, acknowledgement: target.acknowledgement, channel: channel() })
    }

    pub(super) async fn send(&mut self, batch: &[Item]) -> Result<(), Refusal> {
        let body = Bytes::from(joined(batch, "", "\n", "\n"));
        let answer = self.post("/services/collector/event", body).await.map_err(about_us)?;
        if self.acknowledgement == Acknowledgement::Request {
            return Ok(());
        }
        let taken: Option<Taken> = serde_json::from_slice(&answer).ok();
        let Some(id) = taken.and_then(|taken| taken.ack_id) else {
            return Err(Refusal::later(
                "Splunk gave no ackId: switch on indexer acknowledgement for the token",
            ));
        };
        self.indexed(id).await
    }

    async fn indexed(&mut self, id: u64) -> Result<(), Refusal> {
        for _ in 0..ASKED {
            let body = Bytes::from(format!("{{\"acks\":[{id}]}}"));
            // What Splunk says to this question is never about a record.
            let answer =
                self.post("/services/collector/ack", body).await.map_err(|refusal| match refusal {
                    Refusal::Content(said) => Refusal::later(said),
                    other => other,
                })?;
            let acks: Acks = serde_json::from_slice(&answer)
                .map_err(|_no_acks| Refusal::later(format_args!("no acks in: {}", excerpt(&answer))))?;
            if acks.acks.get(&id.to_string()) == Some(&true) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Refusal::later("Splunk has not indexed the batch in time"))
    }

    async fn post(&mut self, path: &str, body: Bytes) -> Result<Bytes, Refusal> {
        let channel = HeaderValue::from_str(&self.channel).expect("hexadecimal digits and hyphens");
        let headers = vec![(HeaderName::from_static("x-splunk-request-channel"), channel)];
        let question = Question { path: path.to_owned(), content_type: "application/json", headers, body };
        self.receiver.post(question).await.map(|answer| answer.body)
    }
}

/// Splunk answers 400 to a wrong index or channel as well, for which no record is to blame.
fn about_us(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Content(said) => {
            let json = said.split_once(": ").map_or("", |(_status, body)| body);
            match serde_json::from_str::<Refused>(json) {
                Ok(refused) if !ABOUT_EVENTS.contains(&refused.code) => Refusal::later(said),
                _ => Refusal::Content(said),
            }
        }
        other => other,
    }
}

/// A random UUID of version 4.
fn channel() -> String {
    let mut random = [0; 16];
    // Without randomness any channel does: it only has to differ from other senders'.
    let _filled = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
