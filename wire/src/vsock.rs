//! Well-known vsock ports on the host (CID 2), and who listens behind each. The guest's one is [`crate::inbound::PORT`].

/// A vsock port number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Port(pub u32);

/// The context id of the host as the guest sees it.
pub const HOST_CID: u32 = 2;

/// The context id of every guest: each has its own VMM, so ids need not differ.
pub const GUEST_CID: u32 = 3;

/// Control channel: manager ↔ guest-init, [`crate::control`].
pub const CONTROL: Port = Port(1);

/// One stream per captured TCP flow: guest-init → host-proxy, [`crate::flow`].
pub const FLOWS: Port = Port(2);

/// Name questions: guest-init → host-proxy, [`crate::name`].
pub const NAMES: Port = Port(3);

/// One stream per further session: guest-init → manager, [`crate::control`].
pub const SESSIONS: Port = Port(5);

/// One stream: what is executed for the first time, and that it is on the record. guest-init → manager, [`crate::control`].
pub const EXECUTIONS: Port = Port(6);

/// Host ports below this may be opened only from a guest port below it. Linux lets only a process with
/// `CAP_NET_BIND_SERVICE` bind such a guest port, so an agent cannot, whatever its seccomp filter says.
pub const PRIVILEGED_BELOW: Port = Port(1024);

/// What a host program says first on [`GUEST_SOCKET`]: the guest's port. Then it has a stream to that port.
#[must_use]
pub fn greeting(port: Port) -> String {
    format!("CONNECT {}\n", port.0)
}

/// The Unix socket in the vsock directory behind a host port.
#[must_use]
pub fn socket_name(port: Port) -> String {
    format!("{}.sock", port.0)
}

/// The Unix socket on which the VMM accepts host → guest connections, in the directory of who connects.
pub const GUEST_SOCKET: &str = "guest.sock";
