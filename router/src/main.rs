//! `openshell-router`: started by the manager, see [`wire::spawn`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    router::process::main()
}
