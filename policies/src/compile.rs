//! A document's network part → [`Policy`]. Every mistake is reported, not only the first.

mod downloads;
mod extras;
mod messages;
mod modules;

use std::collections::HashSet;
use std::sync::Arc;

use wire::inference::Conditions;

use crate::canonical::{WEBSOCKET, with_plain_slashes};
use crate::document::{Document, Effect, Enforcement, Lists, RuleEntry};
use crate::evaluate::{Guarding, Policy};
use crate::index::{HostIndex, ProgramIndex};
use crate::pattern::binary::BinaryPattern;
use crate::pattern::host::DestinationPattern;
use crate::pattern::method::MethodPattern;
use crate::pattern::path::{Kind, PathPattern};
use crate::pattern::{PatternError, Side};
use crate::place::{At, Place};
use crate::rego::Gates;
use crate::rule::{Level, RateLimits, Rule};
use crate::validity::Timestamp;
use crate::yaml::{LoadError, LoadErrors};

const MAX_NAME: usize = 128;

impl Policy {
    /// Compiles the document's network part.
    ///
    /// # Errors
    /// Conditions that no model call could meet, a rule without all four levels, an empty allow list, an entry that
    /// is not a pattern, a name that is used twice, a rule whose deny lists leave nothing, a Rego module that
    /// cannot be run safely, or a document whose `extends` was not resolved.
    pub fn compile(document: &Document) -> Result<Self, LoadErrors> {
        document.check_parts()?;
        document.check_resolved()?;
        document.open_ports()?;
        let mut compiler = Compiler { document, found: Vec::new(), names: HashSet::new() };
        let rules: Vec<Arc<Rule>> =
            document.network.iter().filter_map(|entry| compiler.rule(entry)).map(Arc::new).collect();
        let gates = compiler.gates();
        let inference = document.conditions()?;
        LoadErrors::from_found(compiler.found).map_or_else(|| Ok(index(rules, gates, inference)), Err)
    }
}

struct Compiler<'a> {
    document: &'a Document,
    found: Vec<LoadError>,
    names: HashSet<&'a str>,
}

/// The rule that a level stands in.
#[derive(Clone, Copy)]
struct Context<'a> {
    rule: &'a str,
    place: Place,
    effect: Effect,
}

/// One level of one rule: what errors call it, and how its entries are read.
struct LevelReader<P> {
    key: &'static str,
    parse: fn(&str, Side) -> Result<Vec<P>, PatternError>,
    /// Whether a deny entry leaves nothing of an allow entry.
    covers: fn(&P, &P, &str) -> bool,
}

fn index(rules: Vec<Arc<Rule>>, gates: Gates, inference: Conditions) -> Policy {
    let (mut allowing, mut denying) = (HostIndex::default(), HostIndex::default());
    let mut programs = ProgramIndex::default();
    for (number, rule) in rules.iter().enumerate() {
        rule.destination.allow.iter().for_each(|pattern| allowing.insert(number, pattern));
        rule.destination.deny.iter().for_each(|pattern| denying.insert(number, pattern));
        if rule.effect == Effect::Grant {
            rule.binary.allow.iter().for_each(|pattern| programs.insert(pattern));
        }
    }
    let ends = rules.iter().flat_map(|rule| [rule.validity.from, rule.validity.until]);
    let mut turns: Vec<Timestamp> = ends.flatten().collect();
    turns.sort_unstable();
    let reads_messages = rules.iter().any(|rule| rule.message.is_some());
    let judges_downloads = rules.iter().any(|rule| rule.download.is_some());
    let guarding = Guarding { reads_messages, judges_downloads };
    Policy { rules, allowing, denying, programs, gates, inference, turns, guarding }
}

impl<'a> Compiler<'a> {
    fn rule(&mut self, entry: &'a At<RuleEntry>) -> Option<Rule> {
        let place = entry.place;
        let RuleEntry { name, binary, destination, method, path, effect, enforcement, .. } = &entry.value;
        let name = self.name(name.as_ref(), place, *effect);
        let context = Context { rule: name.unwrap_or("?"), place, effect: *effect };
        let binary = self.level(context, binary.as_ref(), &BINARY);
        let destination = self.level(context, destination.as_ref(), &DESTINATION);
        let method = self.level(context, method.as_ref(), &METHOD);
        let path = self.level(context, path.as_ref(), &PATH);
        let conditions = self.conditions(&entry.value);
        let message = self.message(&entry.value);
        let download = self.downloads(&entry.value);
        let validity = self.validity(&entry.value);
        let limits = self.limits(&entry.value);
        let rule = Rule {
            name: name?.into(),
            binary: binary?,
            destination: destination?,
            method: method?,
            path: path?,
            conditions: conditions?,
            message: message?,
            download: download?,
            validity: validity?,
            limits: limits?,
            effect: *effect,
            enforcement: *enforcement,
        };
        self.effect(&rule, place);
        Some(rule)
    }

