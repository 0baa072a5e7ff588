//! The process: config in, jail, ready, serve, out.
//!
//! ```text
//! Start ── config, listener, audit socket, roots, DNS servers ──▶ Opened
//! Opened ── jail ──▶ Jailed ── runtime ──▶ Serving ── SIGTERM ──▶ Drained
//!                                             └─ an outcome that is not recorded ──▶ Failed
//! ```

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;

use audit::client::Tokio as Writer;
use classify::property::Property;
use classify::property::rules::RuleMistake;
use jail::host::{Root, inherited};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use wire::router::{LocalServer, RouterConfig, RouterEvent};
use wire::spawn::{self, Fd};

use crate::budget::Budgets;
use crate::directive::{Directive, RuleError};
use crate::judge::Judge;
use crate::listener;
use crate::redact::Redactor;
use crate::redact::names::VaultError;
use crate::service::Service;
use crate::trail::{Chain, Trail, TrailError};
use crate::upstream::{Servers, UpstreamError};

/// Why the process could not start, or go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A descriptor that the manager promised is not there.
    #[error("descriptor {0} was not inherited")]
    Descriptor(i32, #[source] std::io::Error),
    /// The config could not be read.
    #[error("cannot read the config")]
    Read(#[source] std::io::Error),
    /// The config is not what this version understands.
    #[error("the config is not valid")]
    Config(#[source] serde_json::Error),
    /// The config is of another version.
    #[error("the config has version {found}, this is version {ours}", ours = wire::VERSION)]
    Version {
        /// What it has.
        found: u32,
    },
    /// The servers cannot be used.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The directive is none.
    #[error(transparent)]
    Directive(#[from] RuleError),
    /// A rule of the operator's own is none, or a document.
    #[error("a rule for what is found cannot be used")]
    Rules(#[source] RuleMistake),
    /// Placeholders cannot be given.
    #[error(transparent)]
    Redactor(#[from] VaultError),
    /// The process could not be jailed.
    #[error("cannot enter the jail")]
    Jail(#[from] jail::host::JailError),
    /// The runtime could not be started, or the listener not be used.
    #[error("cannot start serving")]
    Serve(#[source] std::io::Error),
    /// What came of a call is not on the record: no other may be sent.
    #[error("what came of a model call could not be recorded")]
    Unrecorded(#[source] TrailError),
}

/// What was opened before the jail.
struct Opened {
    config: RouterConfig,
    listener: std::os::unix::net::UnixListener,
    audit: std::os::unix::net::UnixStream,
    servers: Servers,
    judge: Judge,
    workers: usize,
    root: Root,
}

/// Most files that may be open: two for each stream, and some.
const OPEN_FILES: u64 = 65_536;

/// Runs the process.
#[must_use]
pub fn main() -> ExitCode {
    abort_on_panic();
    log_to_stderr();
    let mut status = match take(spawn::STATUS_FD) {
        Ok(status) => File::from(status),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "nobody to report to");
            return exit(spawn::EXIT_FAILED);
        }
    };
    match run(&mut status) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = Chain(&error).to_string();
            tracing::error!(%cause, "the router ends");
            let remedy = remedy(&error).to_owned();
            report(&mut status, &RouterEvent::Failed { cause, remedy });
            exit(spawn::EXIT_FAILED)
        }
    }
}

fn run(status: &mut File) -> Result<(), StartError> {
    let mut opened = open()?;
    let root = std::mem::replace(&mut opened.root, Root::Empty);
    let jailed = jail::host::enter(
        jail::host::Profile::Router,
        jail::host::Settings {
            status: std::os::fd::AsFd::as_fd(status),
            root,
            user: opened.config.user,
            open_files: OPEN_FILES,
        },
    )?;
    tracing::info!("{jailed}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(opened.workers)
        .max_blocking_threads(opened.workers * 2)
        .enable_all()
        .build()
        .map_err(StartError::Serve)?;
    runtime.block_on(serve(opened, status))
}

fn open() -> Result<Opened, StartError> {
    let mut text = Vec::new();
    File::from(take(spawn::CONFIG_FD)?).read_to_end(&mut text).map_err(StartError::Read)?;
    let mut config: RouterConfig = serde_json::from_slice(&text).map_err(StartError::Config)?;
    if config.version != wire::VERSION {
        return Err(StartError::Version { found: config.version });
    }
    let listener: OwnedFd = take(config.listener)?;
    let audit: OwnedFd = take(config.audit)?;
    // Nothing is in it but the socket of who gives turns at the local server.
    let root = match &config.local {
        Some(LocalServer::Managed(managed)) => Root::Directory(take(managed.directory)?),
        Some(LocalServer::At(_)) | None => Root::Empty,
    };
    let servers = Servers::open(&config)?;
    // They are large, and nobody asks for them again.
    let documents = std::mem::take(&mut config.documents);
    let property = Property::new(&config.rules).and_then(|own| own.with_documents(&documents));
    let property = property.map_err(StartError::Rules)?;
    let directive = Directive::new(config.directive.clone(), property.categories())?;
    let judge = Judge::new(directive, Redactor::new(property)?);
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 16);
    Ok(Opened { config, listener: listener.into(), audit: audit.into(), servers, judge, workers, root })
}

fn take(fd: Fd) -> Result<OwnedFd, StartError> {
    inherited::take(fd).map_err(|error| StartError::Descriptor(fd.0, error))
}

async fn serve(opened: Opened, status: &mut File) -> Result<(), StartError> {
    let Opened { config, listener, audit, servers, judge, workers, .. } = opened;
    let budgets = Budgets::new(&config.limits);
    listener.set_nonblocking(true).map_err(StartError::Serve)?;
    let listener = UnixListener::from_std(listener).map_err(StartError::Serve)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Serve)?;
    let (trail, drain) = Trail::new(Writer::new(audit).map_err(StartError::Serve)?);
    let mut drain = std::pin::pin!(drain);
    let heard = servers.serving().map(|serving| tokio::spawn(serving.watch()));
    let service = Arc::new(Service::new((servers, budgets), judge, trail, workers));
    let (stop, stopped) = watch::channel(());
    let serving = tokio::spawn(listener::run(listener, service, stopped));
    report(status, &RouterEvent::Ready);
    tokio::select! {
        // While there is a service it ends for one reason only; returning ends every call that is under way.
        drained = &mut drain => return drained.map_err(StartError::Unrecorded),
        _asked_to_end = terminate.recv() => drop(stop),
    }
    // Both end by themselves: the listener after its grace, the trail with its last record.
    let (served, drained) = tokio::join!(serving, drain);
    if let Some(heard) = heard {
        heard.abort();
    }
    if let Err(error) = served {
        tracing::error!(%error, "the listener ended badly");
    }
    drained.map_err(StartError::Unrecorded)
}

fn report(status: &mut File, event: &RouterEvent) {
    let mut line = serde_json::to_vec(event).expect("an event is plain data");
    line.push(b'\n');
    if let Err(error) = status.write_all(&line) {
        tracing::error!(%error, "the manager does not listen");
    }
}

fn remedy(error: &StartError) -> &'static str {
    match error {
        StartError::Upstream(_) => "correct `inference.providers` or `egress` in agent.yaml",
        StartError::Directive(_) => {
            "name a class of data in `inference.rules`, or a category as the audit log names it"
        }
        StartError::Rules(_) => "correct `inference.detect` or `inference.documents` in agent.yaml",
        StartError::Jail(_) => "run `openshell doctor` to see what this host lacks",
        StartError::Unrecorded(_) => "see the audit writer's log for why it takes no record",
        StartError::Serve(_) => "see the router's log for what the host refused",
        _ => "install all openshell programs from one build",
    }
}

fn exit(status: i32) -> ExitCode {
    u8::try_from(status).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// A panic is a bug: the process ends at once, and with it every call that it had not judged.
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
