//! Copies between the host and a running sandbox, from outside. The guest's end works in the agent's confinement; what it sends
//! is taken apart by [`wire::copy`] and written by [`copy`](::copy), which trust none of it.

mod archive;

use std::io::{self, BufWriter, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel};

use ::copy::{Amount, Framed, Limits, Links, Place, PlaceError, Sink as _, Source, Typed, Unpacker};
use wire::control::{Exit, FromGuest, MAX_CHUNK, Stream, ToGuest};
use wire::copy::{Copy, Item, Name};
use wire::frame::{self, Pieces};
use wire::operator::{Ask, Copying};

use self::archive::Archive;
use super::client::find;
use super::line::Line;
use crate::failure::{Failure, chain, presentable};
use crate::interruption::interrupted;
use crate::layout::Layout;
use crate::signals::Watch;

/// Lines of the guest that are shown, and the bytes of them that are kept.
const MOST_LINES: usize = 24;
const MOST_BYTES: usize = 16 * 1024;

/// What is to be copied.
#[derive(Clone, Debug)]
pub enum CopyRequest {
    /// A path in the guest to the host.
    Out {
        /// The path.
        path: String,
        /// Where to.
        to: HostEnd,
    },
    /// To a path in the guest.
    In {
        /// What.
        from: HostEnd,
        /// The path.
        path: String,
    },
}

/// The end of a copy that is on the host.
#[derive(Clone, Debug)]
pub enum HostEnd {
    /// A file or a directory.
    Path(String),
    /// A tar archive on standard input or output.
    Archive,
}

/// How much a sandbox may send.
#[derive(Clone, Copy, Debug)]
pub struct CopyLimits {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
}

/// What takes what the guest sends.
enum Taker {
    Tree(Unpacker),
    Archive(Archive<BufWriter<io::Stdout>>),
}

/// How sending ended, and what was left out.
type Sent = (Result<(), Unsent>, Vec<String>);

/// Why not all was sent.
#[derive(Debug)]
enum Unsent {
    /// The other end takes no more, and knows why.
    Gone,
    /// We know.
    Cause(String),
}

/// Copies; the lines are of what was left out.
///
/// # Errors
/// It did not begin, or broke off; the failure says what is there.
pub fn copy(
    layout: &Layout,
    sandbox: &str,
    request: CopyRequest,
    limits: CopyLimits,
) -> Result<Vec<String>, Failure> {
    let sandbox = find(layout, sandbox)?;
    let begin = |copy: Copy, host: &HostEnd| {
        let copying = Copying { frames: wire::VERSION, copy, host: host.told() };
        Line::open(layout, &sandbox, Ask::Copy(copying)).map(|(line, _session)| line)
    };
    match request {
        CopyRequest::Out { path, to } => {
            let name = Typed::parse(&path).map_err(|error| not_there(&error))?.name().cloned();
            let mut taker = Taker::new(&to, name, limits)?;
            let line = begin(Copy::Out { path }, &to)?;
            let taken = line.take(&mut taker);
            taken.map_err(|failure| taker.explain(failure, &to))
        }
        CopyRequest::In { from, path } => {
            let (source, name) = from.open()?;
            let line = begin(Copy::In { path, name }, &from)?;
            line.send(source)
        }
    }
}

impl HostEnd {
    /// How the record names it.
    fn told(&self) -> String {
        match self {
            // The directory of whoever asks is not known to whoever reads the record.
            Self::Path(path) => std::path::absolute(path)
                .map_or_else(|_error| path.clone(), |path| path.to_string_lossy().into_owned()),
            Self::Archive => "-".to_owned(),
        }
    }

    /// What is read, if it is not standard input, and what it is called.
    fn open(&self) -> Result<(Option<Source>, Option<Name>), Failure> {
        let Self::Path(path) = self else { return Ok((None, None)) };
        let name = Typed::parse(path).map_err(|error| not_there(&error))?.name().cloned();
        let source = Source::open(path, Links::Refused).map_err(|error| not_there(&error))?;
        Ok((Some(source), name))
    }
}

