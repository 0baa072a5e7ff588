//! What the records of a period come to. Whatever the records hold, it stays below a bound.

use std::collections::BTreeMap;

use audit::checkpoint::Note;
use audit::{Action, Decision, Inference, Record, Subject};
use wire::router::INJECTION;

use crate::count::Counts;
use crate::period::Period;
use crate::reach::Reach;
use crate::uses::Uses;

/// Most lines of each list; how many there were besides is counted.
const LINES: usize = 200;
/// Most categories that are counted.
const CATEGORIES: usize = 8192;
/// Days after which a rule that was not used is reported.
pub const UNUSED_DAYS: u32 = 90;

/// A list that ends at a bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    pub(crate) lines: Vec<Vec<String>>,
    pub(crate) omitted: u64,
}

/// What the verification of a log found, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is what was signed, and signed as far as it should be.
    Proven(String),
    /// It is whole, and whoever asked for the report takes it although nothing proves it.
    Accepted(String),
    /// It is whole, and not signed as far as it should be.
    Unproven(String),
    /// It is not what was signed.
    Broken(String),
}

/// One log that the report is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFacts {
    /// Whose log.
    pub sandbox: String,
    /// What its verification found.
    pub standing: Standing,
    /// The newest signed checkpoint, with its signatures.
    pub checkpoint: Option<Note>,
    /// Where it begins.
    pub begins: Option<Beginning>,
}

/// The first record that there is of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Its time.
    pub time: String,
    /// Whether others were before it, which were kept long enough.
    pub is_cut: bool,
}

/// Rows that a report is too small for, in a file beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The file's name.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// How many rows it has.
    pub rows: u64,
}

/// All that a report tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub(crate) logs: Vec<LogFacts>,
    pub(crate) records: u64,
    pub(crate) sandboxes: Counts,
    pub(crate) actions: Counts,
    pub(crate) allowed: Counts,
    pub(crate) denied: Counts,
    /// What had been allowed, and was broken off or came to nothing.
    pub(crate) broken: Counts,
    pub(crate) levels: Counts,
    pub(crate) rules: Counts,
    pub(crate) hosts: [Counts; 2],
    pub(crate) binaries: [Counts; 2],
    pub(crate) reach: Reach,
    pub(crate) days: BTreeMap<String, [u64; 2]>,
    pub(crate) routes: Counts,
    pub(crate) categories: BTreeMap<String, [u64; 3]>,
    /// Prompts that went to a cloud model, by region, and those of them in which data was found.
    pub(crate) regions: [Counts; 2],
    pub(crate) health: Health,
    /// Prompts with marks of injected instructions.
    pub(crate) marked: u64,
    pub(crate) policies: Counts,
    pub(crate) detections: Counts,
    pub(crate) credentials: Counts,
    pub(crate) controls: Lines,
    pub(crate) denials: Lines,
    pub(crate) broken_off: Lines,
    pub(crate) changes: Lines,
    /// Logs of ended sandboxes that were removed, by the time of the record that says so.
    pub(crate) removed_logs: BTreeMap<String, u64>,
    /// Those among them that an operator asked for.
    pub(crate) by_operators: u64,
    pub(crate) found: Lines,
    pub(crate) processed: Lines,
    /// All of them, if they are more than the list holds.
    pub(crate) beside: Option<Beside>,
    pub(crate) life: Lines,
    pub(crate) uses: Uses,
    /// Records that another process wrote than the one whose they are to write.
    pub(crate) foreign: Counts,
}

/// Where prompts went in which health data was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) local: u64,
    pub(crate) refused: u64,
    /// To a cloud model, without the health data.
    pub(crate) replaced: u64,
    /// To a cloud model, as they were.
    pub(crate) crossed: u64,
}

/// What a region is called that is not known.
pub(crate) const UNKNOWN: &str = "not known";

/// Where a prompt went: this order is that of the numbers in `categories`.
pub(crate) const ROUTES: [&str; 3] = ["local", "cloud", "refused"];

impl Lines {
    /// How many there were.
    pub(crate) fn total(&self) -> u64 {
        self.omitted + u64::try_from(self.lines.len()).expect("a list's length fits in 64 bits")
    }

