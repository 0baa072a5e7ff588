//! The kinds of values that patterns can tell apart, level by level, with an example of each.
//!
//! Hosts, ports and methods are few. For paths, all patterns are walked at once, segment by segment: two
//! beginnings after which every pattern stands at the same places can only be continued alike, so each is
//! continued once.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::canonical::with_plain_slashes;
use crate::document::{Lists, RuleEntry};
use crate::pattern::Side;
use crate::pattern::binary::{BinaryPattern, DIRECTORIES, HELPERS};
use crate::pattern::host::{DestinationPattern, HostPattern, is_canonical};
use crate::pattern::method::MethodPattern;
use crate::pattern::path::{Kind, PathPattern};
use crate::place::At;
use crate::witness::ANYTHING;

/// Most continuations that are looked at for one host and one level.
const MOST: usize = 30_000;

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word<P> {
    pub(super) text: String,
    pub(super) side: Side,
    pattern: P,
}

/// The entries of some rules.
pub(super) struct Vocabulary {
    binaries: Vec<Word<BinaryPattern>>,
    methods: Vec<Word<MethodPattern>>,
    paths: Vec<Word<PathPattern>>,
}

/// The kinds of values of one level.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// The entries, as written.
    pub(super) words: Vec<(String, Side)>,
    /// One value of each kind.
    pub(super) examples: Vec<String>,
    /// Of each kind, the entries that match it.
    pub(super) matching: Vec<Vec<usize>>,
}

pub(super) struct Cells {
    pub(super) binaries: Level,
    pub(super) methods: Level,
    pub(super) paths: Level,
    pub(super) complete: bool,
}

/// A kind of destination.
#[derive(Debug)]
pub(super) struct HostCell {
    pub(super) host: String,
    pub(super) port: u16,
    /// The narrowest entry that matches it.
    pub(super) word: (String, Side),
}

impl Level {
    pub(super) fn len(&self) -> usize {
        self.examples.len()
    }
}

fn words<P>(
    rules: &[&RuleEntry],
    level: impl Fn(&RuleEntry) -> Option<&At<Lists>>,
    parse: impl Fn(&str, Side) -> Option<P>,
) -> Vec<Word<P>> {
    let mut seen = HashSet::new();
    let lists = rules.iter().filter_map(|rule| level(rule));
    let entries = lists.flat_map(|At { value: Lists { allow, deny }, .. }| {
        let side = |side| move |entry| (entry, side);
        allow.iter().map(side(Side::Allow)).chain(deny.iter().map(side(Side::Deny)))
    });
    let new = entries.filter(|(entry, side): &(&At<String>, Side)| {
        seen.insert((entry.value.as_str(), *side == Side::Deny))
    });
    let word = |(entry, side): (&At<String>, Side)| {
        Some(Word { text: entry.value.clone(), side, pattern: parse(&entry.value, side)? })
    };
    new.filter_map(word).collect()
}

/// The kinds of destinations that the rules' entries tell apart.
pub(super) fn hosts(rules: &[&RuleEntry]) -> Vec<HostCell> {
    let words = words(
        rules,
        |rule| rule.destination.as_ref(),
        |text, side| DestinationPattern::parse(text, side).ok(),
    );
    let names: BTreeSet<String> =
        words.iter().flat_map(|word| names(&word.pattern.host)).filter(|name| is_canonical(name)).collect();
    let mut cells = Vec::new();
    let mut seen = HashSet::new();
    for host in names {
        let about: Vec<usize> =
            (0..words.len()).filter(|word| words[*word].pattern.host.matches(&host)).collect();
        let ports: BTreeSet<u16> = about
            .iter()
            .flat_map(|word| {
                let ports = words[*word].pattern.ports;
                [
                    443,
                    ports.first(),
                    ports.last(),
                    ports.first().saturating_sub(1),
                    ports.last().saturating_add(1),
                ]
            })
            .filter(|port| *port > 0)
            .collect();
        for port in ports {
            let matching: Vec<usize> =
                about.iter().copied().filter(|word| words[*word].pattern.ports.contain(port)).collect();
            if !matching.iter().any(|word| words[*word].side == Side::Allow) || !seen.insert(matching.clone())
            {
                continue;
            }
            let narrowest = matching.iter().min_by_key(|word| width(&words[**word]));
            let Some(word) = narrowest.map(|word| &words[*word]) else { continue };
            cells.push(HostCell { host: host.clone(), port, word: (word.text.clone(), word.side) });
        }
    }
    cells
}

