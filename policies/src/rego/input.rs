//! A request as a module sees it.

use std::collections::BTreeMap;

use regorus::Value;
use wire::subject::{Program, Subject};

use crate::evaluate::Request;
use crate::parameter::parameters;
use crate::pattern::binary::DIRECTORIES;

/// Longest path of a program or a script that a module is asked about, in bytes.
pub(super) const PROGRAM: usize = 4096;
/// Programs that hold one socket.
pub(super) const PROGRAMS: usize = 64;
/// Longest path, in bytes.
pub(super) const PATH: usize = 8192;
/// Longest query.
pub(super) const QUERY: usize = 8192;
/// Names and values of all header fields together.
pub(super) const HEADERS: usize = 32 * 1024;
/// Header fields, and parameters of the query.
pub(super) const FIELDS: usize = 128;
/// Longest host and method.
const NAME: usize = 255;
const METHOD: usize = 63;

/// The request is longer than a module can be asked about in its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// One `input` for each program that holds the socket; none, if it is not known.
pub(crate) fn of(request: &Request<'_>) -> Result<Vec<Value>, TooLong> {
    let Subject::Owners(owners) = request.subject else { return Ok(Vec::new()) };
    check(request, owners)?;
    let shared = shared(request, owners);
    let inputs = owners
        .iter()
        .map(|owner| {
            let mut fields = shared.clone();
            put(&mut fields, "binary", name(owner));
            put(&mut fields, "binary_path", owner.path.as_str());
            if let Some(script) = &owner.script {
                put(&mut fields, "script", script.as_str());
            }
            if let Some(digest) = owner.sha256 {
                put(&mut fields, "sha256", digest.to_hex());
            }
            Value::from(fields)
        })
        .collect();
    Ok(inputs)
}

/// What [`super::size::of_input`] promises.
fn check(request: &Request<'_>, owners: &[Program]) -> Result<(), TooLong> {
    let (mut fields, mut bytes) = (0, 0);
    request.headers.each(&mut |name, value| {
        fields += 1;
        bytes += name.len() + value.len();
    });
    let long = |owner: &Program| {
        owner.path.len() > PROGRAM || owner.script.as_ref().is_some_and(|script| script.len() > PROGRAM)
    };
    let fits = owners.len() <= PROGRAMS
        && !owners.iter().any(long)
        && request.destination.host.len() <= NAME
        && request.method.len() <= METHOD
        && request.path.len() <= PATH
        && request.query.len() <= QUERY
        && parameters(request.query).count() <= FIELDS
        && fields <= FIELDS
        && bytes <= HEADERS;
    if fits { Ok(()) } else { Err(TooLong) }
}

fn shared(request: &Request<'_>, owners: &[Program]) -> BTreeMap<Value, Value> {
    let mut fields = BTreeMap::new();
    put(&mut fields, "binaries", owners.iter().map(|owner| Value::from(name(owner))).collect::<Vec<_>>());
    put(&mut fields, "host", request.destination.host);
    put(&mut fields, "port", u64::from(request.destination.port));
    put(&mut fields, "method", request.method);
    put(&mut fields, "path", request.path);
    put(&mut fields, "now", request.now.0);
    let mut query = Lists::default();
    parameters(request.query).for_each(|(name, value)| query.add(&name, &value));
    put(&mut fields, "query", query.into_value());
    let mut headers = Lists::default();
    request.headers.each(&mut |name, value| headers.add(name.as_bytes(), value));
    put(&mut fields, "headers", headers.into_value());
    fields
}

/// The file's name if it is where programs are, and otherwise its whole path: a `/tmp/curl` is not `curl`.
fn name(owner: &Program) -> &str {
    match owner.path.rsplit_once('/') {
        Some((directory, file)) if DIRECTORIES.contains(&directory) => file,
        _ => &owner.path,
    }
}

fn put(fields: &mut BTreeMap<Value, Value>, key: &str, value: impl Into<Value>) {
    fields.insert(Value::from(key), value.into());
}

/// Values by name, in the order in which they came.
#[derive(Debug, Default)]
struct Lists(BTreeMap<Value, Vec<Value>>);

impl Lists {
    fn add(&mut self, name: &[u8], value: &[u8]) {
        let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).as_ref());
        self.0.entry(text(name)).or_default().push(text(value));
    }

    fn into_value(self) -> Value {
        Value::from(
            self.0.into_iter().map(|(name, values)| (name, Value::from(values))).collect::<BTreeMap<_, _>>(),
        )
    }
}
