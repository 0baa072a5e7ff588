//! `process.executables` → [`Executables`]: what the guest compares without knowing a policy.
//!
//! | text | in an allow list | in a deny list |
//! |---|---|---|
//! | `curl` | the file of that name in a directory for programs; `git` and `apt` with their helpers | a file of that name anywhere |
//! | `/opt/tool/bin/*` | path pattern, as of the `binary` level | the same; `/a/*` is all beneath `/a` |
//! | `sha256:<64 digits>` | a file with that content that the agent cannot change | a file with that content |
//!
//! The guest follows the links of entries without a wildcard when the agent starts: `/bin/sh` is what it leads to.

use wire::confinement::{Executable, Executables, Segment};
use wire::subject::Digest;

use super::Mistakes;
use crate::document::Lists;
use crate::pattern::binary::{BinaryPattern, DIRECTORIES, HELPERS};
use crate::pattern::{PatternError, Side};
use crate::place::At;

/// Most entries of both lists: the guest compares each program with all of them.
const MAX_ENTRIES: usize = 1024;

const DIGEST: &str = "sha256:";

/// The compiled lists.
pub(super) fn compile(written: &At<Lists>, mistakes: &mut Mistakes<'_>) -> Executables {
    let At { value: lists, place } = written;
    if lists.allow.is_empty() {
        let reason = "nothing may be executed, not even the agent's command";
        let remedy = "add 'allow: […]'; 'allow: [\"/**\"]' leaves everything that 'deny' does not name";
        mistakes.add("process.executables", *place, reason, remedy);
    }
    if lists.allow.len() + lists.deny.len() > MAX_ENTRIES {
        let reason = format!("there are more than {MAX_ENTRIES} entries");
        mistakes.add("process.executables", *place, reason, "name directories with a wildcard");
    }
    let mut side = |key, entries: &[At<String>], side| {
        let mut compiled = Vec::new();
        for At { value, place } in entries {
            match entry(value, side) {
                Ok(executables) => compiled.extend(executables),
                Err(PatternError { reason, remedy }) => {
                    mistakes.add(&format!("process.executables.{key}"), *place, reason, remedy);
                }
            }
        }
        compiled
    };
    Executables {
        allow: side("allow", &lists.allow, Side::Allow),
        deny: side("deny", &lists.deny, Side::Deny),
    }
}

fn entry(text: &str, side: Side) -> Result<Vec<Executable>, PatternError> {
    if let Some(digits) = text.strip_prefix(DIGEST) {
        return Ok(vec![Executable::Digest(digest(digits)?)]);
    }
    // What this refuses means nothing exactly; what it accepts is taken apart below.
    BinaryPattern::parse(text, side)?;
    if text.starts_with('/') {
        return Ok(vec![Executable::Path(segments(text, side))]);
    }
    let mut paths: Vec<String> = DIRECTORIES.iter().map(|directory| format!("{directory}/{text}")).collect();
    match side {
        Side::Allow => {
            let helpers = HELPERS.iter().filter(|(program, _)| *program == text);
            paths.extend(helpers.map(|(_, directory)| format!("{directory}*")));
        }
        Side::Deny => paths.push(format!("/**/{text}")),
    }
    Ok(paths.iter().map(|path| Executable::Path(segments(path, side))).collect())
}

fn digest(digits: &str) -> Result<Digest, PatternError> {
    let remedy = "write 'sha256:' and the 64 lower-case digits that 'sha256sum FILE' prints";
    let wrong = || PatternError::new(format!("'{DIGEST}{digits}' is not a digest"), remedy);
    let mut bytes = [0; 32];
    let lower = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 64 || !digits.as_bytes().iter().all(lower) {
        return Err(wrong());
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_not_ascii| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_no_digit| wrong())?;
    }
    Ok(Digest(bytes))
}

/// The parts of a checked pattern. At its end, `**` allows what is beneath and denies that and the place itself.
fn segments(pattern: &str, side: Side) -> Vec<Segment> {
    let body = pattern.strip_prefix('/').unwrap_or(pattern);
    let any = || Segment::Like(vec![String::new(), String::new()]);
    let mut segments: Vec<Segment> = body
        .split('/')
        .map(|part| match part {
            "**" => Segment::AnyNumber,
            part => Segment::Like(part.split('*').map(str::to_owned).collect()),
        })
        .collect();
    match (side, segments.last()) {
        (Side::Allow, Some(Segment::AnyNumber)) => segments.push(any()),
        (Side::Deny, Some(last)) if *last == any() => {
            segments.pop();
            segments.push(Segment::AnyNumber);
        }
        _ => {}
    }
    segments
}
