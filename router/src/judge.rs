//! From a call to what may be decided about it: what it holds, by the operator's word, and the call without it where the
//! word is to redact.
//!
//! *Invariant:* a call counts as redacted only if a second look at what would be sent finds nothing that must not pass.

use std::sync::Arc;

use ::classify::{Category, Findings};
use wire::router::Sensitive;

use crate::classify::{Classifier, Look};
use crate::decide::Content;
use crate::directive::Directive;
use crate::known::{Known, ModelName};
use crate::redact::names::Names;
use crate::redact::{RedactError, Redactor, Values};
use crate::wire_api::{Call, Endpoint};

/// Judges calls.
#[derive(Debug)]
pub struct Judge {
    classifier: Classifier,
    redactor: Redactor,
    directive: Directive,
}

/// A call that was judged.
#[derive(Debug)]
pub struct Judged {
    /// What is sent: the call, without what was redacted.
    pub call: Call,
    /// What it holds.
    pub content: Content,
    /// What was found, and the model asked for.
    pub known: Known,
    /// What was redacted.
    pub names: Arc<Names>,
}

/// A call, what it holds, what was replaced in it, and what is left where something was.
struct Outcome {
    call: Call,
    content: Content,
    names: Names,
    left: Option<Findings>,
}

/// Whether a call could go to the cloud if it held nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It could.
    Cloud,
    /// It could not: redacting it is of no use.
    LocalOnly,
}

impl Judge {
    /// A judge with the operator's word.
    #[must_use]
    pub fn new(directive: Directive, redactor: Redactor) -> Self {
        Self { classifier: Classifier::of(Arc::clone(redactor.memory())), redactor, directive }
    }

    /// The operator's word.
    #[must_use]
    pub fn directive(&self) -> &Directive {
        &self.directive
    }

    /// Judges a call; `least` is the policy's word for all that is found.
    #[must_use]
    pub fn judge(&self, call: Call, least: Sensitive, reach: Reach) -> Judged {
        let look = self.classifier.look(call.body(), call.opaque());
        let look = if call.endpoint() == Endpoint::Completions { look.of_template() } else { look };
        let model = ModelName::of(call.model(), &self.classifier);
        let word = self.directive.strictest(&look.findings, least);
        let is_blocked = self.directive.blocks_marks(&look.findings);
        let Outcome { call, content, names, left } = match word {
            other if is_blocked && other != Some(Sensitive::Block) => Outcome::whole(call, Content::Injected),
            Some(Sensitive::Redact) if reach == Reach::Cloud => self.redact(call, &look, least),
            other => Outcome::whole(call, content(other)),
        };
        let known = Known { findings: look.findings, model, left };
        Judged { call, content, known, names: Arc::new(names) }
    }

    fn redact(&self, call: Call, look: &Look, least: Sensitive) -> Outcome {
        let word = |category: Category| self.directive.word(category, least);
        let mut redacted = call.clone();
        let is_wanted = |category| word(category) == Sensitive::Redact;
        // What only the whole call shows to be a value is one in each of its texts.
        let seen = look.values().filter(|(category, _)| is_wanted(*category));
        let values = match Values::of(seen) {
            Ok(values) => values,
            Err(error) => return unredacted(call, &error),
        };
        let names = match self.redactor.redact(
            redacted.endpoint(),
            redacted.body_mut(),
            (&is_wanted, values.clone()),
        ) {
            Ok(names) => names,
            Err(error) => return unredacted(call, &error),
        };
        let (left, traces) = self.classifier.classify_between(redacted.body(), redacted.opaque(), &names);
        // A rest that is nothing by itself is the end of what was replaced elsewhere in the call.
        let is_rest = |(found, _count)| is_wanted(found) && traces.contains(&found);
        let passes =
            left.iter().all(|(left, _)| word(left) == Sensitive::Pass) && !look.findings.iter().any(is_rest);
        if passes && !values.stand_in(&self.classifier.text_between(redacted.body(), &names)) {
            return Outcome { call: redacted, content: Content::Redacted, names, left: Some(left) };
        }
        Outcome::whole(call, Content::Unredacted)
    }
}

impl Outcome {
    fn whole(call: Call, content: Content) -> Self {
        Self { call, content, names: Names::default(), left: None }
    }
}

fn unredacted(call: Call, error: &RedactError) -> Outcome {
    tracing::warn!(%error, "a call could not be redacted");
    Outcome::whole(call, Content::Unredacted)
}

fn content(word: Option<Sensitive>) -> Content {
    match word {
        None => Content::Plain,
        Some(Sensitive::Pass) => Content::Passed,
        // It would be, if there were somewhere to send it.
        Some(Sensitive::Redact | Sensitive::Local) => Content::Local,
        Some(Sensitive::Block) => Content::Blocked,
    }
}
