//! The document's Rego modules → [`Gates`].

use std::collections::HashSet;

use super::Compiler;
use crate::document::{RegoEntry, RegoMode};
use crate::pattern::Side;
use crate::pattern::host::DestinationPattern;
use crate::place::{At, Place};
use crate::rego::{Gates, Mistake, Module};
use crate::rule::Rule;

const MAX_MODULES: usize = 16;
const MAX_NAME: usize = 64;

impl Compiler<'_> {
    pub(super) fn gates(&mut self) -> Gates {
        let mut gates = Gates::default();
        let mut names = HashSet::new();
        let entries = &self.document.rego.0;
        if let Some(entry) = entries.get(MAX_MODULES) {
            let reason = format!("there are more than {MAX_MODULES} modules");
            self.refuse(entry.place, "rego", reason, "put several into one");
            return gates;
        }
        for entry in entries {
            let Some(name) = self.module_name(entry) else { continue };
            if !names.insert(name) {
                let reason = format!("a module named '{name}' stands above already");
                self.refuse(entry.place, "rego.name", reason, "give each module its own name");
            }
            self.module(&mut gates, name, &entry.value);
        }
        gates
    }

    fn module_name<'b>(&mut self, entry: &'b At<RegoEntry>) -> Option<&'b str> {
        let Some(At { value, place }) = &entry.value.name else {
            let remedy = "add 'name: …': denials and the audit log use it";
            self.refuse(entry.place, "rego.name", "the module has no name", remedy);
            return None;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if value.is_empty() || value.len() > MAX_NAME || !value.chars().all(plain) {
            let reason = format!("a module's name has 1 to {MAX_NAME} letters, digits, '-', '_' or '.'");
            self.refuse(*place, "rego.name", reason, "write a short name");
            return None;
        }
        Some(value)
    }

    fn module(&mut self, gates: &mut Gates, name: &str, entry: &RegoEntry) {
        let place = entry.name.as_ref().map(|name| name.place).unwrap_or_default();
        let Some(At { value: mode, place: mode_place }) = &entry.mode else {
            let remedy = "add 'mode: narrow', or 'mode: extend' with 'within'";
            return self.refuse(place, "rego.mode", format!("module '{name}' has no mode"), remedy);
        };
        let within = self.within(name, (*mode, *mode_place), &entry.within);
        let Some(text) = &entry.text else {
            let (reason, remedy) = match &entry.file {
                Some(_file) => ("the module's file was not read", "resolve the policy first"),
                None => ("the module has no text", "add 'file: ./NAME.rego' or 'text: |'"),
            };
            return self.refuse(place, "rego", format!("module '{name}': {reason}"), remedy);
        };
        match Module::load(&text.value, *mode) {
            Ok(module) => {
                let Some(within) = within else { return };
                gates.add(module, Rule::of_module(name), (*mode, within));
            }
            Err(found) => {
                let file = entry.file.is_some();
                found.into_iter().for_each(|mistake| self.refuse_module(name, text.place, mistake, file));
            }
        }
    }

    /// The destinations of a module that extends; a mistake otherwise.
    fn within(
        &mut self,
        name: &str,
        (mode, place): (RegoMode, Place),
        written: &[At<String>],
    ) -> Option<Vec<DestinationPattern>> {
        match (mode, written) {
            (RegoMode::Extend, []) => {
                let reason = format!("module '{name}' extends, and does not say where");
                let remedy = "add 'within: [DESTINATION, …]': it can allow nothing anywhere else";
                self.refuse(place, "rego.within", reason, remedy);
                return None;
            }
            (RegoMode::Narrow, [first, ..]) => {
                let reason = format!("module '{name}' narrows, which holds everywhere");
                self.refuse(first.place, "rego.within", reason, "remove 'within', or write 'mode: extend'");
                return None;
            }
            _ => {}
        }
        let read = |entry: &At<String>| {
            self.checked("rego.within", entry, |text| DestinationPattern::parse(text, Side::Allow))
        };
        written.iter().map(read).collect::<Vec<_>>().into_iter().collect()
    }

    /// A mistake in a file is reported there, and one in a text of the policy at the text.
    fn refuse_module(&mut self, name: &str, text: Place, mistake: Mistake, file: bool) {
        let Mistake { line, column, reason, remedy } = mistake;
        match (line, file) {
            (0, _) => self.refuse(text, "rego", format!("module '{name}': {reason}"), remedy),
            (_, true) => self.refuse(Place { line, column, ..text }, "rego", reason, remedy),
            (_, false) => {
                let reason = format!("module '{name}', line {line}, column {column}: {reason}");
                self.refuse(text, "rego", reason, remedy);
            }
        }
    }
}
