//! Many differences in few words: values of a level that differ alike are said by the entries that match them.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{Cells, HostCell, Level};
use super::{Becomes, Group, Pattern};
use crate::pattern::Side;

/// One combination of cells that is decided differently.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) becomes: Becomes,
    pub(super) rule: String,
    /// Why the policy that denies it does.
    pub(super) because: String,
    pub(super) with: Option<String>,
    pub(super) owners: Vec<usize>,
    pub(super) method: usize,
    pub(super) path: usize,
    pub(super) example: String,
}

/// What a group says of every request in it, but for the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    becomes: Becomes,
    rule: String,
    with: Option<String>,
    together: bool,
    binaries: Vec<Pattern>,
    methods: Vec<Pattern>,
    paths: Vec<Pattern>,
}

/// The hosts of what is said, and the first example with its reason.
#[derive(Debug)]
pub(super) struct Hosts {
    destinations: Vec<Pattern>,
    example: String,
    because: String,
}

/// What is the same but for the level that is merged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    becomes: Becomes,
    rule: String,
    with: Option<String>,
}

/// An example and its reason.
type Shown = (String, String);

/// Cells of one level.
type Set = BTreeSet<usize>;

/// Differences by what they share, with the cells of the level that is merged next.
type By<Key, Value> = BTreeMap<Key, (BTreeSet<Value>, Shown)>;

/// Adds what differs at one host.
pub(super) fn describe(
    host: &HostCell,
    cells: &Cells,
    differences: Vec<Difference>,
    found: &mut BTreeMap<Said, Hosts>,
) {
    let at =
        Pattern { pattern: host.word.0.clone(), as_denied: host.word.1 == Side::Deny, except: Vec::new() };
    for ((kind, paths, methods), (owners, shown)) in merged_cells(differences) {
        let alone: BTreeSet<usize> =
            owners.iter().filter(|owners| owners.len() == 1).map(|owners| owners[0]).collect();
        let pairs = owners.iter().filter(|owners| owners.len() > 1);
        let pairs = pairs.map(|pair| {
            (true, pair.iter().flat_map(|one| words(&cells.binaries, &BTreeSet::from([*one]))).collect())
        });
        let single = (!alone.is_empty()).then(|| (false, words(&cells.binaries, &alone)));
        for (together, binaries) in single.into_iter().chain(pairs) {
            let Kind { becomes, rule, with } = kind.clone();
            let (methods, paths) = (words(&cells.methods, &methods), words(&cells.paths, &paths));
            let said = Said { becomes, rule, with, together, binaries, methods, paths };
            let (example, because) = shown.clone();
            let hosts =
                found.entry(said).or_insert_with(|| Hosts { destinations: Vec::new(), example, because });
            if !hosts.destinations.contains(&at) {
                hosts.destinations.push(at.clone());
            }
        }
    }
}

/// Puts together what differs alike: first the paths, then the methods, then the programs.
fn merged_cells(differences: Vec<Difference>) -> By<(Kind, Set, Set), Vec<usize>> {
    let mut by_path: By<(Kind, Vec<usize>, usize), usize> = BTreeMap::new();
    for Difference { becomes, rule, because, with, owners, method, path, example } in differences {
        let key = (Kind { becomes, rule, with }, owners, method);
        by_path.entry(key).or_insert_with(|| (BTreeSet::new(), (example, because))).0.insert(path);
    }
    let mut by_method: By<(Kind, Vec<usize>, Set), usize> = BTreeMap::new();
    for ((kind, owners, method), (paths, shown)) in by_path {
        by_method.entry((kind, owners, paths)).or_insert_with(|| (BTreeSet::new(), shown)).0.insert(method);
    }
    let mut by_owner = BTreeMap::new();
    for ((kind, owners, paths), (methods, shown)) in by_method {
        let entry = by_owner.entry((kind, paths, methods)).or_insert_with(|| (BTreeSet::new(), shown));
        entry.0.insert(owners);
    }
    by_owner
}

/// The groups, in a fixed order.
pub(super) fn merged(found: BTreeMap<Said, Hosts>) -> Vec<Group> {
    let group = |(said, hosts): (Said, Hosts)| Group {
        becomes: said.becomes,
        rule: said.rule,
        binaries: said.binaries,
        together: said.together,
        destinations: hosts.destinations,
        methods: said.methods,
        paths: said.paths,
        with: said.with,
        denied_because: hosts.because,
        example: hosts.example,
    };
    found.into_iter().map(group).collect()
}

/// The entries that say which kinds are in `set`: wide ones first, each less what is not in the set.
fn words(level: &Level, set: &BTreeSet<usize>) -> Vec<Pattern> {
    let reach = |word: usize| level.matching.iter().filter(|matching| matching.contains(&word)).count();
    // Of the entries that match a kind, the narrowest; of two alike, one of an allow list.
    let narrowest = |cell: usize| {
        level.matching[cell]
            .iter()
            .copied()
            .min_by_key(|word| (reach(*word), level.words[*word].1 == Side::Deny, *word))
    };
    let mut wanted: Vec<usize> = set.iter().filter_map(|cell| narrowest(*cell)).collect();
    wanted.sort_by_key(|word| (std::cmp::Reverse(reach(*word)), *word));
    wanted.dedup();
    let matches = |cell: usize, word: usize| level.matching[cell].contains(&word);
    let mut covered: BTreeSet<usize> = BTreeSet::new();
    let mut said = Vec::new();
    for word in wanted {
        let own = set.iter().filter(|cell| narrowest(**cell) == Some(word));
        if own.clone().all(|cell| covered.contains(cell)) {
            continue;
        }
        let outside = (0..level.len()).filter(|cell| !set.contains(cell) && matches(*cell, word));
        let mut except: Vec<usize> = outside.filter_map(narrowest).collect();
        except.sort_unstable();
        except.dedup();
        // What an exception would take out of the set stays in: rather a word too much than a request too few.
        except.retain(|other| !set.iter().any(|cell| matches(*cell, *other)));
        covered.extend(set.iter().filter(|cell| matches(**cell, word)));
        let except = except.into_iter().map(|other| pattern(level, other, Vec::new())).collect();
        said.push(pattern(level, word, except));
    }
    said
}

fn pattern(level: &Level, word: usize, except: Vec<Pattern>) -> Pattern {
    let (text, side) = &level.words[word];
    // A path that a deny list covers more of; of a program or a method the text says enough.
    Pattern { pattern: text.clone(), as_denied: *side == Side::Deny, except }
}
