//! Makes an image from a recipe: `mmdebstrap` fetches, checks and installs the packages and runs the recipe's script,
//! which packs the result; the store takes the file in. As root this needs no more; a normal user needs user
//! namespaces (`uidmap`) or `fakechroot`, which mmdebstrap chooses by itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::apt::{self, AptError, Archive};
use crate::digest::Digest;
use crate::manifest::{self, Manifest, Origin, Package};
use crate::recipe::{Depth, Recipe};
use crate::stop::Stop;
use crate::store::{Image, Store, StoreError, Work};
use crate::tool::{self, Bound, Running, ToolError};

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// apt does not know Debian's archive.
    #[error(transparent)]
    Apt(AptError),
    /// A program is missing or failed.
    #[error("cannot build the image {image}")]
    Build {
        /// The image.
        image: &'static str,
        /// What went wrong.
        #[source]
        source: ToolError,
    },
    /// The build would not fit on the disk.
    #[error("building the image {image} takes {needed} MiB in {folder}, where {free} MiB are free")]
    Space {
        /// The image.
        image: &'static str,
        /// MiB that the build takes at its largest.
        needed: u64,
        /// Where.
        folder: PathBuf,
        /// MiB that are free there.
        free: u64,
    },
    /// A file of the build cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The store did not take the image.
    #[error(transparent)]
    Store(StoreError),
}

impl BuildError {
    /// What the user can do, in one line.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Apt(error) => error.remedy(),
            Self::Build { source, .. } => source.remedy(),
            Self::Space { .. } => {
                "free space there, or set XDG_CACHE_HOME and TMPDIR to folders on a larger disk".into()
            }
            Self::File { path, .. } => {
                format!("check that {} is writable and that its disk has space", path.display())
            }
            Self::Store(error) => error.remedy(),
        }
    }
}

/// Builds `recipe` and stores it under its name. `progress` hears what is being done, a line at a time.
pub(crate) fn build(
    recipe: &'static Recipe,
    store: &Store,
    progress: &mut dyn FnMut(&str),
    stop: &Stop,
) -> Result<Image, BuildError> {
    let failed = |source| BuildError::Build { image: recipe.name, source };
    // Before anything is fetched: what the script would miss only after the packages are installed.
    let mkfs = tool::MKFS_EROFS.path().map_err(failed)?;
    let epoch = crate::recipe::epoch();
    let archive = apt::archive().map_err(BuildError::Apt)?;
    let work = store.work().map_err(BuildError::Store)?;
    check_space(recipe, &temporary(&work))?;

    let script = recipe.script(&mkfs.to_string_lossy(), epoch);
    let command = command(recipe, &archive, &work, &script)?;
    let running = Running::start(tool::MMDEBSTRAP, command).map_err(failed)?;
    running.watch(stop, &mut |line| report(line, progress)).map_err(failed)?;

    let manifest = describe(recipe, &archive, &work, epoch)?;
    store.insert(&work.path("image"), manifest).map_err(BuildError::Store)
}

fn command(
    recipe: &'static Recipe,
    archive: &Archive,
    work: &Work,
    script: &str,
) -> Result<Bound, BuildError> {
    let (sources, options) = (work.path("debian.sources"), work.path("apt.conf"));
    fs::write(&sources, &archive.sources).map_err(at(&sources))?;
    // The work folder lies in the user's own cache; passwords in these options are for nobody else.
    fs::write(&options, &archive.options).map_err(at(&options))?;

    let (variant, hook) = match recipe.depth {
        Depth::Unpacked => ("extract", "extract"),
        Depth::Installed => ("essential", "customize"),
    };
    let failed = |source| BuildError::Build { image: recipe.name, source };
    let mut bound = tool::MMDEBSTRAP.bound_command().map_err(failed)?;
    let command = &mut bound.command;
    command.stdin(work.stdin().map_err(BuildError::Store)?);
    command
        .env("TMPDIR", temporary(work))
        .args(["--format=null", "--skip=cleanup"])
        .arg(format!("--variant={variant}"))
        .arg(format!("--include={}", recipe.packages.join(",")))
        .arg(format!("--aptopt={}", options.display()))
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .args(
            ["man", "info", "locale", "lintian"]
                .map(|kind| format!("--dpkgopt=path-exclude=/usr/share/{kind}/*")),
        )
        // Licences stay: they have to travel with the programs.
        .args([
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        ])
        .arg(format!("--{hook}-hook={script}"));
    for file in ["image", "packages"] {
        command.arg(format!("--{hook}-hook=download /.openshell/{file} '{}'", work.path(file).display()));
    }
    command.arg(&archive.release).arg("/dev/null").arg(&sources);
    Ok(bound)
}

/// Where the new root is made. A normal user's build works as other user ids, which cannot look into the user's
/// own folders.
fn temporary(work: &Work) -> PathBuf {
    if rustix::process::geteuid().is_root() { work.folder().to_owned() } else { std::env::temp_dir() }
}

/// Refuses a build that would fill the disk: apt can hang on a full one.
fn check_space(recipe: &'static Recipe, folder: &Path) -> Result<(), BuildError> {
    let state = rustix::fs::statvfs(folder).map_err(|errno| at(folder)(errno.into()))?;
    let free = state.f_bavail.saturating_mul(state.f_frsize) >> 20;
    let (image, needed) = (recipe.name, recipe.space_mib);
    if free >= needed {
        return Ok(());
    }
    Err(BuildError::Space { image, needed, folder: folder.to_owned(), free })
}

/// Passes on the lines in which mmdebstrap says what it does ("I: installing packages...").
fn report(line: &str, progress: &mut dyn FnMut(&str)) {
    const OURS: [&str; 4] = ["running apt-get update", "downloading", "extracting", "installing"];
    match line.strip_prefix("I: ") {
        Some(step) if OURS.iter().any(|ours| step.starts_with(ours)) => progress(step.trim_end_matches('.')),
        Some(step) if step.starts_with("running --") => progress("packing the image"),
        _detail => tracing::debug!(target: "images::mmdebstrap", "{line}"),
    }
}

fn describe(
    recipe: &'static Recipe,
    archive: &Archive,
    work: &Work,
    epoch: u64,
) -> Result<Manifest, BuildError> {
    let (image, packages) = (work.path("image"), work.path("packages"));
    let list = fs::read_to_string(&packages).map_err(at(&packages))?;
    Ok(Manifest {
        version: manifest::VERSION,
        name: recipe.name.parse().expect("recipes have names that are image names"),
        origin: Origin::Recipe { recipe: recipe.digest(epoch) },
        digest: Digest::of_file(&image).map_err(at(&image))?,
        size: fs::metadata(&image).map_err(at(&image))?.len(),
        source_date_epoch: epoch,
        packages: parse_packages(&list),
        registries: crate::registry::recorded(archive.hosts.clone()),
    })
}

/// Lines of name, tab, version.
fn parse_packages(list: &str) -> Vec<Package> {
    let package = |line: &str| {
        let (name, version) = line.split_once('\t')?;
        Some(Package { name: name.to_owned(), version: version.to_owned() })
    };
    let mut packages: Vec<Package> = list.lines().filter_map(package).collect();
    packages.sort();
    packages
}

fn at(path: &Path) -> impl Fn(io::Error) -> BuildError {
    move |source| BuildError::File { path: path.to_owned(), source }
}
