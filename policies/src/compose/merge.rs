//! The rules of the layers → one list; what they ask of model calls → one set of conditions.

use super::statics::united;
use crate::document::{
    Document, Downloads, Effect, Enforcement, HeaderLists, Inference, Lists, Query, RuleEntry, Sources,
};
use crate::place::At;
use crate::yaml::{LoadError, LoadErrors, nearest};

/// Merges by name, in the order of the layers. What an earlier rule denied stays denied.
pub(super) fn rules(layers: &[Document], sources: &Sources) -> Result<Vec<At<RuleEntry>>, LoadErrors> {
    let mut merged = Merged { sources, rules: Vec::new(), removed: Vec::new(), remains: Vec::new() };
    let mut found = Vec::new();
    for layer in layers {
        found.extend(layer.remove.iter().filter_map(|name| merged.remove(name)));
        let (earlier, own) = (merged.rules.len(), &layer.network);
        own.iter().for_each(|rule| merged.lay(rule, earlier));
    }
    LoadErrors::from_found(found).map_or_else(|| Ok(merged.into_rules()), Err)
}

/// What all layers together ask of model calls; it stands where the last of them says something.
pub(super) fn inference(layers: &[Document]) -> Option<At<Inference>> {
    let asked = layers.iter().filter_map(|layer| layer.inference.clone());
    asked.reduce(|all, next| At { value: all.value.and(&next.value), place: next.place })
}

struct Merged<'a> {
    sources: &'a Sources,
    rules: Vec<At<RuleEntry>>,
    /// Rules that were removed: one of their name that is written again still denies what they did.
    removed: Vec<At<RuleEntry>>,
    /// What is left of rules that a later one replaced or removed.
    remains: Vec<At<RuleEntry>>,
}

impl Merged<'_> {
    /// Puts a rule in the place of the one of its name among the first `earlier`, or after all. Two of one
    /// name in one document are left for the compiler to refuse.
    fn lay(&mut self, rule: &At<RuleEntry>, earlier: usize) {
        let name = name_of(rule);
        let replaced =
            self.rules.iter().take(earlier).position(|known| name.is_some() && name_of(known) == name);
        let mut rule = rule.clone();
        for before in self.removed.iter().filter(|before| name.is_some() && name_of(before) == name) {
            inherit_denials(&before.value, &mut rule.value);
        }
        let Some(at) = replaced else {
            self.rules.push(rule);
            return;
        };
        inherit_denials(&self.rules[at].value, &mut rule.value);
        let before = std::mem::replace(&mut self.rules[at], rule);
        self.keep_denials(before);
    }

    fn remove(&mut self, name: &At<String>) -> Option<LoadError> {
        let Some(at) = self.rules.iter().position(|rule| name_of(rule) == Some(&name.value)) else {
            let remedy = match nearest(&name.value, self.rules.iter().filter_map(name_of)) {
                Some(close) => format!("did you mean '{close}'?"),
                None => "'openshell policy show FILE' lists the rules".to_owned(),
            };
            let reason = format!("no extended policy has a rule '{}'", name.value);
            let file = self.sources.name(name.place.source);
            return Some(LoadError::new(file, name.place, reason, remedy).about("remove"));
        };
        let before = self.rules.remove(at);
        self.removed.push(before.clone());
        self.keep_denials(before);
        None
    }

    /// Keeps of a rule what it denies, within its own scope, under a name that says where it is from.
    fn keep_denials(&mut self, mut rule: At<RuleEntry>) {
        if !denies_anything(&rule.value) {
            return;
        }
        let source = short(self.sources.name(rule.place.source));
        let entry = &mut rule.value;
        entry.effect = Effect::DenyOnly;
        (entry.enforcement, entry.limits) = (Enforcement::Enforce, None);
        if let Some(query) = &mut entry.query {
            query.value = Query { deny: std::mem::take(&mut query.value.deny), ..Query::default() };
        }
        if let Some(headers) = &mut entry.headers {
            headers.value.require.clear();
        }
        let denials = |At { value, place }: At<Downloads>| At { value: value.denials(), place };
        entry.downloads = entry.downloads.take().filter(|all| all.value.denies_anything()).map(denials);
        entry.query = entry.query.take().filter(|query| !query.value.deny.is_empty());
        entry.headers = entry.headers.take().filter(|headers| !headers.value.deny.is_empty());
        if let Some(name) = &mut entry.name {
            name.value = format!("{} (of {source})", name.value);
        }
        self.remains.push(rule);
    }

    fn into_rules(mut self) -> Vec<At<RuleEntry>> {
        self.rules.append(&mut self.remains);
        self.rules
    }
}