/// How much an entry matches, roughly: a longer name is narrower, and so are fewer ports.
fn width(word: &Word<DestinationPattern>) -> (u8, std::cmp::Reverse<usize>, u16, bool) {
    let (kind, name) = match &word.pattern.host {
        HostPattern::Exactly(name) => (0, name),
        HostPattern::OneLabelBefore(name) => (1, name),
        HostPattern::AnyDepthBefore(name) => (2, name),
    };
    let ports = word.pattern.ports;
    (kind, std::cmp::Reverse(name.len()), ports.last() - ports.first(), word.side == Side::Deny)
}

fn names(host: &HostPattern) -> Vec<String> {
    match host {
        HostPattern::Exactly(name) => vec![name.to_string()],
        HostPattern::OneLabelBefore(name) | HostPattern::AnyDepthBefore(name) => {
            vec![format!("{ANYTHING}.{name}"), format!("{ANYTHING}.{ANYTHING}.{name}")]
        }
    }
}

impl Vocabulary {
    pub(super) fn of(rules: &[&RuleEntry]) -> Self {
        let path = |text: &str, side| PathPattern::parse(text, Kind::Request, side).ok();
        let mut paths = words(rules, |rule| rule.path.as_ref(), path);
        // An entry with escaped slashes stands for the paths with plain ones too, as it does where it is compiled.
        let plain = |Word { text, side, .. }: &Word<PathPattern>| {
            let text = with_plain_slashes(text)?;
            Some(Word { pattern: path(&text, *side)?, text, side: *side })
        };
        let more: Vec<_> = paths.iter().filter_map(plain).collect();
        paths.extend(more);
        Self {
            binaries: words(
                rules,
                |rule| rule.binary.as_ref(),
                |text, side| BinaryPattern::parse(text, side).ok(),
            ),
            methods: words(rules, |rule| rule.method.as_ref(), |text, _side| MethodPattern::parse(text).ok()),
            paths,
        }
    }

    pub(super) fn cells(&self) -> Cells {
        let (binaries, some) = self.binaries();
        let (paths, all) = self.paths();
        Cells { binaries, methods: self.methods(), paths, complete: some && all }
    }

    fn methods(&self) -> Level {
        let mut finder = Finder::new(&self.methods, |pattern, method| pattern.matches(method));
        self.methods.iter().filter(|word| word.text != "*").for_each(|word| finder.see(&word.text));
        // One that nobody names, for '*'.
        ["REPORT", "MKCOL", "UNLINK"].iter().for_each(|method| finder.see(method));
        finder.level
    }

    fn paths(&self) -> (Level, bool) {
        let mut segments: Vec<String> =
            self.paths.iter().flat_map(|word| word.text.split('/')).map(str::to_owned).collect();
        segments = examples(&segments);
        if self.paths.iter().any(|word| word.side == Side::Deny) {
            segments = segments.iter().flat_map(|segment| spellings(segment)).collect();
        }
        let patterns: Vec<&PathPattern> = self.paths.iter().map(|word| &word.pattern).collect();
        let mut finder = Finder::new(&self.paths, |pattern, path| pattern.matches(path));
        finder.see("/");
        let complete = walk(&patterns, &unique(segments), &mut |path| {
            finder.see(path);
            finder.see(&format!("{path}/"));
        });
        (finder.level, complete)
    }

    fn binaries(&self) -> (Level, bool) {
        let folders = DIRECTORIES
            .iter()
            .copied()
            .chain(HELPERS.iter().map(|(_name, folder)| folder.trim_end_matches('/')));
        let folders: Vec<String> =
            folders.map(|folder| format!("{folder}/*")).chain(["/*/*".to_owned()]).collect();
        let file = |text: &String| PathPattern::parse(text, Kind::File, Side::Allow).ok();
        let folders: Vec<(String, PathPattern)> =
            folders.into_iter().filter_map(|text| Some((text.clone(), file(&text)?))).collect();
        let mut texts: Vec<String> =
            folders.iter().flat_map(|(text, _pattern)| text.split('/')).map(str::to_owned).collect();
        let mut patterns: Vec<&PathPattern> = folders.iter().map(|(_text, pattern)| pattern).collect();
        for word in &self.binaries {
            match &word.pattern {
                BinaryPattern::Name { name, .. } => {
                    let version = if name.ends_with(|c: char| c.is_ascii_digit()) { ".9" } else { "9" };
                    texts.extend([name.to_string(), format!("{name}{version}")]);
                }
                BinaryPattern::Path(pattern) => {
                    texts.extend(word.text.split('/').map(str::to_owned));
                    patterns.push(pattern);
                }
            }
        }
        let mut finder = Finder::new(&self.binaries, |pattern, path| pattern.matches(path));
        let complete = walk(&patterns, &unique(examples(&texts)), &mut |path| finder.see(path));
        (finder.level, complete)
    }
}

