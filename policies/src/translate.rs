//! The network part of a policy in Rego: [`MODULE`], which is the same for every policy, and data.
//!
//! This is what the compiled matcher is compared with. It follows the tables of the language; only how a query is taken
//! apart, names are folded, slashes unescaped and helpers listed is shared with the matcher, and a mistake there is not
//! seen. Where the two disagree, one of them is wrong. It does not know messages: of a rule that looks into them, it has
//! everything else.
//! The data are indexed by host and port, so an evaluation looks at the rules of one destination only.

mod expression;
mod index;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::Program;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Value};
use serde::Serialize;
use wire::subject::Subject;

use crate::canonical::{WEBSOCKET, with_plain_slashes};
use crate::document::{Document, Effect, Enforcement, HeaderLists, Lists, Query, RuleEntry};
use crate::evaluate::{Policy, Request};
use crate::parameter::{folded, parameters};
use crate::pattern::Side;
use crate::pattern::wildcard::Letters;
use crate::place::At;
use crate::validity::Timestamp;
use crate::yaml::LoadErrors;
use index::HostIndex;

/// The rules' meaning. It reads what [`Translation::data`] writes.
pub const MODULE: &str = include_str!("../rego/decide.rego");

const DECISION: &str = "data.openshell.decide.decision";
/// What a version of a program can be made of.
const VERSION: [char; 11] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '.'];

/// A policy's rules as data.
#[derive(Debug, Default, Serialize)]
pub struct Translation {
    rules: Vec<RuleData>,
    allowing: HostIndex,
    denying: HostIndex,
    programs: Programs,
    /// What two hexadecimal digits after a percent sign stand for.
    unescape: BTreeMap<String, char>,
    /// A host in canonical form.
    canonical: String,
}

/// A rule. What may be absent is a list of at most one.
#[derive(Debug, Serialize)]
struct RuleData {
    name: String,
    grants: bool,
    trial: bool,
    from: Vec<i64>,
    until: Vec<i64>,
    binary: Patterns,
    method: Patterns,
    path: Patterns,
    query: QueryData,
    headers: HeaderData,
}

#[derive(Debug, Default, Serialize)]
struct QueryData {
    allow: Vec<Vec<Pair>>,
    deny: Vec<Pair>,
    max_length: Vec<u32>,
}

#[derive(Debug, Default, Serialize)]
struct HeaderData {
    require: Vec<Pair>,
    deny: Vec<Pair>,
}

/// Regular expressions for a name and its value.
#[derive(Debug, Serialize)]
struct Pair {
    name: String,
    /// In a deny list: for the folded name.
    #[serde(skip_serializing_if = "Option::is_none")]
    folded: Option<String>,
    value: String,
}

/// Regular expressions; of methods, the methods themselves.
#[derive(Debug, Default, Serialize)]
struct Patterns {
    allow: Vec<String>,
    deny: Vec<String>,
}

/// Every program that some rule allows.
#[derive(Debug, Default, Serialize)]
struct Programs {
    /// Names, by what they are without a version.
    by_stem: BTreeMap<String, BTreeSet<String>>,
    paths: BTreeSet<String>,
}

/// What the translation says about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed, by this rule.
    Allow(String),
    /// Allowed by this rule on trial, which would refuse it at this level.
    Trial(String, String),
    /// Denied at this level, by or nearest to this rule.
    Deny(String, Option<String>),
}

impl Verdict {
    /// Whether the request passes.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        !matches!(self, Self::Deny(..))
    }
}

/// The translation in the engine's interpreter.
#[derive(Clone, Debug)]
pub struct Interpreter {
    engine: Engine,
}

/// The translation as a program of the engine's virtual machine.
#[derive(Debug)]
pub struct Machine {
    machine: RegoVM,
}

/// The engine cannot run the translation; a bug of one of them.
#[derive(Debug, thiserror::Error)]
#[error("the rules in Rego cannot be evaluated: {0}")]
pub struct TranslationError(String);

impl Translation {
    /// Translates a document.
    ///
    /// # Errors
    /// Those of [`Policy::compile`].
    pub fn of(document: &Document) -> Result<Self, LoadErrors> {
        Policy::compile(document)?;
        let mut translation = Self {
            unescape: expression::escapes().collect(),
            canonical: expression::canonical_host(),
            ..Self::default()
        };
        for entry in &document.network {
            translation.add(&entry.value);
        }
        Ok(translation)
    }

    /// The data, as JSON.
    ///
    /// # Errors
    /// They cannot be written; a bug.
    pub fn data(&self) -> Result<String, TranslationError> {
        serde_json::to_string(self).map_err(|error| TranslationError(error.to_string()))
    }

