//! The questions that make an inventory. Each is asked alone: what an old driver does not know, or a GPU does not have, is
//! `None`, and no other figure goes with it.

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::{DeviceArchitecture, SampleValue, UsedGpuMemory};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::{MemoryInfo, ProcessInfo};
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::{Nvml, cuda_driver_version_major, cuda_driver_version_minor};

use crate::ecc::{Ecc, RowRemapping};
use crate::health::{Health, Signs};
use crate::inventory::{Device, Inventory, Memory, Mig, MigInstance, Process, Throttle, Utilisation};
use crate::name::{PciAddress, Uuid};
use crate::xid::Xids;

/// Row remapping: NVML has a function for it that the wrapper has not, and these fields.
const REMAPPED: [FieldId; 4] = [FieldId(142), FieldId(143), FieldId(144), FieldId(145)];

/// `NVML_DEVICE_MIG_ENABLE`.
const MIG_ENABLED: u32 = 1;

/// Reasons by their bits.
const THROTTLES: [(ThrottleReasons, Throttle); 9] = [
    (ThrottleReasons::GPU_IDLE, Throttle::Idle),
    (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, Throttle::ClocksSetting),
    (ThrottleReasons::SW_POWER_CAP, Throttle::PowerCap),
    (ThrottleReasons::HW_SLOWDOWN, Throttle::HardwareSlowdown),
    (ThrottleReasons::SYNC_BOOST, Throttle::SyncBoost),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, Throttle::ThermalSlowdown),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, Throttle::HardwareThermalSlowdown),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, Throttle::PowerBrake),
    (ThrottleReasons::DISPLAY_CLOCK_SETTING, Throttle::DisplayClocksSetting),
];

/// Asks for everything.
pub(crate) fn inventory(nvml: &Nvml, xids: &Xids) -> Result<Inventory, NvmlError> {
    let version =
        |version| format!("{}.{}", cuda_driver_version_major(version), cuda_driver_version_minor(version));
    let driver = nvml.sys_driver_version().ok();
    let circumstances = Circumstances { driver: driver.as_deref(), xids };
    let devices = (0..nvml.device_count()?).map(|index| device(nvml, index, circumstances)).collect();
    Ok(Inventory { driver, cuda: nvml.sys_cuda_driver_version().ok().map(version), devices })
}

/// What is known before a GPU is asked.
#[derive(Clone, Copy)]
struct Circumstances<'a> {
    driver: Option<&'a str>,
    xids: &'a Xids,
}

fn device(nvml: &Nvml, index: u32, circumstances: Circumstances<'_>) -> Device {
    match nvml.device_by_index(index) {
        Ok(device) => Questions { device, signs: Signs::default() }.ask(index, circumstances),
        Err(NvmlError::GpuLost) => unopened(index, Health::Lost),
        Err(error) => unopened(index, Health::Unreadable(error.to_string())),
    }
}

/// A GPU that is only known to be one.
fn unopened(index: u32, health: Health) -> Device {
    Device {
        index,
        uuid: None,
        pci: None,
        name: None,
        architecture: None,
        compute_capability: None,
        memory: None,
        utilisation: None,
        temperature_celsius: None,
        power_milliwatts: None,
        power_limit_milliwatts: None,
        throttle: None,
        persistence_mode: None,
        ecc: None,
        row_remapping: None,
        mig: None,
        processes: None,
        health,
    }
}

/// One GPU, and what its answers say of its health.
struct Questions<'library> {
    device: nvml_wrapper::Device<'library>,
    signs: Signs,
}

