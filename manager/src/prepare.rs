//! Everything that must exist before the first process starts: kernel, images, disks, sockets. And the
//! descriptors with which each process starts.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use audit::record::{MANAGER, PROXY, ROUTER};
use images::Stop;
use images::verity::Seal;
use policies::confinement::Workspace;
use policies::{Document, Policy};
use rustix::fs::{Mode, OFlags};
use wire::audit::{AuditClient, AuditConfig};
use wire::confinement::Confinement;
use wire::control::{Agent, Mount, Root, Scratch, Setup, Size, Verity};
use wire::credential::Credential;
use wire::flow::FlowKey;
use wire::id::{SandboxId, TenantId};
use wire::machine::{Disk, DiskAccess, MachineConfig, Vsock};
use wire::proxy::{ProxyConfig, Router, Upstream};
use wire::router::RouterConfig;
use wire::vsock;

use crate::audit_log::AuditLog;
use crate::audit_settings::AuditSettings;
use crate::credentials::{self, Placeholder};
use crate::event::{Event, Events};
use crate::failure::{Failure, chain, wrong_policy};
use crate::image;
use crate::inbound::{self, BoundPort, OpenPorts};
use crate::interruption::interrupted;
use crate::kvm;
use crate::layout::{Layout, Program};
use crate::live::{self, Live, Server};
use crate::model_servers;
use crate::mounts::{Mounts, device_name};
use crate::operator;
use crate::options::Options;
use crate::process::{Launch, Process, Resources};
use crate::processes::Processes;
use crate::randomness::random;
use crate::record::Recorder;
use crate::refresh::Refresh;
use crate::reload::{self, Reload};
use crate::rundir::{RunDir, give};
use crate::spec::{MountMode, Spec};

/// Directory of the sockets that the proxy connects to: the router's, and the guest's.
const PROXY_SOCKETS: &str = "proxy";

/// Name of the router's socket in it.
const ROUTER_SOCKET: &str = "router.sock";

/// What a start need not wait for. Kernel messages below errors cost time on a serial console and tell the operator
/// nothing. The other words pass over work without use in a guest: reading the certificates of a module signer (the
/// modules come unsigned), self-tests of ciphers, and the jitter source of randomness, which tests itself for long (the
/// kernel's own generator never asks it, and the host gives randomness by virtio). Nobody in a guest debugs its kernel.
const CMDLINE: &str = "quiet loglevel=3 debugfs=off cryptomgr.notests \
     initcall_blacklist=load_system_certificate_list,jent_mod_init";

/// A sandbox whose every resource exists.
#[derive(Debug)]
pub struct Prepared {
    /// What the user wrote.
    pub spec: Spec,
    id: SandboxId,
    flow_key: FlowKey,
    confinement: Confinement,
    /// The network part of the policy, for the proxy; `None`: the sandbox has no egress.
    network: Option<String>,
    /// The ports of the agent that are open to the outside, until the proxy has them.
    inbound: Vec<BoundPort>,
    /// What is told of them.
    ports: OpenPorts,
    /// What the agent's requests carry, until the proxy has it.
    credentials: Vec<Credential>,
    /// What the agent has in its stead.
    placeholders: Vec<Placeholder>,
    extra_roots_pem: String,
    kvm: File,
    kernel: File,
    initramfs: File,
    disks: Vec<(File, DiskAccess)>,
    /// By what the guest checks its root image.
    seal: Seal,
    guest_mounts: Vec<Mount>,
    live: Vec<Live>,
    control: Option<UnixListener>,
    sessions: Option<UnixListener>,
    /// On which the guest tells what is about to be executed.
    executions: Option<UnixListener>,
    // Dropped last: the directory that holds all of the above.
    run: RunDir,
}

/// What [`Prepared::launch`] started.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) processes: Processes,
    pub(crate) recorder: Recorder,
    pub(crate) log: AuditLog,
    pub(crate) reload: Reload,
    pub(crate) refresh: Refresh,
    /// The read end of the guest's console.
    pub(crate) console: File,
}

