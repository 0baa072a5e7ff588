//! `openshell vm`.

mod copy;
mod detach;
mod logs;

use std::time::Duration;

use manager::failure::Failure;
use manager::layout::Layout;
use manager::operator::{self, Execution, PolicySet, SandboxId, Standing};
use manager::options::{ConsoleOutput, Detached, Options, Timings, Tty};
use manager::sandbox::Planned;

use super::{negative, print_json};
use crate::arguments::{Attach, Exec, Named, Output, Place, Run, Shell, Vm};

/// The best shell that the image has.
const SHELL: [&str; 3] = ["sh", "-c", "command -v bash >/dev/null && exec bash; exec sh"];

pub(super) fn run(command: Vm, layout: Layout) -> Result<u8, Failure> {
    match command {
        Vm::Run(arguments) if arguments.detach => detach::start(&arguments),
        Vm::Run(arguments) => start(arguments, layout),
        Vm::Attach(Attach { sandbox, detach_keys }) => detach::attach(&layout, &sandbox, detach_keys),
        Vm::Stop(named) => stand(&named, "ended", operator::stop(&layout, &named.sandbox)).map_err(negative),
        Vm::Exec(Exec { sandbox, tty, place, command }) => {
            let tty = if tty { Tty::Yes } else { Tty::No };
            execute(&layout, &sandbox, (place, tty), command)
        }
        Vm::Shell(Shell { sandbox, place }) => {
            execute(&layout, &sandbox, (place, Tty::Yes), SHELL.map(str::to_owned).to_vec())
        }
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

fn execute(
    layout: &Layout,
    sandbox: &str,
    (place, tty): (Place, Tty),
    command: Vec<String>,
) -> Result<u8, Failure> {
    let Place { mut env, workdir } = place;
    let named = |name: &str, env: &[(String, String)]| env.iter().any(|(other, _)| other == name);
    if tty == Tty::Yes && !named("TERM", &env) {
        env.push((
            "TERM".to_owned(),
            std::env::var("TERM").unwrap_or_else(|_none| "xterm-256color".to_owned()),
        ));
    }
    let execution = Execution { command, env, workdir, tty };
    operator::execute(layout, sandbox, execution).map(|status| status.code())
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
