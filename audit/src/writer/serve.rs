//! The loop: read from every client that has something, write one batch, answer.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use wire::audit::{AuditEvent, AuditSync};

use super::client::Client;
use super::journal::{Committed, Journal, JournalError, Writing};
use super::leaves::Leaves;
use super::segments::Segments;
use super::sync::Syncer;
use super::{WriterError, report};
use crate::spin::Spin;

/// How the writer trades latency for throughput and durability.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// When a record must be on the disk.
    pub(super) sync: AuditSync,
    /// Bytes of records that are gathered before a write, when clients have more.
    pub(super) batch: usize,
    /// Bytes from which on a segment is full.
    pub(super) segment: u64,
}

/// Bytes of records that are gathered before a write.
pub(super) const BATCH: usize = 1024 * 1024;

/// A day is looked at once in so many rounds, and at every start: a rotation at midnight may come a little later.
const ROUNDS: u32 = 64;

/// Everybody that the writer deals with.
#[derive(Debug)]
pub(super) struct Parties<'a> {
    pub(super) clients: Vec<Client>,
    pub(super) segments: Option<Segments>,
    pub(super) signer: Option<Leaves>,
    pub(super) status: &'a mut File,
}

/// Which of the things that were waited for happened.
#[derive(Debug)]
struct Woken {
    stop: bool,
    sync_ended: bool,
    synced: bool,
    segment: bool,
    signer: PollFlags,
    clients: Vec<PollFlags>,
}

/// What one descriptor that is waited for belongs to.
#[derive(Clone, Copy, Debug)]
enum Waited {
    Stop,
    SyncEnded,
    Synced,
    Segment,
    Signer,
    Client,
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
    mut parties: Parties<'_>,
    stop: &UnixStream,
    limits: Limits,
) -> Result<(), WriterError> {
    let interval = match limits.sync {
        AuditSync::Interval(milliseconds) => Duration::from_millis(milliseconds.into()),
        AuditSync::Always => Duration::ZERO,
    };
    let syncer = Syncer::start(journal.file(), interval, journal.records()).map_err(WriterError::Wait)?;
    if let Some(signer) = &mut parties.signer {
        signer.hold(&journal.take_leaves());
    }
    let result = serve_clients(&mut journal, &mut parties, stop, (&syncer, limits));
    let result = result.and_then(|()| last_words(&mut journal, &mut parties));
    // A failed sync is the cause of whatever failed after it, and what it left off the disk is not signed.
    let result = match syncer.finish() {
        Ok(()) => sign_the_rest(&mut journal, &mut parties, result),
        Err(error) => Err(JournalError::Sync(error).into()),
    };
    if let Err(error) = &result {
        let why = super::causes(error);
        parties.clients.iter_mut().for_each(|client| client.refuse(&why));
    }
    result
}

/// Hands over what is left of the leaves: all records are on the disk. Also if the writer failed, unless its signer did, or the
/// disk: that says only once what it lost.
fn sign_the_rest(
    journal: &mut Journal,
    parties: &mut Parties<'_>,
    result: Result<(), WriterError>,
) -> Result<(), WriterError> {
    let records = journal.records();
    if let Some(signer) = &mut parties.signer {
        signer.hold(&journal.take_leaves());
    }
    match (&mut parties.signer, result) {
        (Some(signer), Ok(())) => signer.finish(records).map_err(WriterError::Signer),
        (Some(_), Err(no @ (WriterError::Signer(_) | WriterError::Journal(JournalError::Sync(_))))) => {
            Err(no)
        }
        (Some(signer), Err(failed)) => {
            // Why the writer failed says more than that its signer is gone as well.
            let _unsigned = signer.finish(records);
            Err(failed)
        }
        (None, result) => result,
    }
}