/// Prepares a sandbox, unless `stop` is asked: then nobody wants it any more.
///
/// # Errors
/// A resource is missing or cannot be made, or `stop` was asked. Nothing is left behind.
pub fn prepare(spec: Spec, options: &Options, layout: &Layout, stop: &Stop) -> Result<Prepared, Failure> {
    let check = || if stop.is_asked() { Err(interrupted()) } else { Ok(()) };
    let kvm = kvm::open_for_machine()?;
    let confinement = confinement(&spec)?;
    let network = network(&spec)?;
    let inbound = inbound::bind(&spec.policy, &spec.inbound)?;
    let placeholders = credentials::placeholders(&spec.credentials)?;
    let credentials = credentials::read(&spec.credentials, &placeholders)?;
    let extra_roots_pem = spec.egress.ca.as_deref().map_or(Ok(String::new()), read_pem)?;
    let id = new_id(&spec.name)?;
    check()?;
    let boot = image::boot_files(layout, options, stop)?;
    check()?;
    let image::RootDisks { image, tree, seal } = image::root(layout, &spec.image, &id, stop)?;
    check()?;
    let run = RunDir::create(layout, &id)?;
    let mut disks = vec![(image, DiskAccess::ReadOnly), (tree, DiskAccess::ReadOnly)];
    if let Some(size) = spec.resources.disk {
        disks.push((image::scratch(layout, &id, size, stop)?, DiskAccess::ReadWrite));
    }
    let Mounts { guest: guest_mounts, live } =
        Mounts::prepare(layout, (&spec, &id), (&confinement.user, &mut disks), stop)?;
    let vsock_dir =
        run.directory_for("vsock", run.user(Program::Vmm)).map_err(|error| socket_failure(&error))?;
    run.directory_for(PROXY_SOCKETS, run.user(Program::Proxy)).map_err(|error| socket_failure(&error))?;
    let port = |port| listen(&vsock_dir, &vsock::socket_name(port), &run, Program::Vmm).map(Some);
    let (control, sessions) = (port(vsock::CONTROL)?, port(vsock::SESSIONS)?);
    let executions = port(vsock::EXECUTIONS)?;
    let flow_key = new_key()?;
    let (kernel, initramfs) = (boot.kernel, boot.initramfs);
    Ok(Prepared {
        spec,
        id,
        flow_key,
        confinement,
        network,
        ports: OpenPorts::of(&inbound),
        inbound,
        credentials,
        placeholders,
        extra_roots_pem,
        kvm,
        kernel,
        initramfs,
        disks,
        seal,
        guest_mounts,
        live,
        control,
        sessions,
        executions,
        run,
    })
}

/// What the proxy gets beside the policy.
struct Given {
    ports: Vec<BoundPort>,
    credentials: Vec<Credential>,
    digests: bool,
}

impl Prepared {
    /// The sandbox's id.
    #[must_use]
    pub fn id(&self) -> &SandboxId {
        &self.id
    }

    /// The network part of the policy, as the proxy gets it.
    pub(crate) fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// Records what the sandbox is made from.
    pub(crate) fn record_configuration(&self, recorder: &mut Recorder) -> Result<(), Failure> {
        if self.network.is_some() {
            // A quarantine must not wait for the disk then.
            recorder.keep(&reload::closed()?)?;
        }
        recorder.configured(&self.spec, (&self.confinement, &self.seal.root), self.network())
    }

    /// The socket on which guest-init will call; there is one, and it is taken once.
    pub(crate) fn take_control_listener(&mut self) -> UnixListener {
        self.control.take().expect("the control listener is taken once, by Booting::start")
    }

    /// The socket on which guest-init will call for every further session; taken once.
    pub(crate) fn take_sessions_listener(&mut self) -> UnixListener {
        self.sessions.take().expect("the sessions' listener is taken once, by Booting::until_set_up")
    }

    /// The socket on which guest-init will tell what is about to be executed; taken once.
    pub(crate) fn take_executions_listener(&mut self) -> UnixListener {
        self.executions.take().expect("the executions' listener is taken once, by Booting::until_set_up")
    }

