//! Why there is no answer, and what to do about it: each reason for itself, as each has another remedy.

use std::path::PathBuf;

use nvml_wrapper::error::NvmlError;

/// What the dynamic linker said.
type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// Why the GPUs of this host cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This host has no NVIDIA driver: no fault.
    #[error("NVIDIA's management library cannot be loaded")]
    Absent(#[source] Refusal),
    /// The file that was named is no library, or is not there.
    #[error("the library that was named cannot be loaded")]
    Unloadable(#[source] Refusal),
    /// The file that was opened is another library.
    #[error("{} is not NVIDIA's management library", .0.display())]
    Foreign(PathBuf),
    /// The library is installed, and the kernel has no driver loaded.
    #[error("NVIDIA's management library is installed, but its kernel driver is not loaded")]
    NoDriver,
    /// The library is of another version than the kernel's driver.
    #[error("NVIDIA's management library and its kernel driver are of different versions")]
    Mismatch,
    /// The driver refuses this user.
    #[error("the NVIDIA driver refuses this user")]
    NoPermission,
    /// Something else.
    #[error("the NVIDIA driver does not answer")]
    Failed(#[source] NvmlError),
}

impl Error {
    /// Whether this host is one without NVIDIA's software, which is no fault.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Absent(_))
    }

    /// What to do about it, in one line.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Absent(_) => "none is needed without a GPU; with one, install NVIDIA's driver",
            Self::Unloadable(_) | Self::Foreign(_) => "name libnvidia-ml.so.1 of an NVIDIA driver for x86-64",
            Self::NoDriver => {
                "load it (modprobe nvidia); if that fails, the module was not built for this kernel, or there is no GPU"
            }
            Self::Mismatch => {
                "restart the host: the driver was upgraded, and the kernel still runs the old one"
            }
            Self::NoPermission => "give this user read and write access to /dev/nvidiactl and /dev/nvidia*",
            Self::Failed(_) => "look for NVRM in the kernel log, and restart the host if it says no more",
        }
    }
}

impl From<NvmlError> for Error {
    fn from(error: NvmlError) -> Self {
        match error {
            NvmlError::DriverNotLoaded => Self::NoDriver,
            NvmlError::LibRmVersionMismatch => Self::Mismatch,
            NvmlError::NoPermission => Self::NoPermission,
            error => Self::Failed(error),
        }
    }
}
