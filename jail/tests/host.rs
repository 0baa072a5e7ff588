//! Jails real processes and lets them try what the jail is there to stop. Without arguments this program
//! runs itself once for each case, as root and as a plain user; with a case's name it is that process.

#![expect(unsafe_code, reason = "raw system calls are what the jail is tested with")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program without the test harness")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use jail::host::{self, Isolation, Profile, Root, Settings, User, seccomp};
use wire::spawn::JailUser;

/// The user that an unprivileged manager runs as in these tests.
const PLAIN_USER: u32 = 1000;
const JAIL_USER: JailUser = JailUser { uid: 65_533, gid: 65_533 };
const STATUS: i32 = 4;

struct Case {
    name: &'static str,
    run: fn(),
    /// How the process must end: with exit status 0, or by this signal.
    killed_by: Option<i32>,
}

const CASES: &[Case] = &[
    Case { name: "audit", run: audit, killed_by: None },
    Case { name: "vmm", run: vmm, killed_by: None },
    Case { name: "proxy", run: proxy, killed_by: None },
    Case { name: "mount", run: mount, killed_by: None },
    Case { name: "mount_makes_no_device", run: mount_device, killed_by: Some(libc::SIGSYS) },
    Case { name: "mount_makes_no_pipe", run: mount_pipe, killed_by: Some(libc::SIGSYS) },
    Case {
        name: "mount_lends_no_rights_by_place",
        run: mount_set_user_id_by_place,
        killed_by: Some(libc::SIGSYS),
    },
    Case { name: "mount_lends_no_rights", run: mount_set_user_id, killed_by: Some(libc::SIGSYS) },
    Case { name: "mount_dials_nobody", run: mount_dials, killed_by: Some(libc::SIGSYS) },
    Case { name: "threads", run: threads, killed_by: None },
    Case { name: "orphan", run: orphan, killed_by: None },
    Case { name: "vcpu_ioctl", run: vcpu_ioctl, killed_by: None },
    Case { name: "vcpu_other_ioctl", run: vcpu_other_ioctl, killed_by: Some(libc::SIGSYS) },
    Case { name: "memory_is_given_back", run: memory_is_given_back, killed_by: None },
    Case { name: "other_advice_is_killed_in_vmm", run: other_advice, killed_by: Some(libc::SIGSYS) },
    Case { name: "exec_is_killed", run: exec_is_killed, killed_by: Some(libc::SIGSYS) },
    Case { name: "executable_memory_is_killed", run: executable_memory, killed_by: Some(libc::SIGSYS) },
    Case { name: "internet_socket_is_killed_in_vmm", run: vmm_dials, killed_by: Some(libc::SIGSYS) },
];

fn main() -> ExitCode {
    if let Ok(name) = std::env::var("JAIL_CASE") {
        let case = CASES.iter().find(|case| case.name == name).expect("a case of this name");
        (case.run)();
        return ExitCode::SUCCESS;
    }
    let root = rustix::process::geteuid().is_root();
    let mut failures = 0;
    for case in CASES {
        let users: &[Option<u32>] = if root { &[None, Some(PLAIN_USER)] } else { &[None] };
        for user in users {
            let passed = run(case, *user);
            println!(
                "test {}{} ... {}",
                case.name,
                user.map_or("", |_| " (plain user)"),
                if passed { "ok" } else { "FAILED" }
            );
            failures += usize::from(!passed);
        }
    }
    ExitCode::from(u8::try_from(failures).unwrap_or(u8::MAX))
}