    /// What may replace the policy later on. `proxy` is the proxy's ear.
    pub(crate) fn reload(&self, proxy: Option<UnixStream>) -> Result<Reload, Failure> {
        let started_with = (self.spec.policy.clone(), workspace(&self.spec));
        Reload::new(&self.id, started_with, self.network(), proxy).map_err(|error| socket_failure(&error))
    }

    /// Starts to listen for the operator.
    pub(crate) fn attend(&self, events: &Events) -> Result<(), Failure> {
        operator::serve(self.run.path(), events.to_loop(Event::Operator))
    }

    /// Starts the processes.
    pub(crate) fn launch(&mut self, layout: &Layout, events: &Events) -> Result<Launched, Failure> {
        let (machine, servers, console) = self.launch_machine(layout, events)?;
        let mounts = live::start(servers, layout, (events, &self.run))?;
        let mut clients = Vec::new();
        let own = client(&mut clients, MANAGER)?;
        let router = self.launch_router(layout, events, &mut clients)?;
        let (ear, voice) = UnixStream::pair().map_err(|error| socket_failure(&error))?;
        let settings = AuditSettings::load(layout)?;
        let given = Given {
            ports: std::mem::take(&mut self.inbound),
            credentials: std::mem::take(&mut self.credentials),
            digests: settings.log.digests,
        };
        let proxy = self.launch_proxy(layout, events, (&mut clients, ear), given)?;
        let (audit, sign, log) = self.launch_audit(layout, events, (clients, settings))?;
        let recorder = log.recorder(own).map_err(|error| socket_failure(&error))?;
        let voice = self.network.is_some().then_some(voice);
        let other = voice.as_ref().map(UnixStream::try_clone).transpose();
        let other = other.map_err(|error| socket_failure(&error))?;
        let refresh = Refresh::new(self.spec.credentials.clone(), self.placeholders.clone(), other);
        let reload = self.reload(voice)?;
        let processes = Processes { machine, mounts, proxy, router, audit, sign };
        Ok(Launched { processes, recorder, log, reload, refresh, console })
    }