/// A built-in policy's name, or the last part of a file's.
fn short(source: &str) -> &str {
    const LONGEST: usize = 48;
    if crate::embedded::text(source).is_some() {
        return source;
    }
    let file = source.rsplit('/').next().unwrap_or(source);
    let start = file.char_indices().map(|(at, _c)| at).find(|at| file.len() - at <= LONGEST);
    start.map_or("", |start| &file[start..])
}

fn name_of(rule: &At<RuleEntry>) -> Option<&str> {
    rule.value.name.as_ref().map(|name| name.value.as_str())
}

fn denies_anything(rule: &RuleEntry) -> bool {
    let levels = [&rule.binary, &rule.destination, &rule.method, &rule.path];
    let level = |lists: &Option<At<Lists>>| lists.as_ref().is_some_and(|lists| !lists.value.deny.is_empty());
    levels.into_iter().any(level)
        || rule.query.as_ref().is_some_and(|query| !query.value.deny.is_empty())
        || rule.headers.as_ref().is_some_and(|headers| !headers.value.deny.is_empty())
        || rule.mcp.as_ref().is_some_and(|mcp| mcp.value.denies_anything())
        || rule.json_rpc.as_ref().is_some_and(|rpc| rpc.value.denies_anything())
        || rule.graphql.as_ref().is_some_and(|graphql| graphql.value.denies_anything())
        || rule.git.as_ref().is_some_and(|git| git.value.denies_anything())
        || rule.downloads.as_ref().is_some_and(|downloads| downloads.value.denies_anything())
}

/// Adds what `earlier` denied to what `later` denies.
fn inherit_denials(earlier: &RuleEntry, later: &mut RuleEntry) {
    let levels = [
        (&earlier.binary, &mut later.binary),
        (&earlier.destination, &mut later.destination),
        (&earlier.method, &mut later.method),
        (&earlier.path, &mut later.path),
    ];
    for (before, after) in levels {
        if let (Some(before), Some(after)) = (before, after) {
            let own = std::mem::take(&mut after.value.deny);
            after.value.deny = united(before.value.deny.clone(), own);
        }
    }
    if let Some(before) = earlier.query.as_ref().filter(|query| !query.value.deny.is_empty()) {
        let after = later.query.get_or_insert_with(|| At { value: Query::default(), place: before.place });
        after.value.deny = united(before.value.deny.clone(), std::mem::take(&mut after.value.deny));
    }
    if let Some(before) = earlier.headers.as_ref().filter(|headers| !headers.value.deny.is_empty()) {
        let after =
            later.headers.get_or_insert_with(|| At { value: HeaderLists::default(), place: before.place });
        after.value.deny = united(before.value.deny.clone(), std::mem::take(&mut after.value.deny));
    }
    inherit_downloads(earlier, later);
}

fn inherit_downloads(earlier: &RuleEntry, later: &mut RuleEntry) {
    let Some(At { value, place }) = &earlier.downloads else { return };
    // Of packages, what is left of the earlier rule denies: the later one may have another registry.
    let Some(before) = value.sha256.as_ref().filter(|lists| !lists.value.deny.is_empty()) else { return };
    let after = later.downloads.get_or_insert_with(|| At { value: Downloads::default(), place: *place });
    let nothing = || At { value: Lists::default(), place: before.place };
    let lists = &mut after.value.sha256.get_or_insert_with(nothing).value;
    lists.deny = united(before.value.deny.clone(), std::mem::take(&mut lists.deny));
}
