//! User Rego: modules that narrow what the rules allow, or extend it at named destinations.
//!
//! A module is a program that somebody wrote, run on what an agent sent. So it is read in a form that can
//! only be pure, small and without recursion ([`lint`], [`functions`]), and of which no single step can be
//! long ([`growth`]), run with a time limit between steps and behind a guard ([`module`]), and only a plain `true` counts as a yes: an error, no value, another value, the end
//! of the time and a panic are all a no, each with its cause.

mod functions;
mod gate;
mod growth;
mod guard;
mod input;
mod lint;
mod module;
mod numbers;
mod shape;
mod size;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use gate::Gates;
pub use guard::is_evaluating;
pub(crate) use module::Module;

/// Something wrong with a module's text. The place counts from 1; 0 is nowhere in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) reason: String,
    pub(crate) remedy: String,
}

impl Mistake {
    fn new(line: u64, column: u64, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { line, column, reason: reason.into(), remedy: remedy.into() }
    }

    /// At a node of the syntax tree.
    fn at(node: &serde_json::Value, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        let place = |key: &str| node["span"][key].as_u64().unwrap_or(0);
        Self::new(place("line"), place("col"), reason, remedy)
    }
}
