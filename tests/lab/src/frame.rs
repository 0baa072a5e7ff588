//! What host and guest halves of the lab say to each other: one byte of kind, four bytes of length (little
//! endian), the content. Both halves are the same build, so there is no version.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// No frame is longer; one that claims to be means that something else wrote into the channel.
pub const LONGEST: usize = 1 << 20;

/// A command for the guest half.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// Its working folder.
    pub cwd: String,
    /// Who runs it.
    pub user: User,
}

/// Who runs a command in the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum User {
    /// Root, with every capability.
    Root,
    /// This user of `/etc/passwd`, with its groups.
    Named(String),
}

/// One message, in either direction.
#[derive(Debug)]
pub enum Frame {
    /// Host: run this.
    Run(Command),
    /// Host: bytes for the command's stdin.
    Stdin(Vec<u8>),
    /// Host: the command's stdin ends here.
    StdinEnd,
    /// Host: send this signal to the command and all its children.
    Signal(u8),
    /// Host: send this file or folder as a tar archive.
    Fetch(String),
    /// Guest: KVM is held open and commands are welcome.
    Ready,
    /// Guest: the lab is not usable, for this reason.
    Broken(String),
    /// Guest: the command's stdout.
    Stdout(Vec<u8>),
    /// Guest: the command's stderr.
    Stderr(Vec<u8>),
    /// Guest: the command ended with this exit code (128 + signal for a killed one).
    Exit(u8),
    /// Guest: the command did not start.
    NotStarted(String),
    /// Guest: a piece of the archive asked for.
    Archive(Vec<u8>),
    /// Guest: the archive ends; empty when it is whole, else why it is not.
    ArchiveEnd(String),
}

impl Frame {
    /// Writes the frame and flushes.
    ///
    /// # Errors
    /// The channel is closed.
    pub fn write(&self, channel: &mut impl Write) -> io::Result<()> {
        let (kind, content) = self.encode()?;
        let length = u32::try_from(content.len()).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(content.len() + 5);
        bytes.push(kind);
        bytes.extend(length.to_le_bytes());
        bytes.extend(content);
        channel.write_all(&bytes)?;
        channel.flush()
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// The channel is closed, or carries something else.
    pub fn read(channel: &mut impl Read) -> io::Result<Self> {
        let mut kind = [0];
        channel.read_exact(&mut kind)?;
        let mut length = [0; 4];
        channel.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a frame of the lab's channel is too long",
            ));
        }
        let mut content = vec![0; length];
        channel.read_exact(&mut content)?;
        Self::decode(kind[0], content)
    }

    fn encode(&self) -> io::Result<(u8, Vec<u8>)> {
        Ok(match self {
            Self::Run(command) => (b'r', serde_json::to_vec(command)?),
            Self::Stdin(bytes) => (b'i', bytes.clone()),
            Self::StdinEnd => (b'e', Vec::new()),
            Self::Signal(number) => (b's', vec![*number]),
            Self::Fetch(path) => (b'f', path.clone().into_bytes()),
            Self::Ready => (b'R', Vec::new()),
            Self::Broken(why) => (b'B', why.clone().into_bytes()),
            Self::Stdout(bytes) => (b'O', bytes.clone()),
            Self::Stderr(bytes) => (b'E', bytes.clone()),
            Self::Exit(code) => (b'X', vec![*code]),
            Self::NotStarted(why) => (b'N', why.clone().into_bytes()),
            Self::Archive(bytes) => (b'A', bytes.clone()),
            Self::ArchiveEnd(why) => (b'Z', why.clone().into_bytes()),
        })
    }

    fn decode(kind: u8, content: Vec<u8>) -> io::Result<Self> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(io::Error::other);
        let byte = |bytes: &[u8]| bytes.first().copied().ok_or_else(|| io::Error::other("an empty frame"));
        Ok(match kind {
            b'r' => Self::Run(serde_json::from_slice(&content)?),
            b'i' => Self::Stdin(content),
            b'e' => Self::StdinEnd,
            b's' => Self::Signal(byte(&content)?),
            b'f' => Self::Fetch(text(content)?),
            b'R' => Self::Ready,
            b'B' => Self::Broken(text(content)?),
            b'O' => Self::Stdout(content),
            b'E' => Self::Stderr(content),
            b'X' => Self::Exit(byte(&content)?),
            b'N' => Self::NotStarted(text(content)?),
            b'A' => Self::Archive(content),
            b'Z' => Self::ArchiveEnd(text(content)?),
            other => return Err(io::Error::other(format!("an unknown frame kind {other:#x}"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_as_it_was() {
        let command = Command {
            argv: vec!["a b".into()],
            env: Vec::new(),
            cwd: "/".into(),
            user: User::Named("x".into()),
        };
        let mut channel = Vec::new();
        Frame::Run(command).write(&mut channel).unwrap();
        Frame::Stdout(vec![0, 255]).write(&mut channel).unwrap();
        Frame::Exit(7).write(&mut channel).unwrap();
        let mut reader = channel.as_slice();
        assert!(
            matches!(Frame::read(&mut reader).unwrap(), Frame::Run(c) if c.argv == ["a b"] && c.user == User::Named("x".into()))
        );
        assert!(matches!(Frame::read(&mut reader).unwrap(), Frame::Stdout(b) if b == [0, 255]));
        assert!(matches!(Frame::read(&mut reader).unwrap(), Frame::Exit(7)));
        assert_eq!(Frame::read(&mut reader).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert!(Frame::read(&mut &b"O\xff\xff\xff\xffxx"[..]).is_err());
        assert!(Frame::read(&mut &b"?\0\0\0\0"[..]).is_err());
        assert!(Frame::read(&mut &b"X\0\0\0\0"[..]).is_err());
    }
}
