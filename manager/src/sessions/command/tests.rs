use std::sync::Arc;
use std::thread::{JoinHandle, spawn};

use wire::control::{Execute, Size, Stage};
use wire::operator::Answer;

use super::*;
use crate::failure::Failure;
use crate::sessions::client;
use crate::sessions::ring::KEPT;

/// Who starts a command in these tests is on it under this number.
const STARTER: u32 = 1;

/// Longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(600);

/// A command whose guest a test plays.
struct Served {
    command: Arc<Command>,
    guest: UnixStream,
    end: JoinHandle<End>,
}

/// Somebody who is on it.
struct On {
    line: UnixStream,
    served: JoinHandle<()>,
}

impl Served {
    fn held() -> (Self, On) {
        let served = Self::with(Hold::Starter);
        let starter = served.on(STARTER);
        (served, starter)
    }

    fn with(hold: Hold) -> Self {
        let command = Arc::new(Command::new(STARTER, true, hold));
        let (guest, theirs) = UnixStream::pair().unwrap();
        let end = serve(&command, theirs);
        Self { command, guest, end }
    }

    fn joined(&self, who: u32) -> On {
        self.command.join(who);
        self.on(who)
    }

    fn on(&self, who: u32) -> On {
        let (line, theirs) = UnixStream::pair().unwrap();
        let command = Arc::clone(&self.command);
        On { line, served: spawn(move || client::serve(&command, who, &theirs)) }
    }

    fn says(&mut self, message: &FromGuest) {
        frame::write(&mut self.guest, message).unwrap();
    }

    fn writes(&mut self, bytes: &[u8]) {
        self.says(&output(bytes));
    }

    fn hears(&mut self) -> Option<ToGuest> {
        frame::read(&mut self.guest, frame::SMALL).ok()
    }
}

impl On {
    fn says(&mut self, message: &ToGuest) {
        frame::write(&mut self.line, message).unwrap();
    }

    fn types(&mut self, bytes: &[u8]) {
        self.says(&ToGuest::Input(bytes.to_vec()));
    }

    fn hears(&mut self) -> Option<FromCommand> {
        frame::read(&mut self.line, frame::SMALL).ok()
    }

    /// So many bytes that the command wrote, and how many were left out before.
    fn reads(&mut self, length: usize) -> (Vec<u8>, u64) {
        let (mut read, mut left_out) = (Vec::new(), 0);
        while read.len() < length {
            match self.hears() {
                Some(FromCommand::Output { bytes, .. }) => read.extend(bytes),
                Some(FromCommand::Skipped { bytes }) => left_out += bytes,
                other => panic!("{other:?} after {} bytes", read.len()),
            }
        }
        (read, left_out)
    }

    fn leaves(self) {
        drop(self.line);
        self.served.join().unwrap();
    }
}

/// Serves it, and has a record that takes everything.
fn serve(command: &Arc<Command>, guest: UnixStream) -> JoinHandle<End> {
    let command = Arc::clone(command);
    spawn(move || {
        let end = command.serve(&guest);
        command.settle(&Ok(()));
        end
    })
}

fn output(bytes: &[u8]) -> FromGuest {
    FromGuest::Output { stream: Stream::Stdout, bytes: bytes.to_vec() }
}

fn wrote(bytes: &[u8]) -> Option<FromCommand> {
    Some(FromCommand::Output { stream: Stream::Stdout, bytes: bytes.to_vec() })
}