    /// Both readers of the translation.
    ///
    /// # Errors
    /// The engine refuses the module or the data; a bug.
    pub fn readers(&self) -> Result<(Interpreter, Machine), TranslationError> {
        let failed = |what: &dyn std::fmt::Display| TranslationError(what.to_string());
        let data = Value::from_json_str(&self.data()?).map_err(|error| failed(&error))?;
        let mut engine = Engine::new();
        engine.add_policy("decide.rego".to_owned(), MODULE.to_owned()).map_err(|error| failed(&error))?;
        engine.add_data(data.clone()).map_err(|error| failed(&error))?;
        let compiled = engine.compile_with_entrypoint(&DECISION.into()).map_err(|error| failed(&error))?;
        let program: Arc<Program> =
            Compiler::compile_from_policy(&compiled, &[DECISION]).map_err(|error| failed(&error))?;
        let mut machine = RegoVM::new();
        machine.load_program(program);
        machine.set_data(data).map_err(|error| failed(&error))?;
        Ok((Interpreter { engine }, Machine { machine }))
    }

    fn add(&mut self, entry: &RuleEntry) {
        let number = self.rules.len();
        // What only denies is read as deny lists are.
        let scope = if entry.effect == Effect::DenyOnly { Side::Deny } else { Side::Allow };
        let destination = texts(entry.destination.as_ref());
        destination.allow.iter().for_each(|text| self.allowing.insert(number, text, scope));
        destination.deny.iter().for_each(|text| self.denying.insert(number, text, Side::Deny));
        let binary = texts(entry.binary.as_ref());
        if entry.effect == Effect::Grant {
            binary.allow.iter().for_each(|text| self.programs.add(text));
        }
        let path = texts(entry.path.as_ref());
        let mut method = texts(entry.method.as_ref());
        // A handshake is sent as a `GET`.
        if method.deny.iter().any(|denied| denied == "GET") {
            method.deny.push(WEBSOCKET.to_owned());
        }
        let all =
            |texts: &[String], side| texts.iter().flat_map(|text| expression::program(text, side)).collect();
        let paths = |texts: &[String], side| {
            let readings = texts.iter().flat_map(|text| [Some(text.clone()), with_plain_slashes(text)]);
            readings.flatten().map(|text| expression::request_path(&text, side)).collect()
        };
        self.rules.push(RuleData {
            name: entry.name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
            grants: entry.effect == Effect::Grant,
            trial: entry.enforcement == Enforcement::Audit,
            from: times(entry.from.as_ref()),
            until: times(entry.until.as_ref()),
            binary: Patterns { allow: all(&binary.allow, scope), deny: all(&binary.deny, Side::Deny) },
            method,
            path: Patterns { allow: paths(&path.allow, Side::Allow), deny: paths(&path.deny, Side::Deny) },
            query: entry.query.as_ref().map(|query| QueryData::of(&query.value)).unwrap_or_default(),
            headers: entry.headers.as_ref().map(|headers| HeaderData::of(&headers.value)).unwrap_or_default(),
        });
    }
}

impl QueryData {
    fn of(query: &Query) -> Self {
        let pairs = |entries: &[At<String>], letters, side| {
            let pair = |entry: &At<String>| Pair::of(&entry.value, '=', (letters, letters), side);
            entries.iter().map(pair).collect::<Vec<_>>()
        };
        let allow = pairs(&query.allow, Letters::Exactly, Side::Allow);
        Self {
            allow: if allow.is_empty() { Vec::new() } else { vec![allow] },
            deny: pairs(&query.deny, Letters::AnyCase, Side::Deny),
            max_length: query.max_length.iter().map(|length| length.value).collect(),
        }
    }
}

impl HeaderData {
    fn of(headers: &HeaderLists) -> Self {
        let pairs = |entries: &[At<String>], letters, side| {
            let pair = |entry: &At<String>| Pair::of(&entry.value, ':', (Letters::AnyCase, letters), side);
            entries.iter().map(pair).collect()
        };
        Self {
            require: pairs(&headers.require, Letters::Exactly, Side::Allow),
            deny: pairs(&headers.deny, Letters::AnyCase, Side::Deny),
        }
    }
}

impl Pair {
    fn of(text: &str, separator: char, (of_name, of_value): (Letters, Letters), side: Side) -> Self {
        let (name, value) = text.split_once(separator).unwrap_or((text, "*"));
        let value = if separator == ':' { value.trim() } else { value };
        let fold = || String::from_utf8_lossy(&folded(name.as_bytes())).into_owned();
        Self {
            name: expression::wildcards(name, of_name),
            folded: (side == Side::Deny).then(|| expression::wildcards(&fold(), of_name)),
            value: expression::wildcards(value, of_value),
        }
    }
}

