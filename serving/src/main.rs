//! `openshell-serving`: started by `openshell inference serve`, see [`wire::serving`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    serving::process::main()
}