    /// What the guest is told to become.
    pub(crate) fn setup(
        &self,
        authority_pem: Option<String>,
        terminal: Option<Size>,
    ) -> Result<Setup, Failure> {
        let wall_clock = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_past| {
            Failure::new(
                "this machine's clock is before 1970",
                "set the clock: certificates are checked against it",
            )
        })?;
        let scratch = match self.spec.resources.disk {
            Some(_) => Scratch::Disk(device_name(2)),
            None => Scratch::Memory { mib: self.spec.resources.memory.0 / 2 },
        };
        Ok(Setup {
            hostname: self.id.to_string(),
            wall_clock_ns: u64::try_from(wall_clock.as_nanos()).unwrap_or(u64::MAX),
            root: Root { image: device_name(0), verity: self.verity(), scratch },
            files: Vec::new(),
            mounts: self.guest_mounts.clone(),
            agent: Agent {
                command: self.spec.command.clone(),
                env: self.environment(terminal),
                workdir: self.spec.workdir.clone(),
                terminal,
            },
            confinement: self.confinement.clone(),
            // A sandbox without network rules and modules has no egress, also when its proxy serves what comes in.
            authority_pem: authority_pem.filter(|_pem| self.network.is_some()),
            flow_key: self.flow_key.clone(),
            inbound: self.ports.guest.clone(),
            restarts: self.spec.restart.is_possible(),
        })
    }

    /// How the guest checks its root image.
    fn verity(&self) -> Verity {
        let Seal { root, salt, data_blocks } = &self.seal;
        let (root, salt) = (*root.as_bytes(), *salt.as_bytes());
        Verity { tree: device_name(1), root, salt, data_blocks: *data_blocks }
    }

    /// The agent's environment: what agent.yaml names, what every program expects, and placeholders for credentials.
    fn environment(&self, terminal: Option<Size>) -> Vec<(String, String)> {
        let user = &self.confinement.user;
        let fixed = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"),
            ("HOME", user.home.as_str()),
            ("USER", user.name.as_str()),
            ("LOGNAME", user.name.as_str()),
            ("LANG", "C.UTF-8"),
        ];
        let placeholders = self.placeholders.iter().map(|one| (one.name.clone(), one.text.clone()));
        let named: BTreeMap<String, String> = self.spec.env.clone().into_iter().chain(placeholders).collect();
        let terminal = terminal.map(|_size| ("TERM", "xterm-256color"));
        let defaults = fixed.into_iter().chain(terminal).filter(|(name, _)| !named.contains_key(*name));
        let defaults: Vec<_> = defaults.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        defaults.into_iter().chain(named).collect()
    }

    /// Where the open ports can be reached, one line for each.
    pub(crate) fn open_ports(&self) -> &[String] {
        &self.ports.lines
    }

    fn proxy_sockets(&self) -> PathBuf {
        self.run.path().join(PROXY_SOCKETS)
    }

    fn launch_machine(
        &mut self,
        layout: &Layout,
        events: &Events,
    ) -> Result<(Process, Vec<Server>, File), Failure> {
        let user = self.run.user(Program::Vmm);
        let directory = self.run.path().join("vsock");
        let guest = listen(&self.proxy_sockets(), vsock::GUEST_SOCKET, &self.run, Program::Proxy)?;
        let (console, serial) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|e| socket_failure(&e.into()))?;
        let mut resources = Resources::default();
        let lent = self.live.drain(..).map(|live| live.hand_over(&self.confinement.user, &mut resources));
        let (mounts, servers) = lent.unzip();
        let config = MachineConfig {
            version: wire::VERSION,
            vcpus: self.spec.resources.vcpus,
            memory_mib: self.spec.resources.memory.0,
            kvm: resources.add(duplicate(&self.kvm)?),
            kernel: resources.add(duplicate(&self.kernel)?),
            initramfs: Some(resources.add(duplicate(&self.initramfs)?)),
            cmdline: CMDLINE.to_owned(),
            disks: self
                .disks
                .drain(..)
                .map(|(file, access)| Disk { file: resources.add(file), access })
                .collect(),
            vsock: Some(Vsock {
                directory: resources.add(open_directory(&directory)?),
                listener: resources.add(guest),
            }),
            mounts,
            serial: resources.add(serial),
            user,
        };
        let launch = Launch { program: Program::Vmm, config, resources, logs: self.run.path() };
        Ok((Process::start(layout, launch, events.to_loop(Event::Machine))?, servers, console.into()))
    }

    fn launch_proxy(
        &self,
        layout: &Layout,
        events: &Events,
        (clients, ear): (&mut Clients, UnixStream),
        Given { ports, credentials, digests }: Given,
    ) -> Result<Option<Process>, Failure> {
        let policy = match &self.network {
            Some(policy) => policy.clone(),
            None if ports.is_empty() => return Ok(None),
            None => no_rules()?,
        };
        let directory = self.run.path().join("vsock");
        let mut resources = Resources::default();
        let config = ProxyConfig {
            version: wire::VERSION,
            sandbox: self.id.clone(),
            flow_key: self.flow_key.clone(),
            flows: resources.add(listen(
                &directory,
                &vsock::socket_name(vsock::FLOWS),
                &self.run,
                Program::Vmm,
            )?),
            names: resources.add(listen(
                &directory,
                &vsock::socket_name(vsock::NAMES),
                &self.run,
                Program::Vmm,
            )?),
            audit: resources.add(client(clients, PROXY)?),
            commands: resources.add(ear),
            sockets: Some(resources.add(open_directory(&self.proxy_sockets())?)),
            router: self.spec.inference.as_ref().map(|inference| Router {
                socket: ROUTER_SOCKET.to_owned(),
                hosts: inference.hosts.keys().cloned().collect(),
            }),
            inbound: inbound::hand_over(ports, &mut resources),
            policy,
            upstream: Upstream {
                hosts: self.spec.egress.hosts.clone(),
                allow_addresses: self.spec.egress.allow_addresses.clone(),
                extra_roots_pem: self.extra_roots_pem.clone(),
                scanners: self.spec.egress.scanners.clone(),
            },
            credentials,
            digests,
            user: self.run.user(Program::Proxy),
        };
        let launch = Launch { program: Program::Proxy, config, resources, logs: self.run.path() };
        Process::start(layout, launch, events.to_loop(Event::Proxy)).map(Some)
    }

    fn launch_router(
        &self,
        layout: &Layout,
        events: &Events,
        clients: &mut Clients,
    ) -> Result<Option<Process>, Failure> {
        let Some(inference) = &self.spec.inference else { return Ok(None) };
        let directory = self.proxy_sockets();
        let mut resources = Resources::default();
        let server = model_servers::server;
        let hosts = inference.hosts.iter().map(|(host, at)| Ok((host.clone(), server(&at.provider(host))?)));
        let local = inference.providers.local.as_ref();
        let local = local
            .map(|local| model_servers::local(local, (layout, &self.id), (&mut resources, open_directory)));
        let config = RouterConfig {
            version: wire::VERSION,
            listener: resources.add(listen(&directory, ROUTER_SOCKET, &self.run, Program::Proxy)?),
            audit: resources.add(client(clients, ROUTER)?),
            directive: inference.directive(),
            rules: inference.detected(),
            documents: inference.registered(),
            local: local.transpose()?,
            cloud: inference.providers.cloud.as_ref().map(server).transpose()?,
            fallback: model_servers::fallback(&inference.fallback)?,
            providers: hosts.collect::<Result<_, Failure>>()?,
            regions: inference.regions.clone(),
            limits: inference.limits.clone(),
            extra_roots_pem: self.extra_roots_pem.clone(),
            hosts: self.spec.egress.hosts.clone(),
            user: self.run.user(Program::Router),
        };
        let launch = Launch { program: Program::Router, config, resources, logs: self.run.path() };
        Process::start(layout, launch, events.to_loop(Event::Router)).map(Some)
    }

    fn launch_audit(
        &self,
        layout: &Layout,
        events: &Events,
        (clients, settings): (Clients, AuditSettings),
    ) -> Result<(Process, Option<Process>, AuditLog), Failure> {
        let (mut log, first) = AuditLog::create(layout, &self.id, settings)?;
        let (leaves, signer) = UnixStream::pair().map_err(|error| socket_failure(&error))?;
        let sign = self.launch_sign(layout, events, (&log, leaves))?;
        let mut resources = Resources::default();
        let clients =
            clients.into_iter().map(|(name, socket)| AuditClient { name, socket: resources.add(socket) });
        let clients = clients.collect();
        let config = AuditConfig {
            version: wire::VERSION,
            sandbox: self.id.clone(),
            tenant: TenantId::default(),
            agent: self.spec.name.clone(),
            log: resources.add(first),
            resumed: None,
            segments: Some(resources.add(log.segments().map_err(|error| socket_failure(&error))?)),
            segment_bytes: log.settings().log.segment.bytes(),
            sync: log.settings().log.sync.for_writer(),
            on_full: log.settings().log.on_full.for_writer(),
            limits: log.settings().log.limits(),
            signer: sign.is_some().then(|| resources.add(signer)),
            signed_within_ms: Some(log.settings().signing.within_ms()),
            clients,
            user: self.run.user(Program::Audit),
        };
        let launch = Launch { program: Program::Audit, config, resources, logs: self.run.path() };
        let writer = Process::start(layout, launch, events.to_loop(Event::Audit))?;
        Ok((writer, sign, log))
    }

    fn launch_sign(
        &self,
        layout: &Layout,
        events: &Events,
        (log, leaves): (&AuditLog, UnixStream),
    ) -> Result<Option<Process>, Failure> {
        let Some((config, resources)) = log.signer((&self.id, &self.run), leaves, None)? else {
            return Ok(None);
        };
        let launch = Launch { program: Program::Sign, config, resources, logs: self.run.path() };
        Process::start(layout, launch, events.to_loop(Event::Sign)).map(Some)
    }
}

