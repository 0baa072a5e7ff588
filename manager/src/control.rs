//! The manager's end of the control channel: one connection from guest-init, made at boot.
//!
//! Two threads serve it, so that neither direction can hold up the other or the sandbox's own loop: the
//! reader writes the agent's output straight to its destination and passes everything else on; the writer
//! drains an [`Outbox`]. The guest's bytes are never interpreted here.

mod outbox;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use wire::control::{FromGuest, MAX_CHUNK, Stream, ToGuest};
use wire::frame::{self, FrameError};

pub(crate) use self::outbox::Intake;
use self::outbox::{Fate, Outbox};

/// How many messages about executed programs and used files are taken at once, and how long it is until one more is. An honest
/// guest sends four a second, and the rest at the end; what another one sends waits in its own memory.
const OBSERVATIONS: u32 = 32;
const OBSERVATIONS_EVERY: Duration = Duration::from_millis(150);

/// Messages about them that are not on the record yet, at most: a guest must not fill the loop's queue
/// faster than the log is written.
const UNRECORDED: usize = 2;

/// What a terminal sends for Ctrl-C.
const INTERRUPT: u8 = 3;

/// What the channel tells the sandbox's loop.
#[derive(Debug)]
pub enum Heard {
    /// A message other than output.
    Message(FromGuest),
    /// The guest closed the channel.
    Closed,
    /// The guest does not keep to the protocol.
    Broken(FrameError),
    /// Not from the guest: somebody typed Ctrl-C, and there was no agent to take it.
    Interrupted,
}

/// Where the agent's output goes.
#[derive(Debug)]
pub struct Sinks<O, E> {
    /// Standard output.
    pub stdout: O,
    /// Standard error.
    pub stderr: E,
}

/// The sending half.
#[derive(Clone)]
pub struct ToGuestQueue {
    outbox: Arc<Outbox>,
    /// Who hears of what the guest says.
    ear: Arc<dyn Fn(Heard) + Send + Sync>,
    /// The connection, once there is one; whoever closes the channel shuts it down.
    connection: Arc<OnceLock<UnixStream>>,
    /// One for each message about executed programs or used files that is not on the record yet.
    unrecorded: Arc<Mutex<Receiver<()>>>,
}

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The guest takes no messages: it hangs, or its channel is gone.
    #[error("the guest does not take messages")]
    Stuck,
}

/// Accepts guest-init's connection and serves it until it closes.
pub fn serve<O, E>(
    listener: UnixListener,
    sinks: Sinks<O, E>,
    heard: impl Fn(Heard) + Send + Sync + 'static,
) -> ToGuestQueue
where
    O: Write + Send + 'static,
    E: Write + Send + 'static,
{
    let outbox = Arc::new(Outbox::new());
    let connection = Arc::new(OnceLock::new());
    let (accepted, messages) = (Arc::clone(&connection), Arc::clone(&outbox));
    let (more, unrecorded) = sync_channel(UNRECORDED);
    let ear: Arc<dyn Fn(Heard) + Send + Sync> = Arc::new(heard);
    let heard = Arc::clone(&ear);
    let heard = move |what: Heard| {
        if matches!(&what, Heard::Message(message) if message.is_observation()) {
            // Waits for room; with the loop gone nobody records, and nobody hears.
            let _nobody_hears = more.send(());
        }
        heard(what);
    };
    std::thread::spawn(move || accept(listener, &accepted, messages, sinks, heard));
    ToGuestQueue { outbox, ear, connection, unrecorded: Arc::new(Mutex::new(unrecorded)) }
}

impl fmt::Debug for ToGuestQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToGuestQueue").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

impl ToGuestQueue {
    /// Queues a message without waiting. Input is in nobody's way: see [`Self::put`].
    ///
    /// # Errors
    /// The guest takes no messages, or the channel is gone.
    pub fn send(&self, message: ToGuest) -> Result<(), QueueError> {
        self.outbox.send(message)
    }