    fn push<const N: usize>(&mut self, line: [String; N]) {
        if self.lines.len() < LINES {
            self.lines.push(line.map(|text| text.chars().take(400).collect()).into());
        } else {
            self.omitted += 1;
        }
    }
}

impl Facts {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds how one log was found to be.
    pub fn log(&mut self, log: LogFacts) {
        self.logs.push(log);
    }

    /// Whether there are more requests with classified data than the report lists.
    #[must_use]
    pub fn lists_not_all(&self) -> bool {
        self.processed.omitted > 0
    }

    /// Whether every log is what was signed, or taken as it is.
    #[must_use]
    pub fn are_all_evidence(&self) -> bool {
        self.logs.iter().all(|log| matches!(log.standing, Standing::Proven(_) | Standing::Accepted(_)))
    }

    /// Where all requests with classified data are.
    pub fn are_beside(&mut self, beside: Beside) {
        self.beside = Some(beside);
    }

    /// Adds a record. Those before the period count for rules that were used last then, and for the policy in force.
    pub fn observe(&mut self, record: &Record, period: &Period) {
        if record.time >= period.to {
            return;
        }
        let event = &record.event;
        let is_of_its_client = record.is_of_its_client();
        if is_of_its_client {
            self.uses.observe(record);
            self.removed(record);
        }
        if !period.holds(&record.time) {
            return;
        }
        self.records += 1;
        if !is_of_its_client {
            // What a process says in another's name is no evidence of what that one did.
            self.foreign.add(&format!("{} by {}", event.action.as_str(), record.client), 1);
            return;
        }
        self.sandboxes.add(record.sandbox.as_str(), 1);
        self.actions.add(event.action.as_str(), 1);
        event.credentials.iter().for_each(|name| self.credentials.add(name, 1));
        self.decided(record);
        self.controlled(record);
        self.changed(record);
        if event.action == Action::Inference {
            self.inferred(record);
        }
    }

    /// Whoever removes a whole log takes away what its sandbox used: what is left says nothing of it.
    fn removed(&mut self, record: &Record) {
        let is_whole = |reason: &String| reason.starts_with(audit::record::REMOVED_LOG);
        if record.event.action == Action::LogRetention && record.event.reason.as_ref().is_some_and(is_whole) {
            let day = record.time.get(..10).unwrap_or_default().to_owned();
            *self.removed_logs.entry(day).or_default() += 1;
        }
    }

    fn decided(&mut self, record: &Record) {
        let event = &record.event;
        let Some(decision) = event.decision.filter(|_| is_the_agents(event.action)) else { return };
        let times = event.object.as_ref().and_then(|object| object.times).unwrap_or(1);
        let side = usize::from(decision == Decision::Deny);
        let told = |program: String| {
            let (level, reason) = (event.level.clone(), event.reason.clone());
            [id(record), program, object(record), level.unwrap_or_default(), reason.unwrap_or_default()]
        };
        if is_outcome(event.action) {
            if decision == Decision::Deny {
                self.broken.add(event.action.as_str(), times);
                self.broken_off.push(told(program(record)));
            }
            return;
        }
        let day = record.time.get(..10).unwrap_or_default();
        let of_day = &mut self.days.entry(day.to_owned()).or_default()[side];
        *of_day = of_day.saturating_add(times);
        let counts = if decision == Decision::Deny { &mut self.denied } else { &mut self.allowed };
        counts.add(event.action.as_str(), times);
        if let Some(rule) = &event.rule {
            self.rules.add(rule, times);
        }
        // Who only asked for a name was let go nowhere yet.
        let went = event.action != Action::NameQuery || decision == Decision::Deny;
        if let Some(host) = event.object.as_ref().and_then(|object| object.host.as_ref()).filter(|_| went) {
            self.hosts[side].add(host, times);
        }
        let program = program(record);
        if !program.is_empty() && went {
            self.binaries[side].add(&program, times);
        }
        self.reach.observe(record, &asker(record));
        if decision == Decision::Deny {
            self.levels.add(event.level.as_deref().unwrap_or("without a level"), times);
            self.denials.push(told(program));
        }
    }

