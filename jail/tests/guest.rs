//! Confines real programs and real attacks, as guest-init would. Every attack is made twice: by root without
//! the confinement, where it must work (or it would prove nothing), and by the confined agent, where it must
//! not. Needs root, as guest-init has it; a user with sudo gets there by itself.

#![expect(unsafe_code, reason = "raw system calls are what the confinement is tested with")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program without the test harness")]

#[path = "guest/developer.rs"]
mod developer;
#[path = "guest/strict.rs"]
mod strict;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use jail::guest::{NotExecuted, Plan, Program, Split};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Pid, WaitOptions};
use wire::confinement::{Confinement, Limits, PathAccess, PathRule, SeccompProfile, User};

/// Where the agent's tree is bound; a directory that every machine has, so that none is made or removed.
const TREE: &str = "/mnt";

/// Exit statuses of the agent's process when it does not become a program.
const NOT_FOUND: i32 = 120;
const NOT_EXECUTABLE: i32 = 121;
const NOT_CONFINED: i32 = 122;

/// What a confined process does.
#[derive(Clone, Copy)]
enum Act<'a> {
    Attack(fn() -> Result<(), Errno>),
    Execute(&'a [&'a str]),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Status(i32),
    Signal(i32),
}

/// What a refused attack sees.
const REFUSALS: [Errno; 6] =
    [Errno::PERM, Errno::ACCESS, Errno::NOENT, Errno::ROFS, Errno::SRCH, Errno::NOSYS];

struct Bench {
    network: OwnedFd,
    confinement: Confinement,
    failures: usize,
}

fn main() -> ExitCode {
    if !rustix::process::geteuid().is_root() {
        let error = Command::new("sudo").arg("-n").arg(std::env::current_exe().unwrap()).exec();
        println!("test confinement ... FAILED: needs root, and sudo cannot be had: {error}");
        return ExitCode::FAILURE;
    }
    let mut bench = Bench::new();
    bench.attacks();
    bench.killed();
    bench.programs();
    bench.outcomes();
    bench.limits();
    strict::run(&mut bench);
    developer::run(&mut bench);
    ExitCode::from(u8::try_from(bench.failures).unwrap_or(u8::MAX))
}