    /// Refuses what a rule that only denies cannot mean.
    fn effect(&mut self, rule: &Rule, place: Place) {
        if rule.effect == Effect::Grant {
            return;
        }
        if !rule.denies_anything() {
            let reason = format!("rule '{}' only denies, and denies nothing", rule.name);
            self.refuse(place, "effect", reason, "add a deny list, or remove the rule");
        }
        let packages = rule.download.as_ref().and_then(|level| level.packages.as_ref());
        if packages.is_some_and(|packages| !packages.words.allow.is_empty()) {
            let reason = format!("rule '{}' only denies: it has no package to allow", rule.name);
            self.refuse(place, "downloads.packages.allow", reason, "list what it denies under 'deny'");
        }
        if rule.enforcement == Enforcement::Audit || rule.limits != RateLimits::default() {
            let reason =
                format!("rule '{}' only denies: it has no request to limit or to try out", rule.name);
            self.refuse(place, "effect", reason, "remove 'limits' and 'enforcement' from it");
        }
    }

    fn name(&mut self, name: Option<&'a At<String>>, place: Place, effect: Effect) -> Option<&'a str> {
        let Some(At { value, place }) = name else {
            self.refuse(
                place,
                "name",
                "the rule has no name",
                "add 'name: …': denials and the audit log use it",
            );
            return None;
        };
        if value.is_empty() || value.len() > MAX_NAME || value.chars().any(char::is_control) {
            let reason = format!("a rule's name has 1 to {MAX_NAME} printable bytes");
            self.refuse(*place, "name", reason, "write a short name");
            return None;
        }
        if effect == Effect::Grant && !self.names.insert(value) {
            let reason = format!("a rule named '{value}' stands above already");
            self.refuse(*place, "name", reason, "give each rule its own name");
        }
        Some(value)
    }

    fn level<P>(
        &mut self,
        Context { rule, place, effect }: Context<'_>,
        lists: Option<&At<Lists>>,
        reader: &LevelReader<P>,
    ) -> Option<Level<P>> {
        let key = reader.key;
        let Some(At { value: lists, place }) = lists else {
            let reason = format!("rule '{rule}' has no '{key}' level, and an absent level allows nothing");
            self.refuse(place, key, reason, format!("add '{key}: {{allow: […]}}'"));
            return None;
        };
        if lists.allow.is_empty() {
            let reason = format!("the '{key}' level of rule '{rule}' allows nothing");
            self.refuse(
                *place,
                key,
                reason,
                format!("list what is allowed under '{key}.allow', or remove the rule"),
            );
            return None;
        }
        // What only denies is read as deny lists are: a denial that is narrower than it looks is a hole.
        let scope = if effect == Effect::DenyOnly { Side::Deny } else { Side::Allow };
        let deny = self.list(("deny", &lists.deny), Side::Deny, reader);
        let allow = self.list(("allow", &lists.allow), scope, reader);
        let (allow, deny) = (allow?, deny?);
        let deny: Vec<P> = deny.into_iter().flatten().collect();
        let dead = |(patterns, text): (&Vec<P>, &At<String>)| {
            let covered = |pattern| deny.iter().any(|deny| (reader.covers)(deny, pattern, &text.value));
            patterns.iter().any(covered)
        };
        if effect == Effect::Grant && allow.iter().zip(&lists.allow).all(dead) {
            let reason = format!("rule '{rule}' can never match: '{key}.deny' covers all of '{key}.allow'");
            self.refuse(*place, key, reason, "take the entry out of one of the two lists");
        }
        Some(Level { allow: allow.into_iter().flatten().collect(), deny })
    }

    /// The patterns of each entry.
    fn list<P>(
        &mut self,
        (list, entries): (&str, &[At<String>]),
        side: Side,
        reader: &LevelReader<P>,
    ) -> Option<Vec<Vec<P>>> {
        let key = format!("{}.{list}", reader.key);
        let read = |entry: &At<String>| self.checked(&key, entry, |text| (reader.parse)(text, side));
        entries.iter().map(read).collect::<Vec<_>>().into_iter().collect()
    }

    fn refuse(&mut self, place: Place, key: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(self.document.mistake(place, reason, remedy).about(key));
    }
}

const BINARY: LevelReader<BinaryPattern> = LevelReader {
    key: "binary",
    parse: |text, side| Ok(vec![BinaryPattern::parse(text, side)?]),
    covers: |deny, allow, text| match (deny, allow) {
        (BinaryPattern::Name { name, .. }, BinaryPattern::Name { .. }) => **name == *text,
        (BinaryPattern::Path(deny), BinaryPattern::Path(_)) => deny.covers(text),
        _ => false,
    },
};

const DESTINATION: LevelReader<DestinationPattern> = LevelReader {
    key: "destination",
    parse: |text, side| Ok(vec![DestinationPattern::parse(text, side)?]),
    covers: |deny, allow, _text| deny.covers(allow),
};

const METHOD: LevelReader<MethodPattern> = LevelReader {
    key: "method",
    // A handshake is sent as a `GET`: what denies one denies the other.
    parse: |text, side| {
        let handshake = (side == Side::Deny && text == "GET").then_some(WEBSOCKET);
        [text].into_iter().chain(handshake).map(MethodPattern::parse).collect()
    },
    covers: |deny, allow, _text| *deny == MethodPattern::Any || deny == allow,
};

const PATH: LevelReader<PathPattern> = LevelReader {
    key: "path",
    // Both readings of a path with escaped slashes have to be allowed; an entry that has some names both.
    parse: |text, side| {
        let plain = with_plain_slashes(text);
        let texts = [text].into_iter().chain(plain.as_deref());
        texts.map(|text| PathPattern::parse(text, Kind::Request, side)).collect()
    },
    covers: |deny, _allow, text| deny.covers(text),
};