    fn controlled(&mut self, record: &Record) {
        let event = &record.event;
        let short = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "none".to_owned());
        if let Some(made) = &event.configuration {
            self.policies.add(&short(&made.network_sha256), 1);
            self.controls.push([
                id(record),
                made.source.clone().unwrap_or_default(),
                format!("image {}, openshell {}", short(&made.image), short(&made.openshell)),
                short(&made.confinement_sha256),
                short(&made.network_sha256),
            ]);
        }
        if let Some(life) = &event.lifecycle {
            let code = life.code.map(|code| format!(" ({code})")).unwrap_or_default();
            let phase = format!("{:?}{code}", life.phase);
            self.life.push([id(record), phase, life.detail.clone().unwrap_or_default()]);
        }
    }

    fn changed(&mut self, record: &Record) {
        let event = &record.event;
        let decision = match event.decision {
            Some(Decision::Deny) => "refused",
            Some(Decision::Allow) | None => "done",
        };
        if let Some(change) = &event.policy_change {
            let new = change
                .new
                .as_ref()
                .map_or("no policy".to_owned(), |new| format!("{} ({})", new.version, new.sha256));
            if decision == "done" {
                self.policies.add(change.new.as_ref().map_or("none", |new| new.sha256.as_str()), 1);
            }
            let what = match &event.proposal {
                Some(proposal) => {
                    let terms =
                        proposal.terms.map(|terms| format!(", {}", terms.as_str())).unwrap_or_default();
                    format!("{}: {} {}{terms}; policy {new}", change.source, proposal.binary, object(record))
                }
                None => format!(
                    "policy {new} from {} for {} ({})",
                    change.source, change.old.version, change.old.sha256
                ),
            };
            self.by_operators += 1;
            self.changes.push([id(record), format!("user {}", change.uid), what, decision.to_owned()]);
        }
        let what = match event.action {
            Action::CredentialChange => format!("credentials read again: {}", event.credentials.join(", ")),
            Action::LogRetention | Action::LogGap | Action::LogRepair | Action::ClockChange => {
                event.reason.clone().unwrap_or_default()
            }
            _other => String::new(),
        };
        if !what.is_empty() {
            self.by_operators += u64::from(event.action == Action::CredentialChange);
            self.changes.push([id(record), record.client.clone(), what, decision.to_owned()]);
        }
        if let Some(found) = &event.detection {
            self.detections.add(&found.name, 1);
            let evidence = found.evidence.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            self.found.push([
                id(record),
                format!("{} ({:?})", found.name, found.severity).to_lowercase(),
                event.reason.clone().unwrap_or_default(),
                format!("{:?}", found.response).to_lowercase(),
                format!("{evidence}; {}", found.references.join(" ")),
            ]);
        }
    }

    fn inferred(&mut self, record: &Record) {
        let event = &record.event;
        let Some(inference) = &event.inference else { return };
        let route = match inference.route.as_deref() {
            Some(route) => route,
            None if event.decision == Some(Decision::Deny) => "refused",
            None => "none",
        };
        self.routes.add(route, 1);
        let found: Vec<_> = data_in(inference).collect();
        self.marked += u64::from(found.len() < inference.categories.len());
        if route == "cloud" {
            let region = inference.region.as_deref().unwrap_or(UNKNOWN);
            self.regions[0].add(region, 1);
            self.regions[1].add(region, u64::from(!found.is_empty()));
        }
        self.health.add(route, event.rule.as_deref(), inference);
        for (name, _) in &found {
            if let Some(place) = ROUTES.iter().position(|known| *known == route)
                && (self.categories.len() < CATEGORIES || self.categories.contains_key(*name))
            {
                self.categories.entry((*name).clone()).or_default()[place] += 1;
            }
        }
        if !found.is_empty() {
            let found = found.into_iter().map(|(name, count)| format!("{name} ×{count}"));
            let place = [Some(route), inference.server.as_deref(), inference.region.as_deref()];
            let model = inference.model_served.as_ref().or(inference.model_asked.as_ref());
            self.processed.push([
                id(record),
                event.request.as_ref().map(ToString::to_string).unwrap_or_default(),
                found.collect::<Vec<_>>().join(", "),
                place.into_iter().flatten().collect::<Vec<_>>().join(", "),
                model.cloned().unwrap_or_default(),
            ]);
        }
    }
}

