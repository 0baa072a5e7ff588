//! Requests of GraphQL over HTTP: which operation is asked for, and which fields of the schema's root it has.
//!
//! A field is what the schema calls it, whatever alias it gets and whichever fragment it stands in; directives that
//! would leave it out are not looked at. `operationName` picks the operation, and every member of a batch is judged.

mod document;
#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

use self::document::Operation;
use super::json::{self, Json};
use super::{About, Finding, Message, Unreadable, Words, check_fields, is_name, worst};
use crate::Request;
use crate::answer::Answer;
use crate::parameter::{folded, parameters};

/// Most members of a batch.
const MOST_MEMBERS: usize = 100;

/// Most fields that a record names.
const MOST_NAMED: usize = 16;

/// Names under which some server takes a query, or the number of one that it keeps, out of a URL.
const OTHER_NAMES: [&str; 10] = [
    "query",
    "operationname",
    "variables",
    "extensions",
    "id",
    "documentid",
    "docid",
    "queryid",
    "doc",
    "hash",
];

/// The level of a rule for such requests.
#[derive(Debug)]
pub(crate) struct Graphql {
    /// `query.viewer`: the kind of the operation, and a field of its root.
    pub(crate) fields: Words,
    /// Names of operations. Any, if nothing is allowed by name.
    pub(crate) names: Words,
    /// SHA-256 of queries that the server keeps, in lower-case hexadecimal.
    pub(crate) persisted: Vec<String>,
    pub(crate) most: u64,
}

/// What one member asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Operation(Operation),
    /// A query that the server keeps, by the SHA-256 of its text.
    Persisted(String),
}

/// One member, taken apart.
#[derive(Debug, Default)]
struct Parts {
    query: Option<String>,
    name: Option<String>,
    extensions: Option<Json>,
}

impl Graphql {
    pub(super) fn find(&self, request: &Request<'_>, message: &Message) -> Finding {
        match asked(request, message) {
            Ok(asked) => worst(asked.iter().map(|asked| self.judge(asked))),
            Err(why) => Finding::Unreadable(why),
        }
    }

    fn judge(&self, asked: &Asked) -> Finding {
        let operation = match asked {
            Asked::Operation(operation) => operation,
            Asked::Persisted(hash) if self.persisted.contains(hash) => return Finding::Allowed,
            // Nobody knows what it asks for, and it may be what is denied.
            Asked::Persisted(_hash) if self.denies_anything() => {
                return Finding::Unreadable(Unreadable::new("it names a query that the server keeps"));
            }
            Asked::Persisted(hash) => {
                return Finding::NotAllowed(About::listed("persisted query", hash, "graphql.persisted"));
            }
        };
        let named = || About::listed("operation", operation.name.as_deref().unwrap_or(""), "graphql.names");
        let by_name = match self.names.answer(operation.name.as_deref().unwrap_or("")) {
            Answer::Denied => Finding::Denied(named()),
            Answer::NotAllowed if !self.names.allow.is_empty() => Finding::NotAllowed(named()),
            _ => Finding::Allowed,
        };
        worst(operation.fields.iter().map(|field| self.field(operation.kind, field)).chain([by_name]))
    }

    fn field(&self, kind: &str, field: &str) -> Finding {
        let entry = format!("{kind}.{field}");
        let about = || About::listed("field", &entry, "graphql.fields");
        // The name of the root itself tells nothing; all else that begins so tells the schema.
        let introspects = field.starts_with("__") && field != "__typename";
        let named = |word: &super::Word| word.matches(&entry) && (!introspects || word.has("__"));
        match self.fields.answer(&entry) {
            Answer::Denied => Finding::Denied(about()),
            _ if field == "__typename" || self.fields.allow.iter().any(named) => Finding::Allowed,
            _ => Finding::NotAllowed(about()),
        }
    }

    pub(super) fn asked(request: &Request<'_>, message: &Message) -> Option<String> {
        let words: Vec<String> = asked(request, message).ok()?.iter().map(Asked::words).collect();
        Some(format!("graphql: {}", words.join("; ")))
    }

    pub(super) fn denies_anything(&self) -> bool {
        !self.fields.deny.is_empty() || !self.names.deny.is_empty()
    }
}

impl Asked {
    fn words(&self) -> String {
        match self {
            Self::Persisted(hash) => format!("persisted {hash}"),
            Self::Operation(Operation { kind, name, fields }) => {
                let name = name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
                let more = if fields.len() > MOST_NAMED { ", …" } else { "" };
                let fields: Vec<&str> = fields.iter().take(MOST_NAMED).map(String::as_str).collect();
                format!("{kind}{name}: {}{more}", fields.join(", "))
            }
        }
    }
}

/// What a request asks for.
fn asked(request: &Request<'_>, message: &Message) -> Result<Vec<Asked>, Unreadable> {
    match request.method {
        "POST" => posted(request, message.body()),
        "GET" if message.body().is_empty() => Ok(vec![parts_of_url(request.query)?.read(Place::Url)?]),
        _ => Err(Unreadable::new("only a POST and a GET without a body ask for something")),
    }
}