    /// Queues input for the agent or its end, and waits for room as long as it takes. Where typed input is dropped, Ctrl-C is
    /// heard of instead.
    ///
    /// # Errors
    /// The channel is gone.
    pub fn put(&self, input: ToGuest) -> Result<(), QueueError> {
        let interrupts = matches!(&input, ToGuest::Input(bytes) if bytes.contains(&INTERRUPT));
        if self.outbox.put(input)? == Fate::Dropped && interrupts {
            (self.ear)(Heard::Interrupted);
        }
        Ok(())
    }

    /// What becomes of input from here on.
    pub(crate) fn turn(&self, intake: Intake) {
        self.outbox.turn(intake);
    }

    /// One message about executed programs or used files is on the record.
    pub fn recorded(&self) {
        let unrecorded = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
        let _nothing_waits = unrecorded.try_recv();
    }

    /// Closes the channel: the guest waits for it before it powers off.
    pub fn close(&self) {
        // Reader and writer hold the same socket: a shutdown ends both, whatever they wait for.
        self.outbox.close();
        let _already_gone = self.connection.get().map(|stream| stream.shutdown(Shutdown::Both));
    }

    /// Copies `input` to the agent's standard input until it ends, on a thread of its own. A thread that
    /// waits in a read cannot be ended; it goes with the process.
    pub fn feed(&self, mut input: impl Read + Send + 'static) {
        let queue = self.clone();
        std::thread::spawn(move || {
            let mut chunk = vec![0; MAX_CHUNK];
            loop {
                let message = match input.read(&mut chunk) {
                    Ok(n @ 1..) => ToGuest::Input(chunk[..n].to_vec()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Ok(_) | Err(_) => ToGuest::EndOfInput,
                };
                let last = message == ToGuest::EndOfInput;
                // A guest that takes no more input makes the reader wait, as a full pipe would.
                if queue.put(message).is_err() || last {
                    return;
                }
            }
        });
    }
}

fn accept<O: Write, E: Write>(
    listener: UnixListener,
    connection: &OnceLock<UnixStream>,
    outbox: Arc<Outbox>,
    sinks: Sinks<O, E>,
    heard: impl Fn(Heard) + Send + 'static,
) {
    let Ok((stream, _address)) = listener.accept() else { return heard(Heard::Closed) };
    // One guest, one channel: whoever connects later finds nobody.
    drop(listener);
    match stream.try_clone().and_then(|writer| Ok((writer, stream.try_clone()?))) {
        Ok((writer, closer)) => {
            connection.set(closer).expect("one connection is accepted");
            let messages = Arc::clone(&outbox);
            std::thread::spawn(move || write(writer, &messages))
        }
        Err(error) => return heard(Heard::Broken(error.into())),
    };
    read(stream, sinks, (&outbox, heard));
}

fn write(mut stream: UnixStream, outbox: &Outbox) {
    while let Some(message) = outbox.next() {
        if frame::write(&mut stream, &message).is_err() {
            // The reader sees the same end and reports it.
            return outbox.close();
        }
    }
}

fn read<O: Write, E: Write>(
    mut stream: UnixStream,
    mut sinks: Sinks<O, E>,
    (outbox, heard): (&Outbox, impl Fn(Heard)),
) {
    let mut pace = Pace::new(Instant::now(), OBSERVATIONS_EVERY, OBSERVATIONS);
    loop {
        match frame::read(&mut stream, frame::SMALL) {
            Ok(FromGuest::Output { stream: Stream::Stdout, bytes }) => pass(&mut sinks.stdout, &bytes),
            Ok(FromGuest::Output { stream: Stream::Stderr, bytes }) => pass(&mut sinks.stderr, &bytes),
            Ok(FromGuest::Taken { bytes }) => outbox.taken(bytes),
            // The last word: whatever a hostile guest sends after it stays in its own memory.
            Ok(last @ (FromGuest::Exited(_) | FromGuest::Failed { .. })) => {
                return heard(Heard::Message(last));
            }
            Ok(message) if message.is_observation() => {
                std::thread::sleep(pace.wait(Instant::now(), 1));
                heard(Heard::Message(message));
            }
            Ok(message) => heard(Heard::Message(message)),
            Err(FrameError::Closed) => return heard(Heard::Closed),
            Err(error) => return heard(Heard::Broken(error)),
        }
    }
}

/// Lets so many through at once and then one in each interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// When everything that was let through is paid for.
    paid: Instant,
    every: Duration,
    at_once: u32,
}