/// Runs one case as its own process, which finds a status pipe where a child of the manager does.
fn run(case: &Case, user: Option<u32>) -> bool {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(directory.path(), user, user).unwrap();
    let exe = File::open(std::env::current_exe().unwrap()).unwrap();
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    // A plain user may not be allowed to walk to the program's path, but may execute what it holds open.
    let mut command = Command::new(format!("/proc/self/fd/{}", exe.as_raw_fd()));
    command.env("JAIL_CASE", case.name).env("JAIL_DIRECTORY", directory.path()).stdin(Stdio::null());
    let (exe_fd, status_fd) = (exe.as_raw_fd(), writer.as_raw_fd());
    let prepare = move || {
        // SAFETY: the status pipe is open, and nothing of the child's uses the number 4 yet.
        let placed = unsafe { libc::dup2(status_fd, STATUS) };
        // SAFETY: only clears the close-on-exec flag of an open descriptor.
        let kept = unsafe { libc::fcntl(exe_fd, libc::F_SETFD, 0) };
        if placed < 0 || kept < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: both calls of `prepare` are async-signal-safe.
    unsafe { command.pre_exec(prepare) };
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let status = command.status().unwrap();
    drop((reader, writer));
    match case.killed_by {
        None => status.success(),
        Some(signal) => status.signal() == Some(signal),
    }
}

fn settings(root: Root) -> Settings<'static> {
    // SAFETY: `run` placed the status pipe there, and it stays open for the life of the process.
    let status = unsafe { std::os::fd::BorrowedFd::borrow_raw(STATUS) };
    let user = rustix::process::geteuid().is_root().then_some(JAIL_USER);
    Settings { status, root, user, open_files: 256 }
}

fn directory() -> String {
    std::env::var("JAIL_DIRECTORY").unwrap()
}

