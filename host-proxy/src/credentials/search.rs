//! Taking secrets out of answers: a server that repeats what it was sent would hand the credential to the guest.
//!
//! A secret is replaced byte for byte, so that announced lengths hold. It is found as it is, as a query or JSON writes
//! it, and inside Base64 wherever it begins there. A server that writes it in yet another way is not caught, which
//! is why a credential should be bound to the paths that need it.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use memchr::memmem;
use zeroize::{Zeroize, Zeroizing};

use super::carrier::percent_encoded;

/// What stands in an answer in a secret's stead.
const MASK: u8 = b'*';

/// Shortest text by which a secret is told.
const SHORTEST: usize = 8;

/// Everything by which the secrets of a sandbox can be told.
#[derive(Default)]
pub(super) struct Traces(Vec<Zeroizing<Vec<u8>>>);

/// Goes over one answer, piece by piece.
#[derive(Debug)]
pub struct Search {
    traces: Arc<Traces>,
    /// The end of what came, in which a secret may have begun.
    kept: Zeroizing<Vec<u8>>,
    found: u64,
}

impl Traces {
    /// Adds a text and the ways in which it may be written.
    pub(super) fn add(&mut self, text: &str) {
        let mut ways = BTreeSet::from([text.to_owned(), percent_encoded(text), text.replace('/', "\\/")]);
        ways.insert(serde_json::Value::from(text).to_string().trim_matches('"').to_owned());
        for begins_at in 0..3 {
            let plain = Zeroizing::new([&[0; 3][..begins_at], text.as_bytes()].concat());
            // Only characters that no neighbour has a part in.
            let inner = (begins_at * 8).div_ceil(6)..plain.len() * 8 / 6;
            for mut encoded in [STANDARD_NO_PAD.encode(&*plain), URL_SAFE_NO_PAD.encode(&*plain)] {
                ways.insert(encoded[inner.clone()].to_owned());
                encoded.zeroize();
            }
        }
        let long = ways.into_iter().filter(|way| way.len() >= SHORTEST).map(String::into_bytes);
        self.0.extend(long.map(Zeroizing::new));
        // What holds another one is masked first.
        self.0.sort_by_key(|trace| std::cmp::Reverse(trace.len()));
    }

    /// Masks every trace; how many there were.
    fn mask(&self, text: &mut [u8]) -> u64 {
        let mut found = 0;
        for trace in &self.0 {
            while let Some(at) = memmem::find(text, trace) {
                text[at..at + trace.len()].fill(MASK);
                found += 1;
            }
        }
        found
    }

    fn stand_in(&self, text: &[u8]) -> bool {
        self.0.iter().any(|trace| memmem::find(text, trace).is_some())
    }

    /// How much of the end of `text` may be the beginning of a trace.
    fn beginning_at_end(&self, text: &[u8]) -> usize {
        let longest = self.0.first().map_or(0, |trace| trace.len() - 1).min(text.len());
        let begins = |length: &usize| {
            let end = &text[text.len() - length..];
            self.0.iter().any(|trace| trace.len() > *length && trace.starts_with(end))
        };
        (1..=longest).rev().find(begins).unwrap_or_default()
    }
}

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Search {
    pub(super) fn new(traces: Arc<Traces>) -> Self {
        Self { traces, kept: Zeroizing::default(), found: 0 }
    }

    /// Whether a body with these fields can be searched.
    pub fn can_read(fields: &HeaderMap) -> bool {
        let plain = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
        fields.get_all(header::CONTENT_ENCODING).iter().all(plain)
    }

    /// Takes secrets out of fields.
    pub fn fields(&mut self, fields: &mut HeaderMap) {
        for value in fields.values_mut() {
            if self.traces.stand_in(value.as_bytes()) {
                let mut text = value.as_bytes().to_vec();
                self.found += self.traces.mask(&mut text);
                *value = HeaderValue::from_bytes(&text).expect("a mask is visible ASCII");
            }
        }
    }

    /// What of the body can go on now; nothing, if all of it may be the beginning of a secret.
    pub fn piece(&mut self, data: Bytes) -> Bytes {
        if self.kept.is_empty() && !self.traces.stand_in(&data) && self.traces.beginning_at_end(&data) == 0 {
            return data;
        }
        let mut text = std::mem::take(&mut *self.kept);
        text.extend_from_slice(&data);
        self.found += self.traces.mask(&mut text);
        let goes_on = text.len() - self.traces.beginning_at_end(&text);
        *self.kept = text.split_off(goes_on);
        Bytes::from(text)
    }

    /// What is left at the body's end.
    pub fn end(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.kept))
    }

    /// How many secrets were taken out.
    pub fn found(&self) -> u64 {
        self.found
    }
}
