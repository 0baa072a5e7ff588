//! What is known of GPUs: data alone. The JSON of it has the unit in a figure's name, and `null` for what was not told.

use serde::{Serialize, Serializer};

use crate::ecc::{Ecc, RowRemapping};
use crate::health::Health;
use crate::name::{PciAddress, Uuid};

/// All GPUs that the driver knows, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// The driver's version, as `580.95.05`.
    pub driver: Option<String>,
    /// The newest CUDA that the driver serves, as `13.0`.
    pub cuda: Option<String>,
    /// In the order of NVML's indices.
    pub devices: Vec<Device>,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// NVML's index. It says nothing at another moment: `uuid` and `pci` are the GPU's name.
    pub index: u32,
    /// None of a GPU that cannot be opened.
    pub uuid: Option<Uuid>,
    /// None of a GPU that cannot be opened.
    pub pci: Option<PciAddress>,
    /// The product's name.
    pub name: Option<String>,
    /// The family's name, as `Hopper`.
    pub architecture: Option<String>,
    /// CUDA compute capability, as `9.0`.
    pub compute_capability: Option<String>,
    /// Memory of the whole GPU, that of its MIG instances included.
    #[serde(flatten, serialize_with = "memory_or_null")]
    pub memory: Option<Memory>,
    /// None with MIG: the hardware does not count it then.
    pub utilisation: Option<Utilisation>,
    /// Of the chip.
    pub temperature_celsius: Option<u32>,
    /// What it takes now.
    pub power_milliwatts: Option<u32>,
    /// What it may take.
    pub power_limit_milliwatts: Option<u32>,
    /// Why its clocks are lower than they could be; empty if they are not.
    pub throttle: Option<Vec<Throttle>>,
    /// Whether the driver keeps the GPU ready while nobody uses it.
    pub persistence_mode: Option<bool>,
    /// None if the GPU has no error correction, or the driver does not tell.
    pub ecc: Option<Ecc>,
    /// None before the Ampere family.
    pub row_remapping: Option<RowRemapping>,
    /// None if the GPU cannot be divided.
    pub mig: Option<Mig>,
    /// Who uses it: compute and graphics.
    pub processes: Option<Vec<Process>>,
    /// Whether work may be given to it.
    pub health: Health,
}

/// Memory of a GPU or an instance, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// What is built in.
    #[serde(rename = "memory_total_bytes")]
    pub total_bytes: u64,
    /// What processes have.
    #[serde(rename = "memory_used_bytes")]
    pub used_bytes: u64,
    /// What nobody has.
    #[serde(rename = "memory_free_bytes")]
    pub free_bytes: u64,
    /// What the driver keeps for itself; in neither of the two others.
    #[serde(rename = "memory_reserved_bytes")]
    pub reserved_bytes: u64,
}

/// Share of the last sample period (1/6 to 1 s) in which something was done, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Utilisation {
    /// A kernel ran.
    pub compute_percent: u32,
    /// Memory was read or written.
    pub memory_percent: u32,
}

/// Why clocks are lower than they could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Throttle {
    /// Nothing runs.
    Idle,
    /// Somebody has set the clocks.
    ClocksSetting,
    /// The power limit.
    PowerCap,
    /// Heat, or power from outside: clocks are halved or less.
    HardwareSlowdown,
    /// Another GPU of the same group is slower.
    SyncBoost,
    /// Heat of chip or memory, by the driver.
    ThermalSlowdown,
    /// Heat of the chip, by the hardware.
    HardwareThermalSlowdown,
    /// The power supply asks for it.
    PowerBrake,
    /// A display needs it.
    DisplayClocksSetting,
}

/// A GPU that can be divided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mig {
    /// Whether it is divided. Then only its instances can be used.
    pub enabled: bool,
    /// Whether it is after the next reset.
    pub enabled_after_reset: bool,
    /// What can be used alone; none if it is not divided.
    pub instances: Vec<MigInstance>,
}

/// One part of a divided GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MigInstance {
    /// NVML's index within the GPU.
    pub index: u32,
    /// Its name for itself.
    pub uuid: Option<Uuid>,
    /// The GPU's name and the profile, as `NVIDIA A100-SXM4-80GB MIG 3g.40gb`.
    pub name: Option<String>,
    /// Memory of this part.
    #[serde(flatten, serialize_with = "memory_or_null")]
    pub memory: Option<Memory>,
}

/// A process that uses a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// As the host numbers processes.
    pub pid: u32,
    /// What it has of the GPU's memory; None if the driver does not tell this user.
    pub memory_bytes: Option<u64>,
    /// Which GPU instance it runs on, with MIG.
    pub gpu_instance: Option<u32>,
    /// Which compute instance of that.
    pub compute_instance: Option<u32>,
}

/// The figures stand in the device itself, and are there when they are not known.
fn memory_or_null<S: Serializer>(memory: &Option<Memory>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Unknown {
        memory_total_bytes: (),
        memory_used_bytes: (),
        memory_free_bytes: (),
        memory_reserved_bytes: (),
    }
    let unknown = Unknown {
        memory_total_bytes: (),
        memory_used_bytes: (),
        memory_free_bytes: (),
        memory_reserved_bytes: (),
    };
    match memory {
        Some(memory) => memory.serialize(serializer),
        None => unknown.serialize(serializer),
    }
}
