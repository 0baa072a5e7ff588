//! The lab's half inside the lab, for who has no binary of his own to play it. See [`lab::guest`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    lab::guest::enter(&arguments)
}