impl Taker {
    fn new(to: &HostEnd, name: Option<Name>, limits: CopyLimits) -> Result<Self, Failure> {
        let CopyLimits { entries, bytes } = limits;
        let limits = Limits { entries, bytes };
        match to {
            HostEnd::Path(path) => {
                let place = Place::open(path, name.as_ref(), Links::Refused);
                Ok(Self::Tree(Unpacker::new(place.map_err(|error| not_there(&error))?, limits)))
            }
            HostEnd::Archive => Ok(Self::Archive(Archive::new(BufWriter::new(io::stdout()), name, limits))),
        }
    }

    fn put(&mut self, item: Item) -> Result<(), Failure> {
        match self {
            Self::Tree(unpacker) => unpacker.put(item).map_err(|error| {
                let remedy = match error {
                    ::copy::UnpackError::TooMany(_) | ::copy::UnpackError::TooMuch(_) => {
                        "if you expect so much, allow it with --max-entries and --max-bytes"
                    }
                    ::copy::UnpackError::Write { .. } => "free some space, or copy to where you may write",
                    ::copy::UnpackError::InTheWay(_) => "copy to an empty directory",
                    ::copy::UnpackError::TooLong(_) | ::copy::UnpackError::OutOfTurn(_) => {
                        "do not trust the sandbox"
                    }
                };
                Failure::new(error, remedy)
            }),
            Self::Archive(archive) => archive.put(item).map_err(|error| {
                Failure::new(chain(&error), "give standard output more room, or allow more with --max-bytes")
            }),
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Tree(unpacker) => unpacker.has_ended(),
            Self::Archive(archive) => archive.has_ended(),
        }
    }

    fn amount(&self) -> Amount {
        match self {
            Self::Tree(unpacker) => unpacker.amount(),
            Self::Archive(archive) => archive.amount(),
        }
    }

    /// A failure half-way says what is there.
    fn explain(&self, failure: Failure, to: &HostEnd) -> Failure {
        let amount = self.amount();
        if amount == Amount::default() {
            return failure;
        }
        let there = match to {
            HostEnd::Path(path) => format!("before that, it copied {amount} to {path:?}, which are there"),
            HostEnd::Archive => format!("the archive ends after {amount}"),
        };
        Failure::new(format_args!("{}; {there}", failure.cause), failure.remedy).with_status(failure.status)
    }
}

impl Line {
    /// Takes what the guest sends.
    fn take(mut self, taker: &mut Taker) -> Result<Vec<String>, Failure> {
        let (left, _signals) = self.leave_on_signals()?;
        let mut items = Pieces::default();
        let mut said = Vec::new();
        let exit = self.listen(&left, &mut said, |bytes| {
            items.push(bytes);
            while let Some(item) = items.next(frame::SMALL).map_err(|error| {
                Failure::new(
                    format_args!("what the sandbox sends is no copy: {}", chain(&error)),
                    "do not trust the sandbox",
                )
            })? {
                taker.put(item)?;
            }
            Ok(())
        })?;
        let mut lines = lines(&said);
        if taker.has_ended() {
            return Ok(lines);
        }
        let cause = lines.pop().unwrap_or_else(|| format!("the copy in the sandbox broke off ({exit:?})"));
        Err(Failure::new(cause, "name a path that the agent may read"))
    }

    /// Sends what `source` names, or the archive on standard input.
    fn send(mut self, source: Option<Source>) -> Result<Vec<String>, Failure> {
        let (left, _signals) = self.leave_on_signals()?;
        let sent = send_all(source, self.outgoing.clone());
        let mut said = Vec::new();
        let exit = self.listen(&left, &mut said, |_bytes| {
            Err(Failure::new("the sandbox sends something back", "do not trust the sandbox"))
        })?;
        let told = lines(&said).pop();
        // What keeps us from sending is told before the other end can know that nothing more comes.
        let sent = if exit == Exit::Code(0) { sent.recv().ok() } else { sent.try_recv().ok() };
        let (unsent, left_out) = match (exit, sent) {
            (Exit::Code(0), Some((Ok(()), left_out))) => return Ok(left_out),
            (_, Some((sent, left_out))) => (sent.err(), left_out),
            (_, None) => (None, Vec::new()),
        };
        let cause = match unsent {
            Some(Unsent::Cause(cause)) => cause,
            Some(Unsent::Gone) | None => told.unwrap_or_else(|| format!("it broke off ({exit:?})")),
        };
        let before = left_out.first().map_or(String::new(), |first| format!("; {first}"));
        Err(Failure::new(
            format_args!("{cause}{before}; some of it may be in the sandbox"),
            "name a path that the agent may write, and that has room",
        ))
    }

