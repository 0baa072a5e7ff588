//! What a process runs: its executable, the script that an interpreter was given, its ancestors.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::process::Pid;
use wire::subject::Program;

use super::digest::{Digests, Version};
use super::holders::Agent;

/// Longest chain of ancestors that is told.
const MAX_PARENTS: usize = 64;

/// Bytes of a process' arguments that are looked at, and arguments of them that are tried as its script: an agent makes them as
/// long as it likes, and whoever looks answers for all of its processes.
const MAX_ARGUMENTS: u64 = 4096;
const MAX_CANDIDATES: usize = 8;

/// Programs whose first file argument is the program proper. Versions follow some of the names.
const INTERPRETERS: &[&str] = &[
    "ash", "bash", "bun", "busybox", "dash", "deno", "ksh", "lua", "node", "nodejs", "perl", "php", "pypy",
    "python", "ruby", "sh", "tclsh", "zsh",
];

/// Options after which there is no script: the program stands in the argument, or is a module.
const NO_SCRIPT: &[&str] = &["-c", "-e", "-m", "-p", "-r", "--eval", "--print"];

/// Describes the process `pid` of the agent.
///
/// # Errors
/// Why it could not be told, for the subject.
pub(super) fn inspect(pid: Pid, agent: &Agent, digests: &Digests) -> Result<Program, String> {
    let gone = |_error| "its owner ended while it was looked up".to_owned();
    let path = path(pid).map_err(gone)?;
    let told = glance(pid, path, (agent.warden(), MAX_PARENTS))
        .ok_or_else(|| gone(std::io::Error::last_os_error()))?;
    let sha256 = File::open(entry(pid, "exe")).and_then(|mut file| digests.of(&mut file)).ok().flatten();
    Ok(Program { sha256, ..told })
}

/// Describes the process of the thread `pid`, whose executable is at `path`, without its content, and with `most` ancestors below
/// `warden`, which is above the agent's first process.
pub(super) fn glance(pid: Pid, path: String, (warden, most): (Pid, usize)) -> Option<Program> {
    let status = Status::of(pid)?;
    let script = script_of(pid, &path);
    let parents = parents(status.parent, (warden, most));
    Some(Program { path, sha256: None, script, pid: status.process, uid: status.uid, parents })
}

/// The script that the process runs, if `path` is an interpreter's.
pub(super) fn script_of(pid: Pid, path: &str) -> Option<String> {
    if is_interpreter(path) { script(pid) } else { None }
}

/// Which state of which file the process executes.
pub(super) fn version(pid: Pid) -> Option<Version> {
    fs::metadata(entry(pid, "exe")).ok().map(|metadata| Version::of(&metadata))
}

/// The executable's path in the agent's file tree. The kernel adds ` (deleted)` when there is no such file
/// any more; it stays, so that no rule takes the process for the file that is there now.
pub(super) fn path(pid: Pid) -> std::io::Result<String> {
    fs::read_link(entry(pid, "exe")).map(|path| path.to_string_lossy().into_owned())
}

/// What is used of `/proc/<pid>/status`.
struct Status {
    process: u32,
    parent: Option<Pid>,
    uid: u32,
}

impl Status {
    fn of(pid: Pid) -> Option<Self> {
        Self::parse(&fs::read_to_string(entry(pid, "status")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let field = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let process = field("Tgid:")?.parse().ok()?;
        let parent = field("PPid:").and_then(|number| number.parse().ok()).and_then(Pid::from_raw);
        // Real, effective, saved and file system user: the effective one acts.
        let uid = field("Uid:")?.split_whitespace().nth(1)?.parse().ok()?;
        Some(Self { process, parent, uid })
    }
}

/// Nearest first, up to the agent's first process, whose parent is the warden.
fn parents(mut next: Option<Pid>, (warden, most): (Pid, usize)) -> Vec<String> {
    let mut chain = Vec::new();
    while let Some(pid) = next.filter(|pid| *pid != warden && chain.len() < most) {
        let (Ok(path), Some(status)) = (path(pid), Status::of(pid)) else { break };
        chain.push(path);
        next = status.parent;
    }
    chain
}

fn is_interpreter(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.contains(&plain)
}

/// The first argument that is a file, by its name in the agent's file tree. The process can write anything
/// into its own arguments: this is a hint, which may only narrow what the executable is granted.
fn script(pid: Pid) -> Option<String> {
    let mut arguments = Vec::new();
    File::open(entry(pid, "cmdline")).ok()?.take(MAX_ARGUMENTS).read_to_end(&mut arguments).ok()?;
    let working = fs::read_link(entry(pid, "cwd")).ok()?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(entry(pid, "root"), flags, Mode::empty()).ok()?;
    candidates(&arguments).into_iter().find_map(|argument| resolve(&root, &working.join(argument)))
}

/// Arguments that may be the script, in order.
fn candidates(arguments: &[u8]) -> Vec<String> {
    let texts =
        arguments.split(|byte| *byte == 0).skip(1).map(|text| String::from_utf8_lossy(text).into_owned());
    texts
        .take_while(|text| !NO_SCRIPT.contains(&text.as_str()))
        .filter(|text| !text.is_empty() && !text.starts_with('-'))
        .take(MAX_CANDIDATES)
        .collect()
}

/// Resolves `path` below the agent's root, as the agent would, and names what it leads to.
fn resolve(root: &OwnedFd, path: &Path) -> Option<String> {
    let path = path.strip_prefix("/").ok()?;
    let file =
        rustix::fs::openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)
            .ok()?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).ok()?.st_mode);
    if kind != FileType::RegularFile {
        return None;
    }
    let name = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    Some(name.to_string_lossy().into_owned())
}

fn entry(pid: Pid, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/{name}", pid.as_raw_nonzero()))
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn interpreters_by_name_and_version() {
        for yes in
            ["/usr/bin/python3.11", "/usr/bin/python3", "/usr/bin/node", "/bin/bash", "/usr/bin/perl5.36.0"]
        {
            assert!(is_interpreter(yes), "{yes}");
        }
        for no in ["/usr/bin/curl", "/usr/bin/git", "/usr/lib/git-core/git-remote-https", "/bin/bash-static"]
        {
            assert!(!is_interpreter(no), "{no}");
        }
    }

    #[test]
    fn a_script_is_the_first_file_and_code_is_none() {
        assert_eq!(candidates(b"python3\0-u\0-W\0ignore\0agent.py\0--x\0"), ["ignore", "agent.py"]);
        assert!(candidates(b"python3\0-c\0import os\0agent.py\0").is_empty());
        assert!(candidates(b"node\0--eval\x001\0x.js\0").is_empty());
        assert!(candidates(b"bash\0").is_empty());
    }

    #[test]
    fn status_takes_the_effective_user() {
        let status = Status::parse("Name:\tx\nTgid:\t9\nPPid:\t7\nUid:\t1\t1000\t3\t4\n").unwrap();
        assert_eq!((status.process, status.parent, status.uid), (9, Pid::from_raw(7), 1000));
        assert!(Status::parse("Name:\tx\nTgid:\t9\n").is_none());
    }
}
