#!/bin/sh
# Compiles one crate of the workspace so that libFuzzer sees its edges and compares. `cargo xtask fuzz` names this file
# to cargo as the compiler of the workspace's own crates, and sets what to add.
# shellcheck disable=SC2086 # One word for each flag is meant.
exec "$@" $INSTRUMENTED
