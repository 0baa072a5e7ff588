//! Modules of an operator's that say where a model call may go: each has a rule `route`, and of all that they say the
//! strictest word holds.
//!
//! They are told what a call is and how much of what it holds, never what it says: [`Facts`] has no field for it.
//! *Invariant:* whatever a module does, [`RouteModules::ask`] returns, and what is no word counts as `block`.

use std::time::Instant;

use regorus::{Engine, Value};
use wire::router::{RegoModule, Sensitive};

pub use super::facts::{Facts, Holder, Stand};
use super::module::{BUDGET, Loaded, Opinion, value};
use super::{Asked, MAX_MODULES, MAX_NAME, Mistake, facts, guard, is_name};

/// The operator's modules, in their order.
#[derive(Debug, Default)]
pub struct RouteModules(Vec<RouteModule>);

#[derive(Debug)]
struct RouteModule {
    name: String,
    engine: Engine,
    /// The path of its rule `route`.
    route: String,
}

/// Something wrong with a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMistake {
    /// Which module, from 0.
    pub index: usize,
    /// Line and column in its text, from 1; `None`: nowhere in particular.
    pub at: Option<(u64, u64)>,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

/// What the modules say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling<'a> {
    /// The first module that says the strictest word.
    pub module: &'a str,
    /// The word.
    pub word: Sensitive,
    /// Why the module said none, and so counts as the strictest.
    pub failure: Option<Box<str>>,
}

/// Why there is no word.
type NoWord = Box<str>;

impl RouteModules {
    /// Reads and checks modules.
    ///
    /// # Errors
    /// The first mistake in one of them.
    pub fn load(modules: &[RegoModule]) -> Result<Self, RouteMistake> {
        let mut read: Vec<RouteModule> = Vec::new();
        for (index, RegoModule { name, text }) in modules.iter().enumerate() {
            let wrong = |reason: String, remedy: &str| RouteMistake {
                index,
                at: None,
                reason,
                remedy: remedy.to_owned(),
            };
            if index == MAX_MODULES {
                return Err(wrong(
                    format!("there are more than {MAX_MODULES} modules"),
                    "put several into one",
                ));
            }
            if !is_name(name) {
                let reason = format!("a module's name has 1 to {MAX_NAME} letters, digits, '-', '_' or '.'");
                return Err(wrong(reason, "write a short name"));
            }
            if read.iter().any(|known| known.name == *name) {
                let reason = format!("a module named '{name}' stands above already");
                return Err(wrong(reason, "give each module its own name"));
            }
            let loaded = Loaded::load(text, Asked::Word).map_err(|found| first(index, name, found))?;
            let route = format!("{}.route", loaded.package);
            read.push(RouteModule { name: name.clone(), engine: loaded.engine, route });
        }
        Ok(Self(read))
    }

    /// Whether there is nobody to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Asks every module about every program that holds the socket; `None`: there is no module.
    #[must_use]
    pub fn ask(&self, facts: &Facts<'_>) -> Option<Ruling<'_>> {
        let (inputs, deadline) = (facts::inputs(facts), Instant::now() + BUDGET);
        let mut strictest: Option<Ruling<'_>> = None;
        for module in &self.0 {
            let ruling = module.ask(&inputs, deadline);
            if strictest.as_ref().is_none_or(|known| ruling.word > known.word) {
                strictest = Some(ruling);
            }
            if strictest.as_ref().is_some_and(|known| known.word == Sensitive::Block) {
                break;
            }
        }
        strictest
    }
}

impl RouteModule {
    fn ask(&self, inputs: &Result<Vec<Value>, NoWord>, deadline: Instant) -> Ruling<'_> {
        let said = inputs.as_ref().map_err(Clone::clone).and_then(|inputs| {
            let mut words = inputs.iter().map(|input| self.word(input.clone(), deadline));
            words.try_fold(Sensitive::Pass, |strictest, word| Ok(strictest.max(word?)))
        });
        let (word, failure) = match said {
            Ok(word) => (word, None),
            Err(why) => (Sensitive::Block, Some(why)),
        };
        Ruling { module: &self.name, word, failure }
    }

    fn word(&self, input: Value, deadline: Instant) -> Result<Sensitive, NoWord> {
        let evaluate = || {
            let mut engine = self.engine.clone();
            engine.set_input(input);
            value(&mut engine, &self.route, deadline)
        };
        match guard::contained(evaluate) {
            Some(Ok(Value::Undefined)) => Err("its 'route' has no value".into()),
            // A set of words says all of them; one without any, that nothing speaks against the call.
            Some(Ok(Value::Set(words))) => {
                words.iter().try_fold(Sensitive::Pass, |strictest, word| Ok(strictest.max(said(word)?)))
            }
            Some(Ok(word)) => said(&word),
            Some(Err(Opinion::Overrun)) => {
                Err(format!("it exceeds its budget of {} ms", BUDGET.as_millis()).into())
            }
            Some(Err(Opinion::Failed(error))) => Err(format!("it failed ({error})").into()),
            _no_verdict => Err("the Rego engine failed on it".into()),
        }
    }
}

fn said(value: &Value) -> Result<Sensitive, NoWord> {
    let word = value.as_string().ok().and_then(|text| Sensitive::of(text));
    word.ok_or_else(|| "its 'route' is none of pass, redact, local and block".into())
}

fn first(index: usize, name: &str, found: Vec<Mistake>) -> RouteMistake {
    let Some(Mistake { line, column, reason, remedy }) = found.into_iter().next() else {
        unreachable!("who refuses a module says why")
    };
    let at = (line > 0).then_some((line, column));
    RouteMistake { index, at, reason: format!("module '{name}': {reason}"), remedy }
}

#[cfg(test)]
mod tests;
