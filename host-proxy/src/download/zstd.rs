//! Zstandard (RFC 8878): all frames of a source, one after the other, without those that decoders skip.

use std::io::{self, Cursor, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::source::{drain, fill};

/// Bytes that are decoded at once.
const AT_ONCE: usize = 128 * 1024;

/// Unpacks what a source has.
pub(super) struct Frames<'a> {
    source: &'a mut dyn Read,
    decoder: FrameDecoder,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    Inside,
    Over,
}

impl<'a> Frames<'a> {
    /// No frame may ask for a longer window.
    pub(super) fn new(source: &'a mut dyn Read, window: u64) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(window);
        Self { source, decoder, state: State::Between }
    }

    /// Begins the next frame, if there is one.
    fn begin(&mut self) -> io::Result<State> {
        let mut magic = [0; 4];
        match fill(self.source, &mut magic)? {
            0 => return Ok(State::Over),
            4 => {}
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        if matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18]) {
            let mut length = [0; 4];
            self.source.read_exact(&mut length)?;
            drain(&mut (&mut *self.source).take(u32::from_le_bytes(length).into()))?;
            return Ok(State::Between);
        }
        let head = Cursor::new(magic).chain(&mut *self.source);
        self.decoder.init(head).map_err(io::Error::other)?;
        Ok(State::Inside)
    }

    /// Decodes more of the frame.
    fn decode(&mut self) -> io::Result<State> {
        if self.decoder.is_finished() {
            return Ok(State::Between);
        }
        let most = BlockDecodingStrategy::UptoBytes(AT_ONCE);
        self.decoder.decode_blocks(&mut *self.source, most).map_err(io::Error::other)?;
        Ok(State::Inside)
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.state = match self.state {
                State::Over => return Ok(0),
                State::Between => self.begin()?,
                State::Inside if self.decoder.can_collect() > 0 => return self.decoder.read(buffer),
                State::Inside => self.decode()?,
            };
        }
    }
}
