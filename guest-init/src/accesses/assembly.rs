//! Makes one refusal of the several messages in which the kernel's audit tells of it: the call, where it was made, the paths
//! that it named.
//!
//! ```text
//! audit(1764430000.123:77): arch=c000003e syscall=257 success=no exit=-13 a0=ffffff9c … pid=211 … exe="/usr/bin/cat" …
//! audit(1764430000.123:77): cwd="/work"
//! audit(1764430000.123:77): item=0 name="/etc/shadow" nametype=UNKNOWN …
//! audit(1764430000.123:77):
//! ```
//! Names are quoted, or written in hexadecimal where a quoted one could be mistaken. The messages of several events may come
//! in between.

use std::collections::BTreeMap;

use wire::control::{AccessRefusal, FileUse};

use super::refusals::{Call, Flags};
use super::{Kind, calls};
use crate::tally;

/// Events that are incomplete at most. Whoever is refused may have to wait in the middle of telling it.
const MOST: usize = 1024;

/// What a filter says of a call that it lets pass and tells of (`SECCOMP_RET_LOG`): an agent may have such a filter of its own.
const LET_PASS: &str = "0x7ffc0000";

/// A directory that nobody knows any more.
const SOMEWHERE: &[u8] = b"/?";

/// The working directory as a directory's descriptor (`AT_FDCWD`).
const HERE: i32 = -100;

/// What was refused, and the process that met it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// By the file system.
    File(Kind, u32),
    /// By the filter of system calls.
    Call(calls::Kind, u32),
}

/// Incomplete events, by their number.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    events: BTreeMap<u64, Event>,
}

/// What is known of one.
#[derive(Debug, Default)]
struct Event {
    call: Option<Call>,
    arguments: [u64; 3],
    error: i32,
    process: u32,
    program: Vec<u8>,
    directory: Vec<u8>,
    /// Flags of an `openat2`, which takes them by reference.
    open_flags: Option<u64>,
    /// As the call gave them.
    names: Vec<Vec<u8>>,
}

/// Kinds of messages.
mod message {
    pub(super) const CALL: u16 = 1300;
    pub(super) const PATH: u16 = 1302;
    pub(super) const DIRECTORY: u16 = 1307;
    pub(super) const END: u16 = 1320;
    pub(super) const SECCOMP: u16 = 1326;
    pub(super) const OPEN: u16 = 1337;
}

impl Assembly {
    /// Takes one message in. What its event refused, if that was the last of it; how many incomplete ones were given up for it.
    /// `descriptor` says where a directory's descriptor of a process leads.
    pub(super) fn add(
        &mut self,
        kind: u16,
        body: &[u8],
        descriptor: impl Fn(u32, i32) -> Option<Vec<u8>>,
    ) -> (Vec<Refused>, u64) {
        let text = String::from_utf8_lossy(body);
        let Some((number, fields)) = opening(text.trim_end_matches('\0')) else { return (Vec::new(), 0) };
        if kind == message::END {
            let event = self.events.remove(&number);
            return (event.and_then(|event| event.refused(descriptor)).unwrap_or_default(), 0);
        }
        if kind == message::SECCOMP {
            return (filtered(fields).into_iter().collect(), 0);
        }
        let known = [message::CALL, message::PATH, message::DIRECTORY, message::OPEN];
        if !known.contains(&kind) {
            return (Vec::new(), 0);
        }
        let mut lost = 0;
        if !self.events.contains_key(&number) && self.events.len() >= MOST {
            lost = u64::from(self.events.pop_first().is_some());
        }
        self.events.entry(number).or_default().add(kind, fields);
        (Vec::new(), lost)
    }
}

impl Event {
    fn add(&mut self, kind: u16, fields: &str) {
        for (key, value) in fields.split(' ').filter_map(|field| field.split_once('=')) {
            match (kind, key) {
                (message::CALL, "syscall") => self.call = value.parse().ok().and_then(Call::numbered),
                (message::CALL, "exit") => self.error = value.parse().unwrap_or_default(),
                (message::CALL, "a0") => self.arguments[0] = hexadecimal(value),
                (message::CALL, "a1") => self.arguments[1] = hexadecimal(value),
                (message::CALL, "a2") => self.arguments[2] = hexadecimal(value),
                (message::CALL, "pid") => self.process = value.parse().unwrap_or_default(),
                (message::CALL, "exe") => self.program = unquoted(value),
                (message::DIRECTORY, "cwd") => self.directory = unquoted(value),
                (message::OPEN, "oflag") => self.open_flags = u64::from_str_radix(value, 8).ok(),
                (message::PATH, "name") => self.names.push(unquoted(value)),
                _ => {}
            }
        }
    }

