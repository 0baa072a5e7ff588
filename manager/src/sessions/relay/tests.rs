use std::thread::{JoinHandle, spawn};

use wire::control::{Execute, Stage};
use wire::copy::{Attributes, Copy, Item, Name, Permissions, Time};
use wire::operator::Copying;

use super::*;
use crate::operator::Errand;
use crate::sessions::task::{Task, Work};

/// A relay between two ends that a test holds.
struct Between {
    caller: UnixStream,
    guest: UnixStream,
    how: JoinHandle<(Result<Exit, String>, String)>,
}

impl Between {
    fn out() -> Self {
        Self::with(Copy::Out { path: "/w".to_owned() })
    }

    fn into() -> Self {
        Self::with(Copy::In { path: "/w".to_owned(), name: None })
    }

    fn with(copy: Copy) -> Self {
        let Work::Copy(passage) = copying(copy).work else { panic!("a command") };
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

fn copying(copy: Copy) -> Task {
    let host = "/home/a".to_owned();
    Task::of(Errand::Copy(Copying { frames: wire::VERSION, copy, host })).unwrap()
}

fn output(bytes: &[u8]) -> FromGuest {
    FromGuest::Output { stream: Stream::Stdout, bytes: bytes.to_vec() }
}

fn items() -> Vec<u8> {
    let attributes = Attributes { permissions: Permissions::from(0o644), modified: Time::new(0, 0).unwrap() };
    let name = Name::try_from(b"a".to_vec()).unwrap();
    let items =
        [Item::File { name, attributes, size: 9 }, Item::Data { offset: 0, bytes: vec![1; 9] }, Item::End];
    items.iter().flat_map(|item| frame::encode(item).unwrap()).collect()
}

#[test]
fn a_caller_that_leaves_hangs_up_on_the_guest() {
    let mut between = Between::out();
    between.caller.shutdown(Shutdown::Both).unwrap();
    assert_eq!(between.guest_hears(), None);
    between.how().unwrap_err();
}

#[test]
fn a_caller_cannot_set_the_guest_up_or_start_more() {
    let mut between = Between::into();
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
        let mut between = Between::out();
        between.guest_says(&message);
        assert_eq!(between.caller_hears(), None, "{message:?} was passed on");
        between.how().unwrap_err();
    }
    let mut between = Between::out();
    between.guest_says(&FromGuest::Failed { stage: Stage::Agent, cause: "no such directory".to_owned() });
    assert!(matches!(between.caller_hears(), Some(FromGuest::Failed { .. })));
    assert_eq!(between.how(), Err("no such directory".to_owned()));
}

/// A process that reads nothing must not keep the end of its caller, or its own, from being seen.
#[test]
fn input_that_nobody_reads_keeps_no_session() {
    let full = |between: &Between| {
        let mut caller = between.caller.try_clone().unwrap();
        let data = frame::encode(&Item::Data { offset: 0, bytes: vec![0; 16 * 1024] }).unwrap();
        spawn(move || while frame::write(&mut caller, &ToGuest::Input(data.clone())).is_ok() {})
    };
    let between = Between::into();
    let writer = full(&between);
    between.caller.shutdown(Shutdown::Both).unwrap();
    let _guest_lives = between.guest.try_clone().unwrap();
    between.how().unwrap_err();
    writer.join().unwrap();

    let mut between = Between::into();
    let writer = full(&between);
    between.guest_says(&FromGuest::Exited(Exit::Code(0)));
    let _guest_lives = between.guest.try_clone().unwrap();
    let _caller_lives = between.caller.try_clone().unwrap();
    assert_eq!(between.how(), Ok(Exit::Code(0)));
    writer.join().unwrap();
}

#[test]
fn a_record_of_a_copy_names_both_ends_and_counts_what_went_through() {
    let out = copying(Copy::Out { path: "/w\u{1b}".to_owned() });
    assert_eq!(out.told, "copy of \"/w\\u{1b}\" out of the sandbox, to \"/home/a\" on the host");
    let into = copying(Copy::In { path: "/w".to_owned(), name: None });
    assert_eq!(into.told, "copy of \"/home/a\" on the host into the sandbox, to \"/w\"");

    let mut between = Between::out();
    for piece in items().chunks(7) {
        between.guest_says(&output(piece));
        assert_eq!(between.caller_hears(), Some(output(piece)));
    }
    between.guest_says(&FromGuest::Exited(Exit::Code(0)));
    let (how, told) = between.how.join().unwrap();
    assert_eq!(how, Ok(Exit::Code(0)));
    assert_eq!(told, "passed: 1 file, 0 directories, 0 links, 9 bytes");

    let mut between = Between::into();
    frame::write(&mut between.caller, &ToGuest::Input(items())).unwrap();
    assert_eq!(between.guest_hears(), Some(ToGuest::Input(items())));
    between.guest_says(&FromGuest::Exited(Exit::Code(0)));
    let (_how, told) = between.how.join().unwrap();
    assert_eq!(told, "passed: 1 file, 0 directories, 0 links, 9 bytes");
}

/// What goes through a copy is a copy, and goes one way.
#[test]
fn a_copy_lets_nothing_else_through() {
    let mut between = Between::out();
    between.guest_says(&output(&u32::MAX.to_le_bytes()));
    assert_eq!(between.caller_hears(), None, "it was passed on");
    between.how().unwrap_err();
    let mut between = Between::into();
    between.guest_says(&output(&items()));
    assert_eq!(between.caller_hears(), None, "it was passed on");
    between.how().unwrap_err();
    let mut between = Between::out();
    frame::write(&mut between.caller, &ToGuest::Input(items())).unwrap();
    assert_eq!(between.guest_hears(), None, "it was passed on");
    between.how().unwrap_err();
}
