//! `openshell policy diff`.

use manager::failure::Failure;
use policies::diff::{Becomes, Group, Pattern, diff};

use super::{loaded, now};
use crate::arguments::Diff;
use crate::commands::{NO, print_json};

/// Said of what may miss something.
pub(super) const INCOMPLETE: &str =
    "not every kind of request was tried: there are too many, or Rego modules";

pub(super) fn run(what: &Diff) -> Result<u8, Failure> {
    let (before, _policy) = loaded(&what.before)?;
    let (after, _policy) = loaded(&what.after)?;
    let found = diff(&before, &after, now()).map_err(|errors| super::fault(&errors))?;
    if what.output.json {
        print_json(&found)?;
    } else {
        found.groups.iter().flat_map(lines).for_each(|line| println!("{line}"));
        found.beside.iter().for_each(|line| println!("! {line}"));
        if found.groups.is_empty() {
            println!("no request is allowed by one and denied by the other");
        }
    }
    if !found.complete {
        eprintln!("openshell: {INCOMPLETE}");
    }
    Ok(if found.groups.is_empty() && found.beside.is_empty() { 0 } else { NO })
}

pub(super) fn lines(group: &Group) -> [String; 4] {
    let becomes = match group.becomes {
        Becomes::Allowed => "+ becomes allowed, by rule",
        Becomes::Denied => "- becomes denied, was allowed by rule",
    };
    let with = group.with.as_ref().map(|with| format!(", {with}")).unwrap_or_default();
    let together = if group.together { " on one socket" } else { "" };
    [
        format!("{becomes} {}", group.rule),
        format!("    {}{together} → {}", listed(&group.binaries), listed(&group.destinations)),
        format!("    {} {}{with}", listed(&group.methods), listed(&group.paths)),
        format!("    for example {}; the other policy: {}", group.example, group.denied_because),
    ]
}

fn listed(patterns: &[Pattern]) -> String {
    let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
