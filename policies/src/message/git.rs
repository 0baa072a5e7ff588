//! Git by its smart protocol over HTTP: what is fetched, and which refs a push would change.
//!
//! A push begins with its commands, one for each ref, and its objects follow. The commands are read and decided; the rest
//! passes as it comes, and a server changes nothing but what the commands say. What of a push cannot be read in one way
//! only (signed pushes, options that servers act on) is refused.

#[cfg(test)]
mod tests;

use super::json::{self, Json};
use super::{About, Finding, Message, Said, USUAL, Unread, Unreadable, Words, said_of_body, worst};
use crate::Request;
use crate::answer::Answer;

/// The longest list of commands, in bytes: some two thousand refs.
const LONGEST_COMMANDS: u64 = 256 << 10;

/// The longest packet, its length included.
const LONGEST_PACKET: usize = 65_520;

/// The longest name of a ref.
const LONGEST_NAME: usize = 255;

/// By what a client says that it sends options with its push.
const OPTIONS: &[u8] = b"push-options";

/// Ends a list of packets.
const FLUSH: &[u8] = b"0000";

/// Begins a packet that holds a piece of a report.
const REPORTS: &[u8] = &[1];

/// Most characters that a report says of one ref.
const MOST_SAID: usize = 500;

/// How many refs a record names.
const MOST_NAMED: usize = 8;

/// What of a repository may be changed. Everything may be fetched.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Git {
    /// Refs that may be made and moved.
    pub(crate) push: Words,
    /// Refs that may be deleted.
    pub(crate) delete: Words,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Fetch,
    /// What refs there are, for a push.
    Announce,
    Push,
    /// Where large files are, to get or to put them there.
    LargeFiles,
}

/// What a push does to one ref.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Command {
    name: String,
    deletes: bool,
}

/// One packet, at the begin of some bytes.
enum Packet<'a> {
    /// Its content, and what is behind it.
    Line(&'a [u8], &'a [u8]),
    /// What comes before it is over.
    Flush,
    /// More has to be read.
    Begun,
}

/// Tells when enough of a push was read.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// Where the last packet ends that was seen.
    at: usize,
}

impl Git {
    pub(super) fn find(&self, request: &Request<'_>) -> Finding {
        match operation(request) {
            Err(why) => Finding::Unreadable(why),
            Ok(Operation::Fetch) => Finding::Allowed,
            Ok(Operation::Announce) => self.writing(),
            Ok(Operation::Push) if !self.pushes() && !self.denies_anything() => not_allowed(),
            Ok(Operation::Push) => match request.message {
                None => Finding::Unread(Unread::Commands(LONGEST_COMMANDS)),
                Some(message) => commands(message.body())
                    .map_or_else(Finding::Unreadable, |commands| self.answer(&commands)),
            },
            Ok(Operation::LargeFiles) => match request.message {
                None => Finding::Unread(Unread::Whole(USUAL)),
                Some(message) => match puts_files(message) {
                    Err(why) => Finding::Unreadable(why),
                    Ok(false) => Finding::Allowed,
                    Ok(true) => self.writing(),
                },
            },
        }
    }

    /// Whether anything may be changed.
    fn pushes(&self) -> bool {
        !self.push.allow.is_empty() || !self.delete.allow.is_empty()
    }

    pub(super) fn denies_anything(&self) -> bool {
        !self.push.deny.is_empty() || !self.delete.deny.is_empty()
    }

    /// What belongs to a push and changes no ref.
    fn writing(&self) -> Finding {
        if self.pushes() { Finding::Allowed } else { not_allowed() }
    }

    fn answer(&self, commands: &[Command]) -> Finding {
        // Clients ask with an empty push whether they may.
        if commands.is_empty() {
            return self.writing();
        }
        worst(commands.iter().map(|Command { name, deletes }| {
            let (what, key, lists) = if *deletes {
                ("the deletion of", "git.delete", &self.delete)
            } else {
                ("the push to", "git.push", &self.push)
            };
            let about = About::listed(what, name, key);
            // What must not be moved must not be deleted.
            match (self.push.answer(name), lists.answer(name)) {
                (Answer::Denied, _) | (_, Answer::Denied) => Finding::Denied(about),
                (_, Answer::Allowed) => Finding::Allowed,
                (_, Answer::NotAllowed) => Finding::NotAllowed(about),
            }
        }))
    }

