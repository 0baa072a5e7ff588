use std::process::{Command, Stdio};

use super::*;

/// A kernel whose module tree holds every module of [`MODULES`], one of them with a dependency.
fn kernel(folder: &Path) -> Kernel {
    let modules = folder.join("modules");
    fs::create_dir_all(modules.join("kernel")).unwrap();
    let mut order = String::new();
    for name in MODULES.iter().chain(&["vsock"]) {
        let depends = if name.starts_with("vmw_vsock") { "vsock" } else { "" };
        fs::write(modules.join(format!("kernel/{name}.ko")), format!("\x7fELF\0depends={depends}\0"))
            .unwrap();
        order += &format!("kernel/{name}.ko\n");
    }
    fs::write(modules.join("modules.order"), order).unwrap();
    fs::write(modules.join("modules.builtin"), "").unwrap();
    Kernel { vmlinux: folder.join("vmlinux"), version: "6.12.0".into(), modules }
}

/// The smallest ELF that is accepted: one program header of the given kind.
fn program(kind: u32) -> Vec<u8> {
    let mut elf = vec![0; 120];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[18] = 62;
    elf[32] = 64;
    elf[54] = 56;
    elf[56] = 1;
    elf[64..68].copy_from_slice(&kind.to_le_bytes());
    elf
}

struct Bench {
    folder: tempfile::TempDir,
    kernel: Kernel,
    init: PathBuf,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let (kernel, init) = (kernel(folder.path()), folder.path().join("guest-init"));
    fs::write(&init, program(1)).unwrap();
    Bench { folder, kernel, init }
}

impl Bench {
    fn build(&self) -> Result<PathBuf, InitramfsError> {
        build(&self.kernel, &self.init, &self.folder.path().join("cache"))
    }
}

/// Runs GNU cpio on the archive.
fn cpio(archive: &Path, arguments: &[&str]) -> String {
    let output = Command::new("cpio")
        .args(arguments)
        .env("TZ", "UTC")
        .stdin(Stdio::from(File::open(archive).unwrap()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn cpio_reads_every_entry() {
    let bench = bench();
    let path = bench.build().unwrap();
    let listing = cpio(&path, &["--list", "--verbose", "--numeric-uid-gid", "--quiet"]);
    let line =
        |name: &str| listing.lines().find(|line| line.ends_with(&format!(" {name}"))).unwrap_or(&listing);
    assert!(line("dev/console").starts_with("crw-------   1 0        0          5,   1 Jan  1  1970"));
    assert!(line("dev/null").starts_with("crw-------   1 0        0          1,   3"));
    assert!(line("init").starts_with("-rwxr-xr-x   1 0        0             120"));
    assert!(line("modules").starts_with("drwxr-xr-x"));
    assert_eq!(listing.lines().count(), 8 + MODULES.len() + 1);
}

#[test]
fn modules_are_listed_in_loading_order() {
    let bench = bench();
    let list = cpio(&bench.build().unwrap(), &["--extract", "--to-stdout", "--quiet", "modules.list"]);
    let list: Vec<&str> = list.lines().collect();
    let place = |name: &str| list.iter().position(|line| *line == format!("/modules/{name}.ko")).unwrap();
    assert!(place("vsock") < place("vmw_vsock_virtio_transport"));
    assert_eq!(place("virtio_mmio"), 0);
    assert_eq!(list.len(), MODULES.len() + 1);
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let bench = bench();
    let path = bench.build().unwrap();
    let first = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(bench.build().unwrap(), path);
    assert!(fs::read(&path).unwrap() == first);
}

#[test]
fn a_whole_file_is_reused_and_a_cut_one_is_made_again() {
    let bench = bench();
    let path = bench.build().unwrap();
    let whole = fs::metadata(&path).unwrap();
    bench.build().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), whole.ino());
    File::options().write(true).open(&path).unwrap().set_len(whole.len() - 1).unwrap();
    bench.build().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), whole.len());
}

#[test]
fn another_guest_init_gives_another_file() {
    let bench = bench();
    let path = bench.build().unwrap();
    let mut other = program(1);
    other[119] = 1;
    fs::remove_file(&bench.init).unwrap();
    fs::write(&bench.init, other).unwrap();
    assert_ne!(bench.build().unwrap(), path);
}

#[test]
fn a_missing_or_dynamic_guest_init_is_refused() {
    let bench = bench();
    for content in [&program(3)[..], b"#!/bin/sh\n", b""] {
        fs::write(&bench.init, content).unwrap();
        let error = bench.build().unwrap_err();
        assert!(matches!(error, InitramfsError::NotStatic { .. }), "{error}");
    }
    fs::remove_file(&bench.init).unwrap();
    assert!(matches!(bench.build(), Err(InitramfsError::Init { .. })));
    assert_eq!(fs::read_dir(bench.folder.path().join("cache/initramfs")).unwrap().count(), 0);
}

#[test]
fn modules_go_in_without_their_signatures() {
    let description = |length: u32| [&[0; 8][..], &length.to_be_bytes()].concat();
    let signed = |length: u32| [&b"\x7fELFmodule"[..], b"sig", &description(length), SIGNED].concat();
    assert_eq!(unsigned(&signed(3)), b"\x7fELFmodule");
    // What is no signature stays: the kernel says better than we what is wrong with it.
    let odd = signed(1000);
    assert_eq!(unsigned(&odd), odd);
    assert_eq!(unsigned(SIGNED), SIGNED);
    assert_eq!(unsigned(b"\x7fELFmodule"), b"\x7fELFmodule");
}
