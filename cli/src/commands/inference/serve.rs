//! `openshell inference serve`: becomes the process that runs the servers.

use std::os::unix::process::CommandExt as _;

use manager::failure::Failure;
use manager::layout::Layout;

use crate::arguments::InferenceServe;

pub(super) fn run(InferenceServe { library }: InferenceServe, layout: &Layout) -> Result<u8, Failure> {
    let error = manager::serving::command(layout, library.as_deref())?.exec();
    let cause = format!("cannot start the process that serves: {error}");
    Err(Failure::new(cause, "check the limits on processes and memory"))
}
