//! Live mounts: directories of the host's that the agent writes to, each served by a process of its own.
//!
//! What may not be lent is decided here: openshell's own directories (evidence, programs, images, the sockets of others), and
//! what is no real file system. What this run was started with stays as it is, whatever the agent asks: the next run would
//! believe it.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use wire::confinement::User;
use wire::machine::LiveMount;
use wire::mount::{LANES, MAX_CONTENT, MAX_HEADERS, MountConfig};
use wire::spawn::JailUser;

use crate::event::{Event, Events};
use crate::failure::Failure;
use crate::layout::{Layout, Program};
use crate::process::{Launch, Process, Resources};
use crate::rundir::RunDir;
use crate::spec::{Mount, Spec};
use crate::unit::Seconds;

/// For how long a guest believes what it saw of a live mount unless the operator says otherwise: what changes on the host is seen after that.
const CACHE: Seconds = Seconds(1);

/// File systems that are the kernel's words and levers, by their magic numbers (`linux/magic.h`): the files of `proc`, `sys`,
/// `cgroup`, `debugfs`, `tracefs`, `securityfs`, `configfs`, `bpf`, `efivarfs` and `devpts` act when they are written.
const LEVERS: [u64; 11] = [
    0x9fa0,
    0x6265_6572,
    0x6367_7270,
    0x0027_e0eb,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0x6265_6570,
    0xcafe_4a11,
    0xde5e_81e4,
    0x1cd1,
];

/// A directory that is lent, and the lanes to its server.
#[derive(Debug)]
pub(crate) struct Live {
    /// What the guest mounts it by.
    tag: String,
    directory: OwnedFd,
    owner: Option<JailUser>,
    kept: Vec<String>,
    believed: u32,
    lanes: Vec<(OwnedFd, OwnedFd)>,
}

/// A server that is to be started.
#[derive(Debug)]
pub(crate) struct Server {
    config: MountConfig,
    resources: Resources,
}

impl Live {
    /// Opens the directory, if it may be lent.
    ///
    /// # Errors
    /// It may not, or is none.
    pub(crate) fn open(layout: &Layout, spec: &Spec, mount: &Mount, tag: String) -> Result<Self, Failure> {
        let shown = mount.source.display();
        let unusable = |error: std::io::Error| {
            Failure::new(
                format_args!("cannot mount {shown}: {error}"),
                "name a directory that you may read and enter",
            )
        };
        let source = mount.source.canonicalize().map_err(unusable)?;
        // An agent that had the directory above before could have left a link there.
        let named: PathBuf = mount.source.components().collect();
        if fs::symlink_metadata(&named).is_ok_and(|facts| facts.is_symlink()) {
            return Err(Failure::new(
                format_args!("mount {shown} is a link, to {}", source.display()),
                "write where it leads, if that is what you mean to lend",
            ));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory =
            rustix::fs::open(&source, flags, Mode::empty()).map_err(|error| unusable(error.into()))?;
        let kind = rustix::fs::fstatfs(&directory).map_err(|error| unusable(error.into()))?.f_type;
        if LEVERS.contains(&kind.cast_unsigned()) {
            return Err(Failure::new(
                format_args!("mount {shown}: its files are levers of the kernel's, not files"),
                "mount a directory of a real file system",
            ));
        }
        refuse_what_is_believed(&source, mount, layout, spec)?;
        let owner = owner(directory.as_fd()).map_err(unusable)?;
        let lanes = (0..LANES).map(|_| lane()).collect::<Result<_, _>>()?;
        Ok(Self {
            tag,
            kept: kept(&source, spec)?,
            believed: mount.cache.unwrap_or(CACHE).0,
            directory,
            owner,
            lanes,
        })
    }

    /// The machine's part, and the server's.
    pub(crate) fn hand_over(self, agent: &User, machine: &mut Resources) -> (LiveMount, Server) {
        let Self { tag, directory, owner, kept, believed, lanes } = self;
        let mut server = Resources::default();
        let directory = server.add(directory);
        let (theirs, ours) =
            lanes.into_iter().map(|(one, other)| (machine.add(one), server.add(other))).unzip();
        let agent = JailUser { uid: agent.uid, gid: agent.gid };
        let version = wire::VERSION;
        let config = MountConfig { version, directory, lanes: ours, agent, kept, believed, user: owner };
        (LiveMount { tag, lanes: theirs }, Server { config, resources: server })
    }
}

/// Starts the servers; each has a directory of its own for its log.
///
/// # Errors
/// The program is missing or cannot be started.
pub(crate) fn start(
    servers: Vec<Server>,
    layout: &Layout,
    (events, run): (&Events, &RunDir),
) -> Result<Vec<Process>, Failure> {
    let started = servers.into_iter().enumerate().map(|(index, Server { config, resources })| {
        let logs = run.directory_for(&format!("mount{index}"), None).map_err(|error| {
            Failure::new(
                format_args!("cannot make a directory for a live mount's log: {error}"),
                "free space in XDG_RUNTIME_DIR",
            )
        })?;
        let launch = Launch { program: Program::Mount, config, resources, logs: &logs };
        Process::start(layout, launch, events.to_loop(move |report| Event::Mount(index, report)))
    });
    started.collect()
}

/// Who serves the directory: its owner, if root asks, so that nothing of root's is left in it; else whoever asks.
fn owner(directory: BorrowedFd<'_>) -> std::io::Result<Option<JailUser>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let facts = rustix::fs::fstat(directory)?;
    Ok(Some(JailUser { uid: facts.st_uid, gid: facts.st_gid }))
}

/// A socket pair that keeps the bounds of messages, with room for the longest one.
fn lane() -> Result<(OwnedFd, OwnedFd), Failure> {
    let wanted = usize::try_from(MAX_CONTENT + MAX_HEADERS).expect("32 bits fit");
    let pair =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let room = pair.and_then(|(one, other)| {
        sockopt::set_socket_send_buffer_size(&one, wanted)?;
        sockopt::set_socket_send_buffer_size(&other, wanted)?;
        Ok((sockopt::socket_send_buffer_size(&one)?, (one, other)))
    });
    match room {
        Ok((room, lane)) if room > wanted => Ok(lane),
        Ok((room, _lane)) => Err(Failure::new(
            format_args!("sockets of this host hold {room} bytes; a live mount needs {wanted}"),
            "raise net.core.wmem_max (sysctl)",
        )),
        Err(error) => Err(Failure::new(
            format_args!("cannot make a socket for a live mount: {error}"),
            "raise this user's limit of open files (ulimit -n)",
        )),
    }
}

/// Refuses a directory in which the agent would write what openshell, or this run's secrets, are made of.
fn refuse_what_is_believed(
    source: &Path,
    mount: &Mount,
    layout: &Layout,
    spec: &Spec,
) -> Result<(), Failure> {
    let shown = mount.source.display();
    if let Some((what, own)) = overlap(source, layout, spec) {
        return Err(Failure::new(
            format_args!("mount {shown}: an agent that writes there reaches {what} ({})", own.display()),
            "mount a directory beneath it that holds the project alone, or use 'copy'",
        ));
    }
    let others = spec.mounts.iter().filter(|other| other.source != mount.source);
    for other in others {
        if let Some(link) = led_by_link(source, &other.source) {
            return Err(Failure::new(
                format_args!(
                    "mount {}: the link {} on its way lies in {shown}, which an agent writes",
                    other.source.display(),
                    link.display()
                ),
                "write where it leads, if that is what you mean to mount",
            ));
        }
    }
    if let Some(program) = spec.programs().into_iter().find(|program| real(program).starts_with(source)) {
        return Err(Failure::new(
            format_args!(
                "mount {shown}: {} runs on the host for a secret, and an agent would write it",
                program.display()
            ),
            "keep what tells secrets outside of what you mount, or use 'copy'",
        ));
    }
    Ok(())
}

/// What of openshell's own is in the directory, or has it inside.
fn overlap(source: &Path, layout: &Layout, spec: &Spec) -> Option<(&'static str, PathBuf)> {
    // By its name alone: a root hash may follow.
    let named = images::root::pinned(&spec.image).map_or(spec.image.as_str(), |(name, _root_hash)| name);
    let image = named.contains('/').then(|| PathBuf::from(named));
    let own = [
        ("the audit log and openshell's state", Some(layout.state.clone())),
        ("the sockets of running sandboxes", Some(layout.runtime.clone())),
        ("the images of every sandbox", Some(layout.cache.clone())),
        ("openshell's configuration", Some(layout.config.clone())),
        ("openshell's programs", Some(layout.programs.clone())),
        ("the sandbox's image", image),
    ];
    let meets = |path: &Path| path.starts_with(source) || source.starts_with(path);
    own.into_iter().filter_map(|(what, path)| Some((what, real(&path?)))).find(|(_what, path)| meets(path))
}

/// Where a path leads, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let whole = || {
        let (above, name) = (path.parent()?, path.file_name()?);
        Some(real(above).join(name))
    };
    path.canonicalize().ok().or_else(whole).unwrap_or_else(|| path.to_path_buf())
}

