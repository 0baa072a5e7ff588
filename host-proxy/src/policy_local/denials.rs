//! The last denials of the sandbox, for its agent to read: each is in the audit log too.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use audit::{Event, Subject};
use serde::Serialize;

use crate::clock::now;
use crate::refusal::{Refusal, Stopped};

/// How many are kept.
const MOST: usize = 64;

/// Longest text that is kept, in bytes.
const LONGEST: usize = 1024;

/// The last denials, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<VecDeque<Denied>>);

/// One denial.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Denied {
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    time: String,
    level: Stopped,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    error: String,
    hint: String,
    binary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// Of a name that was not answered: the type of its record.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl Denials {
    /// Keeps what was recorded.
    pub(crate) fn keep(&self, event: &Event, refusal: &Refusal) {
        let object = event.object.as_ref();
        let denied = Denied {
            request_id: event.request.as_ref().map(ToString::to_string),
            time: now().to_string(),
            level: refusal.level,
            rule: refusal.rule.as_ref().map(|rule| cut(&rule.name)),
            error: cut(&refusal.error),
            hint: cut(&refusal.hint),
            binary: event.subject.as_ref().map(binary).unwrap_or_default(),
            host: object.and_then(|object| object.host.as_deref()).map(cut),
            port: object.and_then(|object| object.port),
            method: object.and_then(|object| object.method.as_deref()).map(cut),
            path: object.and_then(|object| object.path.as_deref()).map(cut),
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == MOST {
            kept.pop_front();
        }
        kept.push_back(denied);
    }

    /// What is kept, the latest first.
    pub(crate) fn latest(&self) -> Vec<Denied> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

fn binary(subject: &Subject) -> String {
    match subject {
        Subject::Owners(owners) => {
            let mut paths: Vec<&str> = owners.iter().map(|owner| owner.binary.as_str()).collect();
            paths.dedup();
            cut(&paths.join(", "))
        }
        Subject::Unknown(_) => "unknown".to_owned(),
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST)].to_owned()
}

#[cfg(test)]
mod tests {
    use audit::{Action, Object};

    use super::*;

    #[test]
    fn the_last_are_kept_and_their_texts_are_bounded() {
        let denials = Denials::default();
        for number in 0..MOST * 2 {
            let object = Object::destination(&format!("n{number}.example"), 443);
            let path = "/é".repeat(3000);
            let object = Some(object.with_request("GET", &path, Some("secret=1")));
            let event = Event { object, ..Event::new(Action::NetworkRequest) };
            denials.keep(&event, &Refusal::unnamed("not allowed".to_owned()));
        }
        let kept = denials.latest();
        assert_eq!((kept.len(), kept[0].host.as_deref()), (MOST, Some("n127.example")));
        let text = serde_json::to_string(&kept).unwrap();
        assert!(text.len() < MOST * LONGEST * 2 && !text.contains("secret"), "{}", text.len());
    }
}
