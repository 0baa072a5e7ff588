//! Host directories in the sandbox: images of them as they are now, and those that are lent live.

use std::fs::File;

use images::Stop;
use wire::confinement::User;
use wire::control::{Mount, MountAccess};
use wire::id::SandboxId;
use wire::machine::DiskAccess;

use crate::failure::Failure;
use crate::image;
use crate::interruption::interrupted;
use crate::layout::Layout;
use crate::live::Live;
use crate::spec::Spec;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    /// What the guest is told.
    pub(crate) guest: Vec<Mount>,
    /// Those that are lent.
    pub(crate) live: Vec<Live>,
}

impl Mounts {
    /// Opens what is lent and packs what is not; images become further disks.
    ///
    /// # Errors
    /// A directory cannot be read or may not be lent, or `stop` was asked.
    pub(crate) fn prepare(
        layout: &Layout,
        (spec, id): (&Spec, &SandboxId),
        (agent, disks): (&User, &mut Vec<(File, DiskAccess)>),
        stop: &Stop,
    ) -> Result<Self, Failure> {
        let mut mounts = Self::default();
        for (index, mount) in spec.mounts.iter().enumerate() {
            if stop.is_asked() {
                return Err(interrupted());
            }
            let (target, access) = (mount.target.clone(), mount.mode.access());
            let device = if access == MountAccess::Live {
                let tag = format!("mount{index}");
                mounts.live.push(Live::open(layout, spec, mount, tag.clone())?);
                tag
            } else {
                let device = device_name(disks.len());
                let packed = image::pack(layout, &format!("{id}-{index}"), &mount.source, agent, stop)?;
                disks.push((packed, DiskAccess::ReadOnly));
                device
            };
            mounts.guest.push(Mount { target, device, access });
        }
        Ok(mounts)
    }
}

/// `/dev/vda`, `/dev/vdb` … in the order in which the machine gets them.
pub(crate) fn device_name(index: usize) -> String {
    let letter = u8::try_from(index).ok().filter(|n| *n < 26).map_or(b'z', |n| b'a' + n);
    format!("/dev/vd{}", char::from(letter))
}
