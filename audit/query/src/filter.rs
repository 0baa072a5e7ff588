//! What is asked for. Every condition must hold; of several values for one, any.

#[cfg(test)]
mod tests;

use audit::{Action, Decision, Event, Object, Owner, Record, Subject};

pub use audit::pattern::Pattern;
use audit::pattern::folded;

/// Conditions on a record; an empty list asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of these numbers.
    pub record: Vec<u64>,
    /// Not before: RFC 3339, UTC, microseconds, as records have it.
    pub since: Option<String>,
    /// Before.
    pub until: Option<String>,
    /// Decided so.
    pub decision: Option<Decision>,
    /// About one of these.
    pub action: Vec<Action>,
    /// The destination's name or address.
    pub host: Vec<Pattern>,
    /// A program or a script of the subject: its path, or the last part of it.
    pub binary: Vec<Pattern>,
    /// The rule that decided.
    pub rule: Vec<Pattern>,
    /// Where the decision fell.
    pub level: Vec<Pattern>,
    /// The method.
    pub method: Vec<Pattern>,
    /// The path of a request or a program.
    pub path: Vec<Pattern>,
    /// The tenant.
    pub tenant: Vec<Pattern>,
    /// The agent.
    pub agent: Vec<Pattern>,
    /// The process that handed it in.
    pub client: Vec<Pattern>,
    /// The request.
    pub request: Vec<Pattern>,
    /// The flow.
    pub flow: Option<u64>,
    /// A credential that is carried.
    pub credential: Vec<Pattern>,
    /// A category that was found in a prompt.
    pub category: Vec<Pattern>,
    /// The region in which a prompt was served, or one within it: `eu` is `eu-central-1`, too. `unknown`: in none that
    /// is known.
    pub region: Vec<String>,
    /// SHA-256, in hexadecimal, of a body that was sent or came back, of a file, or of a program of the subject.
    pub digest: Vec<Pattern>,
    /// Stands in one of its texts, or is its request's whole number, whatever the case.
    pub text: Option<String>,
}

impl Filter {
    /// Whether the record is asked for.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        let event = &record.event;
        let object = event.object.as_ref();
        (self.record.is_empty() || self.record.contains(&record.sequence))
            && self.is_in_time(&record.time)
            && self.decision.is_none_or(|decision| event.decision == Some(decision))
            && (self.action.is_empty() || self.action.contains(&event.action))
            && self.flow.is_none_or(|flow| event.flow.is_some_and(|of| of.0 == flow))
            && any(&self.host, object.and_then(|object| object.host.as_deref()))
            && any(&self.method, object.and_then(|object| object.method.as_deref()))
            && any(&self.path, object.and_then(|object| object.path.as_deref()))
            && any(&self.rule, event.rule.as_deref())
            && any(&self.level, event.level.as_deref())
            && any(&self.request, event.request.as_ref().map(|request| request.0.as_str()))
            && any(&self.tenant, Some(record.tenant.as_str()))
            && any(&self.agent, Some(record.agent.as_str()))
            && any(&self.client, Some(record.client.as_str()))
            && any(&self.credential, event.credentials.iter().map(String::as_str))
            && any(&self.category, categories(event))
            && any(&self.digest, digests(event))
            && self.is_in_region(event)
            && self.has_program(event)
            && self.has_text(record)
    }

    fn is_in_time(&self, time: &str) -> bool {
        // Times in one format and one zone are in order as texts.
        self.since.as_deref().is_none_or(|since| time >= since)
            && self.until.as_deref().is_none_or(|until| time < until)
    }

    fn is_in_region(&self, event: &Event) -> bool {
        if self.region.is_empty() {
            return true;
        }
        let Some(inference) = &event.inference else { return false };
        let region = inference.region.as_deref();
        // What was refused before it had a server was served nowhere.
        let unknown = region.is_none() && inference.route.as_deref().is_some_and(|route| route != "refused");
        self.region.iter().any(|area| match region {
            Some(region) => region
                .strip_prefix(area.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
            None => unknown && area == UNKNOWN_REGION,
        })
    }

    fn has_program(&self, event: &Event) -> bool {
        self.binary.is_empty()
            || programs(event).any(|program| self.binary.iter().any(|pattern| pattern.is_program(program)))
    }

    fn has_text(&self, record: &Record) -> bool {
        let Some(text) = &self.text else { return true };
        let text = folded(text);
        // Of request numbers there are nearly as many as records: an index knows only whole ones.
        let request = record.event.request.as_ref();
        request.is_some_and(|request| folded(&request.0) == text)
            || texts(record).any(|field| folded(field).contains(&*text))
    }
}