/// A policy that allows nothing, for a proxy that only serves what comes in.
fn no_rules() -> Result<String, Failure> {
    Document::default()
        .dynamic_text()
        .map_err(|error| Failure::new(chain(&error), "this is a fault of openshell: please report it"))
}

/// The audit writer's ends of its clients' sockets, with the clients' names.
type Clients = Vec<(String, UnixStream)>;

/// The static half of the policy, compiled.
fn confinement(spec: &Spec) -> Result<Confinement, Failure> {
    spec.policy.confinement(&workspace(spec)).map_err(|errors| wrong_policy(&errors))
}

/// Where the agent works.
fn workspace(spec: &Spec) -> Workspace {
    let targets =
        |mode| spec.mounts.iter().filter(move |mount| mount.mode == mode).map(|mount| mount.target.clone());
    Workspace {
        own: targets(MountMode::Copy).chain(targets(MountMode::Rw)).chain([spec.workdir.clone()]).collect(),
        shared: targets(MountMode::Ro).collect(),
    }
}

/// The dynamic half of the policy, checked by compiling it, as text for the proxy.
fn network(spec: &Spec) -> Result<Option<String>, Failure> {
    Policy::compile(&spec.policy).map_err(|errors| wrong_policy(&errors))?;
    // A module that extends opens a way without any rule.
    if spec.policy.network.is_empty() && spec.policy.rego.is_empty() {
        if !spec.credentials.is_empty() {
            return Err(Failure::new(
                "credentials are named, but no rule of policy.network allows the agent to reach anything",
                "add a rule for the hosts that they are for",
            ));
        }
        if spec.inference.is_some() {
            return Err(Failure::new(
                "inference is configured, but no rule of policy.network allows the agent to reach inference.local",
                "add a rule whose destination allows inference.local",
            ));
        }
        return Ok(None);
    }
    let text = spec.policy.dynamic_text();
    text.map(Some)
        .map_err(|error| Failure::new(chain(&error), "this is a fault of openshell: please report it"))
}

