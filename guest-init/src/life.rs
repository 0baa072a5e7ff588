//! The life of a guest, stage by stage; what fails is told to the manager by the stage's name.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit};
use wire::confinement::Confinement;
use wire::control::{Exit, FromGuest, Setup, Stage};
use wire::vsock::CONTROL;

use crate::agent::further::Further;
use crate::agent::session::SessionError;
use crate::agent::{self, session};
use crate::boot::mounts::Temporary;
use crate::boot::root::{Owner, Tree};
use crate::boot::{clock, early, files, lockdown, modules, mounts, power, root, users};
use crate::capture::{Egress, Gates, Network};
use crate::cause::chain;
use crate::control::{Control, ControlError};
use crate::host::{Host, Vsock};
use crate::identity::{Programs, Resolver};
use crate::tally::Tell;
use crate::{accesses, executables, inbound, names, relay, sys, trust};

/// The kind of interface that carries the default routes.
const WAY_OUT: &str = "dummy";

/// Descriptors that guest-init may have open.
const DESCRIPTORS: u64 = 8192;

/// Why a life ended early.
enum End {
    /// A stage failed; the manager is to be told.
    Failed(Stage, String),
    /// There is no manager to tell.
    Alone(ControlError),
}

impl From<SessionError> for End {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Control(error) => Self::Alone(error),
            SessionError::Agent(error) => Self::Failed(Stage::Agent, chain(&error)),
        }
    }
}

impl From<ControlError> for End {
    fn from(error: ControlError) -> Self {
        Self::Alone(error)
    }
}

/// Lives it; returns only by turning the machine off.
pub(crate) fn live(started: u64) -> ! {
    if let Err(error) = early::mount() {
        die(&chain(&error));
    }
    // Without modules there is no channel either: this failure is told on the console alone.
    if let Err(error) = modules::load(Path::new(modules::LIST)) {
        die(&chain(&error));
    }
    let host: Arc<dyn Host> = Arc::new(Vsock::default());
    let mut control = match Control::connect(&*host, CONTROL) {
        Ok(control) => control,
        Err(error) => die(&chain(&error)),
    };
    let last = match serve(&host, &mut control, started) {
        Ok(exit) => FromGuest::Exited(exit),
        Err(End::Failed(stage, cause)) => FromGuest::Failed { stage, cause },
        Err(End::Alone(error)) => die(&chain(&error)),
    };
    if control.send(&last).and_then(|()| control.flush()).is_ok() {
        control.close();
    }
    power::off(Some(Path::new(root::TREE)))
}

/// Says on the console why, and turns the machine off.
pub(crate) fn die(cause: &str) -> ! {
    drop(std::fs::write("/dev/kmsg", format!("<2>guest-init: {cause}\n")));
    power::off(None)
}

fn serve(host: &Arc<dyn Host>, control: &mut Control, started: u64) -> Result<Exit, End> {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    control.send(&FromGuest::Hello { version: wire::VERSION, kernel, init_started_ns: started })?;
    let mut setup = control.receive_setup()?;
    let (tree, temporary) = build_tree(&mut setup)?;
    let failed = |stage| move |error: Box<dyn Error>| End::Failed(stage, chain(&*error));
    let egress = if setup.authority_pem.is_some() { Egress::ToHost } else { Egress::None };
    let network = Network::build(egress, WAY_OUT).map_err(|error| failed(Stage::Capture)(error.into()))?;
    let poised = agent::poise(&mut setup, tree.path(), network.namespace())
        .map_err(|error| failed(Stage::Agent)(error.into()))?;
    serve_network(network, host, &setup, poised.warden()).map_err(|error| failed(Stage::Capture)(error))?;
    crate::control::wipe(&mut setup.flow_key.0);
    lockdown::engage().map_err(|error| failed(Stage::Agent)(error.into()))?;
    jail::settings::apply(setup.confinement.seccomp).map_err(|error| failed(Stage::Agent)(error.into()))?;
    let tells = watch_files(&**host, &setup.confinement, (&tree, temporary), poised.warden())
        .map_err(|error| failed(Stage::Agent)(error))?;
    let lives = setup.restarts.then(|| poised.lives()).transpose();
    let lives = lives.map_err(|error| failed(Stage::Agent)(error.into()))?;
    control.send(&FromGuest::Ready { at_ns: clock::since_kernel_start() })?;
    let running = poised.start().map_err(|error| failed(Stage::Agent)(error.into()))?;
    let pid = running.pid.as_raw_nonzero().get().unsigned_abs();
    control.send(&FromGuest::Started { pid, at_ns: clock::since_kernel_start() })?;
    let further = Further::new(Arc::clone(host), &running.channel)
        .map_err(|error| failed(Stage::Agent)(error.into()))?;
    Ok(session::serve(control, running, Some(session::Whole { tells, further, lives }))?)
}

