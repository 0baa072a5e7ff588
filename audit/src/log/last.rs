//! The end of a log, without the way to it: cheap, and not held against the chain.

use std::io::{self, Read as _};
use std::path::Path;

use super::segments::{self, Opened};
use super::{MAX_LINE, Position};

/// The last line of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastLine {
    /// The last whole one, without its end; empty: there is none in the last segment that holds something.
    pub line: Vec<u8>,
    /// Whether the beginning of another stands behind it.
    pub is_unfinished: bool,
}

/// The last line in a log's directory; `None`: nothing is there.
///
/// # Errors
/// It cannot be read.
pub fn last_line(log: &Path) -> io::Result<Option<LastLine>> {
    for segment in segments::list(log)?.into_iter().rev() {
        // An empty one may stand behind the last.
        let last = end_of(Opened::at(log, Position { segment, offset: 0 })?)?;
        if last != LastLine::default() {
            return Ok(Some(last));
        }
    }
    Ok(None)
}

fn end_of(mut segment: Opened) -> io::Result<LastLine> {
    // A whole line, and the beginning of another.
    let most = u64::try_from(2 * MAX_LINE).expect("a line is short");
    let from = segment.length()?.saturating_sub(most);
    segment.seek_from(0, from)?;
    let mut bytes = Vec::new();
    segment.take(most).read_to_end(&mut bytes)?;
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        return Ok(LastLine { line: Vec::new(), is_unfinished: !bytes.is_empty() });
    };
    let line = bytes[..end].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(LastLine { line: line.to_vec(), is_unfinished: end + 1 < bytes.len() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::log::packed::pack;

    fn last(log: &Path) -> Option<(String, bool)> {
        let last = last_line(log).unwrap()?;
        Some((String::from_utf8(last.line).unwrap(), last.is_unfinished))
    }

    #[test]
    fn it_is_found_in_a_plain_segment_in_a_packed_one_and_before_empty_ones() {
        let log = tempfile::tempdir().unwrap();
        let log = log.path();
        let write = |segment: u64, text: &str| fs::write(log.join(segments::name(segment)), text).unwrap();
        assert_eq!(last(log), None);
        write(1, "");
        assert_eq!(last(log), None);
        for (text, line, is_unfinished) in [
            ("half", "", true),
            ("one\n", "one", false),
            ("one\ntwo\n", "two", false),
            ("one\ntwo\nthr", "two", true),
        ] {
            write(1, text);
            assert_eq!(last(log), Some((line.to_owned(), is_unfinished)), "{text}");
        }
        let long = "x".repeat(MAX_LINE - 1);
        write(1, &format!("one\n{long}\n"));
        write(2, "");
        assert_eq!(last(log), Some((long.clone(), false)));
        // As a recovery leaves it that was killed before it wrote into the next one.
        pack(log, 1).unwrap();
        assert!(!log.join(segments::name(1)).exists());
        assert_eq!(last(log), Some((long, false)));
        write(2, "two\n");
        assert_eq!(last(log), Some(("two".to_owned(), false)));
    }
}