impl<'library> Questions<'library> {
    fn ask(mut self, index: u32, Circumstances { driver, xids }: Circumstances<'_>) -> Device {
        let uuid = self.figure(|device| device.uuid()).map(Uuid);
        self.signs.xids = uuid.as_ref().map_or_else(Vec::new, |uuid| xids.of(uuid).to_vec());
        let ecc = self.ecc();
        let row_remapping = self.row_remapping();
        let mut told = Device {
            uuid,
            pci: self.pci(),
            name: self.figure(|device| device.name()),
            architecture: self.architecture(),
            compute_capability: self.compute_capability(),
            memory: self.figure(|device| device.memory_info()).map(memory),
            utilisation: self.utilisation(),
            temperature_celsius: self.figure(|device| device.temperature(TemperatureSensor::Gpu)),
            power_milliwatts: self.figure(|device| device.power_usage()),
            power_limit_milliwatts: self.figure(|device| device.enforced_power_limit()),
            throttle: self.throttle(),
            persistence_mode: self.figure(|device| device.is_in_persistent_mode()),
            ecc,
            row_remapping,
            mig: self.mig(),
            processes: driver.filter(|driver| tells_processes(driver)).and_then(|_| self.processes()),
            ..unopened(index, Health::Usable)
        };
        // Last: any answer can be that the GPU is lost.
        told.health = self.signs.health(ecc, row_remapping);
        told
    }

