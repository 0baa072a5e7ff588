//! Marks of an injected instruction (MITRE ATLAS AML.T0051): text that speaks to the model in the place of whoever may.
//!
//! Words alone say little: the same ones stand in every article about the matter. So each begins a look at its sentence,
//! at how the verb is said (to the reader, or of somebody), and at what stands with it. What is weak by itself is a mark
//! only beside another weak one of another sort. What a model is told is not sensitive: a mark says nothing of where a
//! prompt may go.

mod clause;
mod cues;
mod forged;
mod told;
pub(super) mod unseen;
mod wanted;

use std::ops::Range;
use std::sync::LazyLock;

use super::words::Word;
use crate::category::{Category, Found};
use clause::Plain;
use cues::{CUES, Cue};

/// One place where a cue stands.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    cue: Cue,
    at: Range<usize>,
}

/// A text with all its cues, in order.
struct View<'a> {
    text: &'a [u8],
    hits: &'a [Hit],
    fences: LazyLock<Vec<usize>, Box<dyn FnOnce() -> Vec<usize> + 'a>>,
}

/// What a cue turns out to be.
enum Sign {
    /// A mark.
    Mark(Category, Range<usize>),
    /// Something that is a mark beside a sign of another cue.
    Weak(Category, Range<usize>),
}

const OVERRIDE: Category = Category::injection("instruction-override");
/// A text that claims to be another turn of the conversation, or the system's word.
pub const FORGED_ROLE: Category = Category::injection("forged-role");
const HIDDEN: Category = Category::injection("hidden-text");
const DISCLOSURE: Category = Category::injection("prompt-disclosure");
const EXFILTRATION: Category = Category::injection("data-exfiltration");
const PERSONA: Category = Category::injection("persona-jailbreak");
/// A text that claims to be a tool's call, or its answer.
pub const FORGED_TOOL_CALL: Category = Category::injection("forged-tool-call");

/// All marks.
pub(crate) const CATEGORIES: [Category; 7] =
    [OVERRIDE, FORGED_ROLE, HIDDEN, DISCLOSURE, EXFILTRATION, PERSONA, FORGED_TOOL_CALL];

/// Bytes between two weak signs that belong together.
const TOGETHER: usize = 260;

/// A word of a cue.
struct Entry {
    cue: Cue,
    /// Whether letters may follow.
    is_stem: bool,
    /// Whether it is made of signs, around which anything may stand.
    is_mark: bool,
    word: String,
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let entry = |cue: Cue, word: &str| {
        let (word, is_stem) = word.strip_suffix('*').map_or((word, false), |stem| (stem, true));
        let is_mark = word.starts_with(|c: char| !c.is_alphanumeric());
        Entry { cue, is_stem, is_mark, word: word.to_owned() }
    };
    let each = |(cue, words): &(Cue, &'static str)| {
        let cue = *cue;
        words.split(';').filter(|word| !word.is_empty()).flat_map(move |word| {
            let capitals = (!word.is_ascii()).then(|| word.to_uppercase());
            [Some(word.to_owned()), capitals].into_iter().flatten().map(move |word| entry(cue, &word))
        })
    };
    CUES.iter().flat_map(each).collect()
});

/// Every word that a mark begins with, in the order that [`hit`] counts in.
pub(super) fn words() -> impl Iterator<Item = String> {
    ENTRIES.iter().map(|entry| entry.word.clone())
}

/// The cue at `word`, the one of [`words`] with this index.
pub(super) fn hit(index: usize, word: Word<'_>) -> Option<Hit> {
    let Entry { cue, is_stem, is_mark, .. } = &ENTRIES[index];
    // The name of a variable says nothing to anybody.
    let is_name = *cue != Cue::SecretFile && word.text[word.start..word.end].contains(&b'_');
    let stands = if *is_mark {
        true
    } else if *is_stem {
        word.begins_alone()
    } else {
        word.stands_alone()
    };
    (stands && (*is_mark || !is_name)).then_some(Hit { cue: *cue, at: word.start..word.end })
}

/// Reports what the cues of `text` show together.
pub(super) fn judge(text: &[u8], mut hits: Vec<Hit>, found: &mut Found) {
    if hits.is_empty() {
        return;
    }
    hits.sort_by_key(|hit| (hit.at.start, hit.at.end));
    let fences = LazyLock::new(Box::new(|| clause::fences(text)) as Box<dyn FnOnce() -> Vec<usize>>);
    let view = View { text, hits: &hits, fences };
    let mut weak: Option<(Cue, Category, Range<usize>)> = None;
    for (index, hit) in hits.iter().enumerate() {
        match sign(&view, index) {
            Some(Sign::Mark(category, at)) => report(text, category, at, found),
            Some(Sign::Weak(category, at)) => {
                let near = weak.as_ref().filter(|(cue, _, before)| {
                    *cue != hit.cue && at.start.saturating_sub(before.end) < TOGETHER
                });
                if let Some((_, first, before)) = near {
                    let apart = text[before.end.min(at.start)..at.start].contains(&b'\x1f');
                    if !apart {
                        report(text, *first, before.start..at.end.max(before.end), found);
                    }
                }
                weak = Some((hit.cue, category, at));
            }
            None => {}
        }
    }
}

fn sign(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    match hit.cue {
        Cue::Dismiss | Cue::Loosen => told::dismissed(view, index),
        Cue::Unfollow => told::unfollowed(view, index),
        Cue::Void => told::void(view, index),
        Cue::NewTask | Cue::FromNow => told::renewed(view, index),
        Cue::Address => told::addressed(view, index),
        Cue::Secrecy => Some(Sign::Weak(EXFILTRATION, hit.at.clone())),
        Cue::Prompt | Cue::OwnPrompt | Cue::AboveText => wanted::prompt(view, index),
        Cue::Talk | Cue::Secret | Cue::SecretFile => wanted::data(view, index),
        Cue::Image => wanted::picture(view, index),
        Cue::Unbound => told::unbound(view, index),
        Cue::Turn => forged::turn(view, index),
        Cue::SystemTag | Cue::SystemLine => forged::system(view, index),
        Cue::Tool => forged::tool(view, index),
        Cue::Unseen => unseen::container(view, index),
        Cue::Rules | Cue::Everything => None,
    }
}

fn report(text: &[u8], category: Category, at: Range<usize>, found: &mut Found) {
    let value = Plain::of(text, at.clone());
    found.add(category, at, value.as_str().as_bytes());
}

impl View<'_> {
    /// The cues of one of `sorts` that begin behind hit `index` within `reach` bytes, the hit's sentence or not.
    fn after(&self, index: usize, reach: usize, sorts: &'static [Cue]) -> impl Iterator<Item = &Hit> {
        let from = self.hits[index].at.end;
        let rest = self.hits[index + 1..].iter().take_while(move |hit| hit.at.start < from + reach);
        rest.filter(move |hit| hit.at.start >= from && sorts.contains(&hit.cue))
    }

    /// The same before it, nearest first.
    fn ahead(&self, index: usize, reach: usize, sorts: &'static [Cue]) -> impl Iterator<Item = &Hit> {
        let to = self.hits[index].at.start;
        let rest = self.hits[..index].iter().rev().take_while(move |hit| hit.at.start + reach > to);
        rest.filter(move |hit| hit.at.end <= to && sorts.contains(&hit.cue))
    }

    fn is_shown(&self, at: &Range<usize>) -> bool {
        clause::is_shown(self.text, at, &self.fences)
    }
}
