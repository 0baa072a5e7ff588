//! What a process of a copy does: it is confined as the agent is, so it reads what the agent may read and writes what the agent
//! may write. Items go over its standard streams; of what went wrong, lines go over standard error.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::os::fd::BorrowedFd;

use copy::{Framed, Limits, Links, Place, Sink as _, Source, Unpacker, pack};
use wire::copy::Copy;
use wire::frame::{self, FrameError};

use crate::cause::chain;
use crate::sys;

/// Exit statuses: it failed; something was left out.
const FAILED: i32 = 1;
const INCOMPLETE: i32 = 2;

/// Lines about what was left out.
const MOST_LINES: u64 = 20;

/// What comes from the operator is bounded by what the agent may use.
const UNBOUNDED: Limits = Limits { entries: u64::MAX, bytes: u64::MAX };

/// Why a copy ended early, in one line.
#[derive(Debug, thiserror::Error)]
enum CopierError {
    #[error(transparent)]
    Place(#[from] copy::PlaceError),
    #[error(transparent)]
    Unpack(#[from] copy::UnpackError),
    #[error("the stream of the copy failed")]
    Stream(#[from] FrameError),
    #[error("the streams cannot be used")]
    System(#[from] std::io::Error),
}

/// Copies, in a process of its own, and ends that.
pub(super) fn run(copy: &Copy) -> ! {
    // Nobody reads what cannot be said; the status tells that something went wrong.
    let say = |line: &str| drop(writeln!(std::io::stderr(), "{line}"));
    // It executes nothing, so what the warden has open is still there.
    let closed = sys::close_others(&[]).map_err(|error| CopierError::System(error.into()));
    let status = match closed.and_then(|()| made(copy, &say)) {
        Ok(0) => 0,
        Ok(left_out) => {
            if left_out > MOST_LINES {
                say(&format!("{} more are left out", left_out - MOST_LINES));
            }
            INCOMPLETE
        }
        Err(error) => {
            say(&chain(&error));
            FAILED
        }
    };
    std::process::exit(status)
}

/// How much was left out.
fn made(copy: &Copy, say: &dyn Fn(&str)) -> Result<u64, CopierError> {
    match copy {
        Copy::Out { path } => {
            let source = Source::open(path, Links::Followed)?;
            let output = stream(rustix::stdio::stdout())?;
            let mut frames = Framed(BufWriter::with_capacity(frame::SMALL, output));
            let mut left_out = 0;
            pack(&source, &mut frames, &mut |what| {
                left_out += 1;
                if left_out <= MOST_LINES {
                    say(&what.to_string());
                }
            })?;
            frames.0.flush()?;
            Ok(left_out)
        }
        Copy::In { path, name } => {
            let place = Place::open(path, name.as_ref(), Links::Followed)?;
            let mut unpacker = Unpacker::new(place, UNBOUNDED);
            let mut items = BufReader::with_capacity(frame::SMALL, stream(rustix::stdio::stdin())?);
            while !unpacker.has_ended() {
                unpacker.put(frame::read(&mut items, frame::SMALL)?)?;
            }
            Ok(0)
        }
    }
}

fn stream(standard: BorrowedFd<'_>) -> std::io::Result<File> {
    Ok(File::from(standard.try_clone_to_owned()?))
}
