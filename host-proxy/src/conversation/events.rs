//! An event stream (`text/event-stream`, as the HTML standard reads it), whose events go on one by one, each after it
//! was judged, and written anew: `event`, `id`, `retry`, then `data`, each line with LF alone at its end.
//!
//! Some clients end lines at other characters too (Python's `splitlines` at U+0085, U+2028 and U+2029). None of them goes
//! on: in JSON they are escaped, and elsewhere they cut the stream.
//!
//! States: inside a line → at its end → at an empty line, where the event is whole.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use policies::{AnswerRules, Answered, Foreign};

/// Longest event.
const LONGEST: usize = 16 << 20;

/// A stream of events, judged by the rules of its endpoint.
pub(super) struct Events {
    rules: AnswerRules,
    line: Vec<u8>,
    /// The last line ended with CR: an LF belongs to it.
    after_cr: bool,
    begun: bool,
    event: Event,
    cut: Option<Foreign>,
}

/// What came of one event.
#[derive(Default)]
struct Event {
    kind: Option<Vec<u8>>,
    /// Fields that steer the stream.
    beside: Vec<u8>,
    data: Option<Vec<u8>>,
}

impl Events {
    pub(super) fn new(rules: AnswerRules) -> Self {
        Self { rules, line: Vec::new(), after_cr: false, begun: false, event: Event::default(), cut: None }
    }

    /// How much is held back.
    pub(super) fn held(&self) -> usize {
        self.line.len() + self.event.length()
    }

    /// Why nothing goes on any more, if so.
    pub(super) fn cut(&self) -> Option<&Foreign> {
        self.cut.as_ref()
    }

    /// What can go on after these bytes came: the events before the one at which the stream is cut, if it is.
    pub(super) fn piece(&mut self, data: &[u8]) -> Bytes {
        let mut out = Vec::new();
        self.cut = self.read(data, &mut out).err();
        Bytes::from(out)
    }

    fn read(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Foreign> {
        for byte in data {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.after_cr = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    self.take(&line, out)?;
                }
                byte => {
                    self.after_cr = false;
                    self.line.push(*byte);
                    if self.held() > LONGEST {
                        return Err(Foreign::unreadable("an event is too long"));
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Foreign> {
        // A mark at the very beginning is not a part of the first line.
        let marked = !std::mem::replace(&mut self.begun, true);
        let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_line| marked).unwrap_or(line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return event.judged(&self.rules, out);
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            // It keeps the connection open, and waits for no event.
            b"" => out.extend_from_slice(b":\n"),
            b"data" => match &mut self.event.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                none => *none = Some(value.to_vec()),
            },
            b"event" => self.event.kind = Some(plain(value)?.to_vec()),
            b"id" | b"retry" => write(&mut self.event.beside, name, plain(value)?),
            // What no client reads says nothing.
            _ => {}
        }
        Ok(())
    }
}

impl Event {
    fn length(&self) -> usize {
        let all = [self.kind.as_ref(), Some(&self.beside), self.data.as_ref()];
        all.into_iter().flatten().map(Vec::len).sum()
    }

    fn judged(self, rules: &AnswerRules, out: &mut Vec<u8>) -> Result<(), Foreign> {
        let Self { kind, beside, data } = self;
        let data = match data {
            // An older transport names the path for messages so; a client asks for it, and is judged.
            Some(data) if kind.as_deref() == Some(b"endpoint") && is_path(&data) => Some(data),
            Some(data) if !data.is_empty() => Some(match rules.judge(&data)? {
                Answered::AsItIs => escaped(data),
                Answered::Instead(text) => escaped(text.into_bytes()),
            }),
            other => other,
        };
        if let Some(kind) = kind {
            write(out, b"event", &kind);
        }
        out.extend_from_slice(&beside);
        if let Some(data) = data {
            data.split(|byte| *byte == b'\n').for_each(|line| write(out, b"data", line));
        }
        out.push(b'\n');
        Ok(())
    }
}

/// The value, if no client finds the end of a line in it.
fn plain(value: &[u8]) -> Result<&[u8], Foreign> {
    let text = std::str::from_utf8(value).ok();
    let plain = text.filter(|text| !text.contains(|c: char| c.is_control() || is_separator(c)));
    plain
        .map(str::as_bytes)
        .ok_or_else(|| Foreign::unreadable("an event has an odd character beside its data"))
}

/// JSON without the characters at which some clients end lines. They stand in texts only, and mean the same escaped.
fn escaped(json: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(json).expect("JSON that was read is UTF-8");
    if !text.contains(is_separator) {
        return text.into_bytes();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_separator(c) { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
    }
    out.into_bytes()
}

/// What ends a line for some readers and not for others, and may stand in a text of JSON.
fn is_separator(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// A relative or absolute URL, and nothing that is JSON.
fn is_path(data: &[u8]) -> bool {
    data.iter().all(u8::is_ascii_graphic) && (data.starts_with(b"/") || data.starts_with(b"http"))
}

fn write(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.push(b'\n');
}
