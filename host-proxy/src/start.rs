//! From a configuration and inherited descriptors to a serving, jailed process.
//!
//! Order matters: everything that needs files or names of the host is read first, then the process confines
//! itself, then it says that it is ready, and only then it reads what a guest sent.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use jail::host::{Profile, Root, Settings, inherited};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use wire::flow::FlowKey;
use wire::id::SandboxId;
use wire::proxy::{ProxyConfig, ProxyEvent};
use wire::spawn::{CONFIG_FD, Fd, STATUS_FD};
use zeroize::Zeroizing;

use crate::authority::{Authority, AuthorityError};
use crate::commands::{self, Changed};
use crate::conversation::{Published, Rooms};
use crate::credentials::{CredentialError, Credentials};
use crate::dial::{Allowed, Dialer, PrefixError, Resolver, TrustError, client_config};
use crate::digest::Digests;
use crate::flow::Seals;
use crate::in_force::{self, InForce, Loaded};
use crate::inbound::Inbound;
use crate::journal::Journal;
use crate::judge::Judge;
use crate::listener;
use crate::model_hosts::ModelHosts;
use crate::names::{Names, Pool};
use crate::policy_local::PolicyLocal;
use crate::proxy::Proxy;
use crate::scanner::{ScannerError, Scanners};
use crate::tell::Teller;
use crate::upstream;

/// Descriptors that are asked for: two for each flow, and some more.
const OPEN_FILES: u64 = 16_384;

