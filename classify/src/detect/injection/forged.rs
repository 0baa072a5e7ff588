//! Signs that a text claims to be another turn of the conversation, the system's word, or a tool's.

use super::clause::{self, Plain};
use super::cues::Cue;
use super::{FORGED_ROLE, FORGED_TOOL_CALL, Sign, View};

/// A mark of a chat template.
pub(super) fn turn(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let mark = &view.text[hit.at.clone()];
    let is_index = mark[0] == b'[' && mark.iter().any(u8::is_ascii_lowercase);
    if is_index || view.is_shown(&hit.at) || view.text.get(hit.at.end) == Some(&b'\\') {
        return None;
    }
    let behind = &view.text[hit.at.end..view.text.len().min(hit.at.end + 120)];
    let is_said = behind
        .iter()
        .take_while(|byte| **byte != b'\x1f')
        .filter(|byte| byte.is_ascii_alphanumeric())
        .count()
        >= 4;
    let is_asked = Plain::of(view.text, clause::around(view.text, &hit.at, 80)).has(&[
        " token ",
        " tokens ",
        " template ",
    ]);
    (is_said && !is_asked).then(|| Sign::Mark(FORGED_ROLE, hit.at.clone()))
}

/// What the system's word would be about.
const POWER: &[&str] = &[
    " user ",
    " users ",
    " assistant ",
    " you ",
    " access ",
    " policy ",
    " grant ",
    " grants ",
    " confirm",
    " admin",
    " permission",
    " instructions ",
    " override ",
    " security check ",
    " password ",
    " reply ",
    " bypass ",
    " comply ",
    " append ",
    " response ",
    " reponse ",
    " risposta ",
    " respuesta ",
    " antwort",
    " your ",
    " rules ",
];

/// What a line that says `System:` must say to be a forged one.
const WORD: &[&str] = &[
    " assistant must ",
    " assistant may ",
    " assistant should ",
    " you must ",
    " override ",
    " ignore ",
    " new instructions ",
    " permission to ",
    " is an administrator ",
    " was a test ",
    " you now have ",
    " disregard ",
    " must now ",
    " sure here ",
    " call ",
    " delete ",
    " append ",
    " safety ",
    " unrestricted ",
    " comply ",
];

/// A tag, a heading or a line of the system's.
pub(super) fn system(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    if view.is_shown(&hit.at) {
        return None;
    }
    let to = clause::around(view.text, &hit.at, 160).end;
    let plain = Plain::of(view.text, hit.at.end..to);
    if hit.cue == Cue::SystemTag {
        return plain.has(POWER).then(|| Sign::Mark(FORGED_ROLE, hit.at.clone()));
    }
    let begins = view.text[..hit.at.start].trim_ascii_end().len() < hit.at.start
        && view.text[..hit.at.start]
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_whitespace())
            .any(|byte| *byte == b'\n');
    ((begins || hit.at.start == 0) && plain.has(WORD)).then(|| Sign::Mark(FORGED_ROLE, hit.at.clone()))
}

/// A mark of a tool's call or answer, with its content.
pub(super) fn tool(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let behind = &view.text[hit.at.end..view.text.len().min(hit.at.end + 90)];
    let holds = behind
        .iter()
        .take_while(|byte| **byte != b'\x1f')
        .any(|byte| matches!(byte, b'{' | b'(' | b'"' | b'<'));
    let is_react = view.text[hit.at.clone()].eq_ignore_ascii_case(b"action input:");
    let observed = || memchr::memmem::find(&behind.to_ascii_lowercase(), b"observation:").is_some();
    let elided = memchr::memmem::find(behind, "…".as_bytes()).is_some()
        || memchr::memmem::find(behind, b"...").is_some();
    let is_one = holds && !elided && (!is_react || observed());
    (is_one && !view.is_shown(&hit.at)).then(|| Sign::Mark(FORGED_TOOL_CALL, hit.at.clone()))
}
