//! The jailed virtual machine monitor process.
fn main() {}
