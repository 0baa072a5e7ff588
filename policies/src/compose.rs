//! `extends` → one document: every rule that is in force, in one list, each knowing where it came from.
//!
//! ```text
//! tier ──┐
//! preset ┼─ left to right, each after what it extends itself, each once ──► own document last
//! file ──┘
//! ```
//! *Rules* are merged by name, and the later wins. What the earlier one denied stays denied: its deny lists
//! go into the later rule, and the earlier rule stays as one that only denies. *Open ports* are merged by name too,
//! and the later replaces the earlier. *Lists of paths* are united. *Conditions on model calls* hold all together.
//! *Single values*, of the static half and of variables, are the latest; two policies that are extended side by side and
//! disagree on one are a mistake, unless the document that extends them says which holds.
//!
//! *Invariant:* nothing is opened here: [`Files`] answers for everything outside the text.

mod merge;
mod modules;
mod statics;
#[cfg(test)]
mod tests;
mod variables;

use std::collections::HashMap;

use crate::document::{Document, OneOrMany, VERSION};
use crate::embedded;
use crate::place::{At, Place, SourceId};
use crate::yaml::{LoadError, LoadErrors, nearest};
use statics::Statics;

/// Deepest chain of `extends`.
const MAX_DEPTH: usize = 16;

/// What a document names and does not hold.
pub trait Files {
    /// Reads the file that the text named `base` calls `path`.
    ///
    /// # Errors
    /// One line of cause.
    fn read(&self, base: &str, path: &str) -> Result<FileText, String>;

    /// What the operator or the image says that a variable stands for.
    fn variable(&self, name: &str) -> Option<Vec<String>>;
}

/// A text and what errors call it. Two files of one name are one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileText {
    /// For a file: its path in one form, so that a cycle is seen.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Nothing outside the text: a document that extends only what comes with the product.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

/// Resolves `extends`, `remove` and `variables`, and reads the files of Rego modules.
///
/// # Errors
/// A policy that is not there or does not load, a cycle, values that disagree, a variable that nothing
/// defines, a rule to remove that no extended policy has.
pub fn compose(mut document: Document, files: &dyn Files) -> Result<Document, LoadErrors> {
    let mut composer = Composer::new(&document, files);
    let own = document.file().to_owned();
    modules::inline(&mut document, &own, &mut composer.sources, files)?;
    let own = composer.layer(document, SourceId::OWN, &mut Vec::new())?;
    let Composer { layers, sources, .. } = composer;
    let names = variables::Variables::of(&own.variables, &layers, files);
    let mut resolved = Document {
        version: Some(At::nowhere(VERSION)),
        network: merge::rules(&layers, &sources)?,
        rego: modules::united(&layers, &sources)?,
        inference: merge::inference(&layers),
        ..own.into_document()
    };
    resolved.sources = sources;
    names.fill(&mut resolved)?;
    Ok(resolved)
}

struct Composer<'f> {
    files: &'f dyn Files,
    sources: crate::document::Sources,
    /// What was read, in the order in which it is laid over each other.
    layers: Vec<Document>,
    /// The static half of every text that was read, resolved.
    seen: HashMap<String, Statics>,
}

impl<'f> Composer<'f> {
    fn new(document: &Document, files: &'f dyn Files) -> Self {
        Self { files, sources: document.sources.clone(), layers: Vec::new(), seen: HashMap::new() }
    }

    /// Reads everything that `document` extends, then lays the document over it.
    fn layer(
        &mut self,
        document: Document,
        source: SourceId,
        chain: &mut Vec<String>,
    ) -> Result<Statics, LoadErrors> {
        let base = self.sources.name(source).to_owned();
        chain.push(base.clone());
        let mut beneath = Vec::new();
        if let Some(At { value: OneOrMany(list), place }) = &document.extends {
            for entry in list {
                let place = if entry.place == Place::default() { *place } else { entry.place };
                let entry = At { value: entry.value.clone(), place };
                beneath.push(self.extended(&base, &entry, chain)?);
            }
        }
        chain.pop();
        let statics = Statics::of(&document).over(beneath).map_err(|conflict| {
            let (first, second) = (conflict.first, conflict.second);
            let (one, other) = (self.sources.name(first.source), self.sources.name(second.source));
            let place = document.extends.as_ref().map(|extends| extends.place).unwrap_or_default();
            let reason = format!("'{}' is set differently by {one} and by {other}", conflict.key);
            let remedy = format!("set '{}' in this policy", conflict.key);
            LoadError::new(&base, place, reason, remedy).about("extends")
        })?;
        self.layers.push(document);
        Ok(statics)
    }

    fn extended(
        &mut self,
        base: &str,
        entry: &At<String>,
        chain: &mut Vec<String>,
    ) -> Result<Statics, LoadErrors> {
        let refuse = |reason: String, remedy: String| {
            LoadErrors::from(LoadError::new(base, entry.place, reason, remedy).about("extends"))
        };
        let FileText { name, text } =
            self.find(base, &entry.value).map_err(|(why, what)| refuse(why, what))?;
        if chain.contains(&name) {
            let reason = format!("'{}' extends itself, by {}", name, chain.join(" → "));
            return Err(refuse(reason, "take it out of one of them".to_owned()));
        }
        if let Some(known) = self.seen.get(&name) {
            return Ok(known.clone());
        }
        if chain.len() >= MAX_DEPTH {
            let reason = format!("policies extend each other more than {MAX_DEPTH} deep");
            return Err(refuse(reason, "extend fewer".to_owned()));
        }
        let source = self
            .sources
            .add(&name)
            .ok_or_else(|| refuse("too many policies are extended".to_owned(), "extend fewer".to_owned()))?;
        let mut document = source.reading(|| Document::parse(&text, &name))?;
        modules::inline(&mut document, &name, &mut self.sources, self.files)?;
        let statics = self.layer(document, source, chain)?;
        self.seen.insert(name, statics.clone());
        Ok(statics)
    }

    /// The text that `extends` calls `wanted`, or cause and remedy.
    fn find(&self, base: &str, wanted: &str) -> Result<FileText, (String, String)> {
        if let Some(text) = embedded::text(wanted) {
            return Ok(FileText { name: wanted.to_owned(), text: text.to_owned() });
        }
        if embedded::is_name(wanted) || !wanted.contains(['/', '.']) {
            // Most people leave the folder out.
            let same = embedded::names().find(|name| name.split('/').nth(1) == Some(wanted));
            let remedy = match same.or_else(|| nearest(wanted, embedded::names())) {
                Some(close) => format!("did you mean '{close}'?"),
                None => "'openshell policy presets' lists them; a file is written './FILE'".to_owned(),
            };
            return Err((format!("there is no policy '{wanted}'"), remedy));
        }
        if embedded::text(base).is_some() {
            let reason = format!("'{wanted}' is a file, and {base} stands in none");
            return Err((reason, "name a policy that comes with the product".to_owned()));
        }
        self.files.read(base, wanted).map_err(|cause| {
            (format!("cannot read '{wanted}': {cause}"), "name a policy file that can be read".to_owned())
        })
    }
}

impl Files for NoFiles {
    fn read(&self, _base: &str, _path: &str) -> Result<FileText, String> {
        Err("no file is read here".to_owned())
    }

    fn variable(&self, _name: &str) -> Option<Vec<String>> {
        None
    }
}
