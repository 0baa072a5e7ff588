//! `openshell vm`.

use std::time::Duration;

use manager::failure::Failure;
use manager::layout::Layout;
use manager::operator::refresh_credentials;
use manager::options::{ConsoleOutput, Options, Timings, Tty};
use manager::rundir;
use manager::sandbox::Planned;

use super::{negative, print_json};
use crate::arguments::{Output, Run, Vm};

pub(super) fn run(command: Vm, layout: Layout) -> Result<u8, Failure> {
    match command {
        Vm::Run(arguments) => start(arguments, layout),
        Vm::Ps(output) => list(output, &layout),
        Vm::RefreshCredentials { sandbox, output } => refresh(&sandbox, output, &layout).map_err(negative),
    }
}

fn start(arguments: Run, layout: Layout) -> Result<u8, Failure> {
    let options = Options {
        tty: if arguments.tty { Tty::Yes } else { Tty::No },
        console: if arguments.console { ConsoleOutput::Shown } else { ConsoleOutput::Kept },
        timings: if arguments.timings { Timings::Shown } else { Timings::Hidden },
        boot_timeout: Duration::from_secs(arguments.boot_timeout),
        kernel: arguments.kernel,
        initramfs: arguments.initramfs,
    };
    let planned = Planned::load(&arguments.file, layout, options)?;
    if arguments.dry_run {
        print!("{}", planned.spec.text()?);
        return Ok(0);
    }
    planned.run().map(|status| status.code())
}

fn refresh(sandbox: &str, output: Output, layout: &Layout) -> Result<u8, Failure> {
    let (sandbox, names) = refresh_credentials(layout, sandbox)?;
    if output.json {
        print_json(&serde_json::json!({"sandbox": sandbox, "credentials": names}))?;
    } else {
        println!("{sandbox}: {} read again", names.join(", "));
    }
    Ok(0)
}

fn list(output: Output, layout: &Layout) -> Result<u8, Failure> {
    let running = rundir::running(layout);
    if output.json {
        print_json(&running)?;
    } else {
        running.iter().for_each(|id| println!("{id}"));
    }
    Ok(0)
}
