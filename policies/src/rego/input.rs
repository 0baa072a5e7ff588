//! A request as a module sees it.

use std::collections::BTreeMap;

use regorus::Value;
use wire::subject::{Program, Subject};

use crate::condition::parameters;
use crate::evaluate::Request;
use crate::pattern::binary::DIRECTORIES;

/// One `input` for each program that holds the socket; none, if it is not known.
pub(crate) fn of(request: &Request<'_>) -> Vec<Value> {
    let Subject::Owners(owners) = request.subject else { return Vec::new() };
    let shared = shared(request, owners);
    owners
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
        .collect()
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
