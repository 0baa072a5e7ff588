//! What a host has for models: the parts of its GPUs that can be given work, each with what is free of it, and its memory.

use std::collections::BTreeMap;
use std::fs;

use gpu::{Health, Inventory, Memory, Uuid};

/// Bytes that servers will take and have not taken yet, by the device's UUID: free memory lags while a server loads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserved(BTreeMap<String, u64>);

/// What a host has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// What can be given work.
    pub devices: Vec<Device>,
    /// What cannot, each in words, with the reason.
    pub left_out: Vec<String>,
    /// Memory of the host that is free for programs.
    pub memory_bytes: u64,
}

/// A GPU, or one instance of a divided one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// By what CUDA finds it.
    pub uuid: String,
    /// The driver's number of the GPU, in the order of the bus. It says nothing at another moment.
    pub index: u32,
    /// The product's name; devices of one name can share a model.
    pub name: String,
    /// What is built in.
    pub total_bytes: u64,
    /// What is free, less what is reserved.
    pub free_bytes: u64,
    /// CUDA compute capability; `None`: not told.
    pub capability: Option<(u32, u32)>,
    /// Whether it is a part of a GPU: parts share no model.
    pub is_instance: bool,
}

impl Reserved {
    /// Reserves `bytes` of each device.
    pub fn add(&mut self, devices: &[String], bytes: u64) {
        for device in devices {
            let sum = self.0.entry(device.clone()).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Takes a reservation back.
    pub fn remove(&mut self, devices: &[String], bytes: u64) {
        for device in devices {
            if let Some(sum) = self.0.get_mut(device) {
                *sum = sum.saturating_sub(bytes);
            }
        }
    }

    fn of(&self, uuid: &str) -> u64 {
        self.0.get(uuid).copied().unwrap_or_default()
    }
}

impl Host {
    /// What an inventory has to give. A GPU that is not well, and one of which a figure is missing that decides, is left out.
    #[must_use]
    pub fn of(inventory: &Inventory, reserved: &Reserved, memory_bytes: u64) -> Self {
        let mut host = Self { memory_bytes, ..Self::default() };
        for gpu in &inventory.devices {
            let name = gpu.name.clone().unwrap_or_else(|| format!("GPU {}", gpu.index));
            if gpu.health != Health::Usable {
                host.left_out.push(format!("{name} ({}): {}", gpu.index, gpu.health));
                continue;
            }
            let capability = gpu.compute_capability.as_deref().and_then(parse_capability);
            let mut add =
                |uuid: Option<&Uuid>, name: &str, memory: Option<Memory>, is_instance| match (uuid, memory) {
                    (Some(uuid), Some(memory)) => host.devices.push(Device {
                        uuid: uuid.0.clone(),
                        index: gpu.index,
                        name: name.to_owned(),
                        total_bytes: memory.total_bytes,
                        free_bytes: memory.free_bytes.saturating_sub(reserved.of(&uuid.0)),
                        capability,
                        is_instance,
                    }),
                    _ => host
                        .left_out
                        .push(format!("{name} ({}): the driver does not tell its memory", gpu.index)),
                };
            match &gpu.mig {
                Some(mig) if mig.enabled && mig.instances.is_empty() => host
                    .left_out
                    .push(format!("{name} ({}): it is to be divided (MIG) and has no instance", gpu.index)),
                Some(mig) if mig.enabled => {
                    for part in &mig.instances {
                        add(part.uuid.as_ref(), part.name.as_deref().unwrap_or(&name), part.memory, true);
                    }
                }
                _ => add(gpu.uuid.as_ref(), &name, gpu.memory, false),
            }
        }
        host
    }
}

/// `10.0` as two numbers.
pub(crate) fn parse_capability(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What the kernel says can be had without swapping; 0 if it does not say.
#[must_use]
pub fn memory_available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or_default().saturating_mul(1024)
}