impl Bench {
    /// A mount namespace of its own, in which the whole machine is read-only, with the machine's tree bound
    /// at [`TREE`] as the agent's, and an empty network. Nothing is made or removed outside of memory.
    fn new() -> Self {
        let flags = rustix::thread::UnshareFlags::NEWNS | rustix::thread::UnshareFlags::NEWNET;
        // SAFETY: the process has one thread, and only namespaces change.
        unsafe { rustix::thread::unshare_unsafe(flags) }.unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).unwrap();
        rustix::mount::mount_bind("/", TREE).unwrap();
        for top in ["/", TREE] {
            rustix::mount::mount_remount(top, MountFlags::BIND | MountFlags::RDONLY, "").unwrap();
        }
        for scratch in ["/tmp".to_owned(), format!("{TREE}/tmp"), format!("{TREE}/var/tmp")] {
            rustix::mount::mount("none", scratch, "tmpfs", MountFlags::NOSUID, c"mode=1777").unwrap();
        }
        let network = File::open("/proc/self/ns/net").unwrap().into();
        Self { network, confinement: confinement(), failures: 0 }
    }

    fn report(&mut self, name: &str, passed: bool, detail: &str) {
        println!("test {name} ... {}", if passed { "ok".to_owned() } else { format!("FAILED: {detail}") });
        self.failures += usize::from(!passed);
    }

    fn attacks(&mut self) {
        for (name, attack) in ATTACKS {
            let free = self.free(*attack);
            let (status, output) = self.confined(Act::Attack(*attack));
            let held = REFUSALS.iter().any(|error| status == Outcome::Status(error.raw_os_error()));
            self.report(
                &format!("attack {name}"),
                works(name, free) && held,
                &format!("without: {free:?}, confined: {status:?} {output}"),
            );
        }
    }

    /// Calls that are no program's mistake end the process.
    fn killed(&mut self) {
        for (name, call) in [("x32", x32 as fn() -> Result<(), Errno>), ("32-bit", int80)] {
            let (status, output) = self.confined(Act::Attack(call));
            let killed = status == Outcome::Signal(libc::SIGSYS);
            self.report(&format!("killed {name}"), killed, &format!("{status:?} {output}"));
        }
    }

    fn programs(&mut self) {
        for (name, script, expected) in PROGRAMS {
            let (status, output) = self.confined(Act::Execute(&["/bin/bash", "-c", script]));
            let passed = status == Outcome::Status(0) && output.contains(expected);
            self.report(&format!("program {name}"), passed, &format!("{status:?} {output}"));
        }
    }

    fn outcomes(&mut self) {
        let cases: [(&str, &[&str], i32); 6] = [
            ("status", &["sh", "-c", "exit 7"], 7),
            ("found along PATH", &["true"], 0),
            ("not found", &["no-such-program"], NOT_FOUND),
            ("not found by path", &["/no/such/program"], NOT_FOUND),
            ("not executable", &["/etc/passwd"], NOT_EXECUTABLE),
            ("no interpreter", &["/tmp/odd"], NOT_EXECUTABLE),
        ];
        let odd = Path::new(TREE).join("tmp/odd");
        std::fs::write(&odd, "#!/no/such/interpreter\n").unwrap();
        std::fs::set_permissions(&odd, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for (name, command, expected) in cases {
            let (status, output) = self.confined(Act::Execute(command));
            let passed = status == Outcome::Status(expected);
            self.report(&format!("outcome {name}"), passed, &format!("{status:?} {output}"));
        }
    }

    /// Each limit stops what goes beyond it, in one process or in all of them.
    fn limits(&mut self) {
        let limits = Limits { file_size: Some(4096), cpu_time: Some(1), ..self.confinement.limits };
        let before = std::mem::replace(&mut self.confinement.limits, limits);
        let cases = [
            (
                "file size",
                "head -c 4096 /dev/zero > /tmp/a && ! head -c 4097 /dev/zero > /tmp/b && stat -c %s /tmp/b",
                "4096",
            ),
            ("cpu time", "(while :; do :; done); echo ended by $?", "ended by 152"),
            ("core files", "ulimit -Hc", "0"),
        ];
        for (name, script, expected) in cases {
            let (status, output) = self.confined(Act::Execute(&["/bin/bash", "-c", script]));
            let passed = status == Outcome::Status(0) && output.contains(expected);
            self.report(&format!("limit {name}"), passed, &format!("{status:?} {output}"));
        }
        self.confinement.limits = before;
    }

    /// The attack by root, in namespaces that an attack may wreck.
    fn free(&self, attack: fn() -> Result<(), Errno>) -> Outcome {
        let plan = self.plan();
        match plan.split().unwrap() {
            Split::Parent(pid) => wait(pid),
            Split::Child(_inside) => exit_with(attack()),
        }
    }

    /// The act by the confined agent; its standard output and error are one.
    fn confined(&self, act: Act<'_>) -> (Outcome, String) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        match self.plan().split().unwrap() {
            Split::Parent(pid) => {
                drop(writer);
                let mut output = String::new();
                drop(File::from(reader).read_to_string(&mut output));
                (wait(pid), output)
            }
            Split::Child(inside) => {
                rustix::stdio::dup2_stdout(&writer).unwrap();
                rustix::stdio::dup2_stderr(&writer).unwrap();
                drop((reader, writer));
                let viewed = inside.build_view().unwrap();
                match viewed.split().unwrap() {
                    Split::Parent(agent) => relay(agent),
                    Split::Child(newborn) => {
                        rustix::process::setsid().unwrap();
                        std::env::set_current_dir("/tmp").unwrap();
                        match newborn.confine() {
                            Ok(confined) => perform(confined, act),
                            Err(error) => {
                                println!("{error}: {:?}", std::error::Error::source(&error));
                                std::process::exit(NOT_CONFINED)
                            }
                        }
                    }
                }
            }
        }
    }

    fn plan(&self) -> Plan<'_> {
        Plan {
            confinement: &self.confinement,
            root: Path::new(TREE),
            hostname: "agent",
            network: self.network.as_fd(),
        }
    }
}

