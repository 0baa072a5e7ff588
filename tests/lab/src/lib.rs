//! The KVM lab: a machine with real KVM, on any Linux machine.
