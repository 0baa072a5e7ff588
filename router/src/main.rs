//! The privacy router process.
fn main() {}
