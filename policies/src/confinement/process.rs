//! The user and the limits of a document's `process` part.

use wire::confinement::{Limits, User};

use super::Mistakes;
use crate::document;
use crate::place::At;
use crate::quantity;

const MAX_COUNT: u64 = 1 << 20;
const MAX_SIZE: u64 = 1 << 50;
const MAX_SPAN: u64 = 366 * 24 * 3600;
/// Less, and the first program does not start.
const MIN_MEMORY: u64 = 16 << 20;
const MAX_NAME: usize = 32;
/// Users that every system has, whatever their number.
const SYSTEM: [&str; 4] = ["root", "daemon", "nobody", "nogroup"];

/// The agent's user.
pub(super) fn user(written: Option<&At<String>>, mistakes: &mut Mistakes<'_>) -> User {
    let Some(At { value, place }) = written else { return User::default() };
    let parsed = if value.starts_with(|c: char| c.is_ascii_digit()) { numbered(value) } else { named(value) };
    parsed.unwrap_or_else(|(reason, remedy)| {
        mistakes.add("process.user", *place, reason, remedy);
        User::default()
    })
}

type Fault = (String, String);

/// A name of its own, with the numbers that every image and every mount has for the agent.
fn named(name: &str) -> Result<User, Fault> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if !begins || name.len() > MAX_NAME || !name.chars().all(plain) {
        let remedy = format!("write a name of at most {MAX_NAME} of a-z, 0-9, _ and -, or UID or UID:GID");
        return Err((format!("'{name}' is not the name of a user"), remedy));
    }
    if SYSTEM.contains(&name) {
        return Err((
            format!("'{name}' is a user of the system"),
            "leave 'user' out, or write 'agent'".into(),
        ));
    }
    Ok(User { name: name.to_owned(), home: format!("/home/{name}"), ..User::default() })
}

fn numbered(text: &str) -> Result<User, Fault> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    let id = |part: &str| {
        let number = part.parse::<u32>().ok();
        number.filter(|id| (User::FIRST..=User::LAST).contains(id)).ok_or_else(|| {
            let (first, last) = (User::FIRST, User::LAST);
            let reason = format!("'{part}' is not the number of an ordinary user or group");
            (reason, format!("write UID or UID:GID, each from {first} to {last}"))
        })
    };
    Ok(User { uid: id(uid)?, gid: id(gid)?, ..User::default() })
}

/// Every limit, the standard one where none is written.
pub(super) fn limits(written: &document::Limits, mistakes: &mut Mistakes<'_>) -> Limits {
    let standard = Limits::default();
    let mut count = |key, limit: &Option<At<u64>>, otherwise| {
        let Some(At { value, place }) = limit else { return otherwise };
        if !(1..=MAX_COUNT).contains(value) {
            let remedy = format!("write a number from 1 to {MAX_COUNT}");
            let key = format!("process.limits.{key}");
            mistakes.add(&key, *place, format!("{value} is out of range"), remedy);
        }
        *value
    };
    let processes = count("processes", &written.processes, standard.processes);
    let open_files = count("open_files", &written.open_files, standard.open_files);
    let mut quantity = |key, limit: &Option<At<String>>, read: fn(&str) -> Option<u64>, least, most| {
        let At { value, place } = limit.as_ref()?;
        let number = read(value).filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let (reason, remedy) = (format!("'{value}' is no such limit"), remedy(key));
            mistakes.add(&format!("process.limits.{key}"), *place, reason, remedy);
        }
        number
    };
    Limits {
        processes,
        open_files,
        memory: quantity("memory", &written.memory, quantity::size, MIN_MEMORY, MAX_SIZE),
        file_size: quantity("file_size", &written.file_size, quantity::size, 1, MAX_SIZE),
        cpu_time: quantity("cpu_time", &written.cpu_time, quantity::span, 1, MAX_SPAN),
    }
}

fn remedy(key: &str) -> &'static str {
    match key {
        "memory" => "write a whole number and MiB or GiB, at least 16MiB, for example 768MiB",
        "file_size" => "write a whole number and KiB, MiB or GiB, for example 1GiB",
        _ => "write a whole number and s, m or h, for example 10m",
    }
}
