//! `openshell doctor`.

use manager::doctor;
use manager::failure::Failure;
use manager::layout::Layout;

use super::print_findings;
use crate::arguments::Output;

pub(super) fn run(output: Output, layout: &Layout) -> Result<u8, Failure> {
    print_findings(&doctor::examine(layout), output)
}
