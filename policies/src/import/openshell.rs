//! OpenShell's policy schema, version 1 → [`Document`].
//!
//! ```text
//! text ──schema──► PolicyFile ──endpoint──► Draft… ──resolve──► Planned… ──► Document
//!                     └──statics──► Filesystem            report: Finding…
//! ```
//! An endpoint is translated by itself first (`endpoint`, with `destination`, `selector`, `glob`, `methods`);
//! then `resolve` settles what the endpoints of a host do to each other. Facts about that engine stand in
//! the module that uses them, with the file in NVIDIA/OpenShell in which they were verified.
//!
//! *Invariant:* what cannot be said exactly is left out or denied more, and there is a finding for it.

mod destination;
mod endpoint;
mod glob;
pub(crate) mod lint;
mod methods;
mod report;
mod resolve;
mod schema;
mod selector;
mod statics;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use self::destination::Reach;
use self::endpoint::{Draft, Role};
use self::glob::Allowed;
use self::lint::Lint;
use self::report::{Report, Site};
use self::resolve::Planned;
use self::schema::{NetworkPolicy, PolicyFile};
use self::selector::Selector;
use super::Imported;
use crate::document::{Document, Lists, RuleEntry, VERSION};
use crate::place::At;
use crate::yaml::{self, LoadErrors};
use crate::{Policy, confinement};

/// Longest part of a rule's name that is taken from the imported file.
const MAX_NAME: usize = 80;

/// Most endpoints that are compared with each other.
const MAX_ENDPOINTS: usize = 4096;

/// Imports an OpenShell policy. `file` is how errors call it; nothing is opened.
///
/// # Errors
/// The text is not such a policy, or it has a part that cannot be left out without allowing more.
pub fn import(text: &str, file: &str) -> Result<Imported, LoadErrors> {
    let imported = translate(text, file)?;
    // What an import makes loads; were it not so, nothing would be imported.
    check(&imported.document)?;
    Ok(imported)
}

fn check(document: &Document) -> Result<(), LoadErrors> {
    Policy::compile(document)?;
    let nowhere = confinement::Workspace { own: Vec::new(), shared: Vec::new() };
    document.confinement(&nowhere).map(|_confinement| ())
}

fn translate(text: &str, file: &str) -> Result<Imported, LoadErrors> {
    let policy: PolicyFile = yaml::parse(text, file)?;
    let mut report = Report { file, findings: Vec::new(), mistakes: Vec::new() };
    if policy.version.value != VERSION {
        let reason = format!("version {} of OpenShell's schema is not known", policy.version.value);
        report.refuse(policy.version.place, "version", reason, "write 'version: 1'");
    }
    for (name, middleware) in &policy.network_middlewares.0 {
        let reason = format!("middleware '{name}' has no equivalent, and without it more would pass");
        let remedy = "remove it from the file if what it checks may go unchecked";
        report.refuse(middleware.place, "network_middlewares", reason, remedy);
    }
    statics::note_others(&policy, &mut report);
    let filesystem = statics::filesystem(&policy, &mut report);
    let network = network(&policy, &mut report);
    let Report { mut findings, mistakes, .. } = report;
    if let Some(mistakes) = LoadErrors::from_found(mistakes) {
        return Err(mistakes);
    }
    findings.sort_by_key(|finding| finding.place);
    let mut document = Document::default().named(file);
    document.version = Some(At::nowhere(VERSION));
    document.filesystem = Some(filesystem);
    document.network = network;
    Ok(Imported { document, report: findings })
}

impl Imported {
    /// The policy as a file, with the findings as comments above it.
    ///
    /// # Errors
    /// The document cannot be written as YAML; a bug.
    pub fn to_yaml(&self) -> Result<String, serde_saphyr::SerializeError> {
        let mut text = format!("# Imported from {}.\n", yaml::printable(self.document.file()));
        if !self.report.is_empty() {
            text.push_str("# Where this differs from it (line:column there):\n");
        }
        for finding in &self.report {
            text.push_str(&format!("#   {finding}\n"));
        }
        text.push_str(serde_saphyr::to_string(&self.document)?.trim_end());
        text.push('\n');
        Ok(text)
    }
}

fn network(policy: &PolicyFile, report: &mut Report<'_>) -> Vec<At<RuleEntry>> {
    let mut drafts = Vec::new();
    for (index, (key, At { value, place })) in policy.network_policies.0.iter().enumerate() {
        let site = Site::new(*place, format!("network_policies.{key}"));
        drafts.extend(endpoints(index, value, &site, report));
    }
    if let Some(first) = drafts.first() {
        let message = "a program counts by its own resolved path here, not by those of its ancestors";
        let remedy = "list every program that opens connections itself, by the path that links lead to";
        let site = Site::new(first.site.place, "network_policies");
        report.note(&site, Lint::AncestorsNotCounted, message, remedy);
    }
    if let Some(draft) = drafts.iter().find(|draft| !draft.denials.is_empty()) {
        let message = "a deny list here also matches other case and encoding, and '/a/**' also '/a'";
        report.note(&draft.site.clone(), Lint::DenySpellings, message, "nothing to do");
    }
    if drafts.len() > MAX_ENDPOINTS {
        let reason =
            format!("the policy has {} endpoints, more than the {MAX_ENDPOINTS} that are read", drafts.len());
        report.refuse(drafts[0].site.place, "network_policies", reason, "split it into several policies");
        return Vec::new();
    }
    let planned = resolve::resolve(&drafts, report);
    entries(policy, planned)
}

