//! The egress proxy process, one per sandbox.
fn main() {}