fn open_directory() -> OwnedFd {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open(directory(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
}

fn audit() {
    let was_root = rustix::process::geteuid().is_root();
    let mut log =
        File::options().create(true).append(true).open(Path::new(&directory()).join("log")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap();
    assert!(TcpStream::connect(port).is_ok(), "reachable before");
    let report = host::enter(Profile::Audit, settings(Root::Empty)).unwrap();
    assert_eq!(report.user, if was_root { User::Changed } else { User::Unchanged }, "{report}");
    assert!(!matches!(report.isolation, Isolation::Refused(_)), "{report}");
    assert_eq!(report.weaknesses(), Vec::<String>::new());

    log.write_all(b"still writable\n").unwrap();
    log.sync_data().unwrap();
    for path in ["/etc/passwd", "/proc/self/maps", "/proc/1/environ", "log", "../etc/passwd", "."] {
        assert!(File::open(path).is_err(), "{path} opened");
    }
    assert!(std::fs::metadata("/etc").is_err(), "the root is not empty");
    assert!(std::fs::write("new", "x").is_err());
    // A thread can still be started, and allocate in an arena of its own.
    let sum = std::thread::spawn(|| vec![1_u64; 1 << 20].iter().sum::<u64>()).join().unwrap();
    assert_eq!(sum, 1 << 20);
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(uid, if was_root { JAIL_USER.uid } else { uid });
}

fn vmm() {
    let listener = UnixListener::bind(Path::new(&directory()).join("7.sock")).unwrap();
    std::fs::set_permissions(
        Path::new(&directory()).join("7.sock"),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    std::fs::set_permissions(directory(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let report = host::enter(Profile::Vmm, settings(Root::Directory(open_directory()))).unwrap();
    assert_eq!(report.weaknesses(), Vec::<String>::new());
    assert!(File::open("7.sock").is_err());
    assert!(File::open("/proc/self/maps").is_err(), "more than the directory is visible");
    assert!(std::fs::write("new", "x").is_err(), "the root is writable");
    assert!(std::fs::metadata("../../etc/passwd").is_err(), "the old root is reachable");
    assert_eq!(interfaces(), 1, "only the loopback interface of an own network exists");
    seccomp::install(seccomp::Thread::VmmDevices, &[]).unwrap();
    let mut client = UnixStream::connect("7.sock").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"hi").unwrap();
    let mut received = [0; 2];
    server.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"hi");
}

/// Number of network interfaces.
fn interfaces() -> usize {
    // SAFETY: the call has no precondition; its list is freed below.
    let list = unsafe { libc::if_nameindex() };
    assert!(!list.is_null());
    let mut count = 0;
    loop {
        // SAFETY: the list ends with an entry whose name is null, and the loop stops there.
        let entry = unsafe { list.add(count) };
        // SAFETY: `entry` is within the list, see above.
        if unsafe { (*entry).if_name }.is_null() {
            break;
        }
        count += 1;
    }
    // SAFETY: the list came from if_nameindex and is used no more.
    unsafe { libc::if_freenameindex(list) };
    count
}

fn proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let report = host::enter(Profile::Proxy, settings(Root::Empty)).unwrap();
    assert_eq!(report.weaknesses(), Vec::<String>::new());
    assert!(File::open("/etc/passwd").is_err());
    let handle = std::thread::spawn(move || TcpStream::connect(address).map(drop));
    listener.accept().unwrap();
    handle.join().unwrap().expect("the proxy dials upstreams");
    assert!(TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).is_err(), "the proxy listens");
}

/// Enters the jail of a mount's server, whose directory is its user's.
fn enter_mount() -> OwnedFd {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    let owner = rustix::process::geteuid().is_root().then_some(JAIL_USER.uid);
    let lent = Path::new(&directory()).join("lent");
    std::fs::create_dir(&lent).unwrap();
    std::os::unix::fs::chown(&lent, owner, owner).unwrap();
    let lent = rustix::fs::open(lent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let report = host::enter(Profile::Mount, settings(Root::Writable(lent))).unwrap();
    assert_eq!(report.weaknesses(), Vec::<String>::new());
    rustix::fs::openat2(CWD, ".", OFlags::PATH | OFlags::DIRECTORY, Mode::empty(), ResolveFlags::empty())
        .unwrap()
}

fn mount() {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
    let anybody = |path: &Path| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    };
    let secret = Path::new(&directory()).join("secret");
    std::fs::write(&secret, "secret").unwrap();
    anybody(&secret);
    anybody(Path::new(&directory()));
    let leads_out = open_directory();
    let open = |at: &OwnedFd, path: &str, flags: OFlags| {
        let mode = if flags.contains(OFlags::CREATE) { 0o644 } else { 0 };
        rustix::fs::openat2(at, path, flags, Mode::from_raw_mode(mode), ResolveFlags::empty())
    };
    for flags in [OFlags::RDONLY, OFlags::WRONLY] {
        assert!(open(&leads_out, "secret", flags).is_ok(), "reachable before");
    }
    let root = enter_mount();
    let file = open(&root, "new", OFlags::CREATE | OFlags::RDWR).unwrap();
    rustix::io::pwrite(&file, b"works", 0).unwrap();
    rustix::fs::mkdirat(&root, "d", Mode::from_raw_mode(0o755)).unwrap();
    rustix::fs::renameat_with(&root, "new", &root, "d/moved", rustix::fs::RenameFlags::empty()).unwrap();
    rustix::fs::symlinkat("/etc/passwd", &root, "link").unwrap();
    for path in
        ["/etc/passwd", "../etc/passwd", "d/../../../etc/passwd", "link", "/proc/self/maps", "/dev/null"]
    {
        let opened = open(&root, path, OFlags::RDONLY);
        assert!(opened.is_err(), "{path} opened");
    }
    assert!(rustix::fs::statat(CWD, "/etc", AtFlags::empty()).is_err(), "the old root is there");
    // A descriptor that leads out of the root, as a bug might keep one: that wall is Landlock's alone.
    for flags in [OFlags::RDONLY, OFlags::WRONLY, OFlags::CREATE | OFlags::WRONLY] {
        assert_eq!(open(&leads_out, "secret", flags).unwrap_err(), rustix::io::Errno::ACCESS);
    }
    assert!(rustix::fs::unlinkat(&leads_out, "secret", AtFlags::empty()).is_err());
    assert!(File::open("d/moved").is_err(), "names go through openat2 alone");
    let sum = std::thread::spawn(|| vec![1_u64; 1 << 20].iter().sum::<u64>()).join().unwrap();
    assert_eq!(sum, 1 << 20);
}

fn mount_device() {
    use rustix::fs::{FileType, Mode};
    let root = enter_mount();
    let mode = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(&root, "plain", FileType::RegularFile, mode, 0).unwrap();
    let _killed =
        rustix::fs::mknodat(&root, "null", FileType::CharacterDevice, mode, rustix::fs::makedev(1, 3));
}

fn mount_pipe() {
    use rustix::fs::{FileType, Mode};
    let root = enter_mount();
    let _killed = rustix::fs::mknodat(&root, "pipe", FileType::Fifo, Mode::from_raw_mode(0o666), 0);
}

fn mount_set_user_id_by_place() {
    use rustix::fs::{Mode, OFlags, ResolveFlags};
    let root = enter_mount();
    let mode = Mode::from_raw_mode;
    rustix::fs::mknodat(&root, "f", rustix::fs::FileType::RegularFile, mode(0), 0).unwrap();
    let held = rustix::fs::openat2(&root, "f", OFlags::PATH, Mode::empty(), ResolveFlags::BENEATH).unwrap();
    // A kernel before 6.6 cannot, and says so.
    let given = jail::host::modes::set(held.as_fd(), mode(0o755));
    assert!(matches!(given, Ok(()) | Err(rustix::io::Errno::ACCESS)), "{given:?}");
    let _killed = jail::host::modes::set(held.as_fd(), mode(0o4755));
}

fn mount_set_user_id() {
    use rustix::fs::{Mode, OFlags, ResolveFlags};
    let root = enter_mount();
    let flags = OFlags::CREATE | OFlags::RDWR;
    let file =
        rustix::fs::openat2(&root, "f", flags, Mode::from_raw_mode(0o644), ResolveFlags::BENEATH).unwrap();
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o755)).unwrap();
    let _killed = rustix::fs::fchmod(&file, Mode::from_raw_mode(0o4755));
}

