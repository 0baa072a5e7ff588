//! `openshell doctor`.

use manager::doctor;
use manager::failure::Failure;
use manager::layout::Layout;

use super::{NO, print_json};
use crate::arguments::Output;

pub(super) fn run(output: Output, layout: &Layout) -> Result<u8, Failure> {
    let findings = doctor::examine(layout);
    if output.json {
        print_json(&findings)?;
    } else {
        for finding in &findings {
            let mark = if finding.remedy.is_none() { "ok  " } else { "miss" };
            println!("{mark}  {}: {}", finding.subject, finding.state);
            if let Some(remedy) = &finding.remedy {
                println!("      remedy: {remedy}");
            }
        }
    }
    Ok(if findings.iter().all(|finding| finding.remedy.is_none()) { 0 } else { NO })
}