/// Where a member stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Body,
    /// There only what changes nothing may stand.
    Url,
}

fn posted(request: &Request<'_>, body: &[u8]) -> Result<Vec<Asked>, Unreadable> {
    check_fields(request)?;
    if parameters(request.query).any(|(name, _value)| means_a_part(&name)) {
        return Err(Unreadable::new("its URL has a part of it, too"));
    }
    match json::read(body)? {
        Json::List(members) if members.is_empty() => Err(Unreadable::new("it is an empty batch")),
        Json::List(members) if members.len() > MOST_MEMBERS => {
            Err(Unreadable::new(format!("it is a batch of more than {MOST_MEMBERS} members")))
        }
        Json::List(members) => {
            members.into_iter().map(|member| parts_of(member)?.read(Place::Body)).collect()
        }
        single => Ok(vec![parts_of(single)?.read(Place::Body)?]),
    }
}

fn parts_of(member: Json) -> Result<Parts, Unreadable> {
    let Json::Map(entries) = member else { return Err(Unreadable::new("it is not an object of GraphQL")) };
    let mut parts = Parts::default();
    for (key, value) in entries {
        match (key.as_str(), value) {
            ("query", Json::Text(text)) => parts.query = Some(text),
            ("operationName", Json::Text(name)) => parts.name = Some(name),
            ("extensions", value @ Json::Map(_)) => parts.extensions = Some(value),
            ("variables", Json::Map(_) | Json::Null) => {}
            ("query" | "operationName" | "extensions", Json::Null) => {}
            ("query" | "operationName" | "extensions" | "variables", _) => {
                return Err(Unreadable::new(format!("its '{key}' is of another type")));
            }
            _ => return Err(Unreadable::new("it has a key that GraphQL over HTTP does not have")),
        }
    }
    Ok(parts)
}

fn parts_of_url(query: &str) -> Result<Parts, Unreadable> {
    let mut parts = Parts::default();
    let (mut extensions, mut variables) = (None, None);
    for (name, value) in parameters(query) {
        let text = || {
            let text = String::from_utf8(value.to_vec());
            text.map_err(|_invalid| Unreadable::new("a part of it in the URL is not UTF-8"))
        };
        let place = match &*name {
            b"query" => &mut parts.query,
            b"operationName" => &mut parts.name,
            b"extensions" => &mut extensions,
            b"variables" => &mut variables,
            other if means_a_part(other) => {
                return Err(Unreadable::new("its URL has a part of it under another name"));
            }
            _ => continue,
        };
        if place.replace(text()?).is_some() {
            return Err(Unreadable::new("its URL has a part of it twice"));
        }
    }
    parts.extensions = extensions.map(|text| json::read(text.as_bytes())).transpose()?;
    if parts.extensions.as_ref().is_some_and(|extensions| extensions.map().is_none()) {
        return Err(Unreadable::new("its 'extensions' are of another type"));
    }
    variables.map(|text| json::read(text.as_bytes())).transpose()?;
    Ok(parts)
}

/// Whether a request may ask for something by its URL alone.
pub(super) fn is_in_url(request: &Request<'_>) -> bool {
    matches!(request.method, "GET" | "HEAD")
        && parameters(request.query).any(|(name, _value)| means_a_part(&name))
}

/// Whether some server takes a parameter of this name for a part of a request.
fn means_a_part(name: &[u8]) -> bool {
    let mut folded = folded(name);
    folded.retain(|byte| *byte != b'_');
    OTHER_NAMES.iter().any(|other| other.as_bytes() == folded)
}

impl Parts {
    fn read(self, place: Place) -> Result<Asked, Unreadable> {
        let hash = self.extensions.as_ref().map(hash_in).transpose()?.flatten();
        let Some(query) = self.query else {
            return hash.map(Asked::Persisted).ok_or_else(|| Unreadable::new("it has no query"));
        };
        // The server keeps it under this name from then on.
        if hash.is_some_and(|hash| hash != hex(&Sha256::digest(query.as_bytes()))) {
            return Err(Unreadable::new("its hash is another query's"));
        }
        let operation = document::operation(&query, self.name.as_deref())?;
        if place == Place::Url && operation.kind != "query" {
            return Err(Unreadable::new("only a query goes by GET"));
        }
        Ok(Asked::Operation(operation))
    }
}

/// The hash of a query that the server keeps.
fn hash_in(extensions: &Json) -> Result<Option<String>, Unreadable> {
    if extensions.has_double_of("persistedQuery") {
        return Err(Unreadable::new("its extensions have one key in two spellings"));
    }
    let Some(persisted) = extensions.get("persistedQuery") else { return Ok(None) };
    let hash = persisted.get("sha256Hash").and_then(Json::text).map(str::to_owned);
    let hash = hash.filter(|hash| is_hash(hash) && !persisted.has_double_of("sha256Hash"));
    hash.map(Some)
        .ok_or_else(|| Unreadable::new("its persisted query has no SHA-256 in lower-case hexadecimal"))
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
