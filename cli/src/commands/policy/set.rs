//! `openshell policy set`.

use manager::failure::Failure;
use manager::layout::Layout;
use manager::operator::set_policy;
use manager::policy::PolicyFiles;
use serde_json::json;

use crate::arguments::Set;
use crate::commands::print_json;

pub(super) fn run(wanted: &Set, layout: &Layout) -> Result<u8, Failure> {
    let files = PolicyFiles::of(layout)?;
    let (sandbox, set) = set_policy(layout, &wanted.sandbox, (&wanted.file, &files))?;
    if wanted.output.json {
        print_json(&json!({
            "sandbox": sandbox, "version": set.version, "sha256": set.digest, "closed": set.closed,
            "ended": set.ended,
        }))?;
    } else {
        let closed = match set.closed {
            0 => "no open connection was closed".to_owned(),
            1 => "1 open connection was closed".to_owned(),
            many => format!("{many} open connections were closed"),
        };
        println!("{sandbox}: policy {} is in force (sha256 {:.12}…); {closed}", set.version, set.digest);
        for approval in &set.ended {
            println!("{sandbox}: the approval {approval} ended with the policy before");
        }
    }
    Ok(0)
}
