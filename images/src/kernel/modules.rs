//! Which module files a set of names needs, and in which order. Debian's package holds no `modules.dep` (that is
//! made at installation), so the dependencies are read from each module's own `.modinfo` strings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

/// Why a module cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// This kernel has no such module.
    #[error("this kernel has no module named {0}")]
    Unknown(String),
    /// A file of the tree could not be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The decompressed files of `names` and their dependencies, dependencies first.
pub(super) fn closure(tree: &Path, names: &[&str]) -> Result<Vec<PathBuf>, ModuleError> {
    let mut search = Search {
        files: listed(tree, "modules.order")?,
        builtin: listed(tree, "modules.builtin")?.into_keys().collect(),
        tree,
        seen: BTreeSet::new(),
        order: Vec::new(),
    };
    for name in names {
        search.visit(&canonical(name))?;
    }
    Ok(search.order)
}

/// A depth-first walk over the dependencies.
struct Search<'a> {
    tree: &'a Path,
    /// Module name → path inside the tree, without the compression suffix.
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
    seen: BTreeSet<String>,
    order: Vec<PathBuf>,
}

impl Search<'_> {
    fn visit(&mut self, name: &str) -> Result<(), ModuleError> {
        if self.builtin.contains(name) || !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let file = self.files.get(name).ok_or_else(|| ModuleError::Unknown(name.to_owned()))?;
        let path = decompressed(&self.tree.join(file))?;
        let module = fs::read(&path).map_err(at(&path))?;
        for needed in dependencies(&module) {
            self.visit(&needed)?;
        }
        self.order.push(path);
        Ok(())
    }
}

/// The modules that one of the tree's lists names.
fn listed(tree: &Path, list: &str) -> Result<BTreeMap<String, PathBuf>, ModuleError> {
    let path = tree.join(list);
    let text = fs::read_to_string(&path).map_err(at(&path))?;
    Ok(text
        .lines()
        .filter_map(|line| {
            let stem = Path::new(line).file_name()?.to_str()?.strip_suffix(".ko")?;
            Some((canonical(stem), PathBuf::from(line)))
        })
        .collect())
}

/// The kernel treats `-` and `_` in module names as the same.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// What a module's `depends=` string names.
fn dependencies(module: &[u8]) -> Vec<String> {
    module
        .split(|byte| *byte == 0)
        .filter_map(|bytes| std::str::from_utf8(bytes).ok()?.strip_prefix("depends="))
        .flat_map(|list| list.split(','))
        .filter(|name| !name.is_empty())
        .map(canonical)
        .collect()
}

/// The path of a decompressed module, which this makes when it is not there yet.
fn decompressed(path: &Path) -> Result<PathBuf, ModuleError> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let mut packed = path.as_os_str().to_owned();
    packed.push(".xz");
    let packed = PathBuf::from(packed);
    let source = BufReader::new(File::open(&packed).map_err(at(&packed))?);
    let folder = path.parent().unwrap_or(Path::new("/"));
    // Made beside its place and renamed, so that nobody ever sees half a module.
    let mut made = tempfile::NamedTempFile::new_in(folder).map_err(at(folder))?;
    io::copy(&mut lzma_rust2::XzReader::new(source, false), &mut made).map_err(at(&packed))?;
    made.flush().map_err(at(path))?;
    made.persist(path).map_err(|error| ModuleError::File { path: path.to_owned(), source: error.error })?;
    Ok(path.to_owned())
}

fn at(path: &Path) -> impl Fn(io::Error) -> ModuleError + '_ {
    move |source| ModuleError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(modules: &[(&str, &str)]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("kernel")).unwrap();
        let mut order = String::new();
        for (name, depends) in modules {
            fs::write(
                tree.path().join(format!("kernel/{name}.ko")),
                format!("\x7fELF\0license=GPL\0depends={depends}\0x"),
            )
            .unwrap();
            order += &format!("kernel/{name}.ko\n");
        }
        fs::write(tree.path().join("modules.order"), order).unwrap();
        fs::write(tree.path().join("modules.builtin"), "kernel/virtio.ko\n").unwrap();
        tree
    }

    fn names(paths: &[PathBuf]) -> Vec<&str> {
        paths.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect()
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let tree =
            tree(&[("kvm-amd", "kvm,ccp"), ("kvm", "irqbypass"), ("irqbypass", ""), ("ccp", "virtio")]);
        let order = closure(tree.path(), &["kvm_amd", "kvm"]).unwrap();
        assert_eq!(names(&order), ["irqbypass", "kvm", "ccp", "kvm-amd"]);
    }

    #[test]
    fn builtin_needs_no_file_and_unknown_is_an_error() {
        let tree = tree(&[]);
        assert!(closure(tree.path(), &["virtio"]).unwrap().is_empty());
        assert!(matches!(closure(tree.path(), &["nope"]), Err(ModuleError::Unknown(name)) if name == "nope"));
    }
}