fn perform(confined: jail::guest::Confined, act: Act<'_>) -> ! {
    match act {
        Act::Attack(attack) => exit_with(attack()),
        Act::Execute(command) => {
            let command: Vec<String> = command.iter().map(|&text| text.to_owned()).collect();
            let env = [
                ("PATH", "/usr/local/bin:/usr/bin:/bin:/no-such-folder"),
                ("HOME", "/tmp"),
                ("LANG", "C.UTF-8"),
            ];
            let env: Vec<_> = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            let outcome = confined.execute(&Program::new(&command, &env).unwrap());
            std::process::exit(if outcome == NotExecuted::NotFound { NOT_FOUND } else { NOT_EXECUTABLE })
        }
    }
}

/// What the first process of a PID namespace is for.
fn relay(agent: Pid) -> ! {
    loop {
        if let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::empty())
            && pid == agent
        {
            let signal = status.terminating_signal();
            std::process::exit(signal.map_or_else(|| status.exit_status().unwrap(), |signal| 128 + signal));
        }
    }
}

fn wait(pid: Pid) -> Outcome {
    let (_, status) = rustix::process::waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
    match (status.exit_status(), status.terminating_signal()) {
        // So the first process of the namespace tells which signal ended the agent.
        (Some(code), _) if code > 128 => Outcome::Signal(code - 128),
        (Some(code), _) => Outcome::Status(code),
        (None, signal) => Outcome::Signal(signal.unwrap()),
    }
}

/// Whether an attack worked. Sockets to the host need a module that a machine without virtual machines may not
/// have loaded; the confined attempt is refused before the kernel looks for it, with another error.
fn works(name: &str, outcome: Outcome) -> bool {
    let missing = Outcome::Status(Errno::AFNOSUPPORT.raw_os_error());
    outcome == Outcome::Status(0) || (name == "vsock" && outcome == missing)
}

/// 0 if the attack worked, else its error.
fn exit_with(outcome: Result<(), Errno>) -> ! {
    std::process::exit(outcome.map_or_else(Errno::raw_os_error, |()| 0))
}

fn confinement() -> Confinement {
    let rule = |path: &str, access| PathRule { path: path.to_owned(), access };
    let mut filesystem: Vec<_> = ["/usr", "/bin", "/lib", "/lib64", "/sbin", "/opt", "/does/not/exist"]
        .map(|path| rule(path, PathAccess::ReadExecute))
        .to_vec();
    filesystem.extend(["/etc", "/proc", "/sys"].map(|path| rule(path, PathAccess::Read)));
    filesystem.extend(["/dev", "/var/tmp"].map(|path| rule(path, PathAccess::ReadWrite)));
    filesystem.push(rule("/tmp", PathAccess::ReadWriteExecute));
    Confinement {
        user: User::default(),
        filesystem,
        seccomp: SeccompProfile::Agent,
        limits: Limits { processes: 512, open_files: 1024, ..Limits::default() },
        executables: None,
    }
}