impl Pace {
    pub(crate) fn new(now: Instant, every: Duration, at_once: u32) -> Self {
        Self { paid: now, every, at_once }
    }

    /// How long the next ones have to wait.
    pub(crate) fn wait(&mut self, now: Instant, number: u32) -> Duration {
        self.paid = self.paid.max(now) + self.every * number;
        self.paid.saturating_duration_since(now).saturating_sub(self.every * self.at_once)
    }
}

/// A reader who went away (`openshell vm run … | head`) does not end the agent: its output is dropped.
fn pass(sink: &mut impl Write, bytes: &[u8]) {
    let _nobody_reads = sink.write_all(bytes).and_then(|()| sink.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use wire::control::Exit;

    #[test]
    fn a_guest_that_floods_waits() {
        let start = Instant::now();
        let pace = || Pace::new(start, OBSERVATIONS_EVERY, OBSERVATIONS);
        let (mut hostile, mut honest) = (pace(), pace());
        assert!((0..OBSERVATIONS).all(|_| hostile.wait(start, 1) == Duration::ZERO));
        assert_eq!(hostile.wait(start, 1), OBSERVATIONS_EVERY);
        assert_eq!(hostile.wait(start + OBSERVATIONS_EVERY, 1), OBSERVATIONS_EVERY);
        assert_eq!(hostile.wait(start + OBSERVATIONS_EVERY, 3), 4 * OBSERVATIONS_EVERY);
        assert!((0..100).all(|second| honest.wait(start + Duration::from_secs(second), 1) == Duration::ZERO));
    }

    #[test]
    fn one_guest_is_served_and_output_is_passed_on() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("1.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (out, stdout) = std::os::unix::net::UnixStream::pair().unwrap();
        let (events, received) = channel();
        let queue = serve(listener, Sinks { stdout: out, stderr: io::sink() }, move |heard| {
            let _test_over = events.send(heard);
        });
        let mut guest = UnixStream::connect(&path).unwrap();
        frame::write(&mut guest, &FromGuest::Output { stream: Stream::Stdout, bytes: b"hi".to_vec() })
            .unwrap();
        frame::write(&mut guest, &FromGuest::Exited(Exit::Code(3))).unwrap();
        frame::write(&mut guest, &FromGuest::Exited(Exit::Code(4))).unwrap();
        let mut hi = [0; 2];
        (&stdout).read_exact(&mut hi).unwrap();
        assert_eq!(&hi, b"hi");
        assert!(matches!(received.recv().unwrap(), Heard::Message(FromGuest::Exited(Exit::Code(3)))));
        queue.send(ToGuest::Signal(2)).unwrap();
        assert_eq!(frame::read::<ToGuest>(&mut guest, frame::LARGE).unwrap(), ToGuest::Signal(2));
        assert!(UnixStream::connect(&path).is_err(), "a second guest found a listener");

        queue.close();
        assert_eq!(guest.read(&mut hi).unwrap(), 0, "the channel is still open");
        drop(queue);
        assert!(received.recv().is_err(), "something was heard after the last word");
    }

    /// Whoever types into a pause sees nothing happen; Ctrl-C is for what he looks at.
    #[test]
    fn a_typed_interrupt_is_heard_where_nobody_reads() {
        let temp = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(temp.path().join("1.sock")).unwrap();
        let (events, received) = channel();
        let sinks = Sinks { stdout: io::sink(), stderr: io::sink() };
        let queue = serve(listener, sinks, move |heard| drop(events.send(heard)));
        let typed = |bytes: &[u8]| queue.put(ToGuest::Input(bytes.to_vec())).unwrap();
        typed(b"\x03");
        queue.turn(Intake::Held);
        typed(b"\x03");
        queue.turn(Intake::Dropped);
        typed(b"x");
        assert!(received.try_recv().is_err());
        typed(b"x\x03");
        assert!(matches!(received.try_recv().unwrap(), Heard::Interrupted));
    }
}
