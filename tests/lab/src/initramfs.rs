//! The lab's initramfs: a static busybox, the modules in loading order and a script that puts the host's tree
//! with a writable layer in place of itself and starts the guest half there.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TREE: &str = "initramfs";
const ARCHIVE: &str = "initramfs.cpio";

/// The script's fixed part. A step that fails prints its name on the console and powers off, which the host
/// reports together with the console's last lines.
const SCRIPT: &str = r#"#!/bin/busybox sh
b=/bin/busybox
step=start
trap '$b echo "lab: $step failed"; $b poweroff -f' EXIT
set -e
step=proc; $b mount -t proc proc /proc
step=modules; while read -r module; do $b insmod "/modules/$module"; done </modules.list
step=virtiofs; $b mount -t virtiofs -o ro root /host
step=overlay; $b mount -t tmpfs -o mode=0755,size=75% layer /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /new
step=mounts
$b mount -t proc -o nosuid,nodev,noexec proc /new/proc
$b mount -t sysfs -o nosuid,nodev,noexec sysfs /new/sys
$b mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /new/sys/fs/cgroup
$b mount -t securityfs -o nosuid,nodev,noexec securityfs /new/sys/kernel/security
$b mount -t devtmpfs -o nosuid dev /new/dev
$b mkdir -p /new/dev/pts /new/dev/shm
$b mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts /new/dev/pts
$b mount -t tmpfs -o nosuid,nodev,mode=1777 shm /new/dev/shm
$b mount -t tmpfs -o nosuid,nodev,mode=755 run /new/run
$b ln -sfn /proc/self/fd /new/dev/fd
$b ln -sfn fd/0 /new/dev/stdin
$b ln -sfn fd/1 /new/dev/stdout
$b ln -sfn fd/2 /new/dev/stderr
step=kvm; $b chmod 666 /new/dev/kvm /new/dev/null /new/dev/zero /new/dev/full /new/dev/tty
step=network; $b hostname lab; $b ifconfig lo 127.0.0.1 up
step=guest
$b umount /proc
trap - EXIT
"#;

/// Builds the archive in `folder` and returns its path.
pub(crate) fn build(folder: &Path, modules: &[PathBuf], guest: &[impl AsRef<OsStr>]) -> io::Result<PathBuf> {
    let tree = folder.join(TREE);
    for name in ["bin", "proc", "host", "layer", "new", "modules", "dev"] {
        fs::create_dir_all(tree.join(name))?;
    }
    fs::copy("/bin/busybox", tree.join("bin/busybox"))?;
    let mut list = String::new();
    for module in modules {
        let name = module.file_name().unwrap_or_default();
        fs::copy(module, tree.join("modules").join(name))?;
        let _ = writeln!(list, "{}", name.display());
    }
    fs::write(tree.join("modules.list"), list)?;
    let init = tree.join("init");
    fs::write(&init, script(guest)?)?;
    fs::set_permissions(&init, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    pack(&tree, &folder.join(ARCHIVE))
}

/// Removes what [`build`] made; what cannot be removed goes with the folder.
pub(crate) fn remove(folder: &Path) {
    let _ = fs::remove_dir_all(folder.join(TREE));
    let _ = fs::remove_file(folder.join(ARCHIVE));
}

/// The whole script, which ends in the guest half.
fn script(guest: &[impl AsRef<OsStr>]) -> io::Result<String> {
    let mut text = format!("{SCRIPT}exec $b switch_root /new");
    for word in guest {
        let word =
            word.as_ref().to_str().ok_or_else(|| io::Error::other("the guest half's path is not UTF-8"))?;
        let _ = write!(text, " '{}'", word.replace('\'', r"'\''"));
    }
    text.push('\n');
    Ok(text)
}

/// Packs a tree in the format that the kernel reads.
fn pack(tree: &Path, archive: &Path) -> io::Result<PathBuf> {
    let mut names = Vec::new();
    list(tree, Path::new(""), &mut names)?;
    let mut cpio = Command::new("cpio")
        .args(["--create", "--format=newc", "--null", "--quiet", "--owner=+0:+0"])
        .current_dir(tree)
        .stdin(Stdio::piped())
        .stdout(fs::File::create(archive)?)
        .spawn()?;
    let mut stdin = cpio.stdin.take().expect("stdin was asked for as a pipe");
    stdin.write_all(&names)?;
    drop(stdin);
    if !cpio.wait()?.success() {
        return Err(io::Error::other("cpio failed"));
    }
    Ok(archive.to_owned())
}

/// Every path below `tree`, folders before their content, each ended by a zero byte.
fn list(tree: &Path, below: &Path, names: &mut Vec<u8>) -> io::Result<()> {
    for entry in fs::read_dir(tree.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        names.extend(path.as_os_str().as_encoded_bytes());
        names.push(0);
        if entry.file_type()?.is_dir() {
            list(tree, &path, names)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_half_is_quoted() {
        let text = script(&["/a b/it's", "enter"]).unwrap();
        assert!(text.ends_with("exec $b switch_root /new '/a b/it'\\''s' 'enter'\n"));
    }
}