impl Health {
    fn add(&mut self, route: &str, rule: Option<&str>, inference: &Inference) {
        let has_health = |found: &BTreeMap<String, u32>| found.keys().any(|name| name.starts_with("health/"));
        if !has_health(&inference.categories) {
            return;
        }
        let is_replaced = rule == Some("redacted-to-cloud") && !has_health(&inference.left);
        match route {
            "local" => self.local += 1,
            "refused" => self.refused += 1,
            "cloud" if is_replaced => self.replaced += 1,
            // What is not known to have stayed did not.
            _elsewhere => self.crossed += 1,
        }
    }

    pub(crate) fn total(self) -> u64 {
        self.local + self.refused + self.replaced + self.crossed
    }
}

/// Whether a record is one of a prompt in which data was found, of the period.
#[must_use]
pub fn is_processing(record: &Record, period: &Period) -> bool {
    let has_data = |inference: &Inference| data_in(inference).next().is_some();
    record.event.action == Action::Inference
        && record.event.inference.as_ref().is_some_and(has_data)
        && period.holds(&record.time)
        && record.is_of_its_client()
}

/// The categories of data that were found: marks of injected instructions are none.
fn data_in(inference: &Inference) -> impl Iterator<Item = (&String, &u32)> {
    inference.categories.iter().filter(|(name, _)| name.split('/').next() != Some(INJECTION))
}

/// Whether a record of this action tells what the agent, or somebody who visits it, did or tried; others tell what operators and the
/// host did.
fn is_the_agents(action: Action) -> bool {
    match action {
        Action::NetworkFlow
        | Action::NetworkRequest
        | Action::NetworkOutcome
        | Action::NameQuery
        | Action::Inference
        | Action::InferenceOutcome
        | Action::Execution
        | Action::InboundConnection
        | Action::InboundRequest
        | Action::InboundOutcome
        | Action::FileAccess
        | Action::SystemCall => true,
        Action::Lifecycle
        | Action::PolicyChange
        | Action::CredentialChange
        | Action::Configuration
        | Action::Detection
        | Action::LogRetention
        | Action::LogRepair
        | Action::LogGap
        | Action::Proposal
        | Action::Approval
        | Action::ClockChange
        | Action::LogEnd => false,
    }
}

/// Whether it tells what became of something that was allowed before.
fn is_outcome(action: Action) -> bool {
    matches!(action, Action::NetworkOutcome | Action::InferenceOutcome | Action::InboundOutcome)
}

/// How a record is found again.
fn id(record: &Record) -> String {
    let time = record.time.get(..19).unwrap_or(&record.time).replace('T', " ");
    format!("{time} {}#{}", record.sandbox, record.sequence)
}

fn program(record: &Record) -> String {
    match &record.event.subject {
        Some(Subject::Owners(owners)) => owners
            .first()
            .map(|owner| owner.script.as_ref().unwrap_or(&owner.binary).clone())
            .unwrap_or_default(),
        Some(Subject::Unknown(why)) => format!("unknown ({why})"),
        None => String::new(),
    }
}

/// Every program that held the socket, scripts with what interprets them.
fn asker(record: &Record) -> String {
    let Some(Subject::Owners(owners)) = &record.event.subject else { return program(record) };
    let each = owners.iter().map(|owner| match &owner.script {
        Some(script) => format!("{script} ({})", owner.binary),
        None => owner.binary.clone(),
    });
    each.collect::<Vec<_>>().join(" + ")
}

fn object(record: &Record) -> String {
    let Some(object) = &record.event.object else { return String::new() };
    let port = object.port.map(|port| format!(":{port}")).unwrap_or_default();
    let method = object.method.as_ref().map(|method| format!("{method} ")).unwrap_or_default();
    format!(
        "{method}{}{port}{}",
        object.host.as_deref().unwrap_or_default(),
        object.path.as_deref().unwrap_or_default()
    )
}
