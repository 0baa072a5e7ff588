//! The real process, jailed: it serves its directory, reports what keeps it from that, and ends with its machine.

#![expect(clippy::unwrap_used, reason = "a test that lacks what it needs fails")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use mount::directory::Directory;
use mount::kept::Kept;
use mount::process::serve_lane;
use mount::session::Session;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use wire::mount::{MountConfig, MountEvent};
use wire::spawn::{CONFIG_FD, EXIT_FAILED, FIRST_RESOURCE_FD, Fd, JailUser, STATUS_FD};

const AGENT: JailUser = JailUser { uid: 1000, gid: 1000 };
/// Who serves where the tests run as root.
const SERVER: JailUser = JailUser { uid: 65_533, gid: 65_533 };

struct Server {
    child: Child,
    status: BufReader<File>,
    lanes: Vec<OwnedFd>,
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Starts it with two lanes on a directory, with the config that `edit` leaves.
fn start(directory: &Path, edit: impl FnOnce(&mut MountConfig)) -> Server {
    start_with(Command::new(env!("CARGO_BIN_EXE_openshell-mount")), directory, edit)
}

fn start_with(mut command: Command, directory: &Path, edit: impl FnOnce(&mut MountConfig)) -> Server {
    if root() {
        chown(directory, Some(SERVER.uid), Some(SERVER.gid)).unwrap();
    }
    let pair = || {
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .unwrap()
    };
    let (lanes, theirs): (Vec<_>, Vec<_>) = (0..2).map(|_| pair()).unzip();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let lent = rustix::fs::open(directory, flags, Mode::empty()).unwrap();
    let mut config = MountConfig {
        version: wire::VERSION,
        directory: FIRST_RESOURCE_FD,
        lanes: vec![Fd(FIRST_RESOURCE_FD.0 + 1), Fd(FIRST_RESOURCE_FD.0 + 2)],
        agent: AGENT,
        kept: Vec::new(),
        believed: 1,
        user: root().then_some(SERVER),
    };
    edit(&mut config);
    let mut document = File::from(rustix::fs::memfd_create("config", MemfdFlags::CLOEXEC).unwrap());
    document.write_all(&serde_json::to_vec(&config).unwrap()).unwrap();
    document.rewind().unwrap();
    let (status, ours) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let resources = [lent].into_iter().chain(theirs).zip(FIRST_RESOURCE_FD.0..);
    let fixed = [(OwnedFd::from(document), CONFIG_FD.0), (ours, STATUS_FD.0)];
    let mappings =
        fixed.into_iter().chain(resources).map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
    command.env_clear().stdin(Stdio::null()).stderr(Stdio::null()).fd_mappings(mappings.collect()).unwrap();
    let child = command.spawn().unwrap();
    Server { child, status: BufReader::new(status.into()), lanes }
}

impl Server {
    fn event(&mut self) -> Option<MountEvent> {
        let mut line = String::new();
        self.status.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    fn ask(&self, lane: usize, request: (u32, u64), rest: &[u8]) -> (i32, Vec<u8>) {
        ask(&self.lanes[lane], request, rest)
    }

    fn end(mut self) -> Option<i32> {
        self.lanes.clear();
        self.child.wait().unwrap().code()
    }
}

/// The answer's error, and what follows its header.
fn ask(lane: &OwnedFd, (opcode, node): (u32, u64), rest: &[u8]) -> (i32, Vec<u8>) {
    let length = u32::try_from(40 + rest.len()).unwrap();
    let header = [&length.to_le_bytes()[..], &opcode.to_le_bytes(), &[9; 8], &node.to_le_bytes(), &[0; 16]];
    rustix::net::send(lane, &[&header.concat(), rest].concat(), SendFlags::empty()).unwrap();
    let mut answer = vec![0; 1 << 18];
    let (length, _) = rustix::net::recv(lane, &mut answer[..], RecvFlags::empty()).unwrap();
    assert_eq!(answer[8..16], [9; 8], "the answer to this request");
    (i32::from_le_bytes(answer[4..8].try_into().unwrap()), answer[16..length].to_vec())
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn create(name: &str) -> Vec<u8> {
    let numbers = [1_u32 /* write */, 0o644, 0, 0].map(u32::to_le_bytes).concat();
    [&numbers[..], name.as_bytes(), b"\0"].concat()
}

#[test]
fn it_serves_its_directory_on_every_lane_and_ends_with_the_machine() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = start(directory.path(), |_config| {});
    assert_eq!(server.event(), Some(MountEvent::Ready));
    for lane in 0..2 {
        let name = format!("file{lane}");
        let (error, entry) = server.ask(lane, (35, 1), &create(&name));
        assert_eq!(error, 0, "{lane}");
        let made = fs::metadata(directory.path().join(&name)).unwrap();
        let owner = fs::metadata(directory.path()).unwrap();
        assert_eq!((made.uid(), made.gid(), made.mode() & 0o7777), (owner.uid(), owner.gid(), 0o644));
        assert_eq!(
            entry[40 + 48 + 5 * 4..][..8],
            [AGENT.uid.to_le_bytes(), AGENT.gid.to_le_bytes()].concat()
        );
    }
    assert_eq!(server.ask(0, (1, 1), b"none\0").1[..8], [0; 8]);
    assert_eq!(server.end(), Some(0));
    assert!(directory.path().join("file1").exists());
}

#[test]
fn nonsense_and_messages_that_are_too_long_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = start(directory.path(), |_config| {});
    assert_eq!(server.event(), Some(MountEvent::Ready));
    assert_eq!(server.ask(0, (1, 1), b"..\0").0, -22);
    assert_eq!(server.ask(0, (16, 1), &vec![0; 150_000]).0, -22);
    assert_eq!(server.ask(0, (1, 1), b"none\0").0, 0, "the lane is as good as before");
    // A mode that the list of system calls would end the process for never gets so far.
    let device = [0o2_0666_u32, 0x103, 0, 0].map(u32::to_le_bytes).concat();
    assert_eq!(server.ask(1, (8, 1), &[&device[..], b"null\0"].concat()).0, -1);
    assert_eq!(server.end(), Some(0));
}

#[test]
fn an_answer_that_the_host_has_no_room_for_costs_only_its_request() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("long"), vec![7; 100_000]).unwrap();
    let lent = Directory::of(File::open(directory.path()).unwrap().into(), AGENT).unwrap();
    let session = Session::new(lent, Kept::default(), 1);
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .unwrap();
    rustix::net::sockopt::set_socket_send_buffer_size(&theirs, 4096).unwrap();
    std::thread::scope(|scope| {
        let session = &session;
        // Its end of the lane is gone with it.
        scope.spawn(move || serve_lane(session, &theirs));
        let lane = ours;
        let node = long(&ask(&lane, (1, 1), b"long\0").1, 0);
        let handle = long(&ask(&lane, (14, node), &[0; 8]).1, 0).to_le_bytes();
        let read = |size: u32| {
            ask(&lane, (15, node), &[&handle[..], &[0; 8], &size.to_le_bytes(), &[0; 20]].concat())
        };
        assert_eq!(read(100_000), (-5, Vec::new()));
        assert_eq!(read(100), (0, vec![7; 100]), "the lane is as good as before");
    });
}

