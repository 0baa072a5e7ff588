//! `openshell vm exec`, `shell` and `sessions`, and `attach` and `stop` for a command.

use manager::failure::Failure;
use manager::layout::Layout;
use manager::operator::{self, DetachKeys, Executed, Execution, Session, SessionState};
use manager::options::Tty;
use policies::Timestamp;

use crate::arguments::{Named, Output, Place};
use crate::commands::print_json;

/// The best shell that the image has.
const SHELL: [&str; 3] = ["sh", "-c", "command -v bash >/dev/null && exec bash; exec sh"];

/// What is to be run. A terminal has its name, as ours does.
pub(super) fn execution(command: Vec<String>, place: Place, tty: Tty) -> Execution {
    let Place { mut env, workdir } = place;
    let named = |name: &str, env: &[(String, String)]| env.iter().any(|(other, _)| other == name);
    if tty == Tty::Yes && !named("TERM", &env) {
        env.push((
            "TERM".to_owned(),
            std::env::var("TERM").unwrap_or_else(|_none| "xterm-256color".to_owned()),
        ));
    }
    Execution { command, env, workdir, tty }
}

pub(super) fn shell(place: Place) -> Execution {
    execution(SHELL.map(str::to_owned).to_vec(), place, Tty::Yes)
}

pub(super) fn execute(
    layout: &Layout,
    sandbox: &str,
    execution: Execution,
    keys: DetachKeys,
) -> Result<u8, Failure> {
    operator::execute(layout, sandbox, execution, keys).map(told)
}

pub(super) fn join(layout: &Layout, sandbox: &str, session: u32, keys: DetachKeys) -> Result<u8, Failure> {
    operator::join(layout, sandbox, session, keys).map(told)
}

/// Prints its number, by which it is found again.
pub(super) fn start(layout: &Layout, sandbox: &str, execution: Execution) -> Result<u8, Failure> {
    let (_sandbox, session) = operator::start(layout, sandbox, execution)?;
    println!("{session}");
    Ok(0)
}

pub(super) fn stop(layout: &Layout, sandbox: &str, session: u32, output: Output) -> Result<u8, Failure> {
    let sandbox = operator::stop_command(layout, sandbox, session)?;
    if output.json {
        print_json(&serde_json::json!({"sandbox": sandbox, "session": session, "state": "ended"}))?;
    } else {
        println!("{sandbox}/{session}: ended");
    }
    Ok(0)
}

pub(super) fn list(Named { sandbox, output }: &Named, layout: &Layout) -> Result<u8, Failure> {
    let sessions = operator::sessions(layout, sandbox)?;
    if output.json {
        print_json(&sessions.iter().map(described).collect::<Vec<_>>())?;
        return Ok(0);
    }
    let heading = ["SESSION", "USER", "SINCE", "TERMINAL", "ATTACHED", "STATE", "PROGRAM"];
    let rows: Vec<[String; 7]> =
        [heading.map(str::to_owned)].into_iter().chain(sessions.iter().map(row)).collect();
    for row in &rows {
        let padded = row.iter().enumerate().map(|(column, cell)| {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            format!("{cell:width$}")
        });
        println!("{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    Ok(0)
}

fn told(executed: Executed) -> u8 {
    match executed {
        Executed::Ended(status) => status.code(),
        Executed::RunsOn { sandbox, session } => {
            eprintln!("openshell: detached; openshell vm attach {sandbox}/{session} comes back to it");
            0
        }
    }
}

fn row(session: &Session) -> [String; 7] {
    let state = match session.state {
        SessionState::Ended(Some(code)) => format!("ended {code}"),
        state => name(state).to_owned(),
    };
    [
        session.session.to_string(),
        session.uid.to_string(),
        since(session),
        if session.terminal { "yes" } else { "no" }.to_owned(),
        session.attached.to_string(),
        state,
        session.program.clone(),
    ]
}

fn described(session: &Session) -> serde_json::Value {
    let code = match session.state {
        SessionState::Ended(code) => code,
        SessionState::Held | SessionState::Detached => None,
    };
    serde_json::json!({
        "session": session.session,
        "uid": session.uid,
        "program": session.program,
        "terminal": session.terminal,
        "since": since(session),
        "attached": session.attached,
        "state": name(session.state),
        "code": code,
    })
}

fn name(state: SessionState) -> &'static str {
    match state {
        SessionState::Held => "attached",
        SessionState::Detached => "detached",
        SessionState::Ended(_) => "ended",
    }
}

fn since(session: &Session) -> String {
    Timestamp(i64::try_from(session.since).unwrap_or(i64::MAX)).to_string()
}
