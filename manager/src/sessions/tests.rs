use std::thread::{JoinHandle, spawn};

use wire::control::{Execute, Stage};
use wire::copy::{Attributes, Copy, Item, Name, Permissions, Time};
use wire::operator::{Command, Copying};

use super::*;

/// A relay between two ends that a test holds.
struct Between {
    caller: UnixStream,
    guest: UnixStream,
    how: JoinHandle<(Result<Exit, String>, Option<String>)>,
}

impl Between {
    fn new() -> Self {
        Self::with(Passage::default())
    }

    fn with(passage: Passage) -> Self {
        let ((caller, ours), (guest, theirs)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let relayed = move || {
            let how = relay(&ours, &theirs, &passage);
            (how, passage.told())
        };
        Self { caller, guest, how: spawn(relayed) }
    }

    fn guest_says(&mut self, message: &FromGuest) {
        frame::write(&mut self.guest, message).unwrap();
    }

    fn caller_hears(&mut self) -> Option<FromGuest> {
        frame::read(&mut self.caller, frame::SMALL).ok()
    }

    fn guest_hears(&mut self) -> Option<ToGuest> {
        frame::read(&mut self.guest, frame::SMALL).ok()
    }

    fn how(self) -> Result<Exit, String> {
        self.how.join().unwrap().0
    }
}

fn output(bytes: &[u8]) -> FromGuest {
    FromGuest::Output { stream: Stream::Stdout, bytes: bytes.to_vec() }
}

#[test]
fn both_directions_go_through_to_the_end() {
    let mut between = Between::new();
    for message in [ToGuest::Input(b"in".to_vec()), ToGuest::Signal(2), ToGuest::EndOfInput] {
        frame::write(&mut between.caller, &message).unwrap();
        assert_eq!(between.guest_hears(), Some(message));
    }
    between.guest_says(&output(b"out\0\xff"));
    between.guest_says(&FromGuest::Exited(Exit::Code(7)));
    assert_eq!(between.caller_hears(), Some(output(b"out\0\xff")));
    assert_eq!(between.caller_hears(), Some(FromGuest::Exited(Exit::Code(7))));
    assert_eq!(between.caller_hears(), None, "nothing follows the end");
    assert_eq!(between.how(), Ok(Exit::Code(7)));
}

#[test]
fn a_caller_that_leaves_hangs_up_on_the_guest() {
    let mut between = Between::new();
    between.caller.shutdown(Shutdown::Both).unwrap();
    assert_eq!(between.guest_hears(), None);
    between.how().unwrap_err();
}

#[test]
fn a_caller_cannot_set_the_guest_up_or_start_more() {
    let mut between = Between::new();
    let execute = Execute { command: vec!["x".to_owned()], env: Vec::new(), workdir: None, terminal: None };
    frame::write(&mut between.caller, &ToGuest::Execute(Box::new(execute))).unwrap();
    assert_eq!(between.guest_hears(), None, "it was passed on");
    between.how().unwrap_err();
}

#[test]
fn a_guest_that_speaks_out_of_turn_ends_its_session_and_says_nothing() {
    for message in [
        FromGuest::Ready { at_ns: 1 },
        FromGuest::Session { session: 2 },
        FromGuest::Started { pid: 1, at_ns: 1 },
    ] {
        let mut between = Between::new();
        between.guest_says(&message);
        assert_eq!(between.caller_hears(), None, "{message:?} was passed on");
        between.how().unwrap_err();
    }
    let mut between = Between::new();
    between.guest_says(&FromGuest::Failed { stage: Stage::Agent, cause: "no such directory".to_owned() });
    assert!(matches!(between.caller_hears(), Some(FromGuest::Failed { .. })));
    assert_eq!(between.how(), Err("no such directory".to_owned()));
}

#[test]
fn a_stream_goes_to_the_session_that_waits_for_it_and_to_no_other() {
    let waiting = Waiting::default();
    let stream = waiting.expect(3);
    for first in [FromGuest::Session { session: 4 }, FromGuest::Ready { at_ns: 1 }] {
        let (mut guest, ours) = UnixStream::pair().unwrap();
        frame::write(&mut guest, &first).unwrap();
        waiting.hand_over(ours);
    }
    assert!(stream.try_recv().is_err());
    let (mut guest, ours) = UnixStream::pair().unwrap();
    frame::write(&mut guest, &FromGuest::Session { session: 3 }).unwrap();
    waiting.hand_over(ours);
    assert!(stream.try_recv().is_ok());
    // The number is used up: a second stream for it is nobody's.
    assert!(waiting.map().is_empty());
}

/// A process that reads nothing must not keep the end of its caller, or its own, from being seen.
#[test]
fn input_that_nobody_reads_keeps_no_session() {
    let full = |between: &Between| {
        let mut caller = between.caller.try_clone().unwrap();
        spawn(move || while frame::write(&mut caller, &ToGuest::Input(vec![0; 32 * 1024])).is_ok() {})
    };
    let between = Between::new();
    let writer = full(&between);
    between.caller.shutdown(Shutdown::Both).unwrap();
    let _guest_lives = between.guest.try_clone().unwrap();
    between.how().unwrap_err();
    writer.join().unwrap();

    let mut between = Between::new();
    let writer = full(&between);
    between.guest_says(&FromGuest::Exited(Exit::Code(0)));
    let _guest_lives = between.guest.try_clone().unwrap();
    let _caller_lives = between.caller.try_clone().unwrap();
    assert_eq!(between.how(), Ok(Exit::Code(0)));
    writer.join().unwrap();
}

#[test]
fn a_record_of_a_command_has_no_argument_of_it() {
    let told = |words: &[&str]| {
        let command = words.iter().map(|word| (*word).to_owned()).collect();
        let env = Vec::new();
        Task::of(Errand::Execute(Command {
            frames: wire::VERSION,
            command,
            env,
            workdir: None,
            terminal: None,
        }))
        .unwrap()
        .told
    };
    assert_eq!(told(&["mysql", "-p", "hunter2"]), "\"mysql\" with 2 arguments");
    assert_eq!(told(&["a\u{1b}b", "x"]), "\"a\\u{1b}b\" with 1 argument");
    assert_eq!(told(&["ls"]), "\"ls\" with 0 arguments");
}

fn copying(copy: Copy) -> Task {
    let host = "/home/a".to_owned();
    Task::of(Errand::Copy(Copying { frames: wire::VERSION, copy, host })).unwrap()
}

fn items() -> Vec<u8> {
    let attributes = Attributes { permissions: Permissions::from(0o644), modified: Time::new(0, 0).unwrap() };
    let name = Name::try_from(b"a".to_vec()).unwrap();
    let items =
        [Item::File { name, attributes, size: 9 }, Item::Data { offset: 0, bytes: vec![1; 9] }, Item::End];
    items.iter().flat_map(|item| frame::encode(item).unwrap()).collect()
}

#[test]
fn a_record_of_a_copy_names_both_ends_and_counts_what_went_through() {
    let out = copying(Copy::Out { path: "/w\u{1b}".to_owned() });
    assert_eq!(out.told, "copy of \"/w\\u{1b}\" out of the sandbox, to \"/home/a\" on the host");
    let into = copying(Copy::In { path: "/w".to_owned(), name: None });
    assert_eq!(into.told, "copy of \"/home/a\" on the host into the sandbox, to \"/w\"");

    let mut between = Between::with(out.passage);
    for piece in items().chunks(7) {
        between.guest_says(&output(piece));
        assert_eq!(between.caller_hears(), Some(output(piece)));
    }
    between.guest_says(&FromGuest::Exited(Exit::Code(0)));
    let (how, told) = between.how.join().unwrap();
    assert_eq!(how, Ok(Exit::Code(0)));
    assert_eq!(told.as_deref(), Some("passed: 1 file, 0 directories, 0 links, 9 bytes"));

    let mut between = Between::with(into.passage);
    frame::write(&mut between.caller, &ToGuest::Input(items())).unwrap();
    assert_eq!(between.guest_hears(), Some(ToGuest::Input(items())));
    between.guest_says(&FromGuest::Exited(Exit::Code(0)));
    let (_how, told) = between.how.join().unwrap();
    assert_eq!(told.as_deref(), Some("passed: 1 file, 0 directories, 0 links, 9 bytes"));
}

/// What goes through a copy is a copy, and goes one way.
#[test]
fn a_copy_lets_nothing_else_through() {
    let mut between = Between::with(copying(Copy::Out { path: "/w".to_owned() }).passage);
    between.guest_says(&output(&u32::MAX.to_le_bytes()));
    assert_eq!(between.caller_hears(), None, "it was passed on");
    between.how().unwrap_err();
    let mut between = Between::with(copying(Copy::In { path: "/w".to_owned(), name: None }).passage);
    between.guest_says(&output(&items()));
    assert_eq!(between.caller_hears(), None, "it was passed on");
    between.how().unwrap_err();
    let mut between = Between::with(copying(Copy::Out { path: "/w".to_owned() }).passage);
    frame::write(&mut between.caller, &ToGuest::Input(items())).unwrap();
    assert_eq!(between.guest_hears(), None, "it was passed on");
    between.how().unwrap_err();
}