/// Programs as they are installed, doing what people do with them; and what their output must hold.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("bash", "id -u; for i in 1 2 3; do (echo $i | cat); done; echo ok $((6*7))", "ok 42"),
    (
        "identity",
        "grep -E '^(CapBnd|CapEff|NoNewPrivs|Seccomp):' /proc/self/status | tr '\\n\\t' '  '",
        "CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2",
    ),
    ("hidepid", "ls -d /proc/[0-9]* | wc -l; test ! -e /proc/1 && echo hidden", "hidden"),
    (
        "devices",
        "echo x > /dev/null; head -c 4 /dev/urandom | wc -c; ls /dev | tr '\\n' ' '",
        "null ptmx pts random shm stderr stdin stdout tty urandom zero",
    ),
    (
        "pipes and named pipes",
        "mkfifo p; (echo through > p &) ; cat p; echo x > /dev/shm/y; cat /dev/stdin <<< in",
        "through",
    ),
    (
        "python",
        "/usr/bin/python3 -c 'import subprocess,socket,ssl,threading,tempfile,multiprocessing as m; threading.Thread(target=print).start(); print(subprocess.check_output([\"echo\",\"from python\"])); socket.socket(); socket.socketpair(); print(m.Queue())'",
        "from python",
    ),
    (
        "node",
        "cd /tmp && echo 'const w=require(\"worker_threads\"); new w.Worker(\"console.log(40+2)\",{eval:true}); console.log(require(\"child_process\").execSync(\"echo from node\")+\"\")' > a.js && node a.js",
        "from node",
    ),
    (
        "git",
        "cd /tmp && git init -q r && cd r && git config user.email a@b && git config user.name n && echo 1 > f && git add f && git commit -qm first && git clone -q . ../c && git -C ../c log --oneline | wc -l",
        "1",
    ),
    (
        "gcc",
        "cd /tmp && printf '#include <stdio.h>\\nint main(){puts(\"compiled\");}' > a.c && gcc -O1 a.c -o a.out && ./a.out",
        "compiled",
    ),
    ("curl", "curl --version | head -1; curl -sS -m 5 http://127.0.0.1:9/ || echo refused $?", "refused 7"),
    (
        "memfd",
        "/usr/bin/python3 -c 'import os; f=os.memfd_create(\"x\"); os.write(f,b\"#!/bin/sh\\necho memfd ran\"); os.execv(f\"/proc/self/fd/{f}\",[\"x\"])' ; /usr/bin/python3 -c 'import os; print(\"memfd\", os.memfd_create(\"x\"))'",
        "memfd 3",
    ),
    (
        "outside of the rules",
        "! cat /var/lib/dpkg/status && ! ls /home && ! touch /etc/new && ! cp /etc/passwd /var/lib/x && echo held",
        "held",
    ),
    (
        "no execution where only writing is granted",
        "cp /bin/true /var/tmp/t && ! /var/tmp/t && rm /var/tmp/t && echo held",
        "held",
    ),
];

