//! Builds stand-ins for NVIDIA's management library, one for each host of `gpus.h`, and so lets tests go through
//! the dynamic linker and the true functions.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers"];

/// The library of one host, in a directory of its own.
pub(crate) struct Fake(TempDir);

impl Fake {
    /// `shape` is the host's name in `gpus.h` as people write it: `h100`, `lost-gpu`.
    pub(crate) fn new(shape: &str) -> Self {
        let fake = Self(TempDir::new().unwrap());
        let sources = [("nvml.c", include_str!("nvml.c")), ("gpus.h", include_str!("gpus.h"))];
        for (name, text) in sources {
            fs::write(fake.0.path().join(name), text).unwrap();
        }
        let mut cc = Command::new("cc");
        cc.args(WARNINGS).args(["-std=c11", "-shared", "-fPIC", "-o"]).arg(fake.path());
        cc.arg(format!("-DSHAPE_{}", shape.to_uppercase().replace('-', "_")));
        let output = cc.arg(fake.0.path().join("nvml.c")).output().unwrap();
        assert!(output.status.success(), "{shape}: {}", String::from_utf8_lossy(&output.stderr));
        fake
    }

    /// Named as the dynamic linker looks for it.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("libnvidia-ml.so.1")
    }
}
