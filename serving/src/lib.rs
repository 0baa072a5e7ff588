//! Model servers of this host's own: started or found, asked whether they answer, started again, ended; and turns at them
//! for the routers of all sandboxes.
//!
//! ```text
//! router ──"a turn for box-1"──▶ gate ──▶ queue ──▶ dial ──▶ the connection itself goes to the router
//!                                           ▲
//!                 life: asleep ▶ starting ▶ ready ⇄ failing ▶ down ▶ starting …
//!                                 │            ▲
//!                 keeper ▶ model server      probe: a real completion
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`process`] | the process: config, signals, end |
//! | [`gate`] | the socket, and what is said there |
//! | [`server`] | one server's state, turns and counts |
//! | [`life`] | what happens to a server, and when |
//! | [`launch`] | what a server is started with |
//! | [`keeper`] | the process between this one and a server: with it, everything that the server started ends |
//!
//! *Invariant:* nothing that an agent or a model says comes through this process: a router gets the connection to the model
//! server, not a relay.
//!
//! *Invariant:* a server that does not answer has no turns to give. Whoever asks is refused, and decides what that means.

#![forbid(unsafe_code)]

pub mod descendants;
pub mod devices;
pub mod dial;
pub mod gate;
pub mod keeper;
pub mod launch;
pub mod life;
pub mod log_file;
pub mod probe;
pub mod process;
pub mod queue;
pub mod server;