/// Why the proxy did not start, or did not end by order.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be read.
    #[error("reading the configuration")]
    Config(#[source] serde_json::Error),
    /// The configuration is another version's.
    #[error("the configuration has version {given}, this program has version {ours}", ours = wire::VERSION)]
    Version {
        /// The configuration's version.
        given: u32,
    },
    /// An inherited descriptor is not there.
    #[error("taking descriptor {}", .0.0)]
    Descriptor(Fd, #[source] io::Error),
    /// The policy does not load.
    #[error("the policy does not load: {0}")]
    Policy(policies::LoadErrors),
    /// `upstream.allow_addresses` does not parse.
    #[error("upstream.allow_addresses")]
    Addresses(#[from] PrefixError),
    /// A scanner is malformed.
    #[error("egress.scanners")]
    Scanners(#[from] ScannerError),
    /// A credential is malformed.
    #[error("credentials")]
    Credentials(#[from] CredentialError),
    /// No trusted roots.
    #[error("upstream.extra_roots_pem")]
    Trust(#[from] TrustError),
    /// No certificate authority.
    #[error("making the sandbox's certificate authority")]
    Authority(#[from] AuthorityError),
    /// The process cannot be confined.
    #[error("confining the process")]
    Jail(#[from] jail::host::JailError),
    /// The runtime, a socket or the status channel failed.
    #[error("starting to serve")]
    Io(#[from] io::Error),
}

/// Everything that was opened before the jail.
#[derive(Debug)]
pub struct Prepared {
    proxy: Parts,
    flows: UnixListener,
    names: UnixListener,
    audit: UnixStream,
    commands: UnixStream,
    inbound: Option<Inbound>,
    authority_pem: String,
}

/// What becomes a [`Proxy`] once there is a runtime.
#[derive(Debug)]
struct Parts {
    seals: Seals,
    policy: Loaded,
    credentials: Credentials,
    certificates: Authority,
    dialer: Dialer,
    models: Arc<ModelHosts>,
    scanners: Arc<Scanners>,
    boot: u32,
    sandbox: SandboxId,
    digests: Digests,
}

/// The status channel to the manager.
#[derive(Debug)]
pub struct Status(File);

/// Runs the process until it is told to end (SIGTERM).
///
/// # Errors
/// It could not start, or lost the manager.
pub fn run(status: &mut Status) -> Result<(), StartError> {
    let config = read_config()?;
    let root = match config.sockets {
        Some(directory) => Root::Directory(take(directory)?),
        None => Root::Empty,
    };
    let user = config.user;
    let prepared = Prepared::open(config)?;
    let settings = Settings { status: status.0.as_fd(), root, user, open_files: OPEN_FILES };
    let report = jail::host::enter(Profile::Proxy, settings)?;
    for weakness in report.weaknesses() {
        tracing::warn!("{weakness}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(prepared.serve(status))
}

impl Status {
    /// Takes the status channel.
    ///
    /// # Errors
    /// The manager did not give one.
    pub fn take() -> Result<Self, StartError> {
        take(STATUS_FD).map(|fd| Self(File::from(fd)))
    }

    /// Tells the manager.
    ///
    /// # Errors
    /// The manager does not listen.
    pub fn report(&mut self, event: &ProxyEvent) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }

    /// Tells the manager what is told from now on.
    async fn report_all(&mut self, told: &mut UnboundedReceiver<ProxyEvent>) -> io::Result<()> {
        while let Some(event) = told.recv().await {
            self.report(&event)?;
        }
        Ok(())
    }
}

impl Prepared {
    /// Opens what `config` names.
    ///
    /// # Errors
    /// Something is missing or malformed.
    pub fn open(config: ProxyConfig) -> Result<Self, StartError> {
        let (flows, names, audit) = (take(config.flows)?, take(config.names)?, take(config.audit)?);
        let commands = take(config.commands)?;
        let policy = in_force::load(&config.policy).map_err(StartError::Policy)?;
        let credentials = Credentials::new(config.credentials)?;
        let certificates = Authority::new(config.sandbox.as_str())?;
        let resolver = Resolver::from_system(config.upstream.hosts);
        let allowed = Allowed::parse(config.upstream.allow_addresses.iter().map(String::as_str))?;
        let mut dialer = Dialer::new(resolver, allowed, client_config(&config.upstream.extra_roots_pem)?);
        let scanners = Arc::new(Scanners::new(config.upstream.scanners)?);
        let mut models = Arc::default();
        if let Some(router) = config.router {
            models = Arc::new(ModelHosts::new(router.hosts));
            dialer = dialer.with_router(router.socket, Arc::clone(&models));
        }
        let inbound = config.inbound.map(|inbound| open_inbound(inbound, &config.flow_key)).transpose()?;
        Ok(Self {
            authority_pem: certificates.pem(),
            proxy: Parts {
                seals: Seals::new(config.flow_key),
                policy,
                credentials,
                certificates,
                dialer,
                models,
                scanners,
                boot: boot_number(),
                sandbox: config.sandbox,
                digests: if config.digests { Digests::On } else { Digests::Off },
            },
            flows: flows.into(),
            names: names.into(),
            audit: audit.into(),
            commands: commands.into(),
            inbound,
        })
    }

    /// Serves until the end, after saying so; what is under way then is recorded before this returns.
    async fn serve(self, status: &mut Status) -> Result<(), StartError> {
        let Parts { seals, policy, credentials, certificates, dialer, models, boot, .. } = self.proxy;
        let (scanners, sandbox, digests) = (self.proxy.scanners, self.proxy.sandbox, self.proxy.digests);
        for socket in [&self.flows, &self.names] {
            socket.set_nonblocking(true)?;
        }
        self.commands.set_nonblocking(true)?;
        let commands = tokio::net::UnixStream::from_std(self.commands)?;
        let mut terminate = signal(SignalKind::terminate())?;
        let in_force = Arc::new(InForce::new(policy));
        let credentials = Arc::new(credentials);
        let journal = Journal::new(audit::client::Tokio::new(self.audit)?);
        let (teller, mut told) = Teller::channel();
        let recording = (journal.clone(), teller.clone());
        let judge = Judge::new(Arc::clone(&in_force), Arc::clone(&credentials), recording, boot);
        let judge = Arc::new(judge.with_models(models));
        if let Some(inbound) = self.inbound {
            inbound.serve(&judge, journal)?;
        }
        let pool = Pool::new();
        let answering = Arc::new(Names::new(Arc::clone(&pool)));
        let names = tokio::net::UnixListener::from_std(self.names)?;
        let arriving = tokio::net::UnixListener::from_std(self.flows)?;
        status.report(&ProxyEvent::Ready { authority_pem: self.authority_pem })?;
        tokio::spawn(answering.serve(names, Arc::clone(&judge)));
        let shared = Arc::new(upstream::Pool::default());
        let flows = Arc::new(Semaphore::new(listener::MOST_FLOWS));
        let local = Arc::new(PolicyLocal::new(teller.clone()));
        let changed = Changed {
            in_force: &in_force,
            credentials: &credentials,
            connections: &shared,
            local: &Arc::clone(&local),
        };
        let proxy = Proxy {
            seals,
            names: pool,
            judge: Arc::clone(&judge),
            certificates,
            dialer,
            pool: Arc::clone(&shared),
            flows,
            rooms: Rooms::default(),
            published: Published::default(),
            scanners,
            digests,
            local,
            sandbox,
        };
        let listening = tokio::spawn(listener::serve(Arc::new(proxy), arriving));
        let served = commands::serve(commands, changed, |event| teller.tell(event));
        let ended = tokio::select! {
            _asked_to_end = terminate.recv() => Ok(()),
            served = served => served,
            told = status.report_all(&mut told) => told,
        };
        listening.abort();
        judge.ending().end().await;
        Ok(ended?)
    }
}

fn read_config() -> Result<ProxyConfig, StartError> {
    // It holds secrets.
    let mut text = Zeroizing::new(String::new());
    File::from(take(CONFIG_FD)?).read_to_string(&mut text)?;
    let config: ProxyConfig = serde_json::from_str(&text).map_err(StartError::Config)?;
    if config.version == wire::VERSION {
        Ok(config)
    } else {
        Err(StartError::Version { given: config.version })
    }
}

/// Takes the listeners of the open ports.
fn open_inbound(inbound: wire::inbound::Inbound, key: &FlowKey) -> Result<Inbound, StartError> {
    let listeners = inbound.openings.iter().map(|opening| take(opening.listener).map(TcpListener::from));
    let listeners = listeners.collect::<Result<_, _>>()?;
    Ok(Inbound::new(inbound.openings, listeners, (inbound.guest, key.clone())))
}

/// Takes an inherited descriptor by its number.
fn take(fd: Fd) -> Result<OwnedFd, StartError> {
    inherited::take(fd).map_err(|error| StartError::Descriptor(fd, error))
}

/// Tells the request ids of two boots apart; a collision would only make a log harder to read.
fn boot_number() -> u32 {
    // Beginning with a letter: sixteen digits could be the number of a payment card, and would be taken out of records.
    const LETTER: u32 = 0xa000_0000;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (now.subsec_nanos().rotate_left(16) ^ std::process::id()) | LETTER
}
