//! The process as it is started, with real model servers beneath it: small ones, with every fault that a server can have.

#![expect(clippy::unwrap_used, reason = "a step that fails ends the test")]

#[path = "end_to_end/answers.rs"]
mod answers;
#[path = "end_to_end/ends.rs"]
mod ends;
#[path = "../../router/gpu/tests/fake/library.rs"]
mod fake;
#[path = "end_to_end/gpus.rs"]
mod gpus;
#[path = "end_to_end/rig.rs"]
mod rig;
#[path = "end_to_end/turns.rs"]
mod turns;
