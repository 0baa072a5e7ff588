//! The process, its model server and who asks for turns.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use wire::catalogue::Catalogue;
use wire::id::SandboxId;
use wire::serving::{Ask, Own, Question, Report, SOCKET, ServerConfig, ServingConfig, Source, State, Tell};
use wire::spawn::Fd;

/// Longer than anything here takes; what is waited for longer does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// The model server, built once for all tests.
pub(crate) fn model_server() -> &'static Path {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let (source, program) = (folder.path().join("model_server.rs"), folder.path().join("model_server"));
        fs::write(&source, include_str!("../fake/model_server.rs")).unwrap();
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-C", "debuginfo=0", "-o"]).arg(&program).arg(&source);
        let output = rustc.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (folder, program)
    });
    &built.1
}

/// A running process that serves.
pub(crate) struct Rig {
    pub(crate) child: Child,
    pub(crate) folder: TempDir,
}

/// What is asked, with what came beside the answer.
pub(crate) struct Asked {
    reader: BufReader<UnixStream>,
}

/// A turn: the connection to the model, and what holds it.
pub(crate) struct Turn {
    pub(crate) connection: TcpStream,
    pub(crate) held: UnixStream,
}

/// A server that is checked every second.
pub(crate) fn config(source: Source) -> ServerConfig {
    ServerConfig {
        source,
        slots: 1,
        waiting: 4,
        idle_s: None,
        start_s: 30,
        check_s: 1,
        answer_s: 1,
        stop_s: 2,
        pause_ms: 10,
        longest_pause_ms: 100,
    }
}

impl Rig {
    /// With a server `m` whose mode is `mode`, as `change` has it.
    pub(crate) fn new(mode: &str, change: impl FnOnce(&mut ServerConfig, &Path)) -> Self {
        Self::with(mode, (Catalogue::default(), None), |folder| {
            let words = [model_server().to_str().unwrap(), "--port", "{port}"];
            let env = BTreeMap::from([("MODE".to_owned(), folder.join("mode").display().to_string())]);
            let own = Own { command: words.map(str::to_owned).into(), model: "big".to_owned(), env };
            let mut server = config(Source::Command(own));
            change(&mut server, folder);
            [("m".to_owned(), server)].into()
        })
    }

    pub(crate) fn with(
        mode: &str,
        (catalogue, library): (Catalogue, Option<PathBuf>),
        servers: impl FnOnce(&Path) -> BTreeMap<String, ServerConfig>,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("mode"), mode).unwrap();
        let config = ServingConfig {
            version: wire::VERSION,
            directory: folder.path().to_owned(),
            lock: Fd(5),
            logs: folder.path().join("logs"),
            library,
            catalogue,
            servers: servers(folder.path()),
        };
        let (read, mut write) = io::pipe().unwrap();
        write.write_all(&serde_json::to_vec(&config).unwrap()).unwrap();
        drop(write);
        let lock = File::create(folder.path().join("held")).unwrap();
        let given: [OwnedFd; 2] = [read.into(), lock.into()];
        let numbers = [3, 5];
        let mapping = |(parent_fd, child_fd)| FdMapping { parent_fd, child_fd };
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-serving"));
        command.stdin(Stdio::null()).env("FAKE_XIDS", folder.path().join("xids"));
        command.fd_mappings(given.into_iter().zip(numbers).map(mapping).collect()).unwrap();
        Self { child: command.spawn().unwrap(), folder }
    }

    pub(crate) fn becomes(&self, mode: &str) {
        // Whole at once, for who reads it meanwhile.
        let (new, path) = (self.folder.path().join("mode.new"), self.folder.path().join("mode"));
        fs::write(&new, mode).unwrap();
        fs::rename(new, path).unwrap();
    }

    pub(crate) fn ask(&self, ask: Question) -> Asked {
        let path = self.folder.path().join(SOCKET);
        let stream = until("the socket is there", || UnixStream::connect(&path).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = serde_json::to_vec(&Ask { version: wire::VERSION, ask }).unwrap();
        line.push(b'\n');
        (&stream).write_all(&line).unwrap();
        Asked { reader: BufReader::new(stream) }
    }

    /// Hears how a server stands.
    pub(crate) fn watch(&self) -> Asked {
        self.ask(Question::Watch { server: "m".to_owned() })
    }

    pub(crate) fn ask_turn(&self, sandbox: &str) -> Asked {
        let sandbox = SandboxId::try_from(format!("{sandbox}-1")).unwrap();
        self.ask(Question::Turn { server: "m".to_owned(), sandbox })
    }

    pub(crate) fn report(&self) -> Report {
        self.reports().remove(0)
    }

    pub(crate) fn reports(&self) -> Vec<Report> {
        match self.ask(Question::Status).next() {
            Tell::Status { servers } => servers,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the server's report is as it should be.
    pub(crate) fn until(&self, is_so: impl Fn(&Report) -> bool) -> Report {
        until("the server stands as it should", || Some(self.report()).filter(&is_so))
    }

    pub(crate) fn until_ready(&self) -> Report {
        self.until(|report| report.state == State::Ready)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // Gone already in some tests; its keepers see it go.
        let _gone = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Asked {
    pub(crate) fn next(&mut self) -> Tell {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Hears until a turn can be had, or none.
    pub(crate) fn until_available(&mut self, wanted: bool) {
        while !matches!(self.next(), Tell::Standing { available, .. } if available == wanted) {}
    }

    pub(crate) fn refused(mut self) -> String {
        match self.next() {
            Tell::Refused { cause } => cause,
            other => panic!("{other:?}"),
        }
    }

    /// The turn that was asked for, once it comes.
    pub(crate) fn turn(self) -> Turn {
        let held = self.reader.into_inner();
        let mut line = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let received = {
            let mut slices = [IoSliceMut::new(&mut line)];
            rustix::net::recvmsg(&held, &mut slices, &mut beside, RecvFlags::CMSG_CLOEXEC).unwrap()
        };
        let told: Tell = serde_json::from_slice(&line[..received.bytes]).unwrap();
        assert_eq!(told, Tell::Turn {});
        let came = beside.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _other => None,
        });
        let connection = TcpStream::from(came.unwrap());
        // As it came it is for an event loop.
        connection.set_nonblocking(false).unwrap();
        Turn { connection, held }
    }

    /// Whether nothing has been said yet.
    pub(crate) fn waits(&self) -> bool {
        let stream = self.reader.get_ref();
        stream.set_nonblocking(true).unwrap();
        let said = rustix::net::recv(stream, &mut [0; 1][..], RecvFlags::PEEK);
        stream.set_nonblocking(false).unwrap();
        said.is_err()
    }
}

impl Turn {
    /// What the model says.
    pub(crate) fn call(&mut self) -> String {
        self.send();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks, and does not wait.
    pub(crate) fn send(&mut self) {
        let request = "POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\ncontent-length: 2\r\n\r\n{}";
        self.connection.write_all(request.as_bytes()).unwrap();
        self.connection.shutdown(std::net::Shutdown::Write).unwrap();
    }
}

/// Asks until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let latest = Instant::now() + PATIENCE;
    while Instant::now() < latest {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::yield_now();
    }
    panic!("{what}: it never was so");
}

/// Whether a process is there, and no corpse.
pub(crate) fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}