/// More than is kept, with every place in it its own.
fn much() -> Vec<u8> {
    let length = u32::try_from(KEPT).unwrap() / 4 * 3;
    (0..length).flat_map(|at| at.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect()
}

#[test]
fn both_directions_go_through_to_the_end() {
    let (mut served, mut starter) = Served::held();
    for message in [
        ToGuest::Input(b"in".to_vec()),
        ToGuest::Signal(2),
        ToGuest::Resize(Size { rows: 2, columns: 3 }),
        ToGuest::EndOfInput,
    ] {
        starter.says(&message);
        assert_eq!(served.hears(), Some(message));
    }
    served.writes(b"out\0\xff");
    assert_eq!(starter.hears(), wrote(b"out\0\xff"));
    served.says(&FromGuest::Exited(Exit::Code(7)));
    assert_eq!(starter.hears(), Some(FromCommand::Exited(Exit::Code(7))));
    assert_eq!(starter.hears(), None, "nothing follows the end");
    assert_eq!(served.end.join().unwrap(), End::Exited(Exit::Code(7)));
    assert!(!served.command.is_kept());
    starter.leaves();
}

#[test]
fn who_holds_it_and_leaves_hangs_up() {
    let (mut served, starter) = Served::held();
    let mut other = served.joined(2);
    starter.leaves();
    assert_eq!(served.hears(), None);
    assert_eq!(other.hears(), None, "it has no last word");
    assert_eq!(served.end.join().unwrap(), End::Cut("its caller left".to_owned()));
}

/// What was typed before is the command's; who comes later reads what was written before he came, and how it ended.
#[test]
fn a_detached_one_goes_on_and_is_found_again() {
    let (mut served, mut starter) = Served::held();
    served.says(&FromGuest::Started { pid: 1, at_ns: 1 });
    served.writes(b"begun");
    assert_eq!(starter.hears(), wrote(b"begun"));
    served.command.detach().unwrap();
    starter.types(b"last words");
    starter.leaves();
    assert_eq!(served.hears(), Some(ToGuest::Input(b"last words".to_vec())));
    assert_eq!(served.command.standing(), (SessionState::Detached, 0));
    served.writes(b" alone");
    let mut second = served.joined(2);
    assert_eq!(second.reads(11).0, b"begun alone");
    second.types(b"hi");
    assert_eq!(served.hears(), Some(ToGuest::Input(b"hi".to_vec())));
    second.says(&ToGuest::EndOfInput);
    second.leaves();
    served.says(&FromGuest::Exited(Exit::Code(3)));
    assert_eq!(served.end.join().unwrap(), End::Exited(Exit::Code(3)));
    assert!(served.command.is_kept());
    assert_eq!(served.command.standing(), (SessionState::Ended(Some(3)), 0));
    served.command.join(3);
    assert_eq!(served.command.next(3), wrote(b"begun alone"));
    assert_eq!(served.command.next(3), Some(FromCommand::Exited(Exit::Code(3))));
    assert_eq!(served.command.next(3), None);
}

/// One who reads nothing loses what is no longer kept, is told how much that was, and nobody waits for him.
#[test]
fn who_is_slow_holds_up_nobody() {
    let mut served = Served::with(Hold::Nobody);
    let (mut slow, mut quick) = (served.joined(2), served.joined(3));
    let written = much();
    let mut read = Vec::new();
    for chunk in written.chunks(MAX_CHUNK) {
        served.writes(chunk);
        read.extend(quick.reads(chunk.len()).0);
    }
    assert!(read == written, "the quick one reads all");
    let read = {
        let (mut read, mut left_out) = (Vec::new(), 0);
        while read.len() + left_out < written.len() {
            match slow.hears() {
                Some(FromCommand::Output { bytes, .. }) => read.extend(bytes),
                Some(FromCommand::Skipped { bytes }) => left_out += usize::try_from(bytes).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        assert!(left_out > KEPT, "{left_out}");
        read
    };
    assert!(read[read.len() - KEPT..] == written[written.len() - KEPT..]);
    served.says(&FromGuest::Exited(Exit::Code(0)));
    for mut on in [slow, quick] {
        assert_eq!(on.hears(), Some(FromCommand::Exited(Exit::Code(0))));
        on.leaves();
    }
}

/// A pipe loses nothing: the command waits for who holds it. When he has left it to itself, it does not.
#[test]
fn who_holds_it_misses_nothing() {
    let (mut served, mut starter) = Served::held();
    let written = much();
    let mut guest = served.guest.try_clone().unwrap();
    let sent = written.clone();
    let writer = spawn(move || {
        for _turn in 0..2 {
            for chunk in sent.chunks(MAX_CHUNK) {
                frame::write(&mut guest, &output(chunk)).unwrap();
            }
        }
    });
    let (read, left_out) = starter.reads(written.len());
    assert!((left_out, &read) == (0, &written));
    assert!(!writer.is_finished(), "it has to wait: neither line nor ring holds the rest");
    served.command.detach().unwrap();
    writer.join().unwrap();
    served.says(&FromGuest::Exited(Exit::Code(0)));
    assert_eq!(served.end.join().unwrap(), End::Exited(Exit::Code(0)), "its starter reads nothing now");
    served.command.join(2);
    let mut last = Vec::new();
    while let Some(FromCommand::Output { bytes, .. }) = served.command.next(2) {
        last.extend(bytes);
    }
    assert!(last == written[written.len() - KEPT..], "the last MiB is there, of {}", last.len());
}

/// Input goes as far as there is room for it, and keeps no signal back; who sends more than he was given room for is sent away.
#[test]
fn input_that_nobody_reads_keeps_nothing_back() {
    let (mut served, mut starter) = Served::held();
    let mut other = served.joined(2);
    let piece = ToGuest::Input(vec![b'y'; MAX_CHUNK]);
    let fits = INPUT_WINDOW / MAX_CHUNK;
    for _piece in 0..fits {
        starter.says(&piece);
        assert_eq!(served.hears(), Some(piece.clone()));
    }
    (0..2).for_each(|_| assert!(matches!(starter.hears(), Some(FromCommand::Taken { .. }))));
    (0..fits / 2).for_each(|_| starter.says(&piece));
    other.types(b"also");
    other.says(&ToGuest::Signal(2));
    assert_eq!(served.hears(), Some(ToGuest::Signal(2)), "it overtakes what waits");
    served.says(&FromGuest::Taken { bytes: u32::MAX });
    let mut came = 0;
    while came < fits / 2 * MAX_CHUNK + 4 {
        let Some(ToGuest::Input(bytes)) = served.hears() else { panic!("no input") };
        came += bytes.len();
    }
    let flood = spawn(move || while frame::write(&mut other.line, &piece).is_ok() {});
    flood.join().unwrap();
    starter.says(&ToGuest::Signal(15));
    while served.hears() != Some(ToGuest::Signal(15)) {}
}

/// Keys one by one take the room of their bytes.
#[test]
fn what_is_typed_in_small_pieces_is_put_together() {
    let command = Command::new(STARTER, true, Hold::Starter);
    (0..INPUT_WINDOW).for_each(|_| assert!(command.put(STARTER, ToGuest::Input(vec![b'k']))));
    assert!(!command.put(STARTER, ToGuest::Input(vec![b'k'])), "it is more than there is room for");
    assert_eq!(command.state().input.len(), INPUT_WINDOW / MAX_CHUNK);
    assert!(!command.put(9, ToGuest::Input(vec![b'k'])), "he is not on it");
    command.state().credit.spend(1);
    command.leave(STARTER);
    assert!(command.state().input.is_empty(), "what nobody reads goes with who typed it");
}

#[test]
fn nobody_can_set_the_guest_up_or_start_more() {
    let (mut served, mut starter) = Served::held();
    let execute = Execute { command: vec!["x".to_owned()], env: Vec::new(), workdir: None, terminal: None };
    starter.says(&ToGuest::Execute(Box::new(execute)));
    assert_eq!(served.hears(), None, "it was passed on");
    assert!(matches!(served.end.join().unwrap(), End::Cut(_)));
}

#[test]
fn a_guest_that_speaks_out_of_turn_ends_its_session_and_says_nothing() {
    let started = FromGuest::Started { pid: 1, at_ns: 1 };
    for messages in [
        vec![FromGuest::Ready { at_ns: 1 }],
        vec![FromGuest::Session { session: 2 }],
        vec![started.clone(), started],
    ] {
        let (mut served, mut starter) = Served::held();
        messages.iter().for_each(|message| served.says(message));
        assert_eq!(starter.hears(), None, "{messages:?} was passed on");
        assert!(matches!(served.end.join().unwrap(), End::Cut(_)));
    }
    let mut served = Served::with(Hold::Nobody);
    served.says(&FromGuest::Failed { stage: Stage::Agent, cause: "no such\u{1b} directory".to_owned() });
    let cause = "no such\u{fffd} directory".to_owned();
    assert_eq!(served.command.started(LONG), Some(FromCommand::Failed { cause: cause.clone() }));
    assert_eq!(served.end.join().unwrap(), End::Failed(cause));
    assert!(!served.command.is_kept());
}

#[test]
fn who_starts_it_detached_hears_whether_it_has_started() {
    let mut served = Served::with(Hold::Nobody);
    served.says(&FromGuest::Started { pid: 1, at_ns: 1 });
    assert_eq!(served.command.started(LONG), Some(FromCommand::Started));
    // One that ended at once has started too; one that was not found has not.
    for (exit, first) in
        [(Exit::Code(0), FromCommand::Started), (Exit::NotFound, FromCommand::Exited(Exit::NotFound))]
    {
        let mut served = Served::with(Hold::Nobody);
        served.says(&FromGuest::Exited(exit));
        assert_eq!(served.command.started(LONG), Some(first));
        served.end.join().unwrap();
        assert_eq!(served.command.is_kept(), exit == Exit::Code(0));
    }
}

/// It is asked first; whoever asks again wants it gone.
#[test]
fn it_is_asked_to_end_and_then_killed() {
    for (terminal, signal) in [(true, 1), (false, 15)] {
        let command = Arc::new(Command::new(STARTER, terminal, Hold::Nobody));
        let (mut guest, theirs) = UnixStream::pair().unwrap();
        let end = serve(&command, theirs);
        let mut waiting = Vec::new();
        for expected in [signal, 9] {
            let (reply, answer) = Reply::channel();
            command.stop(reply);
            assert_eq!(frame::read::<ToGuest>(&mut guest, frame::SMALL).unwrap(), ToGuest::Signal(expected));
            assert!(answer.try_recv().is_err(), "it has not ended");
            waiting.push(answer);
        }
        let (reply, answer) = Reply::channel();
        command.stop(reply);
        waiting.push(answer);
        assert!(command.state().messages.is_empty(), "it is killed already");
        frame::write(&mut guest, &FromGuest::Exited(Exit::Signal(9))).unwrap();
        assert_eq!(end.join().unwrap(), End::Exited(Exit::Signal(9)));
        for answer in waiting {
            assert_eq!(answer.recv().unwrap(), Answer::CommandStopped);
        }
    }
}

/// What was decided before the record holds after it: he may leave in between, and is hung up on only if the record failed.
#[test]
fn who_leaves_while_it_is_detached_does_not_hang_up() {
    for on_record in [true, false] {
        let (mut served, starter) = Served::held();
        served.says(&FromGuest::Started { pid: 1, at_ns: 1 });
        assert_eq!(served.command.detaching().unwrap(), Letting::Running);
        starter.leaves();
        assert_eq!(served.command.standing().0, SessionState::Held);
        if on_record {
            served.command.detach().unwrap();
            assert_eq!(served.command.detaching().unwrap(), Letting::Nothing);
            served.says(&FromGuest::Exited(Exit::Code(3)));
            assert_eq!(served.end.join().unwrap(), End::Exited(Exit::Code(3)));
        } else {
            served.command.hold_again();
            assert_eq!(served.hears(), None);
            assert_eq!(served.end.join().unwrap(), End::Cut(LEFT.to_owned()));
        }
        assert_eq!(served.command.is_kept(), on_record);
    }
}

/// One that has ended, but not yet on the record, is kept; one that was hung up on, or did not start, is not detached.
#[test]
fn what_is_over_is_detached_only_to_be_kept() {
    for (exit, kept) in [(Exit::Code(4), true), (Exit::NotFound, false)] {
        let (mut served, _starter) = Served::held();
        served.says(&FromGuest::Exited(exit));
        served.end.join().unwrap();
        assert!(!served.command.is_kept());
        assert_eq!(served.command.detaching().ok(), kept.then_some(Letting::Ended));
        assert_eq!(kept && served.command.detach().is_ok(), kept);
        assert_eq!(served.command.is_kept(), kept);
    }
    let (mut served, starter) = Served::held();
    served.says(&FromGuest::Started { pid: 1, at_ns: 1 });
    starter.leaves();
    assert!(served.command.detaching().is_err(), "it was hung up on");
    assert!(!served.command.is_kept());
    // Nor is one that ends in between without having started.
    let (mut served, _starter) = Served::held();
    assert_eq!(served.command.detaching().unwrap(), Letting::Running);
    served.says(&FromGuest::Exited(Exit::NotFound));
    served.end.join().unwrap();
    assert!(served.command.detach().is_err());
}

/// Neither who is on it nor who waits for its end hears of it before the record has it; without a record nobody does.
#[test]
fn its_end_is_told_when_it_is_on_the_record() {
    let failed = Failure::new("the disk is full", "make room");
    for recorded in [Ok(()), Err(failed.clone())] {
        let command = Arc::new(Command::new(STARTER, false, Hold::Starter));
        let (mut line, theirs) = UnixStream::pair().unwrap();
        let on = Arc::clone(&command);
        let served = spawn(move || client::serve(&on, STARTER, &theirs));
        let (reply, stopped) = Reply::channel();
        command.stop(reply);
        command.ends(End::Exited(Exit::Code(7)));
        let (reply, late) = Reply::channel();
        command.stop(reply);
        line.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(frame::read::<FromCommand>(&mut line, frame::SMALL).is_err());
        assert!(stopped.try_recv().is_err() && late.try_recv().is_err());
        command.settle(&recorded);
        line.set_read_timeout(None).unwrap();
        let heard = frame::read::<FromCommand>(&mut line, frame::SMALL).ok();
        assert_eq!(heard, recorded.is_ok().then_some(FromCommand::Exited(Exit::Code(7))));
        let answer = recorded.clone().map_or_else(Answer::from, |()| Answer::CommandStopped);
        assert_eq!((stopped.recv().unwrap(), late.recv().unwrap()), (answer.clone(), answer));
        served.join().unwrap();
    }
}

/// A command whose starter is stopped, and which writes all the time, hears that it is to end and is read to its end.
#[test]
fn who_holds_it_and_reads_nothing_does_not_keep_it_from_ending() {
    let (mut served, starter) = Served::held();
    let mut guest = served.guest.try_clone().unwrap();
    let written = much();
    let writer = spawn(move || {
        for _turn in 0..3 {
            for chunk in written.chunks(MAX_CHUNK) {
                frame::write(&mut guest, &output(chunk)).unwrap();
            }
        }
        frame::write(&mut guest, &FromGuest::Exited(Exit::Signal(1))).unwrap();
    });
    assert!(!writer.is_finished());
    let (reply, answer) = Reply::channel();
    served.command.stop(reply);
    assert_eq!(served.hears(), Some(ToGuest::Signal(1)));
    writer.join().unwrap();
    assert_eq!(served.end.join().unwrap(), End::Exited(Exit::Signal(1)));
    assert_eq!(answer.recv().unwrap(), Answer::CommandStopped);
    drop(starter);
}

/// A guest that neither reads nor speaks keeps nobody waiting for the end of what it runs.
#[test]
fn one_that_does_not_end_when_killed_is_cut_off() {
    let mut served = Served::with(Hold::Nobody);
    let mut other = served.joined(2);
    // So much that whoever writes to the guest waits.
    (0..INPUT_WINDOW / MAX_CHUNK).for_each(|_| other.says(&ToGuest::Input(vec![b'y'; MAX_CHUNK])));
    let (reply, answer) = Reply::channel();
    served.command.stop(reply);
    let (again, answer_again) = Reply::channel();
    served.command.stop(again);
    let begun = std::time::Instant::now();
    assert_eq!(answer.recv().unwrap(), Answer::CommandStopped);
    assert_eq!(answer_again.recv().unwrap(), Answer::CommandStopped);
    assert!(begun.elapsed() > Duration::from_secs(2), "the guest had no time to say that it has ended");
    while served.hears().is_some() {}
    let end = served.end.join().unwrap();
    assert!(matches!(&end, End::Cut(why) if why.contains("killed")), "{end:?}");
    while other.hears().is_some() {}
    other.leaves();
}

#[test]
fn one_that_does_not_start_in_time_is_not_left_to_start_later() {
    let mut served = Served::with(Hold::Nobody);
    let Some(FromCommand::Failed { cause }) = served.command.started(Duration::from_millis(50)) else {
        panic!("it is waited for")
    };
    assert!(cause.contains("in time"), "{cause}");
    assert_eq!(served.hears(), None, "the guest may start it yet");
    assert_eq!(served.end.join().unwrap(), End::Failed(cause));
}

/// What takes no room for bytes takes none in the queue: ends, empty pieces, and pieces between those of others.
#[test]
fn input_is_bounded_in_pieces_too() {
    let command = Command::new(STARTER, true, Hold::Starter);
    command.join(2);
    for _ in 0..10 * PIECES {
        assert!(command.put(STARTER, ToGuest::EndOfInput));
        assert!(command.put(2, ToGuest::Input(Vec::new())));
    }
    assert_eq!(command.state().input.len(), 1);
    for _ in 0..PIECES {
        assert!(command.put(2, ToGuest::Input(vec![b'a'])));
        assert!(command.put(STARTER, ToGuest::Input(vec![b'b'])));
    }
    assert!(!command.put(2, ToGuest::Input(vec![b'a'])));
    assert_eq!(command.state().input.len(), 2 * PIECES + 1);
    while command.state().next_inwards().is_some() {}
    assert!(command.put(2, ToGuest::Input(vec![b'a'])), "there is room again");
}