fn client(clients: &mut Clients, name: &str) -> Result<UnixStream, Failure> {
    let (ours, writers) = UnixStream::pair().map_err(|error| socket_failure(&error))?;
    clients.push((name.to_owned(), writers));
    Ok(ours)
}

/// Binds `name` in `directory`; only `connector`'s user may connect.
fn listen(directory: &Path, name: &str, run: &RunDir, connector: Program) -> Result<UnixListener, Failure> {
    let path = directory.join(name);
    let listener =
        UnixListener::bind(&path).and_then(|listener| give(&path, run.user(connector)).map(|()| listener));
    listener.map_err(|error| socket_failure(&error))
}

fn socket_failure(error: &io::Error) -> Failure {
    Failure::new(
        format_args!("cannot make a socket or directory for the sandbox: {error}"),
        "check the limit on open files and the space and path length of XDG_RUNTIME_DIR (a socket's path may have 107 bytes)",
    )
}

fn open_directory(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| socket_failure(&errno.into()))
}

fn duplicate(file: &File) -> Result<File, Failure> {
    file.try_clone().map_err(|error| socket_failure(&error))
}

fn read_pem(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        Failure::new(
            format_args!("cannot read egress.ca {}: {error}", path.display()),
            "name a PEM file that you may read",
        )
    })
}

fn new_id(name: &str) -> Result<SandboxId, Failure> {
    let mut bytes = [0; 4];
    random(&mut bytes)?;
    let id = format!("{name}-{:08x}", u32::from_be_bytes(bytes));
    SandboxId::try_from(id).map_err(|error| Failure::new(chain(&error), "choose another name in agent.yaml"))
}

fn new_key() -> Result<FlowKey, Failure> {
    let mut bytes = [0; 32];
    random(&mut bytes)?;
    Ok(FlowKey(bytes))
}
