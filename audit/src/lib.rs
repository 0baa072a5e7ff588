//! The audit record, its hash chain, its writer and its readers.
