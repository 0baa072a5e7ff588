//! `openshell-proxy`: started by the manager, one per sandbox; see the library for what it does.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use host_proxy::refusal::chain;
use host_proxy::start::{StartError, Status, run};
use wire::proxy::ProxyEvent;
use wire::spawn::{EXIT_BUG, EXIT_FAILED};

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
        // The policy turns a panic of the Rego engine into a denial; any other ends the process.
        if policies::rego::is_evaluating() {
            return;
        }
        std::process::exit(EXIT_BUG);
    }));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_target(false).init();
    let mut status = match Status::take() {
        Ok(status) => status,
        Err(error) => {
            tracing::error!("{}: this program is started by openshell, not by hand", chain(&error));
            return failed();
        }
    };
    let Err(error) = run(&mut status) else { return ExitCode::SUCCESS };
    let remedy = match error {
        StartError::Credentials(_) => {
            "correct the entry under 'credentials' in agent.yaml, or what its source gives"
        }
        _ => "check the policy and egress sections of agent.yaml with 'openshell policy check'",
    };
    let event = ProxyEvent::Failed { cause: chain(&error), remedy: remedy.to_owned() };
    tracing::error!("{}", chain(&error));
    if let Err(error) = status.report(&event) {
        tracing::error!(%error, "the manager does not listen");
    }
    failed()
}

fn failed() -> ExitCode {
    ExitCode::from(u8::try_from(EXIT_FAILED).unwrap_or(1))
}