fn serve_clients(
    journal: &mut Journal,
    parties: &mut Parties<'_>,
    stop: &UnixStream,
    (syncer, limits): (&Syncer, Limits),
) -> Result<(), WriterError> {
    let mut rounds = 0_u32;
    let spin = Spin::new();
    while !parties.clients.is_empty() {
        let expects = parties.clients.iter_mut().fold(false, |any, client| any | client.take_word(journal));
        let woken = wait(parties, stop, syncer, (&spin, expects)).map_err(WriterError::Wait)?;
        if woken.sync_ended {
            return Err(JournalError::Dead.into());
        }
        hear_signer(parties, woken.signer).map_err(WriterError::Signer)?;
        for (client, flags) in parties.clients.iter_mut().zip(&woken.clients) {
            if flags.intersects(PollFlags::OUT | PollFlags::HUP | PollFlags::ERR) {
                client.flush();
            }
        }
        rotate(journal, parties, syncer, &woken)?;
        let (before, was_full) = (journal.records(), journal.full().is_some());
        round(journal, &mut parties.clients, &woken, limits)?;
        if journal.records() > before {
            match limits.sync {
                AuditSync::Interval(_) => syncer.note_growth(journal.records()),
                AuditSync::Always => syncer.note_synced(journal.records()),
            }
            if rounds.is_multiple_of(ROUNDS) || journal.is_larger_than(limits.segment) {
                ask_for_segment(journal, parties, limits.segment);
            }
            rounds = rounds.wrapping_add(1);
        }
        report_change(was_full, journal, parties.status);
        parties.clients.iter_mut().for_each(Client::flush);
        // Nobody's receipt waits for the signer.
        if woken.synced {
            syncer.heard().map_err(WriterError::Wait)?;
        }
        pass_on((&journal.take_leaves(), syncer.synced()), parties, woken.signer)
            .map_err(WriterError::Signer)?;
        parties.clients.retain(|client| !client.is_finished());
        if woken.stop {
            return Ok(());
        }
    }
    Ok(())
}

/// What a gap in the log was at the end, and that it is the end.
fn last_words(journal: &mut Journal, parties: &mut Parties<'_>) -> Result<(), WriterError> {
    let was_full = journal.full().is_some();
    journal.end(if parties.clients.is_empty() { Writing::Nobody } else { Writing::Somebody })?;
    report_change(was_full, journal, parties.status);
    Ok(())
}

/// Tells the manager when the log became full, and when it has room again.
fn report_change(was_full: bool, journal: &Journal, status: &mut File) {
    match (was_full, journal.full()) {
        (false, Some(cause)) => report(status, &AuditEvent::Degraded { cause }),
        (true, None) => report(status, &AuditEvent::Restored { lost: journal.lost() }),
        (false, None) | (true, Some(_)) => {}
    }
}

/// Goes on in the segment that the manager sent, if it did.
fn rotate(
    journal: &mut Journal,
    parties: &mut Parties<'_>,
    syncer: &Syncer,
    woken: &Woken,
) -> Result<(), WriterError> {
    let Some(segments) = parties.segments.as_mut().filter(|_segments| woken.segment) else { return Ok(()) };
    let Some((file, others)) = segments.take().map_err(WriterError::Wait)? else { return Ok(()) };
    journal.go_on_in(file, others);
    syncer.go_on_with(journal.file()).map_err(JournalError::Sync)?;
    report(parties.status, &AuditEvent::SegmentClosed);
    Ok(())
}

fn ask_for_segment(journal: &Journal, parties: &mut Parties<'_>, bytes: u64) {
    if let Some(segments) = &mut parties.segments
        && journal.is_full(bytes)
        && segments.ask()
    {
        report(parties.status, &AuditEvent::SegmentFull);
    }
}

/// What the signer has signed. What it has not for too long ends the writer, before more comes: nobody could tell it from what was
/// made up after a crash.
fn hear_signer(parties: &mut Parties<'_>, flags: PollFlags) -> io::Result<()> {
    let Some(signer) = &mut parties.signer else { return Ok(()) };
    if flags.intersects(PollFlags::IN) {
        signer.hear()?;
    }
    if signer.deadline().is_none_or(|deadline| Instant::now() < deadline) {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "it has not signed what it got long ago"))
}