    /// Which refs a push changes, for a record.
    pub(super) fn asked(request: &Request<'_>, message: &Message) -> Option<String> {
        if operation(request) != Ok(Operation::Push) {
            return None;
        }
        let commands = commands(message.body()).ok()?;
        let more = if commands.len() > MOST_NAMED { ", …" } else { "" };
        let word = |Command { name, deletes }: &Command| {
            if *deletes { format!("delete {name}") } else { name.clone() }
        };
        let words: Vec<String> = commands.iter().take(MOST_NAMED).map(word).collect();
        Some(format!("git push: {}{more}", words.join(", ")))
    }
}

fn not_allowed() -> Finding {
    Finding::NotAllowed(About { what: "a push".to_owned(), key: "git.push", entry: None })
}

/// What a request is for, by the forms in which git writes it and no other.
fn operation(request: &Request<'_>) -> Result<Operation, Unreadable> {
    let ends = |end: &str| request.path.strip_suffix(end).is_some_and(|before| before.len() > 1);
    match (request.method, request.query) {
        ("GET", "service=git-upload-pack") if ends("/info/refs") => return Ok(Operation::Fetch),
        ("GET", "service=git-receive-pack") if ends("/info/refs") => return Ok(Operation::Announce),
        ("POST", "") if ends("/git-upload-pack") => {
            // Long questions are compressed; they change nothing, whatever they are.
            return check(request, b"application/x-git-upload-pack-request", Coding::Any)
                .map(|()| Operation::Fetch);
        }
        ("POST", "") if ends("/git-receive-pack") => {
            return check(request, b"application/x-git-receive-pack-request", Coding::None)
                .map(|()| Operation::Push);
        }
        ("POST", "") if ends("/info/lfs/objects/batch") => {
            return check(request, b"application/vnd.git-lfs+json", Coding::None)
                .map(|()| Operation::LargeFiles);
        }
        // Who holds which lock; it takes none.
        ("POST", "") if ends("/info/lfs/locks/verify") => return Ok(Operation::Fetch),
        _ => {}
    }
    Err(Unreadable::new("it is no request of git's smart protocol"))
}

/// Whether a body may be compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Any,
    None,
}

/// Whether the header fields say that the body is of this type, and of no other to anybody.
fn check(request: &Request<'_>, kind: &[u8], coding: Coding) -> Result<(), Unreadable> {
    let is_kind = |value: &[u8]| {
        let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        parts.next().is_some_and(|said| said.eq_ignore_ascii_case(kind))
            && parts.all(|part| part.eq_ignore_ascii_case(b"charset=utf-8"))
    };
    let Said { is_kind, is_coded } = said_of_body(request, is_kind);
    if is_coded && coding == Coding::None {
        return Err(Unreadable::coded());
    }
    let other = || Unreadable::new(format!("its content-type is not '{}'", String::from_utf8_lossy(kind)));
    if is_kind { Ok(()) } else { Err(other()) }
}

/// Whether large files are to be put there.
fn puts_files(message: &Message) -> Result<bool, Unreadable> {
    match json::read(message.body())?.get("operation").and_then(Json::text) {
        Some("download") => Ok(false),
        Some("upload") => Ok(true),
        _ => Err(Unreadable::new("its operation is neither 'download' nor 'upload'")),
    }
}

impl Commands {
    /// Whether `body`, which begins with all that was seen before, needs no more to be read: its commands end in it, or it
    /// has none.
    pub(super) fn have_ended(&mut self, body: &[u8]) -> bool {
        loop {
            let rest = body.get(self.at..).unwrap_or_default();
            match packet(rest) {
                Ok(Packet::Line(_, behind)) => self.at = body.len() - behind.len(),
                Ok(Packet::Begun) => return false,
                Ok(Packet::Flush) | Err(_) => return true,
            }
        }
    }
}

/// How a server says to a client, for each ref, that its push came to nothing and why. `None`: the client reads no such answer.
pub(super) fn refused(body: &[u8], why: &str) -> Option<Vec<u8>> {
    let commands = commands(body).ok()?;
    let abilities = abilities(body)?;
    let has = |ability: &[u8]| abilities.split(u8::is_ascii_whitespace).any(|given| given == ability);
    if !has(b"report-status") && !has(b"report-status-v2") {
        return None;
    }
    let why: String = why.chars().filter(|c| !c.is_control()).take(MOST_SAID).collect();
    let mut report = packet_of(b"unpack ok\n");
    for Command { name, .. } in commands {
        report.extend(packet_of(format!("ng {name} {why}\n").as_bytes()));
    }
    report.extend(FLUSH);
    if !has(b"side-band-64k") {
        return (!has(b"side-band")).then_some(report);
    }
    let pieces = report.chunks(LONGEST_PACKET - 5).map(|piece| packet_of(&[REPORTS, piece].concat()));
    Some(pieces.chain([FLUSH.to_vec()]).flatten().collect())
}

