//! The workspace as cargo and git see it: packages, folders, files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// What the checks need to know of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    /// Its top folder.
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
    /// Its packages.
    pub(crate) packages: Vec<Package>,
}

/// One package of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency of any kind.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Set for a package of this workspace.
    pub(crate) path: Option<PathBuf>,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let output = cargo().args(["metadata", "--format-version", "1", "--no-deps"]).output();
        let output = output.context("cannot run cargo metadata")?;
        ensure!(
            output.status.success(),
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).context("cannot read cargo metadata's answer")
    }

    /// Where release builds lie.
    pub(crate) fn release(&self) -> PathBuf {
        self.target.join("release")
    }

    /// Every file that belongs to the project, committed or not, relative to the root.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context("cannot run git")?;
        ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
        let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
        // A file that was deleted and not yet committed is still listed.
        let there = |path: &PathBuf| self.root.join(path).is_file();
        Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).filter(there).collect())
    }

    /// The text of one of those files; `None` when it is no text.
    pub(crate) fn text(&self, file: &Path) -> Result<Option<String>> {
        let path = self.root.join(file);
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(String::from_utf8(bytes).ok())
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