/// Starts the threads that carry connections and names, if the sandbox has egress, and those that take connections
/// from outside, if a port is open.
fn serve_network(
    network: Network,
    host: &Arc<dyn Host>,
    setup: &Setup,
    warden: Pid,
) -> Result<(), Box<dyn Error>> {
    let (namespace, gates) = network.into_parts();
    allow_descriptors()?;
    let key = setup.flow_key.clone();
    if !setup.inbound.is_empty() {
        inbound::start(host, &namespace, key.clone(), setup.inbound.clone())?;
    }
    let Some(Gates { flows, explicit, datagrams, streams, diagnosis }) = gates else { return Ok(()) };
    let resolver = Arc::new(Resolver::new(diagnosis, warden)?);
    relay::start(flows, explicit, Arc::clone(host), key, Arc::clone(&resolver))?;
    names::start(datagrams, streams, Arc::clone(host), resolver)?;
    Ok(())
}

/// Starts the threads that see which files the agent's processes execute and use.
fn watch_files(
    host: &dyn Host,
    confinement: &Confinement,
    (tree, temporary): (&Tree, Temporary),
    warden: Pid,
) -> Result<Vec<Arc<dyn Tell>>, Box<dyn Error>> {
    let programs = Arc::new(Programs::new(warden, confinement.user.uid));
    let executions = executables::guard(host, confinement, tree, (warden, Arc::clone(&programs)))?;
    let (accesses, calls) = accesses::watch(confinement, temporary, warden, programs)?;
    Ok(vec![executions, accesses, calls])
}

/// Every flow takes two descriptors, and the kernel starts init with fewer than all flows need.
pub(crate) fn allow_descriptors() -> Result<(), Errno> {
    let limit = Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) };
    rustix::process::setrlimit(Resource::Nofile, limit)
}

/// The clock, the root tree and everything in it.
fn build_tree(setup: &mut Setup) -> Result<(Tree, Temporary), End> {
    let mounts_failed = |error: root::RootError| End::Failed(Stage::Mounts, chain(&error));
    let files_failed = |error: root::RootError| End::Failed(Stage::Files, chain(&error));
    clock::set_wall(setup.wall_clock_ns)
        .map_err(|error| End::Failed(Stage::Files, format!("cannot set the clock: {error}")))?;
    sys::hide_memory().map_err(|error| End::Failed(Stage::Files, format!("cannot hide memory: {error}")))?;
    root::mount_checked(&setup.root).map_err(|error| End::Failed(Stage::Image, chain(&error)))?;
    let (tree, mut scratch) = root::assemble(&setup.root).map_err(mounts_failed)?;
    let owner = Owner::agent(&setup.confinement.user);
    for mount in &setup.mounts {
        mounts::attach(mount, &tree, &mut scratch, owner).map_err(mounts_failed)?;
    }
    files::place(setup, &tree).map_err(files_failed)?;
    users::settle(setup, &tree).map_err(files_failed)?;
    mounts::set_apart(&setup.agent.workdir, &tree, &mut scratch).map_err(mounts_failed)?;
    let temporary = mounts::set_temporary_apart(&tree, &mut scratch).map_err(mounts_failed)?;
    if let Some(pem) = &setup.authority_pem {
        trust::install(pem, &tree).map_err(files_failed)?;
        trust::add_variables(&mut setup.agent.env);
    }
    Ok((tree, temporary))
}
