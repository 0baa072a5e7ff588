//! A stream of server-sent events, taken apart at its blank lines.
//!
//! Must never know: what stands in an event.

/// Largest event: one that repeats a whole answer.
const LARGEST: usize = 16 << 20;

/// Takes bytes as they come and gives whole events.
#[derive(Debug, Default)]
pub struct Splitter {
    held: Vec<u8>,
    /// Bytes of `held` in which no event ends.
    read: usize,
}

/// One event.
#[derive(Debug)]
pub struct Event {
    /// As it came, its blank line included.
    pub raw: Vec<u8>,
    /// The value of its data fields; `None`: it has none, or none that is UTF-8.
    pub data: Option<String>,
}

/// An event is too large to be held.
#[derive(Debug, thiserror::Error)]
#[error("an event of the model server's answer is larger than {} MiB", LARGEST >> 20)]
pub struct TooLarge;

impl Splitter {
    /// The next bytes; the events that they complete.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        self.held.extend_from_slice(bytes);
        let (mut events, mut start) = (Vec::new(), 0);
        while let Some(end) = self.next_end() {
            events.push(Event::read(self.held[start..end].to_vec()));
            (start, self.read) = (end, end);
        }
        self.held.drain(..start);
        self.read -= start;
        if self.held.len() > LARGEST { Err(TooLarge) } else { Ok(events) }
    }

    /// What stands behind the last blank line.
    pub fn finish(&mut self) -> Option<Event> {
        let rest = std::mem::take(&mut self.held);
        self.read = 0;
        (!rest.is_empty()).then(|| Event::read(rest))
    }

    /// The end of the next blank line.
    fn next_end(&mut self) -> Option<usize> {
        while let Some(line) = memchr::memchr(b'\n', &self.held[self.read..]) {
            let rest = &self.held[self.read + line + 1..];
            match rest {
                [b'\n', ..] => return Some(self.read + line + 2),
                [b'\r', b'\n', ..] => return Some(self.read + line + 3),
                // What follows tells.
                [] | [b'\r'] => return None,
                _ => self.read += line + 1,
            }
        }
        self.read = self.held.len();
        None
    }
}

impl Event {
    fn read(raw: Vec<u8>) -> Self {
        let fields: Vec<&[u8]> = lines(&raw).filter_map(data).collect();
        let data = (!fields.is_empty()).then(|| String::from_utf8(fields.join(&b'\n')).ok()).flatten();
        Self { raw, data }
    }

    /// The event with other data, which has no line break.
    #[must_use]
    pub fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.raw.len() + data.len());
        for line in lines(&self.raw).filter(|line| !line.is_empty() && self::data(line).is_none()) {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(data);
        out.extend_from_slice(b"\n\n");
        out
    }
}

fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    raw.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The value of a data field.
fn data(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data:")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hi\n\nevent: a\ndata: {\"x\":\ndata: 1}\nid: 7\n\ndata:y\r\n\r\ndata: rest";

    #[test]
    fn events_are_the_same_however_the_bytes_come() {
        for size in 1..=STREAM.len() {
            let mut splitter = Splitter::default();
            let mut events: Vec<Event> = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                events.extend(splitter.push(piece).unwrap());
            }
            events.extend(splitter.finish());
            let data: Vec<Option<&str>> = events.iter().map(|event| event.data.as_deref()).collect();
            assert_eq!(data, [None, Some("{\"x\":\n1}"), Some("y"), Some("rest")], "{size}");
            let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.clone()).collect();
            assert_eq!(raw, STREAM.as_bytes());
            assert_eq!(events[1].with_data(b"{}"), b"event: a\nid: 7\ndata: {}\n\n");
        }
    }

    #[test]
    fn an_endless_event_is_not_held() {
        let mut splitter = Splitter::default();
        let piece = vec![b'x'; LARGEST / 4];
        let pushed: Vec<bool> = (0..5).map(|_| splitter.push(&piece).is_ok()).collect();
        assert_eq!(pushed, [true, true, true, true, false]);
    }
}