impl Programs {
    fn add(&mut self, text: &str) {
        for expression in expression::program(text, Side::Allow) {
            // A name's first expression is of the name itself; the others are of its helpers.
            if text.contains('/') || !expression.starts_with("^(?:") {
                self.paths.insert(expression);
            } else {
                let stem = text.trim_end_matches(VERSION).to_owned();
                self.by_stem.entry(stem).or_default().insert(expression);
            }
        }
    }
}

impl Interpreter {
    /// What the rules say about a request.
    ///
    /// # Errors
    /// The evaluation failed; a bug.
    pub fn decide(&self, request: &Request<'_>) -> Result<Verdict, TranslationError> {
        both_readings(request, |request| {
            let mut engine = self.engine.clone();
            engine.set_input(input(request));
            let value = engine.eval_rule(DECISION.to_owned());
            verdict(&value.map_err(|error| TranslationError(error.to_string()))?)
        })
    }
}

impl Machine {
    /// What the rules say about a request.
    ///
    /// # Errors
    /// The evaluation failed; a bug.
    pub fn decide(&mut self, request: &Request<'_>) -> Result<Verdict, TranslationError> {
        both_readings(request, |request| {
            self.machine.set_input(input(request));
            let value = self.machine.execute_entry_point_by_name(DECISION);
            verdict(&value.map_err(|error| TranslationError(error.to_string()))?)
        })
    }
}

/// A path with escaped slashes is asked about twice, and both answers must be yes.
fn both_readings(
    request: &Request<'_>,
    mut ask: impl FnMut(&Request<'_>) -> Result<Verdict, TranslationError>,
) -> Result<Verdict, TranslationError> {
    let first = ask(request)?;
    let Some(plain) = with_plain_slashes(request.path).filter(|_path| first.is_allowed()) else {
        return Ok(first);
    };
    match (first, ask(&Request { path: &plain, ..*request })?) {
        (_, denied @ Verdict::Deny(..)) => Ok(denied),
        (Verdict::Allow(rule), Verdict::Trial(level, _other)) => Ok(Verdict::Trial(level, rule)),
        (first, _) => Ok(first),
    }
}

/// The request as the module's `input`.
fn input(request: &Request<'_>) -> Value {
    let owners = match request.subject {
        Subject::Owners(owners) => owners.iter().map(|owner| Value::from(owner.path.as_str())).collect(),
        Subject::Unknown(_why) => Vec::new(),
    };
    let parameters: Vec<Value> = parameters(request.query).map(|(name, value)| pair(&name, &value)).collect();
    let mut fields = Vec::new();
    request.headers.each(&mut |name, value| fields.push(pair(name.as_bytes(), value)));
    Value::from(BTreeMap::from([
        (Value::from("owners"), Value::from(owners)),
        (Value::from("host"), Value::from(request.destination.host)),
        (Value::from("port"), Value::from(u64::from(request.destination.port))),
        (Value::from("method"), Value::from(request.method)),
        (Value::from("path"), Value::from(request.path)),
        (Value::from("parameters"), Value::from(parameters)),
        (Value::from("query_length"), Value::from(request.query.len())),
        (Value::from("fields"), Value::from(fields)),
        (Value::from("now"), Value::from(request.now.0)),
    ]))
}

fn pair(name: &[u8], value: &[u8]) -> Value {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).as_ref());
    Value::from(vec![text(name), text(value), text(&folded(name))])
}

fn verdict(value: &Value) -> Result<Verdict, TranslationError> {
    let text = |key: &str| value[key].as_string().ok().map(|text| text.to_string());
    match (&value["allow"], text("level"), text("rule")) {
        (Value::Bool(true), None, Some(rule)) => Ok(Verdict::Allow(rule)),
        (Value::Bool(true), Some(level), Some(rule)) => Ok(Verdict::Trial(level, rule)),
        (Value::Bool(false), Some(level), rule) => Ok(Verdict::Deny(level, rule)),
        _ => Err(TranslationError(format!("{value} is not a decision"))),
    }
}

fn times(written: Option<&At<String>>) -> Vec<i64> {
    written.and_then(|time| Timestamp::parse(&time.value).ok()).map(|time| time.0).into_iter().collect()
}

fn texts(lists: Option<&At<Lists>>) -> Patterns {
    let list = |entries: &[At<String>]| entries.iter().map(|entry| entry.value.clone()).collect();
    lists
        .map(|lists| Patterns { allow: list(&lists.value.allow), deny: list(&lists.value.deny) })
        .unwrap_or_default()
}