    /// An answer; one that was not given says at most that the GPU is lost or wants a reset.
    fn figure<T>(
        &mut self,
        question: impl FnOnce(&nvml_wrapper::Device<'library>) -> Result<T, NvmlError>,
    ) -> Option<T> {
        let answer = question(&self.device);
        self.noted(answer)
    }

    /// The same about errors: who cannot say that there are none has them, unless nobody counts them.
    fn sign<T>(
        &mut self,
        question: impl FnOnce(&nvml_wrapper::Device<'library>) -> Result<T, NvmlError>,
    ) -> Option<T> {
        let answer = question(&self.device);
        if let Err(error) = &answer
            && !is_unknown(error)
        {
            self.signs.unanswered.get_or_insert_with(|| error.to_string());
        }
        self.noted(answer)
    }

    fn noted<T>(&mut self, answer: Result<T, NvmlError>) -> Option<T> {
        match &answer {
            Err(NvmlError::GpuLost) => self.signs.lost = true,
            Err(NvmlError::ResetRequired) => self.signs.reset_required = true,
            _other => {}
        }
        answer.ok()
    }

    fn pci(&mut self) -> Option<PciAddress> {
        let pci = self.figure(|device| device.pci_info())?;
        // A GPU is its card's function 0; NVML does not say it.
        Some(PciAddress(format!("{:04x}:{:02x}:{:02x}.0", pci.domain, pci.bus, pci.device)))
    }

    fn architecture(&mut self) -> Option<String> {
        let known = self.figure(|device| device.architecture())?;
        (known != DeviceArchitecture::Unknown).then(|| known.to_string())
    }

    fn compute_capability(&mut self) -> Option<String> {
        let capability = self.figure(|device| device.cuda_compute_capability())?;
        Some(format!("{}.{}", capability.major, capability.minor))
    }

    fn utilisation(&mut self) -> Option<Utilisation> {
        let rates = self.figure(|device| device.utilization_rates())?;
        Some(Utilisation { compute_percent: rates.gpu, memory_percent: rates.memory })
    }

    fn throttle(&mut self) -> Option<Vec<Throttle>> {
        let bits = self.figure(|device| device.current_throttle_reasons())?;
        Some(THROTTLES.iter().filter(|(bit, _)| bits.contains(*bit)).map(|(_, reason)| *reason).collect())
    }

    fn ecc(&mut self) -> Option<Ecc> {
        let mode = self.sign(|device| device.is_ecc_enabled());
        let mut uncorrectable =
            |counter| self.sign(|device| device.total_ecc_errors(MemoryError::Uncorrected, counter));
        let ecc = Ecc {
            enabled: mode.as_ref().map(|mode| mode.currently_enabled),
            enabled_after_reboot: mode.as_ref().map(|mode| mode.pending_enabled),
            volatile_uncorrectable: uncorrectable(EccCounter::Volatile),
            aggregate_uncorrectable: uncorrectable(EccCounter::Aggregate),
        };
        let nothing =
            mode.is_none() && ecc.volatile_uncorrectable.is_none() && ecc.aggregate_uncorrectable.is_none();
        (!nothing).then_some(ecc)
    }

    fn row_remapping(&mut self) -> Option<RowRemapping> {
        let samples = self.sign(|device| device.field_values_for(&REMAPPED))?;
        let mut samples = samples.into_iter();
        let mut next = || {
            let sample = samples.next()?;
            self.sign(|_device| sample.and_then(|sample| sample.value)).and_then(count)
        };
        let rows = [next(), next(), next(), next()];
        if rows == [None; 4] {
            return None;
        }
        let [correctable_rows, uncorrectable_rows, pending, failed] = rows;
        let [pending, failed] = [pending, failed].map(|flag| flag.map(|flag| flag > 0));
        Some(RowRemapping { correctable_rows, uncorrectable_rows, pending, failed })
    }

    fn mig(&mut self) -> Option<Mig> {
        let mode = self.figure(|device| device.mig_mode())?;
        let enabled = mode.current == MIG_ENABLED;
        let most = if enabled { self.figure(|device| device.mig_device_count()).unwrap_or(0) } else { 0 };
        let instances = (0..most).filter_map(|index| self.instance(index)).collect();
        Some(Mig { enabled, enabled_after_reset: mode.pending == MIG_ENABLED, instances })
    }

    /// Indices have gaps where instances were removed.
    fn instance(&mut self, index: u32) -> Option<MigInstance> {
        let part = self.figure(|device| device.mig_device_by_index(index))?;
        let uuid = part.uuid();
        let name = part.name();
        let memory_info = part.memory_info();
        Some(MigInstance {
            index,
            uuid: self.noted(uuid).map(Uuid),
            name: self.noted(name),
            memory: self.noted(memory_info).map(memory),
        })
    }

    /// A process that computes and draws is one, in both lists, with all its memory.
    fn processes(&mut self) -> Option<Vec<Process>> {
        let compute = self.figure(|device| device.running_compute_processes());
        let graphics = self.figure(|device| device.running_graphics_processes());
        if compute.is_none() && graphics.is_none() {
            return None;
        }
        let mut all: Vec<Process> =
            compute.into_iter().chain(graphics).flatten().map(|process| as_process(&process)).collect();
        all.sort_by_key(|process| (process.pid, process.gpu_instance, process.compute_instance));
        all.dedup_by_key(|process| (process.pid, process.gpu_instance, process.compute_instance));
        Some(all)
    }
}

/// Drivers 535.43 to 535.97 write entries of 32 bytes into a list of entries of 24: whoever asks them for processes
/// has memory overwritten.
fn tells_processes(driver: &str) -> bool {
    let mut numbers = driver.split('.').map(str::parse::<u32>);
    !matches!((numbers.next(), numbers.next()), (Some(Ok(535)), Some(Ok(43..=97))))
}

/// Whether nobody has this figure: the driver is too old for the question, or the GPU has no such thing.
fn is_unknown(error: &NvmlError) -> bool {
    matches!(
        error,
        NvmlError::NotSupported
            | NvmlError::FailedToLoadSymbol(_)
            | NvmlError::FunctionNotFound
            | NvmlError::InvalidArg
            | NvmlError::NoData
    )
}

fn memory(told: MemoryInfo) -> Memory {
    Memory {
        total_bytes: told.total,
        used_bytes: told.used,
        free_bytes: told.free,
        reserved_bytes: told.reserved,
    }
}

fn as_process(told: &ProcessInfo) -> Process {
    let memory_bytes = match told.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    };
    Process {
        pid: told.pid,
        memory_bytes,
        gpu_instance: told.gpu_instance_id,
        compute_instance: told.compute_instance_id,
    }
}

/// A field's value as a count.
fn count(value: SampleValue) -> Option<u64> {
    match value {
        SampleValue::U32(number) => Some(number.into()),
        SampleValue::U64(number) => Some(number),
        SampleValue::I64(number) => u64::try_from(number).ok(),
        SampleValue::F64(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_with_large_entries_are_known_by_their_versions() {
        for driver in ["535.43.02", "535.54.03", "535.86.10"] {
            assert!(!tells_processes(driver), "{driver}");
        }
        for driver in ["530.41.03", "535.98", "535.154.05", "545.43.02", "580.95.05"] {
            assert!(tells_processes(driver), "{driver}");
        }
    }
}