fn mount_dials() {
    let _root = enter_mount();
    drop(UnixStream::connect("x.sock"));
}

fn threads() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || receiver.recv());
    let error = host::enter(Profile::Audit, settings(Root::Empty)).unwrap_err();
    assert!(matches!(error, host::JailError::Threads(2)), "{error}");
    drop(sender);
    other.join().unwrap().unwrap_err();
}

fn orphan() {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let settings = Settings { status: writer.as_fd(), ..settings(Root::Empty) };
    let error = host::enter(Profile::Audit, settings).unwrap_err();
    assert!(matches!(error, host::JailError::Orphan), "{error}");
}

/// `FIOCLEX`: an ioctl that any descriptor takes, standing in for `KVM_RUN`.
const ALLOWED: u32 = 0x5451;

fn vcpu_ioctl() {
    host::enter(Profile::Vmm, settings(Root::Empty)).unwrap();
    std::thread::spawn(|| {
        seccomp::install(seccomp::Thread::VmmVcpu, &[ALLOWED]).unwrap();
        // SAFETY: FIOCLEX takes no argument and only marks the descriptor.
        assert_eq!(unsafe { libc::ioctl(STATUS, ALLOWED.into()) }, 0);
    })
    .join()
    .unwrap();
    // The filter binds the vCPU's thread, not this one.
    assert!(UnixStream::pair().is_ok());
}

fn vcpu_other_ioctl() {
    host::enter(Profile::Vmm, settings(Root::Empty)).unwrap();
    seccomp::install(seccomp::Thread::VmmVcpu, &[ALLOWED]).unwrap();
    // SAFETY: FIONCLEX takes no argument and only marks the descriptor.
    unsafe { libc::ioctl(STATUS, 0x5450) };
}

/// Advises the kernel of one fresh page in a thread that serves devices.
fn advise(advice: libc::c_int) -> libc::c_int {
    host::enter(Profile::Vmm, settings(Root::Empty)).unwrap();
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping aliases nothing.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    seccomp::install(seccomp::Thread::VmmDevices, &[]).unwrap();
    // SAFETY: nothing else uses the page.
    unsafe { libc::madvise(page, 4096, advice) }
}

fn memory_is_given_back() {
    assert_eq!(advise(libc::MADV_DONTNEED), 0);
}

/// Pages that are merged with those of other processes tell by their timing what those hold.
fn other_advice() {
    advise(libc::MADV_MERGEABLE);
}

fn exec_is_killed() {
    host::enter(Profile::Audit, settings(Root::Empty)).unwrap();
    let argv: [*const libc::c_char; 1] = [std::ptr::null()];
    // SAFETY: both vectors are null-terminated and outlive the call, which fails or never returns.
    unsafe { libc::execve(c"/bin/true".as_ptr(), argv.as_ptr(), argv.as_ptr()) };
}

fn executable_memory() {
    host::enter(Profile::Audit, settings(Root::Empty)).unwrap();
    let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    // SAFETY: a fresh anonymous mapping aliases nothing.
    unsafe {
        libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
}

fn vmm_dials() {
    host::enter(Profile::Vmm, settings(Root::Empty)).unwrap();
    seccomp::install(seccomp::Thread::VmmDevices, &[]).unwrap();
    drop(TcpStream::connect("127.0.0.1:1"));
}