/// Hands the leaves of what is on the disk to the signer. One that is gone ends the writer: what nobody signs does not go on.
fn pass_on((leaves, synced): (&[u8], u64), parties: &mut Parties<'_>, flags: PollFlags) -> io::Result<()> {
    let Some(signer) = &mut parties.signer else { return Ok(()) };
    if flags.intersects(PollFlags::HUP | PollFlags::ERR) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    signer.hold(leaves);
    signer.send(synced)
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
    let grows = journal.staged_bytes() > 0;
    let committed = journal.commit().and_then(|committed| match (committed, limits.sync) {
        (Committed::Written, AuditSync::Always) if grows => {
            journal.file().sync_data().map_err(JournalError::Sync).map(|()| committed)
        }
        _ => Ok(committed),
    });
    for (client, mark) in clients.iter_mut().zip(marks) {
        match &committed {
            Ok(Committed::Written) => {}
            Ok(Committed::Lost) => client.leave_unrecorded(mark),
            Err(_failed) => client.take_back(mark),
        }
    }
    Ok(committed.map(drop)?)
}

fn wait(
    parties: &Parties<'_>,
    stop: &UnixStream,
    syncer: &Syncer,
    looking: (&Spin, bool),
) -> io::Result<Woken> {
    let mut waited = vec![
        (Waited::Stop, stop.as_fd(), PollFlags::IN),
        (Waited::SyncEnded, syncer.ended.as_fd(), PollFlags::IN),
    ];
    if let Some(socket) = parties.segments.as_ref().and_then(Segments::awaited) {
        waited.push((Waited::Segment, socket.as_fd(), PollFlags::IN));
    }
    if let Some(signer) = &parties.signer {
        let flags = if signer.wants_to_write() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        waited.push((Waited::Signer, signer.socket.as_fd(), flags));
        waited.push((Waited::Synced, syncer.done().as_fd(), PollFlags::IN));
    }
    waited.extend(parties.clients.iter().map(|client| {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, client.wants_to_read());
        flags.set(PollFlags::OUT, client.wants_to_write());
        (Waited::Client, client.socket.as_fd(), flags)
    }));
    let happened = poll_all(&waited, parties.signer.as_ref().and_then(Leaves::deadline), looking)?;
    let mut woken = Woken {
        stop: false,
        sync_ended: false,
        synced: false,
        segment: false,
        signer: PollFlags::empty(),
        clients: Vec::with_capacity(parties.clients.len()),
    };
    for ((what, ..), flags) in waited.iter().zip(happened) {
        match what {
            Waited::Stop => woken.stop = !flags.is_empty(),
            Waited::SyncEnded => woken.sync_ended = !flags.is_empty(),
            Waited::Segment => woken.segment = !flags.is_empty(),
            Waited::Synced => woken.synced = !flags.is_empty(),
            Waited::Signer => woken.signer = flags,
            Waited::Client => woken.clients.push(flags),
        }
    }
    Ok(woken)
}

/// Waits until something happens, or for no longer than `until`. Looks first if that serves, or a client gave word.
fn poll_all(
    waited: &[(Waited, BorrowedFd<'_>, PollFlags)],
    until: Option<Instant>,
    (spin, expects): (&Spin, bool),
) -> io::Result<Vec<PollFlags>> {
    let mut polled: Vec<PollFd<'_>> =
        waited.iter().map(|(_what, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
    let (began, budget) = (Instant::now(), if expects { spin.expecting() } else { spin.budget() });
    let mut looks = !budget.is_zero();
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = if looks { Some(Duration::ZERO) } else { left };
        let left = left.map(|left| Timespec::try_from(left).expect("a signer's time fits in the system's"));
        match poll(&mut polled, left.as_ref()) {
            Ok(0) if looks => looks = began.elapsed() < budget,
            Ok(_ready) => {
                if !expects {
                    spin.learn(began.elapsed(), budget);
                }
                return Ok(polled.iter().map(PollFd::revents).collect());
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that looks for as long as `budget`, as after many quick waits.
    fn quick() -> Spin {
        let spin = Spin::new();
        for _wait in 0..100 {
            spin.learn(Duration::ZERO, Duration::ZERO);
        }
        spin
    }

    #[test]
    fn who_looks_sees_the_end_and_keeps_to_its_deadline() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let waited = [(Waited::Stop, ours.as_fd(), PollFlags::IN)];
        let nothing = poll_all(&waited, Some(Instant::now()), (&quick(), false)).unwrap();
        assert_eq!(nothing, [PollFlags::empty()]);
        drop(theirs);
        let ended = poll_all(&waited, None, (&quick(), true)).unwrap();
        assert!(ended[0].contains(PollFlags::IN), "{ended:?}");
    }
}
