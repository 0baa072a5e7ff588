//! `openshell vm cp`.

use std::io::{IsTerminal as _, stdin, stdout};

use manager::failure::Failure;
use manager::layout::Layout;
use manager::operator::{self, CopyLimits, CopyRequest, HostEnd};

use crate::arguments::{CopyEnd, Cp};
use crate::commands::NO;

pub(super) fn run(arguments: Cp, layout: &Layout) -> Result<u8, Failure> {
    let Cp { from, to, max_entries, max_bytes } = arguments;
    let (sandbox, request) = match (from, to) {
        (CopyEnd::Guest { sandbox, path }, to) => (sandbox, CopyRequest::Out { path, to: host(to)? }),
        (from, CopyEnd::Guest { sandbox, path }) => (sandbox, CopyRequest::In { from: host(from)?, path }),
        _neither => return Err(one_of_them("neither side names a sandbox")),
    };
    usable(&request)?;
    let limits = CopyLimits { entries: max_entries, bytes: max_bytes };
    let left_out = operator::copy(layout, &sandbox, request, limits)?;
    for line in &left_out {
        eprintln!("openshell: {line}");
    }
    if left_out.is_empty() {
        return Ok(0);
    }
    eprintln!("  remedy: let it be read, or copy what is beside it");
    Ok(NO)
}

fn host(end: CopyEnd) -> Result<HostEnd, Failure> {
    match end {
        CopyEnd::Host(path) => Ok(HostEnd::Path(path)),
        CopyEnd::Archive => Ok(HostEnd::Archive),
        CopyEnd::Guest { .. } => Err(one_of_them("both sides name a sandbox")),
    }
}

fn one_of_them(cause: &str) -> Failure {
    Failure::new(cause, "write one side as SANDBOX:PATH, and the other as a path on the host or '-'")
}

/// An archive is nothing to read from a keyboard, and nothing for a screen.
fn usable(request: &CopyRequest) -> Result<(), Failure> {
    let terminal = match request {
        CopyRequest::Out { to: HostEnd::Archive, .. } => stdout().is_terminal(),
        CopyRequest::In { from: HostEnd::Archive, .. } => stdin().is_terminal(),
        CopyRequest::Out { .. } | CopyRequest::In { .. } => false,
    };
    if terminal {
        return Err(Failure::new(
            "'-' is an archive, and not for a terminal",
            "use a pipe or a file, or name a path",
        ));
    }
    Ok(())
}
