//! For tests: an agent's network on this machine, and a host that is a folder of Unix sockets. Needs root, as
//! guest-init has it.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Pid;
use wire::vsock::{Port, socket_name};

use crate::capture::{Egress, Gates, Namespace, Netlink, Network};
use crate::host::Host;
use crate::identity::Resolver;

/// Longer than anything takes that works.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A host whose ports are Unix sockets in a folder.
#[derive(Debug)]
pub(crate) struct UnixHost {
    folder: PathBuf,
    /// Whether its callers are taken for the host.
    trusted: bool,
}

/// An agent's network, with nobody in it yet.
pub(crate) struct Bed {
    namespace: Namespace,
    gates: Option<Gates>,
    pub(crate) host: Arc<dyn Host>,
    folder: tempfile::TempDir,
    /// Stands in for the warden: every process of this machine is the agent's, except this one.
    warden: Child,
    /// One bed at a time: a process that another test starts would for a moment hold this test's sockets.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl UnixHost {
    /// One whose callers are taken for the host.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), trusted: true }
    }
}

impl Host for UnixHost {
    fn connect(&self, port: Port) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let address = SocketAddrUnix::new(self.folder.join(socket_name(port)))?;
        rustix::net::connect(&socket, &address)?;
        Ok(socket)
    }

    fn listen(&self, port: Port) -> io::Result<OwnedFd> {
        UnixListener::bind(self.folder.join(guest_socket(port))).map(Into::into)
    }

    fn is_host(&self, _caller: BorrowedFd<'_>) -> bool {
        self.trusted
    }
}

/// The guest's ports lie beside the host's.
fn guest_socket(port: Port) -> String {
    format!("guest-{}", socket_name(port))
}

impl Bed {
    pub(crate) fn new(egress: Egress) -> Self {
        assert!(rustix::process::geteuid().is_root(), "needs root: a network namespace is made");
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        // Where the kernel has no dummy interface another one that swallows packets does.
        let network =
            Network::build(egress, "dummy").or_else(|_missing| Network::build(egress, "ifb")).unwrap();
        let (namespace, gates) = network.into_parts();
        let host = Arc::new(UnixHost::new(folder.path()));
        let warden = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        Self { namespace, gates, host, folder, warden, _turn: turn }
    }

    /// Listens as the host on one of its ports.
    pub(crate) fn listen(&self, port: Port) -> UnixListener {
        UnixListener::bind(self.folder.path().join(socket_name(port))).unwrap()
    }

    /// Calls a port of the guest as the host.
    pub(crate) fn call(&self, port: Port) -> UnixStream {
        UnixStream::connect(self.folder.path().join(guest_socket(port))).unwrap()
    }

    /// The same network, where nobody who calls is the host.
    pub(crate) fn among_strangers(mut self) -> Self {
        self.host = Arc::new(UnixHost { folder: self.folder.path().to_owned(), trusted: false });
        self
    }

    /// The agent's network.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Stops to listen.
    pub(crate) fn unbind(&self, port: Port) {
        std::fs::remove_file(self.folder.path().join(socket_name(port))).unwrap();
    }

    /// guest-init's sockets; can be had once.
    pub(crate) fn gates(&mut self) -> Gates {
        self.gates.take().unwrap()
    }

    /// Tells who owns the sockets of the network.
    pub(crate) fn resolver(&self) -> Arc<Resolver> {
        let diagnosis = self.inside(|| Netlink::open(Some(rustix::net::netlink::SOCK_DIAG)).unwrap());
        Arc::new(Resolver::new(diagnosis, Pid::from_child(&self.warden)).unwrap())
    }

    /// Does something as the agent.
    pub(crate) fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.namespace.within(work).unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = self.warden.kill();
        let _ = self.warden.wait();
    }
}