/// Asks for prompts of which nobody knows where they were served.
const UNKNOWN_REGION: &str = "unknown";

/// Whether one of the patterns is one of the values; no pattern asks for nothing.
fn any<'a>(patterns: &[Pattern], values: impl IntoIterator<Item = &'a str>) -> bool {
    patterns.is_empty() || values.into_iter().any(|value| patterns.iter().any(|pattern| pattern.is(value)))
}

fn categories(event: &Event) -> impl Iterator<Item = &str> {
    event.inference.iter().flat_map(|inference| inference.categories.keys().map(String::as_str))
}

/// Programs and scripts of the subject.
pub(crate) fn programs(event: &Event) -> impl Iterator<Item = &str> {
    let own = owners(event).iter();
    own.flat_map(|owner| std::iter::once(owner.binary.as_str()).chain(owner.script.as_deref()))
}

/// Digests of the subject's programs: few different ones.
pub(crate) fn program_digests(event: &Event) -> impl Iterator<Item = &str> {
    owners(event).iter().filter_map(|owner| owner.sha256.as_deref())
}

/// Digests of the object: nearly as many different ones as there are outcomes of requests.
pub(crate) fn object_digests(event: &Event) -> impl Iterator<Item = &str> {
    event.object.iter().flat_map(Object::digests)
}

fn digests(event: &Event) -> impl Iterator<Item = &str> {
    object_digests(event).chain(program_digests(event))
}

fn owners(event: &Event) -> &[Owner] {
    match &event.subject {
        Some(Subject::Owners(owners)) => owners,
        Some(Subject::Unknown(_)) | None => &[],
    }
}

/// Every text of a record that says something about it; not its hashes, not its request's number, and not the sandbox,
/// whose log it is.
fn texts(record: &Record) -> impl Iterator<Item = &str> {
    let event = &record.event;
    let object = event.object.iter().flat_map(|object| [object.host.as_deref(), object.path.as_deref()]);
    let own = [event.level.as_deref(), event.rule.as_deref()].into_iter().chain(object).flatten();
    std::iter::once(event.action.as_str()).chain(own).chain(programs(event)).chain(others(record))
}

/// The texts for which an index has no column of their own: few of them, or few different ones.
pub(crate) fn others(record: &Record) -> impl Iterator<Item = &str> {
    let event = &record.event;
    let own = [record.tenant.as_str(), &record.agent, &record.client];
    let object = event.object.iter().flat_map(|object| object.method.iter().chain(&object.query_keys));
    let unknown = match &event.subject {
        Some(Subject::Unknown(why)) => Some(why.as_str()),
        Some(Subject::Owners(_)) | None => None,
    };
    let models = event.inference.iter().flat_map(|inference| {
        [
            inference.route.as_deref(),
            inference.model_asked.as_deref(),
            inference.model_served.as_deref(),
            inference.server.as_deref(),
            inference.region.as_deref(),
        ]
    });
    let life = event.lifecycle.as_ref().and_then(|lifecycle| lifecycle.detail.as_deref());
    let change = event.policy_change.as_ref().map(|change| change.source.as_str());
    let made = event.configuration.iter().flat_map(|made| [made.source.as_deref(), made.image.as_deref()]);
    let proposed = event.proposal.as_ref().map(|proposal| proposal.binary.as_str());
    let noticed = event.detection.as_ref().map(|detection| detection.name.as_str());
    let single = [unknown, event.reason.as_deref(), life, change, proposed, noticed];
    let optional = single.into_iter().chain(models).chain(made).flatten();
    let lists = object.chain(&event.credentials).map(String::as_str);
    own.into_iter().chain(optional).chain(lists).chain(categories(event))
}
