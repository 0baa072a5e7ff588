//! `openshell policy approve` and `reject`: a person's answer to what an agent proposes.

use manager::failure::Failure;
use manager::layout::Layout;
use manager::operator::{self, Approved, AskedTerms, Terms};
use serde_json::json;

use super::proposals::for_how_long;
use crate::arguments::{Approve, Reject};
use crate::commands::print_json;

pub(super) fn approve(what: &Approve, layout: &Layout) -> Result<u8, Failure> {
    let terms = match (what.once, what.time) {
        (true, _) => AskedTerms::Once,
        (false, Some(seconds)) => AskedTerms::For(seconds),
        (false, None) => AskedTerms::Sandbox,
    };
    let (sandbox, approved) = operator::approve(layout, &what.id, (terms, what.digest.clone()))?;
    let Approved { policy, terms, rule } = approved;
    if what.output.json {
        print_json(&json!({
            "sandbox": sandbox, "id": what.id, "version": policy.version, "sha256": policy.digest,
            "for": for_how_long(terms), "rule": rule,
        }))?;
        return Ok(0);
    }
    println!(
        "{sandbox}: {} is approved {}; policy {} is in force (sha256 {:.12}…)",
        what.id,
        for_how_long(terms),
        policy.version,
        policy.digest
    );
    if terms == Terms::Sandbox {
        println!(
            "It ends with the sandbox. To allow it from the start, add to policy.network of agent.yaml:\n{rule}"
        );
    }
    Ok(0)
}

pub(super) fn reject(what: &Reject, layout: &Layout) -> Result<u8, Failure> {
    let sandbox = operator::reject(layout, &what.id, &what.reason)?;
    if what.output.json {
        print_json(&json!({"sandbox": sandbox, "id": what.id, "state": "rejected"}))?;
    } else {
        println!("{sandbox}: {} is rejected", what.id);
    }
    Ok(0)
}
