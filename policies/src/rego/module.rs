//! One Rego module, from text to verdict.
//!
//! ```text
//! text ──source──► bounded text ──engine's parser──► syntax tree ──lint──► Module ──ask──► Opinion
//! ```
//! *Invariant:* whatever the module does, [`Module::ask`] returns, and only a plain `true` is a yes.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError, Value};

use super::lint::{self, Learned};
use super::source::Source;
use super::{Mistake, guard, numbers};
use crate::document::RegoMode as Mode;

/// Time that all modules have for one decision.
pub(crate) const BUDGET: Duration = Duration::from_millis(50);
/// Steps between two looks at the time. Each step is bounded by [`super::growth`], and the next can take as
/// long as all before it together.
const STEPS: NonZeroU32 = NonZeroU32::MIN;
/// The parser and what walks its tree recurse once for each term of a sum.
const PARSER_STACK: usize = 128 * 1024 * 1024;
/// How the parser calls the text; it stands before the place in its messages.
const FILE: &str = "module";
const LONGEST_CAUSE: usize = 200;

/// A module that may be asked.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    engine: Engine,
    allow: String,
    /// The path of the rule `deny`, if there is one.
    deny: Option<String>,
}

/// What a module says about one request of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opinion {
    Yes,
    /// `allow` is false, or has no value.
    No,
    /// `deny` is true or a set of messages, of which this is the first.
    Denied(Option<Box<str>>),
    /// Something else than true or false came out of a rule.
    NotBoolean(&'static str),
    /// An error.
    Failed(Box<str>),
    /// The time was up.
    Overrun,
    /// A bug of the engine.
    Panicked,
}

impl Module {
    pub(crate) fn load(text: &str, mode: Mode) -> Result<Self, Vec<Mistake>> {
        let source = Source::read(text).map_err(|mistake| vec![mistake])?;
        let read = || guard::contained(|| read(&source, mode));
        let parsed = std::thread::scope(|scope| {
            let reader = std::thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, read);
            reader.map(|reader| reader.join().ok().flatten())
        });
        match parsed {
            Ok(Some(module)) => module,
            Ok(None) => Err(vec![Mistake::new(0, 0, "the Rego engine failed on this module", "simplify it")]),
            Err(error) => {
                let reason = format!("the module cannot be read: {error}");
                Err(vec![Mistake::new(0, 0, reason, "let the process start a thread")])
            }
        }
    }

    /// Asks about one request. `deadline` is shared by everybody who is asked about it.
    pub(crate) fn ask(&self, input: Value, deadline: Instant) -> Opinion {
        guard::contained(|| self.evaluate(input, deadline)).unwrap_or(Opinion::Panicked)
    }

    fn evaluate(&self, input: Value, deadline: Instant) -> Opinion {
        let mut engine = self.engine.clone();
        engine.set_input(input);
        let allowed = match value(&mut engine, &self.allow, deadline) {
            Ok(Value::Bool(allowed)) => allowed,
            Ok(Value::Undefined) => false,
            Ok(_other) => return Opinion::NotBoolean("allow"),
            Err(opinion) => return opinion,
        };
        let denied = self.deny.as_ref().map(|deny| value(&mut engine, deny, deadline));
        match denied {
            Some(Err(opinion)) => opinion,
            Some(Ok(Value::Bool(true))) => Opinion::Denied(None),
            Some(Ok(Value::Set(messages))) if !messages.is_empty() => {
                let text = messages.iter().find_map(|message| message.as_string().ok());
                Opinion::Denied(text.map(|text| one_line(text).into()))
            }
            None | Some(Ok(Value::Bool(false) | Value::Undefined | Value::Set(_))) if allowed => Opinion::Yes,
            None | Some(Ok(Value::Bool(false) | Value::Undefined | Value::Set(_))) => Opinion::No,
            Some(Ok(_other)) => Opinion::NotBoolean("deny"),
        }
    }
}

/// Parses and checks, in whichever version of the language the text is.
fn read(source: &Source, mode: Mode) -> Result<Module, Vec<Mistake>> {
    let mut engine = match (parse(source, Version::One), parse(source, Version::Zero)) {
        (Ok(engine), _) | (_, Ok(engine)) => engine,
        // The author meant version 1 if its keywords are there.
        (Err(one), Err(zero)) => {
            let mut words = source.text.split(|c: char| !c.is_ascii_alphanumeric());
            let modern = words.any(|word| word == "if" || word == "contains");
            return Err(vec![if modern { one } else { zero }]);
        }
    };
    let tree = tree(&engine).map_err(|mistake| vec![mistake])?;
    let (package, Learned { has_deny }) = lint::check(&tree, mode, &source.text).map_err(|mut found| {
        found.iter_mut().for_each(|mistake| mistake.column = source.column(mistake.line, mistake.column));
        found
    })?;
    let (allow, deny) = (format!("{package}.allow"), format!("{package}.deny"));
    let compiled = engine.compile_with_entrypoint(&allow.as_str().into());
    compiled.map_err(|error| vec![explain(source, &error.to_string())])?;
    Ok(Module { engine, allow, deny: has_deny.then_some(deny) })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Zero,
    One,
}

fn parse(source: &Source, version: Version) -> Result<Engine, Mistake> {
    let mut engine = Engine::new();
    engine.set_rego_v0(version == Version::Zero);
    engine.set_strict_builtin_errors(true);
    engine.set_gather_prints(true);
    numbers::replace_parser(&mut engine)
        .map_err(|error| Mistake::new(0, 0, error.to_string(), "report this"))?;
    match engine.add_policy(FILE.to_owned(), source.text.clone()) {
        Ok(_package) => Ok(engine),
        Err(error) => Err(explain(source, &error.to_string())),
    }
}

fn tree(engine: &Engine) -> Result<serde_json::Value, Mistake> {
    let deep = || Mistake::new(0, 0, "an expression is nested too deeply", "split it into several rules");
    let text = engine.get_ast_as_json().map_err(|_error| deep())?;
    serde_json::from_str(&text).map_err(|_error| deep())
}

/// One rule's value.
fn value(engine: &mut Engine, rule: &str, deadline: Instant) -> Result<Value, Opinion> {
    let limit = deadline.saturating_duration_since(Instant::now());
    if limit.is_zero() {
        return Err(Opinion::Overrun);
    }
    engine.set_execution_timer_config(ExecutionTimerConfig { limit, check_interval: STEPS });
    engine.eval_rule(rule.to_owned()).map_err(|error| {
        // In some places the engine keeps of its own error the words alone.
        if error.chain().any(|cause| cause.is::<LimitError>()) || Instant::now() >= deadline {
            return Opinion::Overrun;
        }
        Opinion::Failed(message(&error.to_string()).into())
    })
}

/// The engine's complaint, with its place.
fn explain(source: &Source, complaint: &str) -> Mistake {
    let marked = complaint.lines().find_map(|line| line.trim().strip_prefix("--> "));
    let mut numbers = marked.unwrap_or_default().rsplit(':').map_while(|number| number.parse::<u64>().ok());
    let (column, line) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let remedy = "correct the Rego at this place";
    Mistake::new(line, source.column(line, column), message(complaint), remedy)
}

/// What the engine says, without the quoted source.
fn message(complaint: &str) -> String {
    one_line(complaint.rsplit_once("error: ").map_or(complaint, |(_place, message)| message))
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(LONGEST_CAUSE).collect()
}
