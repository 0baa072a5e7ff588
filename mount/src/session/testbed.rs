//! A session over a temporary directory.

use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use tempfile::TempDir;
use wire::spawn::JailUser;

use crate::answer::Answer;
use crate::directory::Directory;
use crate::kept::Kept;
use crate::message::testbed::{long, longs, message, name, op, word, words};
use crate::nodes::locked;
use crate::session::Session;

/// Whom the tests' guest calls its agent.
pub(crate) const AGENT: JailUser = JailUser { uid: 1000, gid: 1001 };

/// For so many seconds it is told that it may believe what it is told.
pub(crate) const BELIEVED: u32 = 30;

/// A directory with `inside` to lend and `outside` beside it, and who lends it.
pub(crate) struct Bed {
    home: TempDir,
    pub(crate) session: Session,
}

/// A node as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) node: u64,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Told {
    /// Attributes that begin there.
    pub(crate) fn attributes(bytes: &[u8], at: usize) -> Self {
        let at_word = |index: usize| word(bytes, at + 48 + 4 * index);
        Self { node: 0, size: long(bytes, at + 8), mode: at_word(3), uid: at_word(5), gid: at_word(6) }
    }

    fn entry(bytes: &[u8]) -> Self {
        Self { node: long(bytes, 0), ..Self::attributes(bytes, 40) }
    }
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self::keeping(|_inside, _directory| Kept::default())
    }

    /// With what is kept, once files are there.
    pub(crate) fn keeping(keep: impl FnOnce(&PathBuf, &Directory) -> Kept) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (inside, outside) = (home.path().join("inside"), home.path().join("outside"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("secret"), "host secret").unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&inside, flags, Mode::empty()).unwrap();
        // What holds here holds without any jail.
        let directory = Directory::of(directory, AGENT).unwrap();
        let kept = keep(&inside, &directory);
        Self { home, session: Session::new(directory, kept, BELIEVED) }
    }

    /// A path of the directory that is lent.
    pub(crate) fn inside(&self, path: &str) -> PathBuf {
        self.home.path().join("inside").join(path)
    }

    /// A path beside it.
    pub(crate) fn outside(&self, path: &str) -> PathBuf {
        self.home.path().join("outside").join(path)
    }

    /// The answer to a whole message: its error, and what follows the header.
    pub(crate) fn say(&self, bytes: &[u8]) -> Result<Vec<u8>, i32> {
        let mut answer = Answer::default();
        let told = self.session.answer(bytes, &mut answer);
        assert_eq!(usize::try_from(word(told, 0)).unwrap(), told.len(), "it is as long as it says");
        let error = word(told, 4).cast_signed();
        if error == 0 { Ok(told[16..].to_vec()) } else { Err(-error) }
    }

    pub(crate) fn ask(&self, opcode: u32, node: u64, rest: &[u8]) -> Result<Vec<u8>, i32> {
        self.say(&message(opcode, node, rest))
    }

    /// Looks a path up, part by part, as a kernel does.
    pub(crate) fn walk(&self, path: &str) -> Result<Told, i32> {
        let mut told = Told { node: 1, size: 0, mode: 0, uid: 0, gid: 0 };
        for part in path.split('/') {
            told = self.look_up(told.node, part)?;
        }
        Ok(told)
    }

    /// One look-up; that there is nothing is [`libc::ENOENT`] here, though it is told as an entry.
    pub(crate) fn look_up(&self, node: u64, part: &str) -> Result<Told, i32> {
        let told = Told::entry(&self.ask(op::LOOKUP, node, &name(part))?);
        if told.node == 0 { Err(2) } else { Ok(told) }
    }

    pub(crate) fn make(&self, opcode: u32, node: u64, rest: &[u8]) -> Result<Told, i32> {
        self.ask(opcode, node, rest).map(|bytes| Told::entry(&bytes))
    }

    pub(crate) fn open(&self, node: u64, flags: u32) -> Result<u64, i32> {
        self.ask(op::OPEN, node, &words(&[flags, 0])).map(|bytes| long(&bytes, 0))
    }

    pub(crate) fn create(
        &self,
        node: u64,
        text: &str,
        (flags, mode): (u32, u32),
    ) -> Result<(Told, u64), i32> {
        let rest = [words(&[flags, mode, 0, 0]), name(text)].concat();
        let bytes = self.ask(op::CREATE, node, &rest)?;
        Ok((Told::entry(&bytes), long(&bytes, 128)))
    }

    pub(crate) fn read(&self, handle: u64, offset: u64, size: u32) -> Result<Vec<u8>, i32> {
        self.ask(op::READ, 1, &[longs(&[handle, offset]), words(&[size, 0]), longs(&[0, 0])].concat())
    }

    pub(crate) fn write(&self, handle: u64, offset: u64, content: &[u8]) -> Result<u32, i32> {
        self.write_as((handle, offset), (0, 0), content)
    }

    /// `WRITE` with the flags of the request, and those of the file at that time.
    pub(crate) fn write_as(
        &self,
        (handle, offset): (u64, u64),
        (how, flags): (u32, u32),
        content: &[u8],
    ) -> Result<u32, i32> {
        let size = u32::try_from(content.len()).unwrap();
        let head = [longs(&[handle, offset]), words(&[size, how]), longs(&[0]), words(&[flags, 0])];
        let rest = [head.concat(), content.to_vec()].concat();
        self.ask(op::WRITE, 1, &rest).map(|bytes| word(&bytes, 0))
    }

    pub(crate) fn close(&self, node: u64, handle: u64) -> Result<(), i32> {
        let rest = [longs(&[handle]), words(&[0, 0]), longs(&[0])].concat();
        self.ask(op::RELEASE, node, &rest).map(drop)
    }

    /// `SETATTR` with these fields.
    pub(crate) fn change(&self, node: u64, valid: u32, fields: Fields) -> Result<Told, i32> {
        let Fields { handle, size, times, mode, uid, gid } = fields;
        let head = [words(&[valid, 0]), longs(&[handle, size, 0, times.0, times.1, 0])].concat();
        let rest = [head, words(&[0, 0, 0, mode, 0, uid, gid, 0])].concat();
        self.ask(op::SETATTR, node, &rest).map(|bytes| Told::attributes(&bytes, 16))
    }

    /// Names in a directory, read in portions of this size.
    pub(crate) fn list(&self, node: u64, (opcode, size): (u32, u32)) -> Vec<(String, u64)> {
        let handle = long(&self.ask(op::OPENDIR, node, &words(&[0, 0])).unwrap(), 0);
        let (mut found, mut offset) = (Vec::new(), 0);
        loop {
            let rest = [longs(&[handle, offset]), words(&[size, 0]), longs(&[0, 0])].concat();
            let bytes = self.ask(opcode, node, &rest).unwrap();
            assert!(bytes.len() <= usize::try_from(size).unwrap());
            if bytes.is_empty() {
                break;
            }
            let mut at = 0;
            while at < bytes.len() {
                let told = if opcode == op::READDIRPLUS { long(&bytes, at) } else { 0 };
                at += if opcode == op::READDIRPLUS { 128 } else { 0 };
                offset = long(&bytes, at + 8);
                let length = usize::try_from(word(&bytes, at + 16)).unwrap();
                let text = String::from_utf8(bytes[at + 24..at + 24 + length].to_vec()).unwrap();
                found.push((text, told));
                at += (24 + length).next_multiple_of(8);
            }
        }
        self.ask(op::RELEASE, node, &[longs(&[handle]), words(&[0, 0]), longs(&[0])].concat()).unwrap();
        found.retain(|(text, _)| text != "." && text != "..");
        found
    }

    /// How many nodes the guest knows.
    pub(crate) fn known(&self) -> usize {
        locked(self.session.directory().nodes()).count()
    }
}

/// What `SETATTR` may carry.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fields {
    pub(crate) handle: u64,
    pub(crate) size: u64,
    pub(crate) times: (u64, u64),
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}
