//! `openshell-mount`, started by the manager, see [`wire::spawn`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(wire::spawn::EXIT_BUG);
    }));
    mount::process::run()
}
