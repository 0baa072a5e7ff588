//! `openshell vm logs`.

use std::io::{self, IsTerminal as _, Write};

use manager::failure::Failure;
use manager::harmless::Harmless;
use manager::layout::Layout;
use manager::output::{Next, Piece, Reader, Stream};

use crate::arguments::Logs;
use crate::output::{Results, stdout};

/// Where what the agent wrote is shown.
struct Shown {
    out: Place<Results>,
    err: Place<io::Stderr>,
}

/// Bytes go as they are to a file, and harmless to a terminal.
struct Place<W> {
    sink: W,
    harmless: Option<Harmless>,
}

pub(super) fn run(Logs { sandbox, follow, tail, raw }: &Logs, layout: &Layout) -> Result<u8, Failure> {
    let mut reader = Reader::open(layout, sandbox)?;
    let mut shown = Shown {
        out: Place::new(stdout(), io::stdout().is_terminal() && !raw),
        err: Place::new(io::stderr(), io::stderr().is_terminal() && !raw),
    };
    if let Some(lines) = tail {
        for piece in reader.last(*lines)? {
            if !shown.show(&piece) {
                return Ok(0);
            }
        }
    }
    loop {
        match reader.next_now()? {
            Next::Piece(piece) => {
                if !shown.show(&piece) {
                    return Ok(0);
                }
            }
            Next::Nothing if *follow => reader.wait()?,
            Next::Nothing | Next::End => return Ok(0),
        }
    }
}

impl Shown {
    /// Whether somebody still reads.
    fn show(&mut self, piece: &Piece) -> bool {
        match piece.stream {
            Stream::Stdout => self.out.show(&piece.bytes),
            Stream::Stderr => self.err.show(&piece.bytes),
        }
    }
}

impl<W: Write> Place<W> {
    fn new(sink: W, terminal: bool) -> Self {
        Self { sink, harmless: terminal.then(Harmless::default) }
    }

    fn show(&mut self, bytes: &[u8]) -> bool {
        let written = match &mut self.harmless {
            Some(harmless) => self.sink.write_all(harmless.text(bytes).as_bytes()),
            None => self.sink.write_all(bytes),
        };
        written.and_then(|()| self.sink.flush()).is_ok()
    }
}
