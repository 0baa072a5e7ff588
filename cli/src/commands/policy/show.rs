//! `openshell policy show` and `presets`.

use manager::failure::Failure;
use policies::embedded;
use serde_json::json;

use super::{fault, loaded};
use crate::arguments::{Output, Show};
use crate::commands::print_json;

pub(super) fn run(what: &Show) -> Result<u8, Failure> {
    let (document, _policy) = loaded(&what.file)?;
    if what.output.json {
        print_json(&json!({"policy": document, "origins": document.rule_origins()}))?;
    } else {
        print!("{}", document.with_origins().map_err(|error| fault(&error))?);
    }
    Ok(0)
}

pub(super) fn presets(output: Output) -> Result<u8, Failure> {
    let all: Vec<(&str, &str)> = embedded::names().map(|name| (name, summary(name))).collect();
    if output.json {
        let list: Vec<_> = all.iter().map(|(name, about)| json!({"name": name, "about": about})).collect();
        print_json(&list)?;
        return Ok(0);
    }
    let width = all.iter().map(|(name, _about)| name.len()).max().unwrap_or_default();
    for (name, about) in all {
        println!("{name:width$}  {about}");
    }
    Ok(0)
}

/// The first line of the policy's own comment.
fn summary(name: &str) -> &'static str {
    let first = embedded::text(name).and_then(|text| text.lines().next());
    first.and_then(|line| line.strip_prefix('#')).unwrap_or_default().trim()
}