/// Collects one example of each kind.
struct Finder<'a, P, M> {
    words: &'a [Word<P>],
    matches: M,
    level: Level,
    seen: HashMap<Vec<usize>, usize>,
}

impl<'a, P, M: Fn(&P, &str) -> bool> Finder<'a, P, M> {
    fn new(words: &'a [Word<P>], matches: M) -> Self {
        let level = Level {
            words: words.iter().map(|word| (word.text.clone(), word.side)).collect(),
            ..Level::default()
        };
        Self { words, matches, level, seen: HashMap::new() }
    }

    /// What no allow list names is never allowed, and cannot differ.
    fn see(&mut self, value: &str) {
        let is = |word: &usize| (self.matches)(&self.words[*word].pattern, value);
        let matching: Vec<usize> = (0..self.words.len()).filter(is).collect();
        let allowed = matching.iter().any(|word| self.words[*word].side == Side::Allow);
        if allowed && !self.seen.contains_key(&matching) {
            self.seen.insert(matching.clone(), self.level.examples.len());
            self.level.examples.push(value.to_owned());
            self.level.matching.push(matching);
        }
    }
}

/// Goes through all patterns at once; whether that came to an end.
fn walk(patterns: &[&PathPattern], segments: &[String], see: &mut dyn FnMut(&str)) -> bool {
    type Places = Vec<BTreeSet<usize>>;
    let start: Places = patterns.iter().map(|pattern| pattern.start()).collect();
    let mut seen = HashSet::from([start.clone()]);
    let mut open = VecDeque::from([(start, String::new())]);
    let mut steps = 0;
    while let Some((places, path)) = open.pop_front() {
        for segment in segments {
            steps += 1;
            let longer = format!("{path}/{segment}");
            see(&longer);
            let next: Places =
                patterns.iter().zip(&places).map(|(pattern, places)| pattern.step(places, segment)).collect();
            let alive = next.iter().any(|places| !places.is_empty());
            if alive && seen.insert(next.clone()) {
                open.push_back((next, longer));
            }
        }
        if steps > MOST {
            return open.is_empty();
        }
    }
    true
}

/// Segments that stand for all that the segments of patterns match: each as it is, with its wildcards filled,
/// and two with wildcards at once.
fn examples(segments: &[String]) -> Vec<String> {
    let filled = |segment: &str, with: &str| segment.replace('*', with);
    let mut all = vec![ANYTHING.to_owned()];
    let wild: Vec<&String> =
        segments.iter().filter(|text| text.contains('*') && !matches!(text.as_str(), "*" | "**")).collect();
    all.extend(segments.iter().filter(|text| !text.is_empty() && !text.contains('*')).cloned());
    for one in &wild {
        all.extend([filled(one, ""), filled(one, ANYTHING)]);
        for other in wild.iter().filter(|other| other != &one) {
            let inner = filled(other, "");
            all.extend([filled(one, &inner), filled(one, "") + &inner]);
        }
    }
    all.retain(|text| !text.is_empty() && text != "." && text != "..");
    all
}

/// A deny list sees a segment in other spellings too.
fn spellings(segment: &str) -> Vec<String> {
    let encoded: String = segment
        .chars()
        .map(|c| if "!$&'()*+,=:@".contains(c) { format!("%{:02X}", u32::from(c)) } else { c.to_string() })
        .collect();
    let (upper, lower) = (segment.to_ascii_uppercase(), segment.to_ascii_lowercase());
    let plain = !segment.contains('%');
    let mut all = vec![segment.to_owned(), encoded];
    all.extend([upper, lower].into_iter().filter(|_text| plain));
    all
}

fn unique(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts.dedup();
    texts
}
