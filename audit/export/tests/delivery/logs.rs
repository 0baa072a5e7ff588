//! Logs as the writer leaves them, made here: any number of records, in segments.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use audit::log::{packed, segments};
use audit::{ChainHash, Record, chain};

/// A log that grows.
pub(crate) struct TestLog {
    pub(crate) directory: PathBuf,
    sandbox: &'static str,
    pub(crate) tenant: &'static str,
    sequence: u64,
    prev: ChainHash,
    segment: u64,
}

impl TestLog {
    /// An empty one in `root`.
    pub(crate) fn new(root: &Path, sandbox: &'static str) -> Self {
        let directory = root.join(sandbox);
        fs::create_dir_all(&directory).unwrap();
        Self { directory, sandbox, tenant: "local", sequence: 0, prev: ChainHash::START, segment: 1 }
    }

    /// Adds records to the last segment.
    pub(crate) fn append(&mut self, count: u64) {
        let path = self.directory.join(segments::name(self.segment));
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        for _nth in 0..count {
            self.sequence += 1;
            let (number, sandbox, prev, tenant) = (self.sequence, self.sandbox, self.prev, self.tenant);
            let mut line = format!(
                "{{\"version\":2,\"sequence\":{number},\"time\":\"2026-11-29T05:20:47.{:06}Z\",\
                 \"monotonic_ns\":{number},\"tenant\":\"{tenant}\",\"sandbox\":\"{sandbox}\",\"agent\":\"test\",\
                 \"client\":\"proxy\",\"action\":\"network-request\",\
                 \"object\":{{\"host\":\"h.example\",\"port\":443,\"method\":\"GET\",\"path\":\"/{number}\"}},\
                 \"decision\":\"allow\",\"prev\":\"{prev}\"}}",
                number % 1_000_000
            );
            self.prev = chain::digest(line.as_bytes());
            line.pop();
            writeln!(file, "{line},\"hash\":\"{}\"}}", self.prev).unwrap();
        }
    }

    /// Goes on in a new segment, as the writer does with a full one.
    pub(crate) fn rotate(&mut self) {
        self.segment += 1;
    }

    /// Packs a closed segment, as the manager does.
    pub(crate) fn pack(&self, segment: u64) {
        packed::pack(&self.directory, segment).unwrap();
    }

    /// Removes a closed segment, as retention does.
    pub(crate) fn remove(&self, segment: u64) {
        let gone = |name: String| fs::remove_file(self.directory.join(name)).is_ok();
        assert!(gone(segments::name(segment)) || gone(segments::packed_name(segment)));
    }

    /// Changes a byte of record `sequence`, in the only segment.
    pub(crate) fn edit(&self, sequence: u64) {
        let path = self.directory.join(segments::name(1));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace(&format!("\"/{sequence}\""), &format!("\"!{sequence}\""))).unwrap();
    }

    /// What it holds.
    pub(crate) fn records(&self) -> Vec<Record> {
        audit::log::read(&self.directory).unwrap().map(Result::unwrap).collect()
    }
}
