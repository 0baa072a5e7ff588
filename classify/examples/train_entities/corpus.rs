//! Sentences to learn from.

use std::ops::Range;
use std::path::Path;

use classify::entities::tag::{Kind, OUTSIDE};
use classify::entities::text::tokens;

/// A text and the tags of its tokens.
#[derive(Clone, Debug)]
pub(crate) struct Sentence {
    pub(crate) text: String,
    pub(crate) tags: Vec<usize>,
}

/// The annotated sentences, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Corpus {
    pub(crate) learned: Vec<Sentence>,
    pub(crate) chosen_by: Vec<Sentence>,
    pub(crate) kept: Vec<Sentence>,
}

impl Sentence {
    /// With entities at these bytes.
    pub(crate) fn with(text: String, entities: &[(Kind, Range<usize>)]) -> Self {
        let tag = |at: &Range<usize>| {
            let entity = entities.iter().find(|(_kind, entity)| entity.contains(&at.start));
            entity.map_or(OUTSIDE, |(kind, entity)| kind.first() + usize::from(at.start > entity.start))
        };
        let tags = tokens(&text).iter().map(|token| tag(&token.at)).collect();
        Self { text, tags }
    }

    /// Without any.
    pub(crate) fn plain(text: String) -> Self {
        Self::with(text, &[])
    }
}

impl Corpus {
    /// Reads every annotated file below `data`, in the order of their names.
    pub(crate) fn read(data: &Path) -> Self {
        let mut corpus = Self::default();
        for directory in ["btc", "wikigold", "wnut17"] {
            for file in files(&data.join(directory), &["conll"]) {
                let text = std::fs::read_to_string(&file).expect("an annotated file is text");
                for (at, sentence) in
                    text.split("\n\n").map(annotated).filter(|one| !one.tags.is_empty()).enumerate()
                {
                    match at % 10 {
                        0 => corpus.kept.push(sentence),
                        1 => corpus.chosen_by.push(sentence),
                        _ => corpus.learned.push(sentence),
                    }
                }
            }
        }
        corpus
    }
}

/// Lines of technical text, longer ones only: those that say something.
pub(crate) fn clean(root: &Path) -> Vec<String> {
    let texts = files(root, &["rs", "md", "toml", "sh", "py", "yaml"])
        .into_iter()
        .filter_map(|file| std::fs::read_to_string(file).ok());
    texts
        .flat_map(|text| text.lines().filter(|line| line.len() > 12).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Files with one of these endings, sorted; hidden directories, what is built and this crate, whose tests name people, aside.
fn files(directory: &Path, endings: &[&str]) -> Vec<std::path::PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(directory)
        .expect("the directory is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    entries.sort();
    let aside = |path: &Path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_none_or(|name| name.starts_with('.') || name == "target" || name == "classify")
    };
    let mut files = Vec::new();
    for path in entries.into_iter().filter(|path| !aside(path)) {
        if path.is_dir() {
            files.extend(self::files(&path, endings));
        } else if path
            .extension()
            .and_then(|ending| ending.to_str())
            .is_some_and(|ending| endings.contains(&ending))
        {
            files.push(path);
        }
    }
    files
}

/// One sentence of a file of tokens and tags, written as text again.
fn annotated(block: &str) -> Sentence {
    let mut text = String::new();
    let mut entities: Vec<(Kind, Range<usize>)> = Vec::new();
    let mut last = None;
    for line in block.lines() {
        let mut columns = line.split_whitespace();
        let (Some(word), Some(tag)) = (columns.next(), columns.next_back()) else { continue };
        let closes = matches!(word, "." | "," | ";" | ":" | "!" | "?" | ")" | "'s" | "n't" | "'" | "%");
        if !text.is_empty() && !closes && !text.ends_with(['(', '@', '#']) {
            text.push(' ');
        }
        let start = text.len();
        text.push_str(word);
        let kind = kind(tag);
        match (kind, entities.last_mut()) {
            (Some(kind), Some((same, at)))
                if tag.starts_with("I-") && last == Some(kind) && *same == kind =>
            {
                at.end = text.len()
            }
            (Some(kind), _) => entities.push((kind, start..text.len())),
            (None, _) => {}
        }
        last = kind;
    }
    Sentence::with(text, &entities)
}

/// The corpora name their kinds differently.
fn kind(tag: &str) -> Option<Kind> {
    match tag.get(2..)? {
        "PER" | "person" => Some(Kind::Person),
        "LOC" | "location" => Some(Kind::Location),
        "ORG" | "corporation" | "group" => Some(Kind::Organisation),
        _ => None,
    }
}
