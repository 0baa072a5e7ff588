//! The process: config in, servers up, turns out, and on SIGTERM or an interrupt all of it ended.
//!
//! It is not jailed: it starts programs of the operator's choice with the operator's rights, and those need GPUs, files and
//! the network. What keeps it apart is what it does not have: no credential, no policy, and no byte of a prompt.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::sync::Arc;

use jail::host::inherited;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire::serving::{SOCKET, ServingConfig};
use wire::spawn::{self, CONFIG_FD};

use crate::devices::Devices;
use crate::gate::{self, Servers};
use crate::life::{self, Keepers, Shared};
use crate::server::Server;
use crate::{descendants, keeper};

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The config could not be read.
    #[error("cannot read the config")]
    Read(#[source] std::io::Error),
    /// The config is not what this version understands.
    #[error("the config is not valid")]
    Config(#[source] serde_json::Error),
    /// The config is of another version.
    #[error("the config has version {0}, this is version {ours}", ours = wire::VERSION)]
    Version(u32),
    /// The socket cannot be made.
    #[error("cannot listen at {0}")]
    Listen(String, #[source] std::io::Error),
    /// The runtime could not be started, or orphans not be taken.
    #[error("cannot start serving")]
    Serve(#[source] std::io::Error),
}

/// Runs the process, or one of those between it and a server.
#[must_use]
pub fn main() -> ExitCode {
    log_to_stderr();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(code) = keeper::run(&arguments) {
        return code;
    }
    abort_on_panic();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, source, "nothing is served");
            u8::try_from(spawn::EXIT_FAILED).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn run() -> Result<(), StartError> {
    let mut text = Vec::new();
    let config = inherited::take(CONFIG_FD).map_err(StartError::Read)?;
    File::from(config).read_to_end(&mut text).map_err(StartError::Read)?;
    let config: ServingConfig = serde_json::from_slice(&text).map_err(StartError::Config)?;
    if config.version != wire::VERSION {
        return Err(StartError::Version(config.version));
    }
    // Taken, so that no server inherits it: who holds it serves.
    let lock = inherited::take(config.lock).map_err(StartError::Read)?;
    descendants::adopt().map_err(StartError::Serve)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(StartError::Serve)?;
    let served = runtime.block_on(serve(config));
    drop(lock);
    served
}

async fn serve(config: ServingConfig) -> Result<(), StartError> {
    let listener = listen(&config)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Serve)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Serve)?;
    let devices = Devices::new(config.library, config.catalogue);
    let shared = Arc::new(Shared { devices, keepers: Keepers::default() });
    let servers = config.servers.into_iter();
    let servers: Servers =
        servers.map(|(name, server)| (name.clone(), Server::new(&name, server, &config.logs))).collect();
    let (stop, stopped) = watch::channel(());
    let mut lives = JoinSet::new();
    for server in servers.values() {
        lives.spawn(life::run(Arc::clone(server), Arc::clone(&shared), stopped.clone()));
    }
    let gate = tokio::spawn(gate::run(listener, Arc::new(servers), stopped));
    tokio::select! {
        _asked = terminate.recv() => {}
        _asked = interrupt.recv() => {}
    }
    tracing::info!("the servers are ended");
    drop(stop);
    while let Some(ended) = lives.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a server's task ended badly");
        }
    }
    gate.await.unwrap_or_else(|error| tracing::error!(%error, "the gate ended badly"));
    Ok(())
}

/// The socket of one that was killed may be there still; that it does not run, its starter has seen by its lock.
fn listen(config: &ServingConfig) -> Result<UnixListener, StartError> {
    let path = config.directory.join(SOCKET);
    let failed = |error| StartError::Listen(path.display().to_string(), error);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _removed => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    // A router that root jails has a user of its own, and the directory above lets nobody else in.
    let mode = if rustix::process::geteuid().is_root() { 0o666 } else { 0o600 };
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok(listener)
}

/// A panic is a bug: the process ends at once, and its keepers end their servers.
fn abort_on_panic() {
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        show(info);
        std::process::exit(spawn::EXIT_BUG);
    }));
}

fn log_to_stderr() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .init();
}
