//! Keeps a panic of the Rego engine from being more than a denial.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static EVALUATING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread runs a module: for a panic hook that ends the process on every other panic.
#[must_use]
pub fn is_evaluating() -> bool {
    EVALUATING.get()
}

/// Runs the engine; `None` if it panicked. What it worked on must not be used again.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    EVALUATING.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    EVALUATING.set(false);
    outcome.ok()
}