    /// Of a call with several names, each of them: what one of them is does not tell of the others.
    fn refused(self, descriptor: impl Fn(u32, i32) -> Option<Vec<u8>>) -> Option<Vec<Refused>> {
        let call = self.call?;
        let refused = match self.error {
            -13 => AccessRefusal::Denied,
            -1 => AccessRefusal::NotPermitted,
            -30 => AccessRefusal::ReadOnly,
            _ => return None,
        };
        let by_descriptor = |at: usize| {
            let argument = low(self.arguments.get(at).copied().unwrap_or_default());
            descriptor(self.process, argument).unwrap_or_else(|| SOMEWHERE.to_vec())
        };
        let directory = || match call.directory {
            Some(at) if self.arguments.get(at).is_some_and(|argument| low(*argument) != HERE) => {
                by_descriptor(at)
            }
            _ => self.directory.clone(),
        };
        let what = call.opening.map_or(call.what, |flags| opened(self.flags(flags)));
        let path = |name: &Vec<u8>| match name.as_slice() {
            // By its descriptor alone.
            b"" => by_descriptor(0),
            name => absolute(name, directory),
        };
        let mut paths: Vec<Vec<u8>> = self.names.iter().map(path).collect();
        if paths.is_empty() {
            paths.push(by_descriptor(0));
        }
        paths.sort();
        paths.dedup();
        let program = tally::text(&self.program);
        let kind = |path: Vec<u8>| Kind {
            path: tally::text(&path),
            what,
            program: program.clone(),
            refused: Some(refused),
        };
        Some(paths.into_iter().map(|path| Refused::File(kind(path), self.process)).collect())
    }

    fn flags(&self, flags: Flags) -> u64 {
        match flags {
            Flags::At(at) => self.arguments.get(at).copied().unwrap_or_default(),
            Flags::Apart => self.open_flags.unwrap_or_default(),
            Flags::Always(flags) => u64::from(flags.unsigned_abs()),
        }
    }
}

/// What the filter refused: one message, with no other of its event.
fn filtered(fields: &str) -> Option<Refused> {
    let (mut number, mut process, mut program, mut killed) = (None, 0, Vec::new(), false);
    for (key, value) in fields.split(' ').filter_map(|field| field.split_once('=')) {
        match key {
            "syscall" => number = value.parse().ok(),
            "pid" => process = value.parse().unwrap_or_default(),
            "exe" => program = unquoted(value),
            "sig" => killed = value != "0",
            "code" if value == LET_PASS => return None,
            _ => {}
        }
    }
    Some(Refused::Call(calls::Kind { number: number?, program: tally::text(&program), killed }, process))
}

/// What an opening was for. One that makes a file only if there is none is told as writing: nobody knows whether there was.
fn opened(flags: u64) -> FileUse {
    let flag = |flag: libc::c_int| flags & u64::from(flag.unsigned_abs()) != 0;
    if flag(libc::O_CREAT) && flag(libc::O_EXCL) {
        FileUse::Create
    } else if flag(libc::O_ACCMODE) || flag(libc::O_TRUNC) || flag(libc::O_CREAT) {
        FileUse::Write
    } else {
        FileUse::Read
    }
}

/// The number of the event, and what follows.
fn opening(text: &str) -> Option<(u64, &str)> {
    let (stamp, fields) = text.strip_prefix("audit(")?.split_once("):")?;
    Some((stamp.rsplit_once(':')?.1.parse().ok()?, fields))
}

fn hexadecimal(value: &str) -> u64 {
    u64::from_str_radix(value, 16).unwrap_or_default()
}