#[test]
fn a_limit_of_the_hosts_is_an_error_and_not_the_servers_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", "ulimit -f 8 && exec \"$0\"", env!("CARGO_BIN_EXE_openshell-mount")]);
    let mut server = start_with(limited, directory.path(), |_config| {});
    assert_eq!(server.event(), Some(MountEvent::Ready));
    let handle = long(&server.ask(0, (35, 1), &create("f")).1, 128).to_le_bytes();
    let write = |offset: u64| {
        let content = [&handle[..], &offset.to_le_bytes(), &1_u32.to_le_bytes(), &[0; 20], b"x"].concat();
        server.ask(0, (16, 1), &content).0
    };
    assert_eq!((write(1 << 20), write(100)), (-27, 0));
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_file_that_its_owner_may_not_read_gets_another_mode() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = start(directory.path(), |_config| {});
    assert_eq!(server.event(), Some(MountEvent::Ready));
    let (_, made) = server.ask(0, (35, 1), &create("f"));
    let close = [&long(&made, 128).to_le_bytes()[..], &[0; 16]].concat();
    assert_eq!(server.ask(0, (18, long(&made, 0)), &close).0, 0);
    let to = |mode: u32| {
        let changes = [&1_u32.to_le_bytes()[..], &[0; 64], &mode.to_le_bytes(), &[0; 16]].concat();
        server.ask(0, (4, long(&made, 0)), &changes).0
    };
    let mode = || fs::metadata(directory.path().join("f")).unwrap().mode() & 0o7777;
    assert_eq!((to(0), mode()), (0, 0));
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = kernel.split('.').map(|number| number.parse().unwrap_or(0));
    if (numbers.next(), numbers.next()) >= (Some(6), Some(6)) {
        assert_eq!((to(0o644), mode()), (0, 0o644));
    } else {
        assert_eq!((to(0o644), mode()), (-13, 0));
    }
    assert_eq!(server.end(), Some(0));
}

#[test]
fn the_process_is_in_its_jail() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = start(directory.path(), |_config| {});
    assert_eq!(server.event(), Some(MountEvent::Ready));
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((field("Seccomp:"), field("NoNewPrivs:")), (vec!["2".to_owned()], vec!["1".to_owned()]));
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    if root() {
        assert_eq!(field("Uid:"), vec![SERVER.uid.to_string(); 4]);
        let root = fs::metadata(format!("/proc/{}/root", server.child.id())).unwrap();
        let lent = fs::metadata(directory.path()).unwrap();
        assert_eq!((root.dev(), root.ino()), (lent.dev(), lent.ino()), "its root is the directory");
    }
    assert_eq!(server.end(), Some(0));
}

#[test]
fn what_keeps_it_from_serving_is_told_with_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    type Edit = fn(&mut MountConfig);
    let cases: [(Edit, &str); 3] = [
        (|config| config.version += 1, "version"),
        (|config| config.lanes.push(Fd(4000)), "descriptor 4000"),
        (|config| config.kept.push("not/there".to_owned()), "'not/there'"),
    ];
    for (edit, said) in cases {
        let mut server = start(directory.path(), edit);
        let Some(MountEvent::Failed { cause, remedy }) = server.event() else { panic!("it serves") };
        assert!(cause.contains(said) && !remedy.is_empty(), "{cause}");
        assert_eq!(server.end(), Some(EXIT_FAILED));
    }
}