/// Name and attempt. Each needs nothing that root does not have.
type Attack = (&'static str, fn() -> Result<(), Errno>);

const ATTACKS: &[Attack] = &[
    ("mount", || rustix::mount::mount("none", "/tmp", "tmpfs", MountFlags::empty(), None)),
    ("unshare user and mount namespaces", || call(libc::SYS_unshare, [0x1002_0000, 0, 0, 0])),
    ("clone into a user namespace", clone_user_namespace),
    ("setns", || call(libc::SYS_setns, [open("/proc/self/ns/net")?, 0, 0, 0])),
    ("chroot", || rustix::process::chroot("/tmp")),
    ("ptrace", || call(libc::SYS_ptrace, [0, 0, 0, 0])),
    ("read the memory of another process", || {
        call(libc::SYS_process_vm_readv, [rustix::process::getpid().as_raw_nonzero().get().into(), 0, 0, 0])
    }),
    ("packet socket", || socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    ("raw socket", || socket(libc::AF_INET, libc::SOCK_RAW, 1)),
    ("vsock", || socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    ("netlink beyond routes", || socket(libc::AF_NETLINK, libc::SOCK_RAW, 4)),
    ("bpf", || call(libc::SYS_bpf, [0, (&raw const BPF_ARRAY).addr().try_into().unwrap(), 48, 0])),
    ("perf", || {
        call(libc::SYS_perf_event_open, [(&raw const PERF_CLOCK).addr().try_into().unwrap(), 0, -1, -1])
    }),
    ("io_uring", || {
        call(
            libc::SYS_io_uring_setup,
            [1, (&raw mut *Box::leak(Box::new([0_u8; 120]))).addr().try_into().unwrap(), 0, 0],
        )
    }),
    ("userfaultfd", || call(libc::SYS_userfaultfd, [0, 0, 0, 0])),
    ("keyctl", || call(libc::SYS_keyctl, [0, -3, 1, 0])),
    ("read a public file that no rule names", || open("/var/lib/dpkg/status").map(drop)),
    ("read /etc/shadow", || open("/etc/shadow").map(drop)),
    ("read the kernel's symbols", || nonempty("/proc/kallsyms")),
    ("make a device", || {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            "/tmp/null",
            rustix::fs::FileType::CharacterDevice,
            0o666.into(),
            rustix::fs::makedev(1, 3),
        )
    }),
    ("write a kernel setting", || write("/proc/sys/kernel/hostname", "owned")),
    ("become root again", || rustix::thread::set_thread_uid(rustix::fs::Uid::ROOT)),
    ("bind a privileged port", bind_privileged),
    ("open by handle", || match call(libc::SYS_open_by_handle_at, [0, 0, 0, 0]) {
        Err(Errno::FAULT) => Ok(()),
        other => other,
    }),
    ("signal the first process", || rustix::process::test_kill_process(Pid::INIT)),
    ("reboot", || match call(libc::SYS_reboot, [1, 2, 3, 4]) {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }),
    ("load a module", || match call(libc::SYS_finit_module, [-1, 0, 0, 0]) {
        Err(Errno::BADF | Errno::NOSYS | Errno::FAULT) => Ok(()),
        other => other,
    }),
    ("swap off", || match call(libc::SYS_swapoff, [0, 0, 0, 0]) {
        Err(Errno::FAULT) => Ok(()),
        other => other,
    }),
];

/// `union bpf_attr` for a map: an array of one four-byte value.
static BPF_ARRAY: [u32; 12] = [2, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0];

/// `struct perf_event_attr`: the software clock.
static PERF_CLOCK: [u32; 16] = [1, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn call(number: libc::c_long, arguments: [i64; 4]) -> Result<(), Errno> {
    let [a, b, c, d] = arguments;
    // SAFETY: the pointers among the arguments are valid or null, and a refused call touches nothing.
    let outcome = unsafe { libc::syscall(number, a, b, c, d, 0, 0) };
    if outcome >= 0 { Ok(()) } else { Err(last_error()) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap()
}

fn socket(family: i32, kind: i32, protocol: i32) -> Result<(), Errno> {
    call(libc::SYS_socket, [family.into(), kind.into(), protocol.into(), 0])
}

/// Opens for reading and leaks the descriptor.
fn open(path: &str) -> Result<i64, Errno> {
    let file = File::open(path).map_err(|error| Errno::from_io_error(&error).unwrap())?;
    Ok(std::os::fd::IntoRawFd::into_raw_fd(file).into())
}

fn write(path: &str, text: &str) -> Result<(), Errno> {
    std::fs::write(path, text).map_err(|error| Errno::from_io_error(&error).unwrap())
}

fn nonempty(path: &str) -> Result<(), Errno> {
    let text = std::fs::read(Path::new(path)).map_err(|error| Errno::from_io_error(&error).unwrap())?;
    if text.is_empty() { Err(Errno::NOENT) } else { Ok(()) }
}

fn bind_privileged() -> Result<(), Errno> {
    // As an attacker would need it: the interface's own address is enough.
    std::net::UdpSocket::bind("0.0.0.0:67").map(drop).map_err(|error| Errno::from_io_error(&error).unwrap())
}

fn clone_user_namespace() -> Result<(), Errno> {
    let flags = i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    // SAFETY: without a stack of its own this is fork(2); the child ends at once.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match child {
        0 => std::process::exit(0),
        -1 => Err(last_error()),
        _ => Ok(()),
    }
}

fn x32() -> Result<(), Errno> {
    call(libc::SYS_getpid | 0x4000_0000, [0; 4])
}

fn int80() -> Result<(), Errno> {
    let number: i64 = 20;
    let outcome: i64;
    // SAFETY: getpid by the 32-bit table takes no argument; the kernel keeps every register but the result's.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") number => outcome, out("r8") _, out("r9") _, out("r10") _, out("r11") _)
    };
    if outcome > 0 { Ok(()) } else { Err(Errno::NOSYS) }
}