/// The kernel reads a descriptor as a 32-bit number.
fn low(argument: u64) -> i32 {
    let [a, b, c, d, ..] = argument.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

fn unquoted(value: &str) -> Vec<u8> {
    if let Some(inner) = value.strip_prefix('"') {
        return inner.strip_suffix('"').unwrap_or(inner).into();
    }
    let digits = value.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    // What is neither quoted nor hexadecimal is a word of the kernel's own, such as `(null)`.
    digits.chunks(2).map(byte).collect::<Option<_>>().unwrap_or_default()
}

/// The path from the root, as it was asked for: what `..` leads to is the file system's to say.
fn absolute(path: &[u8], directory: impl Fn() -> Vec<u8>) -> Vec<u8> {
    let mut whole = if path.starts_with(b"/") { Vec::new() } else { directory() };
    whole.push(b'/');
    whole.extend(path);
    let parts = whole.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let mut plain: Vec<u8> = parts.flat_map(|part| [b"/", part].concat()).collect();
    if plain.is_empty() {
        plain.push(b'/');
    }
    plain
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    fn nobody(_process: u32, _descriptor: i32) -> Option<Vec<u8>> {
        None
    }

    fn call(number: u64, call: i32, error: i32, arguments: [&str; 3]) -> String {
        let [a0, a1, a2] = arguments;
        format!(
            "audit(1764430000.123:{number}): arch=c000003e syscall={call} success=no exit={error} a0={a0} a1={a1} a2={a2} a3=0 \
             items=1 ppid=200 pid=211 auid=4294967295 uid=1000 gid=1000 tty=(none) ses=4294967295 comm=\"cat\" \
             exe=\"/usr/bin/cat\" subj=unconfined key=(null)"
        )
    }

    fn path(number: u64, name: &str) -> String {
        format!(
            "audit(1764430000.123:{number}): item=0 name={name} nametype=UNKNOWN cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0"
        )
    }

    /// What comes of a whole event with one file.
    fn event(call: &str, cwd: &str, paths: &[String]) -> Option<(String, FileUse, AccessRefusal)> {
        let mut all = events(call, cwd, paths);
        assert!(all.len() <= 1, "{all:?}");
        all.pop()
    }

    fn events(call: &str, cwd: &str, paths: &[String]) -> Vec<(String, FileUse, AccessRefusal)> {
        let mut assembly = Assembly::default();
        assembly.add(message::CALL, call.as_bytes(), nobody);
        assembly.add(message::DIRECTORY, format!("audit(1764430000.123:7): cwd={cwd}").as_bytes(), nobody);
        paths.iter().for_each(|path| drop(assembly.add(message::PATH, path.as_bytes(), nobody)));
        let (refused, lost) = assembly
            .add(message::END, b"audit(1764430000.123:7): ", |_, fd| Some(format!("/fd{fd}").into_bytes()));
        assert_eq!((lost, assembly.events.len()), (0, 0));
        let told = |refused| {
            let Refused::File(kind, process) = refused else { panic!("no call was filtered") };
            assert_eq!((kind.program.as_str(), process), ("/usr/bin/cat", 211));
            (kind.path, kind.what, kind.refused.unwrap())
        };
        refused.into_iter().map(told).collect()
    }

    #[test]
    fn an_opening_is_told_with_what_it_was_for() {
        let denied = AccessRefusal::Denied;
        let here = "ffffff9c";
        let table = [
            ([here, "7f00", "0"], FileUse::Read),
            ([here, "7f00", "1"], FileUse::Write),
            ([here, "7f00", "200"], FileUse::Write),
            ([here, "7f00", "40"], FileUse::Write),
            ([here, "7f00", "241"], FileUse::Write),
            ([here, "7f00", "c1"], FileUse::Create),
        ];
        for (arguments, what) in table {
            let paths = [path(7, "\"/etc/shadow\"")];
            let told = event(&call(7, 257, -13, arguments), "\"/work\"", &paths);
            assert_eq!(told, Some(("/etc/shadow".to_owned(), what, denied)), "{arguments:?}");
        }
    }

    #[test]
    fn names_are_made_absolute() {
        let table = [
            ("ffffff9c", "\"./etc//./shadow\"", "/work/etc/shadow"),
            ("ffffff9c", "\"../etc/shadow\"", "/work/../etc/shadow"),
            ("ffffffffffffff9c", "\"x\"", "/work/x"),
            ("5", "\"x\"", "/fd5/x"),
            ("5", "\"/x\"", "/x"),
            ("ffffff9c", "2F612062", "/a b"),
            ("ffffff9c", "\"/\"", "/"),
        ];
        for (directory, name, absolute) in table {
            let told = event(&call(7, 257, -13, [directory, "0", "0"]), "\"/work\"", &[path(7, name)]);
            assert_eq!(told.unwrap().0, absolute, "{name}");
        }
        let removal = event(&call(7, 87, -30, ["7f00", "0", "0"]), "2F776F726B2031", &[path(7, "\"a/b\"")]);
        assert_eq!(removal, Some(("/work 1/a/b".to_owned(), FileUse::Remove, AccessRefusal::ReadOnly)));
    }

    #[test]
    fn every_name_of_a_call_is_told() {
        let paths = |told: Vec<(String, FileUse, AccessRefusal)>| {
            told.into_iter().map(|(path, ..)| path).collect::<Vec<_>>()
        };
        for number in [82, 86, 88] {
            let told = events(
                &call(7, number, -13, ["7f00", "7f00", "0"]),
                "\"/work\"",
                &[path(7, "\"x\""), path(7, "\"/etc/passwd\"")],
            );
            assert_eq!(paths(told), ["/etc/passwd", "/work/x"], "{number}");
        }
        let creat = event(&call(7, 85, -13, ["7f00", "0", "0"]), "\"/work\"", &[path(7, "\"/etc/passwd\"")]);
        assert_eq!(creat, Some(("/etc/passwd".to_owned(), FileUse::Write, AccessRefusal::Denied)));
        let descriptor = event(&call(7, 91, -1, ["5", "0", "0"]), "\"/work\"", &[path(7, "(null)")]);
        assert_eq!(descriptor.unwrap().0, "/fd5");
        let nothing = event(&call(7, 81, -13, ["5", "0", "0"]), "\"/work\"", &[]);
        assert_eq!(nothing.unwrap().0, "/fd5");
    }

    #[test]
    fn other_errors_and_other_calls_are_no_refusals() {
        let paths = [path(7, "\"/x\"")];
        assert_eq!(event(&call(7, 257, -2, ["0", "0", "0"]), "\"/\"", &paths), None);
        assert_eq!(event(&call(7, 39, -13, ["0", "0", "0"]), "\"/\"", &paths), None);
        assert_eq!(event("audit(1764430000.123:7): ", "\"/\"", &paths), None);
    }

    #[test]
    fn what_is_no_message_changes_nothing_and_too_many_are_counted() {
        let mut assembly = Assembly::default();
        for body in
            ["", "audit(", "audit(1.2:x): a=b", "audit(1.2:99999999999999999999): ", "x", "audit(1.2): y"]
        {
            assert_eq!(assembly.add(message::CALL, body.as_bytes(), nobody), (Vec::new(), 0), "{body}");
        }
        assert_eq!(assembly.events.len(), 0);
        let lost: u64 = (0..2000)
            .map(|number| assembly.add(message::CALL, call(number, 2, -13, ["0"; 3]).as_bytes(), nobody).1)
            .sum();
        assert_eq!((lost, assembly.events.len()), (976, MOST));
    }

    #[test]
    fn a_filtered_call_is_one_message() {
        let message = "audit(1764430000.123:9): auid=4294967295 uid=1000 gid=1000 ses=4294967295 subj=unconfined pid=300 comm=\"x\" \
                       exe=\"/tmp/x\" sig=0 arch=c000003e syscall=165 compat=0 ip=0x7f2 code=0x50000";
        let mut assembly = Assembly::default();
        let kind = calls::Kind { number: 165, program: "/tmp/x".to_owned(), killed: false };
        let told = assembly.add(message::SECCOMP, message.as_bytes(), nobody);
        assert_eq!((told, assembly.events.len()), ((vec![Refused::Call(kind, 300)], 0), 0));
        let ended = message.replace("sig=0", "sig=31").replace("=165", "=1073741824");
        let (told, _) = assembly.add(message::SECCOMP, ended.as_bytes(), nobody);
        let killed = |told: &[Refused]| {
            matches!(told, [Refused::Call(calls::Kind { number: 1_073_741_824, killed: true, .. }, 300)])
        };
        assert!(killed(&told));
        let passed = message.replace("0x50000", LET_PASS);
        for other in ["audit(1.2:3): pid=300", passed.as_str()] {
            assert_eq!(assembly.add(message::SECCOMP, other.as_bytes(), nobody), (Vec::new(), 0), "{other}");
        }
    }

    #[test]
    fn events_that_come_at_once_stay_apart() {
        let mut assembly = Assembly::default();
        for number in [7, 8] {
            assembly.add(message::CALL, call(number, 2, -13, ["0"; 3]).as_bytes(), nobody);
        }
        for number in [7, 8] {
            assembly.add(message::PATH, path(number, &format!("\"/{number}\"")).as_bytes(), nobody);
        }
        for number in [8, 7] {
            let (refused, _) =
                assembly.add(message::END, format!("audit(1764430000.123:{number}): ").as_bytes(), nobody);
            let [Refused::File(kind, _)] = refused.as_slice() else { panic!("{number}") };
            assert_eq!(kind.path, format!("/{number}"));
        }
    }
}
