//! The modules of a policy: whom to ask about a request, and what follows from the answers.

use std::sync::Arc;
use std::time::Instant;

use super::input;
use super::module::{BUDGET, Module, Opinion};
use crate::decision::{Cause, Denial, Level};
use crate::document::RegoMode;
use crate::evaluate::{Destination, Request};
use crate::pattern::host::DestinationPattern;
use crate::rule::Rule;

/// Every module of a policy.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    narrowing: Vec<Gate>,
    extending: Vec<(Gate, Vec<DestinationPattern>)>,
}

/// What the modules are asked about one request.
type Inputs = Result<Vec<regorus::Value>, input::TooLong>;

/// A module, and a rule that has its name and nothing else, for permits and denials.
#[derive(Debug)]
struct Gate {
    module: Module,
    rule: Arc<Rule>,
}

impl Gates {
    /// Adds a module. `within` are the destinations of one that extends.
    pub(crate) fn add(
        &mut self,
        module: Module,
        rule: Rule,
        (mode, within): (RegoMode, Vec<DestinationPattern>),
    ) {
        let gate = Gate { module, rule: Arc::new(rule) };
        match mode {
            RegoMode::Narrow => self.narrowing.push(gate),
            RegoMode::Extend => self.extending.push((gate, within)),
        }
    }

    /// The first module that does not agree to a request that would pass.
    pub(crate) fn object(&self, request: &Request<'_>) -> Option<Denial> {
        if self.narrowing.is_empty() {
            return None;
        }
        let (inputs, deadline) = (input::of(request), Instant::now() + BUDGET);
        self.narrowing.iter().find_map(|gate| {
            let why = gate.objection(&inputs, deadline)?;
            Some(Denial::new(Level::Condition, Some(Arc::clone(&gate.rule)), Cause::Rego(why)))
        })
    }

    /// The first module that allows a request which no rule allows and no deny list binds.
    pub(crate) fn extend(&self, request: &Request<'_>) -> Option<Arc<Rule>> {
        let here = |within: &[DestinationPattern]| includes(within, request.destination);
        let mut gates = self.extending.iter().filter(|(_gate, within)| here(within)).peekable();
        gates.peek()?;
        let (inputs, deadline) = (input::of(request), Instant::now() + BUDGET);
        let (gate, _within) = gates.find(|(gate, _within)| gate.objection(&inputs, deadline).is_none())?;
        Some(Arc::clone(&gate.rule))
    }

    /// Whether some module could allow a request to the destination.
    pub(crate) fn reach(&self, destination: Destination<'_>) -> bool {
        self.extending.iter().any(|(_gate, within)| includes(within, destination))
    }

    /// Whether some module could allow a request to the name, on some port.
    pub(crate) fn reach_name(&self, name: &str) -> bool {
        let mut patterns = self.extending.iter().flat_map(|(_gate, within)| within);
        patterns.any(|pattern| pattern.host.matches(name))
    }
}

impl Gate {
    /// Why the request must not pass: every program that holds the socket must be allowed.
    fn objection(&self, inputs: &Inputs, deadline: Instant) -> Option<Box<str>> {
        let Ok(inputs) = inputs else {
            return Some("the request is too long for the budget of a module".into());
        };
        if inputs.is_empty() {
            return Some("the program is not known".into());
        }
        inputs.iter().find_map(|input| match self.module.ask(input.clone(), deadline) {
            Opinion::Yes => None,
            Opinion::No => Some("its 'allow' is not true".into()),
            Opinion::Denied(Some(message)) => Some(message),
            Opinion::Denied(None) => Some("its 'deny' is true".into()),
            Opinion::NotBoolean(rule) => Some(format!("its '{rule}' is neither true nor false").into()),
            Opinion::Failed(error) => Some(format!("it failed ({error})").into()),
            Opinion::Overrun => Some(format!("it exceeds its budget of {} ms", BUDGET.as_millis()).into()),
            Opinion::Panicked => Some("the Rego engine failed on it".into()),
        })
    }
}

fn includes(within: &[DestinationPattern], Destination { host, port }: Destination<'_>) -> bool {
    within.iter().any(|pattern| pattern.ports.contain(port) && pattern.host.matches(host))
}