/// What a client says that it can do, behind its first command.
fn abilities(body: &[u8]) -> Option<&[u8]> {
    let mut rest = body;
    while let Ok(Packet::Line(line, behind)) = packet(rest) {
        if let Some(at) = line.iter().position(|byte| *byte == 0) {
            return Some(&line[at + 1..]);
        }
        rest = behind;
    }
    None
}

fn packet_of(content: &[u8]) -> Vec<u8> {
    [format!("{:04x}", content.len() + 4).as_bytes(), content].concat()
}

/// The commands of a push, up to the packet that ends them.
fn commands(body: &[u8]) -> Result<Vec<Command>, Unreadable> {
    let (mut commands, mut rest) = (Vec::new(), body);
    loop {
        match packet(rest)? {
            Packet::Begun => return Err(Unreadable::new("its commands do not end")),
            Packet::Flush => return Ok(commands),
            Packet::Line(line, behind) => {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                // Where the history of a shallow clone begins. It stands before the commands.
                let is_shallow = line.strip_prefix(b"shallow ").is_some_and(is_id);
                if !(is_shallow && commands.is_empty()) {
                    commands.push(command(line, commands.is_empty())?);
                }
                rest = behind;
            }
        }
        if (body.len() - rest.len()) as u64 > LONGEST_COMMANDS {
            return Err(Unreadable::new("it has more than 256 KiB of commands"));
        }
    }
}

/// The first packet: four digits, which are its length with them, and its content.
fn packet(bytes: &[u8]) -> Result<Packet<'_>, Unreadable> {
    let Some((digits, _)) = bytes.split_first_chunk::<4>() else { return Ok(Packet::Begun) };
    let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|d| d.is_ascii_hexdigit()));
    let length = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok());
    match length {
        Some(0) => Ok(Packet::Flush),
        Some(5..=LONGEST_PACKET) => {
            let length = length.unwrap_or_default();
            let split = bytes.split_at_checked(length);
            Ok(split.map_or(Packet::Begun, |(packet, behind)| Packet::Line(&packet[4..], behind)))
        }
        _ => Err(Unreadable::new("it does not begin with the commands of a push")),
    }
}

/// `old new name`, and behind the first one what the client can do.
fn command(line: &[u8], is_first: bool) -> Result<Command, Unreadable> {
    if line.starts_with(b"push-cert") {
        return Err(Unreadable::new("it is a signed push"));
    }
    let odd = || Unreadable::new("a command of it has another form than 'OLD NEW REF'");
    let mut parts = line.split(|byte| *byte == 0);
    let (text, abilities, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if more.is_some() || (abilities.is_some() && !is_first) {
        return Err(odd());
    }
    // Wherever it stands: servers split what a client can do at more than spaces.
    if abilities.unwrap_or_default().windows(OPTIONS.len()).any(|window| window == OPTIONS) {
        return Err(Unreadable::new("it has push options, on which servers act as they like"));
    }
    let mut parts = text.splitn(3, |byte| *byte == b' ');
    let (Some(old), Some(new), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(odd());
    };
    let nothing = |id: &[u8]| id.iter().all(|digit| *digit == b'0');
    if !is_id(old) || !is_id(new) || old.len() != new.len() || (nothing(old) && nothing(new)) {
        return Err(odd());
    }
    let name = std::str::from_utf8(name).ok().filter(|name| is_ref(name));
    let name = name.ok_or_else(|| Unreadable::new("a ref of it is not named as git names refs, in ASCII"))?;
    Ok(Command { name: name.to_owned(), deletes: nothing(new) })
}

/// The name of an object, by SHA-1 or SHA-256.
fn is_id(text: &[u8]) -> bool {
    matches!(text.len(), 40 | 64) && text.iter().all(u8::is_ascii_hexdigit)
}

/// Whether every server takes the text for one and the same ref.
pub(crate) fn is_ref(name: &str) -> bool {
    let component = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock") && !part.ends_with('.')
    };
    name.starts_with("refs/")
        && name.len() <= LONGEST_NAME
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"~^:?*[\\".contains(&byte))
        && !name.contains("..")
        && !name.contains("@{")
        && name.split('/').all(component)
}
