//! A model call as a module sees it: what it is and how much of what it holds, never what it says.

use std::collections::BTreeMap;

use regorus::Value;
use wire::router::{Api, Sensitive};

use super::input::{PROGRAM, PROGRAMS, name};

/// Longest name of a category, and how many of them a module can be told.
pub(super) const CATEGORY: usize = 128;
pub(super) const CATEGORIES: usize = 512;
/// Longest name of a model.
pub(super) const MODEL: usize = 256;
/// Longest name of a server and of a region, and servers of one zone.
pub(super) const SERVER: usize = 255;
pub(super) const REGION: usize = 40;
pub(super) const SERVERS: usize = 16;

/// What a module is told of a call.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Whose call it is.
    pub sandbox: &'a str,
    /// The host that the agent spoke to.
    pub host: &'a str,
    /// What it spoke.
    pub api: Api,
    /// The call's path, such as `chat/completions`.
    pub call: &'a str,
    /// The model asked for.
    pub model: &'a str,
    /// The programs that hold the socket; `None`: not all of them are known.
    pub programs: Option<Vec<Holder<'a>>>,
    /// What was found, and how often.
    pub categories: Vec<(String, u32)>,
    /// What the rules' words make of that; `None`: no data was found.
    pub word: Option<Sensitive>,
    /// Whether the session stays with the local server.
    pub stays: bool,
    /// Size of the body.
    pub bytes: u64,
    /// Tools that the model may use.
    pub tools: u64,
    /// Seconds since 1970.
    pub now: u64,
    /// The servers that may be asked, those that follow the first one too.
    pub local: Vec<Stand<'a>>,
    /// The same of the cloud.
    pub cloud: Vec<Stand<'a>>,
}

/// A program that holds the socket.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// Its path.
    pub path: &'a str,
    /// The script that it runs.
    pub script: Option<&'a str>,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: Option<&'a str>,
}

/// A server.
#[derive(Clone, Debug)]
pub struct Stand<'a> {
    /// Its host.
    pub server: &'a str,
    /// Where it computes; `None`: not known.
    pub region: Option<&'a str>,
    /// The model that it would be asked for.
    pub model: &'a str,
}

/// One `input` for each program that holds the socket. Every field is there, so that no comparison fails for want of one.
pub(super) fn inputs(facts: &Facts<'_>) -> Result<Vec<Value>, Box<str>> {
    let programs = facts.programs.as_ref().filter(|programs| !programs.is_empty());
    let programs = programs.ok_or("not every program that asks is known")?;
    if !fits(facts, programs) {
        return Err("what is known of the call is too long for the budget of a module".into());
    }
    let shared = shared(facts);
    let each = programs.iter().map(|Holder { path, script, sha256 }| {
        let mut fields = shared.clone();
        fields.extend([
            (Value::from("binary"), Value::from(name(path))),
            (Value::from("binary_path"), Value::from(*path)),
            (Value::from("script"), Value::from(script.unwrap_or_default())),
            (Value::from("sha256"), Value::from(sha256.unwrap_or_default())),
        ]);
        Value::from(fields)
    });
    Ok(each.collect())
}

/// What [`super::size::of_input`] promises.
fn fits(facts: &Facts<'_>, programs: &[Holder<'_>]) -> bool {
    let is_short = |holder: &Holder<'_>| {
        let script = holder.script.unwrap_or_default();
        holder.path.len() <= PROGRAM
            && script.len() <= PROGRAM
            && holder.sha256.is_none_or(|sum| sum.len() <= 64)
    };
    let near = |stands: &[Stand<'_>]| {
        let is_short = |stand: &Stand<'_>| {
            let region = stand.region.unwrap_or_default();
            stand.server.len() <= SERVER && region.len() <= REGION && stand.model.len() <= MODEL
        };
        stands.len() <= SERVERS && stands.iter().all(is_short)
    };
    programs.len() <= PROGRAMS
        && programs.iter().all(is_short)
        && facts.sandbox.len() <= 64
        && facts.call.len() <= 64
        && facts.host.len() <= SERVER
        && facts.model.len() <= MODEL
        && facts.categories.len() <= CATEGORIES
        && facts.categories.iter().all(|(name, _count)| name.len() <= CATEGORY)
        && near(&facts.local)
        && near(&facts.cloud)
}

fn shared(facts: &Facts<'_>) -> BTreeMap<Value, Value> {
    let api = match facts.api {
        Api::OpenAi => "openai",
        Api::Anthropic => "anthropic",
    };
    let counts = facts.categories.iter();
    let counts = counts.map(|(name, count)| (Value::from(name.as_str()), Value::from(u64::from(*count))));
    [
        ("sandbox", facts.sandbox.into()),
        ("host", facts.host.into()),
        ("api", api.into()),
        ("call", facts.call.into()),
        ("model", facts.model.into()),
        ("categories", counts.collect::<BTreeMap<_, _>>().into()),
        ("word", facts.word.map_or("none", Sensitive::word).into()),
        ("session", if facts.stays { "stays" } else { "open" }.into()),
        ("bytes", facts.bytes.into()),
        ("tools", facts.tools.into()),
        ("now", facts.now.into()),
        ("local", stands(&facts.local)),
        ("cloud", stands(&facts.cloud)),
    ]
    .map(|(key, value): (&str, Value)| (Value::from(key), value))
    .into()
}

fn stands(stands: &[Stand<'_>]) -> Value {
    let each = stands.iter().map(|Stand { server, region, model }| {
        let fields = [("server", *server), ("region", region.unwrap_or_default()), ("model", *model)];
        let fields = fields.map(|(key, text)| (Value::from(key), Value::from(text)));
        Value::from(BTreeMap::from(fields))
    });
    Value::from(each.collect::<Vec<_>>())
}
