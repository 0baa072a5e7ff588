//! The attacker: makes every attempt in a process of its own, and prints how each ended.

#![expect(clippy::print_stdout, reason = "what it says is what it is for")]

use std::process::ExitCode;

use isolation::{attempts, stage};

/// What a process ends with whose attempt went wrong, rather than being refused.
const BROKEN: i32 = 255;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == stage::ASK) {
        return ExitCode::from(u8::from(!rustix::process::geteuid().is_root()));
    }
    std::panic::set_hook(Box::new(|panic| {
        println!("{panic}");
        std::process::exit(BROKEN);
    }));
    for attempt in attempts::all() {
        // A status: 0, an error, or the signal below zero.
        let ended = attempts::apart(attempt.make).unwrap_or(BROKEN);
        println!("{ended}\t{}", attempt.name);
    }
    ExitCode::SUCCESS
}