    /// Hears the guest to the end of its process.
    fn listen(
        &mut self,
        left: &AtomicBool,
        said: &mut Vec<u8>,
        mut taken: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Exit, Failure> {
        loop {
            match frame::read(&mut self.incoming, frame::SMALL) {
                Ok(FromGuest::Output { stream: Stream::Stdout, bytes }) => taken(&bytes)?,
                Ok(FromGuest::Output { stream: Stream::Stderr, bytes }) => {
                    let room = MOST_BYTES.saturating_sub(said.len());
                    said.extend(bytes.into_iter().take(room));
                }
                Ok(FromGuest::Exited(exit)) => return Ok(exit),
                Ok(FromGuest::Failed { cause, .. }) => {
                    return Err(Failure::new(
                        format_args!("the copy did not start: {cause}"),
                        "openshell audit tail may say more",
                    ));
                }
                _ended if left.load(Ordering::Relaxed) => return Err(interrupted()),
                Ok(_) | Err(_) => {
                    return Err(Failure::new(
                        "the sandbox ended, or cut the copy off",
                        "openshell audit tail shows why",
                    ));
                }
            }
        }
    }

    /// A signal that ends us hangs up on the guest's end.
    fn leave_on_signals(&self) -> Result<(Arc<AtomicBool>, Watch), Failure> {
        let hang_up = self.incoming.get_ref().try_clone().map_err(|error| {
            Failure::new(format_args!("cannot watch for signals: {error}"), "check the limit on open files")
        })?;
        let left = Arc::new(AtomicBool::new(false));
        let leaving = Arc::clone(&left);
        let watch = Watch::start(move |signal| {
            if signal.ends() {
                leaving.store(true, Ordering::Relaxed);
                let _closed = hang_up.shutdown(Shutdown::Both);
            }
        })?;
        Ok((left, watch))
    }
}

/// Sends on a thread of its own: one that waits for standard input cannot be ended, and goes with the process.
fn send_all(source: Option<Source>, outgoing: SyncSender<ToGuest>) -> Receiver<Sent> {
    let (tell, sent) = channel();
    std::thread::spawn(move || {
        let mut input = Framed(Input { chunk: Vec::new(), outgoing });
        let mut left_out = Vec::new();
        let packed = match source {
            Some(source) => ::copy::pack(&source, &mut input, &mut |what| left_out.push(what.to_string()))
                .map_err(|_only_the_line_fails| Unsent::Gone),
            None => archive::unpack(io::stdin(), &mut input, &mut |what| left_out.push(what)),
        };
        let packed = packed.and_then(|()| input.0.flush().map_err(|_closed| Unsent::Gone));
        let _nobody_waits = tell.send((packed, left_out));
        // Only a whole copy has an end in it.
        let _gone = input.0.outgoing.send(ToGuest::EndOfInput);
    });
    sent
}

/// The guest's standard input.
struct Input {
    chunk: Vec<u8>,
    outgoing: SyncSender<ToGuest>,
}

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(MAX_CHUNK - self.chunk.len());
        self.chunk.extend(bytes.iter().take(length));
        if self.chunk.len() == MAX_CHUNK {
            self.flush()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        let gone = |_closed| io::Error::from(io::ErrorKind::BrokenPipe);
        if chunk.is_empty() { Ok(()) } else { self.outgoing.send(ToGuest::Input(chunk)).map_err(gone) }
    }
}

/// What the guest's end said, harmless.
fn lines(said: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(said).lines().take(MOST_LINES).map(presentable).collect()
}

fn not_there(error: &PlaceError) -> Failure {
    let remedy = match error {
        PlaceError::Link(path) => std::fs::canonicalize(path).map_or_else(
            |_dangling| "name a path without the link".to_owned(),
            |real| format!("if that is meant, name where it leads: {}", real.display()),
        ),
        PlaceError::Open { .. } | PlaceError::NotADirectory(_) | PlaceError::Name(_) => {
            "check the path: the directory that it goes into must be there".to_owned()
        }
    };
    Failure::new(error, remedy)
}
