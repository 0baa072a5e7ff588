//! The loop: read from every client that has something, write one batch, answer.

use std::io::{self, PipeReader};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::WriterError;
use super::client::Client;
use super::journal::{Journal, JournalError};
use super::sync::Syncer;

/// How the writer trades latency for throughput and durability.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest time between a receipt and the record being on the disk.
    pub sync_interval: Duration,
    /// Bytes of records that are gathered before a write, when clients have more.
    pub batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sync_interval: Duration::from_millis(50), batch: 1024 * 1024 }
    }
}

/// Which of the things that were waited for happened.
struct Woken {
    stop: bool,
    sync_ended: bool,
    clients: Vec<PollFlags>,
}

/// Registers the signals that end the writer; the returned socket becomes readable when one comes.
pub(super) fn catch_signals() -> io::Result<UnixStream> {
    let (stop, signalled) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, signalled)?;
    // The terminal's signals go to the whole foreground group; the manager decides what they mean. A
    // file size limit is an error of the write instead of the end of the process.
    for ignored in [signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP, signal_hook::consts::SIGXFSZ] {
        signal_hook::flag::register(ignored, std::sync::Arc::default())?;
    }
    Ok(stop)
}

/// Serves the clients until all of them are gone or `stop` becomes readable.
pub(super) fn serve(
    mut journal: Journal,
    clients: Vec<(String, UnixStream)>,
    stop: &UnixStream,
    limits: Limits,
) -> Result<(), WriterError> {
    let clients: io::Result<Vec<Client>> =
        clients.into_iter().map(|(name, socket)| Client::new(name, socket)).collect();
    let mut clients = clients.map_err(WriterError::Wait)?;
    let syncer = Syncer::start(journal.file(), limits.sync_interval).map_err(WriterError::Wait)?;
    let result = serve_clients(&mut journal, &mut clients, stop, (&syncer, limits));
    // A failed sync is the cause of whatever failed after it.
    let result = syncer.finish().map_err(|error| JournalError::Sync(error).into()).and(result);
    if let Err(error) = &result {
        let why = error.to_string();
        clients.iter_mut().for_each(|client| client.refuse(&why));
    }
    result
}

fn serve_clients(
    journal: &mut Journal,
    clients: &mut Vec<Client>,
    stop: &UnixStream,
    (syncer, limits): (&Syncer, Limits),
) -> Result<(), WriterError> {
    while !clients.is_empty() {
        let woken = wait(clients, stop, &syncer.ended).map_err(WriterError::Wait)?;
        if woken.sync_ended {
            return Err(JournalError::Dead.into());
        }
        for (client, flags) in clients.iter_mut().zip(&woken.clients) {
            if flags.intersects(PollFlags::OUT | PollFlags::HUP | PollFlags::ERR) {
                client.flush();
            }
        }
        let before = journal.records();
        round(journal, clients, &woken, limits)?;
        if journal.records() > before {
            syncer.note_growth();
        }
        clients.iter_mut().for_each(Client::flush);
        clients.retain(|client| !client.is_finished());
        if woken.stop {
            return Ok(());
        }
    }
    Ok(())
}

/// Stages what the clients have, writes it, and only then lets the replies go.
fn round(
    journal: &mut Journal,
    clients: &mut [Client],
    woken: &Woken,
    limits: Limits,
) -> Result<(), WriterError> {
    let marks: Vec<usize> = clients.iter().map(Client::mark).collect();
    for (client, flags) in clients.iter_mut().zip(&woken.clients) {
        let readable = flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
        if readable && client.wants_to_read() && journal.staged_bytes() < limits.batch {
            client.read(journal);
        }
    }
    journal.commit().inspect_err(|_failed| {
        for (client, mark) in clients.iter_mut().zip(marks) {
            client.take_back(mark);
        }
    })?;
    Ok(())
}

fn wait(clients: &[Client], stop: &UnixStream, sync_ended: &PipeReader) -> io::Result<Woken> {
    let mut waited = vec![PollFd::new(stop, PollFlags::IN), PollFd::new(sync_ended, PollFlags::IN)];
    waited.extend(clients.iter().map(|client| {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, client.wants_to_read());
        flags.set(PollFlags::OUT, client.wants_to_write());
        PollFd::from_borrowed_fd(client.socket.as_fd(), flags)
    }));
    loop {
        match poll(&mut waited, None) {
            Ok(_ready) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut flags = waited.iter().map(PollFd::revents);
    let mut happened = || flags.next().is_some_and(|flags| !flags.is_empty());
    Ok(Woken { stop: happened(), sync_ended: happened(), clients: flags.collect() })
}
