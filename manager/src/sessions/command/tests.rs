use std::sync::Arc;
use std::thread::{JoinHandle, spawn};

use wire::control::{Execute, Size, Stage};

use super::*;
use crate::sessions::client;
use crate::sessions::ring::KEPT;

/// Who starts a command in these tests is on it under this number.
const STARTER: u32 = 1;

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
        let serving = Arc::clone(&command);
        let end = spawn(move || serving.serve(&theirs));
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
    served.command.detach();
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
    let (served, mut starter) = Served::held();
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
    served.command.detach();
    writer.join().unwrap();
    let mut later = served.joined(2);
    let (read, left_out) = later.reads(KEPT);
    assert!(left_out == 0 && read[KEPT - 100..] == written[written.len() - 100..]);
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
    assert_eq!(served.command.started(), Some(FromCommand::Failed { cause: cause.clone() }));
    assert_eq!(served.end.join().unwrap(), End::Failed(cause));
    assert!(!served.command.is_kept());
}

#[test]
fn who_starts_it_detached_hears_whether_it_has_started() {
    let mut served = Served::with(Hold::Nobody);
    served.says(&FromGuest::Started { pid: 1, at_ns: 1 });
    assert_eq!(served.command.started(), Some(FromCommand::Started));
    // One that ended at once has started too; one that was not found has not.
    for (exit, first) in
        [(Exit::Code(0), FromCommand::Started), (Exit::NotFound, FromCommand::Exited(Exit::NotFound))]
    {
        let mut served = Served::with(Hold::Nobody);
        served.says(&FromGuest::Exited(exit));
        assert_eq!(served.command.started(), Some(first));
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
        let serving = Arc::clone(&command);
        let end = spawn(move || serving.serve(&theirs));
        let mut waiting = Vec::new();
        for expected in [signal, 9] {
            let (reply, answer) = Reply::channel();
            command.stop(reply);
            assert_eq!(frame::read::<ToGuest>(&mut guest, frame::SMALL).unwrap(), ToGuest::Signal(expected));
            assert!(answer.try_recv().is_err(), "it has not ended");
            waiting.push(answer);
        }
        frame::write(&mut guest, &FromGuest::Exited(Exit::Signal(9))).unwrap();
        assert_eq!(end.join().unwrap(), End::Exited(Exit::Signal(9)));
        for answer in waiting {
            assert_eq!(answer.recv().unwrap(), Answer::CommandStopped);
        }
    }
}
