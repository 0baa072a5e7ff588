//! Signing of checkpoints: the only process that holds an audit key.
