//! Taking secrets out of answers: a server that repeats what it was sent would hand the credential to the guest.
//!
//! A secret is replaced byte for byte, so that announced lengths hold. It is found as it is, as a query or JSON writes
//! it, and inside Base64 wherever it begins there. A server that writes it in yet another way is not caught, which
//! is why a credential should be bound to the paths that need it.
//!
//! *Invariant:* where an answer is cut does not depend on a secret, or the guest could guess one letter by letter. What is held back at
//! the end of a piece is everything after its last control character, which no secret has, up to a secret's length.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use memchr::memmem;
use policies::binding::encoded;
use wire::credential::SECRET_LENGTH;
use zeroize::{Zeroize, Zeroizing};

/// What stands in an answer in a secret's stead.
const MASK: u8 = b'*';

/// Shortest text by which a secret is told.
const SHORTEST: usize = *SECRET_LENGTH.start();

/// For how many replacements a secret is still looked for: those of before may be valid for a while, and a server may
/// have kept them.
const REMEMBERED: u32 = 16;

/// Everything by which the secrets of a sandbox can be told, those of before included.
#[derive(Debug, Default)]
pub(super) struct Known(RwLock<Arc<Traces>>);

/// Texts by which secrets can be told, the longest first.
#[derive(Clone, Default)]
pub(super) struct Traces(Vec<Trace>);

#[derive(Clone)]
struct Trace {
    text: Zeroizing<Vec<u8>>,
    /// How often the credentials were replaced since.
    age: u32,
}

/// Goes over one answer, piece by piece.
pub struct Search {
    known: Arc<Known>,
    /// The end of what came, in which a secret may have begun.
    kept: Zeroizing<Vec<u8>>,
    found: u64,
    /// Whether only answers that say what was wrong are searched.
    errors_only: bool,
}

impl Known {
    /// Adds the traces of new secrets to those of before.
    pub(super) fn learn(&self, new: Traces) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = |trace: &Trace| new.0.iter().any(|other| other.text == trace.text);
        let before = known.0.iter().filter(|trace| trace.age < REMEMBERED && !is_new(trace));
        let before: Vec<Trace> = before.map(|trace| Trace { age: trace.age + 1, ..trace.clone() }).collect();
        let mut all = Traces([new.0, before].concat());
        // What holds another one is masked first.
        all.0.sort_by_key(|trace| std::cmp::Reverse(trace.text.len()));
        *known = Arc::new(all);
    }

    fn now(&self) -> Arc<Traces> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Traces {
    /// Adds a text and the ways in which it may be written.
    pub(super) fn add(&mut self, text: &str) {
        let json = serde_json::Value::from(text).to_string();
        let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(text);
        let mut ways = BTreeSet::from([text.to_owned(), json.to_owned(), json.replace('/', "\\/")]);
        let query = encoded(text);
        ways.extend([query.replace("%20", "+"), lower_escapes(&query), query]);
        // As the encoders of some languages guard JSON that may come to stand in HTML.
        let guarded = ['<', '>', '&', '=', '/', '\'', '+'];
        ways.insert(guarded.iter().fold(json.to_owned(), |json, mark| {
            json.replace(*mark, &format!("\\u{:04x}", u32::from(*mark)))
        }));
        ways.insert(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"));
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
        self.0.extend(long.map(|text| Trace { text: Zeroizing::new(text), age: 0 }));
    }

    /// Masks every trace; how many there were.
    fn mask(&self, text: &mut [u8]) -> u64 {
        let mut found = 0;
        for Trace { text: trace, .. } in &self.0 {
            let mut from = 0;
            while let Some(at) = memmem::find(&text[from..], trace) {
                text[from + at..from + at + trace.len()].fill(MASK);
                from += at + trace.len();
                found += 1;
            }
        }
        found
    }

    fn stand_in(&self, text: &[u8]) -> bool {
        self.0.iter().any(|trace| memmem::find(text, &trace.text).is_some())
    }

    /// How much of the end of `text` is held back.
    fn held_back(&self, text: &[u8]) -> usize {
        let longest = self.0.first().map_or(0, |trace| trace.text.len() - 1);
        text.iter().rev().take(longest).take_while(|byte| !byte.is_ascii_control()).count()
    }
}

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Without what it holds back.
impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("found", &self.found).finish_non_exhaustive()
    }
}

impl Search {
    pub(super) fn new(known: Arc<Known>) -> Self {
        Self { known, kept: Zeroizing::default(), found: 0, errors_only: false }
    }

    /// A search of answers to signed requests: the key itself never went out, and what went beside it is repeated only by
    /// a service that does not take it. Everything else may be large, compressed and in parts.
    pub(super) fn of_errors(known: Arc<Known>) -> Self {
        Self { errors_only: true, ..Self::new(known) }
    }

    /// Whether an answer of this status is searched.
    pub fn concerns(&self, status: StatusCode) -> bool {
        !self.errors_only || status.is_client_error() || status.is_server_error()
    }

    /// Whether a body with these fields can be searched.
    pub fn can_read(fields: &HeaderMap) -> bool {
        let plain = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
        fields.get_all(header::CONTENT_ENCODING).iter().all(plain)
    }

    /// Takes secrets out of fields.
    pub fn fields(&mut self, fields: &mut HeaderMap) {
        let traces = self.known.now();
        for value in fields.values_mut() {
            if traces.stand_in(value.as_bytes()) {
                let mut text = value.as_bytes().to_vec();
                self.found += traces.mask(&mut text);
                *value = HeaderValue::from_bytes(&text).expect("a mask is visible ASCII");
            }
        }
    }

    /// What of the body can go on now; nothing, if all of it is held back.
    pub fn piece(&mut self, mut data: Bytes) -> Bytes {
        let traces = self.known.now();
        if self.kept.is_empty() && !traces.stand_in(&data) {
            let kept = data.split_off(data.len() - traces.held_back(&data));
            self.kept.extend_from_slice(&kept);
            return data;
        }
        let mut text = std::mem::take(&mut *self.kept);
        text.extend_from_slice(&data);
        self.found += traces.mask(&mut text);
        let goes_on = text.len() - traces.held_back(&text);
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

/// Escapes of a query in small letters.
fn lower_escapes(query: &str) -> String {
    let mut parts = query.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.push_str(&format!("%{}{rest}", digits.to_ascii_lowercase()));
    }
    lower
}
