//! `openshell vm`.

mod copy;
mod detach;
mod logs;
mod sessions;

use std::time::Duration;

use manager::failure::Failure;
use manager::layout::Layout;
use manager::operator::{self, PolicySet, SandboxId, Standing};
use manager::options::{ConsoleOutput, Detached, Options, Timings, Tty};
use manager::sandbox::Planned;

use super::{negative, print_json};
use crate::arguments::{Attach, Exec, Named, Output, Run, Shell, Stop, Vm};

pub(super) fn run(command: Vm, layout: Layout) -> Result<u8, Failure> {
    match command {
        Vm::Run(arguments) if arguments.detach => detach::start(&arguments),
        Vm::Run(arguments) => start(arguments, layout),
        Vm::Attach(Attach { process, keys }) => match process.target.session {
            None => detach::attach(&layout, &process.target.sandbox, keys.detach_keys.unwrap_or_default()),
            Some(session) => {
                let keys = keys.detach_keys.unwrap_or_default();
                sessions::join(&layout, &process.target.sandbox, session, keys)
            }
        },
        Vm::Stop(Stop { process, output }) => match process.target.session {
            None => {
                let sandbox = process.target.sandbox;
                let ended = operator::stop(&layout, &sandbox);
                stand(&Named { sandbox, output }, "ended", ended).map_err(negative)
            }
            Some(session) => {
                sessions::stop(&layout, &process.target.sandbox, session, output).map_err(negative)
            }
        },
        Vm::Exec(arguments) => exec(arguments, &layout),
        Vm::Shell(Shell { sandbox, keys, place }) => {
            sessions::execute(&layout, &sandbox, sessions::shell(place), keys.detach_keys.unwrap_or_default())
        }
        Vm::Sessions(named) => sessions::list(&named, &layout).map_err(negative),
        Vm::Cp(arguments) => copy::run(arguments, &layout).map_err(negative),
        Vm::Logs(arguments) => logs::run(&arguments, &layout).map_err(negative),
        Vm::Ps(output) => list(output, &layout),
        Vm::Pause(named) => {
            stand(&named, "paused", operator::pause(&layout, &named.sandbox)).map_err(negative)
        }
        Vm::Resume(named) => {
            stand(&named, "running", operator::resume(&layout, &named.sandbox)).map_err(negative)
        }
        Vm::Quarantine(named) => quarantine(&named, &layout).map_err(negative),
        Vm::RefreshCredentials(named) => refresh(&named, &layout).map_err(negative),
    }
}

fn exec(Exec { sandbox, tty, detach, keys, place, command }: Exec, layout: &Layout) -> Result<u8, Failure> {
    let keys = match keys.detach_keys {
        Some(_) if detach => {
            let cause = "with --detach there is no terminal of yours to type --detach-keys in";
            return Err(Failure::new(cause, "give them to openshell vm attach"));
        }
        Some(_) if !tty => {
            let cause = "without --tty there is no terminal of yours to type --detach-keys in";
            return Err(Failure::new(cause, "add --tty, or leave them out"));
        }
        keys => keys.unwrap_or_default(),
    };
    let tty = if tty { Tty::Yes } else { Tty::No };
    let execution = sessions::execution(command, place, tty);
    if detach {
        sessions::start(layout, &sandbox, execution)
    } else {
        sessions::execute(layout, &sandbox, execution, keys)
    }
}

fn start(arguments: Run, layout: Layout) -> Result<u8, Failure> {
    if arguments.detached {
        manager::detached::begin()?;
    }
    let options = Options {
        tty: if arguments.tty { Tty::Yes } else { Tty::No },
        detached: if arguments.detached { Detached::Yes } else { Detached::No },
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

fn refresh(Named { sandbox, output }: &Named, layout: &Layout) -> Result<u8, Failure> {
    let (sandbox, names) = operator::refresh_credentials(layout, sandbox)?;
    if output.json {
        print_json(&serde_json::json!({"sandbox": sandbox, "credentials": names}))?;
    } else {
        println!("{sandbox}: {} read again", names.join(", "));
    }
    Ok(0)
}

fn list(output: Output, layout: &Layout) -> Result<u8, Failure> {
    let running = operator::list(layout);
    if output.json {
        let describe = |(sandbox, standing): &(SandboxId, Option<Standing>)| {
            serde_json::json!({
                "sandbox": sandbox,
                "state": state(*standing),
                "quarantined": standing.is_some_and(|standing| standing.quarantined),
                "restarts": standing.map_or(0, |standing| standing.restarts),
            })
        };
        print_json(&running.iter().map(describe).collect::<Vec<_>>())?;
        return Ok(0);
    }
    for (sandbox, standing) in running {
        let cut_off =
            if standing.is_some_and(|standing| standing.quarantined) { ", quarantined" } else { "" };
        let again = match standing.map_or(0, |standing| standing.restarts) {
            0 => String::new(),
            1 => ", 1 restart".to_owned(),
            restarts => format!(", {restarts} restarts"),
        };
        println!("{sandbox}  {}{cut_off}{again}", state(standing));
    }
    Ok(0)
}

/// What a sandbox does, in one word.
fn state(standing: Option<Standing>) -> &'static str {
    match standing {
        Some(Standing { paused: true, .. }) => "paused",
        Some(Standing { restarting: true, .. }) => "restarting",
        Some(Standing { paused: false, restarting: false, .. }) => "running",
        None => "starting or ending",
    }
}

fn stand(named: &Named, state: &str, stands: Result<SandboxId, Failure>) -> Result<u8, Failure> {
    let sandbox = stands?;
    if named.output.json {
        print_json(&serde_json::json!({"sandbox": sandbox, "state": state}))?;
    } else {
        println!("{sandbox}: {state}");
    }
    Ok(0)
}

fn quarantine(Named { sandbox, output }: &Named, layout: &Layout) -> Result<u8, Failure> {
    let (sandbox, PolicySet { version, closed, .. }) = operator::quarantine(layout, sandbox)?;
    if output.json {
        print_json(&serde_json::json!({"sandbox": sandbox, "policy": version, "closed": closed}))?;
    } else {
        println!("{sandbox}: quarantined by policy {version}, {closed} open flows closed");
    }
    Ok(0)
}