/// The files that this run was started with and that are in the directory, by their paths in it, with every link on the way to them.
///
/// # Errors
/// One has a name that cannot be handed over.
fn kept(source: &Path, spec: &Spec) -> Result<Vec<String>, Failure> {
    let mut kept = BTreeSet::new();
    for path in spec.believed() {
        for place in places(&path) {
            let Ok(inside) = place.strip_prefix(source) else { continue };
            let Some(inside) = inside.to_str() else {
                return Err(Failure::new(
                    format_args!("{} is believed by this run, and its name is no text", place.display()),
                    "give it a name in UTF-8, or mount a directory without it",
                ));
            };
            if !inside.is_empty() {
                kept.insert(inside.to_owned());
            }
        }
    }
    Ok(kept.into_iter().collect())
}

/// Most links on the way to a file, as the kernel counts.
const LINKS: usize = 40;

/// Where a path's file is, as far as there is one, and every link by which it is reached, each where it is.
fn places(path: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let mut path = std::path::absolute(path).unwrap_or_else(|_unknown| path.to_owned());
    for _link in 0..LINKS {
        let mut at = PathBuf::new();
        let mut components = path.components();
        let met = components.by_ref().find_map(|component| {
            let above = std::mem::take(&mut at);
            // The kernel goes up from where it is, which no link has hidden so far.
            at = if component == Component::ParentDir {
                above.parent().unwrap_or(&above).to_owned()
            } else {
                above.join(component)
            };
            fs::read_link(&at).ok()
        });
        let Some(target) = met else {
            places.extend(fs::symlink_metadata(&at).is_ok().then_some(at));
            break;
        };
        places.push(at.clone());
        let above = at.parent().unwrap_or(&at).to_owned();
        path = above.join(target).join(components.as_path());
    }
    places
}

/// A link in `lent` on the way to the source of another mount: whoever had the directory before may have made it.
fn led_by_link(lent: &Path, other: &Path) -> Option<PathBuf> {
    let mut places = places(other);
    // Where it ends is no link.
    places.pop();
    places.into_iter().find(|link| link.starts_with(lent))
}

#[cfg(test)]
mod tests;