fn endpoints(index: usize, policy: &NetworkPolicy, site: &Site, report: &mut Report<'_>) -> Vec<Draft> {
    if policy.binaries.is_empty() {
        let message = "a policy without binaries matches no program: it is left out";
        report.note(site, Lint::NoBinaries, message, "list the programs that are meant under 'binaries'");
        return Vec::new();
    }
    let programs = programs(policy, site, report);
    let numbered = policy.endpoints.iter().enumerate();
    let drafts = numbered.map(|(number, At { value: endpoint, place })| {
        let draft = Draft {
            policy: index,
            site: Site::new(*place, format!("{}.endpoints[{number}]", site.subject)),
            programs: programs.clone(),
            destinations: Vec::new(),
            reach: Reach::of(endpoint),
            selector: Selector::parse(endpoint.path.as_ref().map(|path| path.value.as_str())),
            role: Role::Uninspected,
            grants: Vec::new(),
            denials: Vec::new(),
        };
        draft.read(endpoint, report)
    });
    drafts.collect::<Vec<_>>().into_iter().filter(|draft| !draft.selector.is_never()).collect()
}

fn programs(policy: &NetworkPolicy, site: &Site, report: &mut Report<'_>) -> Vec<String> {
    let mut programs = Vec::new();
    for (number, At { value: binary, place }) in policy.binaries.iter().enumerate() {
        let site = Site::new(*place, format!("{}.binaries[{number}]", site.subject));
        if binary.harness.is_some() {
            report.note(&site, Lint::KeyIgnored, "'harness' has no effect, there and here", "remove it");
        }
        let path = &binary.path.value;
        match glob::binary(path) {
            Allowed::Pattern(pattern) => programs.push(pattern),
            Allowed::Never => {
                let message = format!("'{path}' is not an absolute path and matches nothing there: left out");
                report.note(&site, Lint::BinaryLeftOut, message, "write the program's path, from '/'");
            }
            Allowed::Unsayable(reason) => {
                let message = format!("'{path}' is left out: {reason}");
                report.note(&site, Lint::BinaryLeftOut, message, "write the paths out, or use '*'");
            }
        }
    }
    programs
}

/// The planned rules with names: the policy's name or key, and the first destination if it has several rules.
fn entries(policy: &PolicyFile, planned: Vec<Planned>) -> Vec<At<RuleEntry>> {
    let mut names = HashSet::new();
    let alone = |index: usize| planned.iter().filter(|rule| rule.policy == index).count() == 1;
    let mut entries = Vec::with_capacity(planned.len());
    for rule in &planned {
        let (key, NetworkPolicy { name, .. }) = {
            let (key, at) = &policy.network_policies.0[rule.policy];
            (key, &at.value)
        };
        let display = name.as_ref().map(|name| &name.value).filter(|name| !name.is_empty());
        let key = short(display.unwrap_or(key));
        let wanted = match rule.destinations.first() {
            Some(first) if !alone(rule.policy) => format!("{key}/{}", short(first)),
            _ => key,
        };
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let name = std::iter::once(wanted.clone()).chain(numbered).find(|name| names.insert(name.clone()));
        entries.push(entry(rule, name.unwrap_or(wanted)));
    }
    entries
}

fn entry(rule: &Planned, name: String) -> At<RuleEntry> {
    let at = |text: &String| At { value: text.clone(), place: rule.place };
    let lists = |allow: &[String], deny: &[String]| {
        let value = Lists { allow: allow.iter().map(at).collect(), deny: deny.iter().map(at).collect() };
        Some(At { value, place: rule.place })
    };
    let terms = &rule.terms;
    let denied_methods = terms.denied_methods.as_ref().map(methods::Methods::entries).unwrap_or_default();
    let value = RuleEntry {
        name: Some(at(&name)),
        binary: lists(&terms.programs, &[]),
        destination: lists(&rule.destinations, &[]),
        method: lists(&terms.methods.entries(), &denied_methods),
        path: lists(&terms.paths, &terms.denied_paths),
        ..RuleEntry::default()
    };
    At { value, place: rule.place }
}

/// A name from the file as a part of one of ours.
fn short(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    let end = (0..=plain.len().min(MAX_NAME)).rev().find(|end| plain.is_char_boundary(*end)).unwrap_or(0);
    if end == 0 { "imported".to_owned() } else { plain[..end].to_owned() }
}
