//! What is told of hosts with all kinds of GPUs, through the dynamic linker and NVML's own functions.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "fake/library.rs"]
mod fake;

use std::path::Path;
use std::time::Duration;

use fake::Fake;
use gpu::{
    Arrived, Device, Ecc, Error, Health, Inventory, Library, Memory, PciAddress, Process, Reason,
    RowRemapping, Throttle, Utilisation, Uuid, Xid, Xids,
};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

fn inventory(shape: &str) -> Inventory {
    let fake = Fake::new(shape);
    Library::open(Some(&fake.path())).unwrap().inventory(&Xids::default()).unwrap()
}

fn uuid(number: u8) -> Uuid {
    Uuid(format!("GPU-0000000{number}-1111-2222-3333-444455556666"))
}

fn health(device: &Device) -> String {
    device.health.to_string()
}

#[test]
fn every_figure_of_a_gpu_is_told_in_its_unit() {
    let Inventory { driver, cuda, devices } = inventory("a100");
    assert_eq!((driver.as_deref(), cuda.as_deref()), (Some("580.95.05"), Some("13.0")));
    let [gpu] = devices.try_into().unwrap();
    assert_eq!((gpu.uuid, gpu.pci), (Some(uuid(1)), Some(PciAddress("0000:31:00.0".to_owned()))));
    assert_eq!(gpu.name.as_deref(), Some("NVIDIA A100-SXM4-80GB"));
    assert_eq!(
        (gpu.architecture.as_deref(), gpu.compute_capability.as_deref()),
        (Some("Ampere"), Some("8.0"))
    );
    let reserved_bytes = 600 * MIB;
    let memory = Memory {
        total_bytes: 80 * GIB,
        used_bytes: 10 * GIB,
        free_bytes: 70 * GIB - reserved_bytes,
        reserved_bytes,
    };
    assert_eq!(gpu.memory, Some(memory));
    assert_eq!(gpu.utilisation, Some(Utilisation { compute_percent: 87, memory_percent: 41 }));
    assert_eq!(gpu.temperature_celsius, Some(64));
    assert_eq!((gpu.power_milliwatts, gpu.power_limit_milliwatts), (Some(412_345), Some(700_000)));
    assert_eq!(gpu.throttle, Some(vec![Throttle::PowerCap, Throttle::HardwareThermalSlowdown]));
    assert_eq!(gpu.persistence_mode, Some(false));
    let ecc = Ecc {
        enabled: Some(true),
        enabled_after_reboot: Some(true),
        volatile_uncorrectable: Some(0),
        aggregate_uncorrectable: Some(3),
    };
    assert_eq!(gpu.ecc, Some(ecc));
    let rows = RowRemapping {
        correctable_rows: Some(2),
        uncorrectable_rows: Some(1),
        pending: Some(false),
        failed: Some(false),
    };
    assert_eq!(gpu.row_remapping, Some(rows));
    assert!(gpu.mig.is_some_and(|mig| !mig.enabled && mig.instances.is_empty()));
    assert_eq!(gpu.health, Health::Usable);
}

#[test]
fn a_process_in_both_lists_is_one_and_what_the_driver_keeps_to_itself_is_not_zero() {
    let [gpu] = inventory("a100").devices.try_into().unwrap();
    let process =
        |pid, memory_bytes| Process { pid, memory_bytes, gpu_instance: None, compute_instance: None };
    let all = [process(99, Some(20 * MIB)), process(4711, Some(7 * GIB)), process(4712, None)];
    assert_eq!(gpu.processes.unwrap(), all);
}

#[test]
fn gpus_are_told_apart_by_uuid_and_place() {
    let devices = inventory("h100").devices;
    let places: Vec<_> = devices.iter().map(|gpu| (gpu.index, gpu.uuid.clone().unwrap())).collect();
    assert_eq!(places, [(0, uuid(1)), (1, uuid(2))]);
    assert_ne!(devices[0].pci, devices[1].pci);
    assert_eq!(devices[0].throttle, Some(vec![Throttle::Idle]));
    assert_eq!(devices[1].processes, Some(vec![]));
    let [h200] = inventory("h200").devices.try_into().unwrap();
    assert_eq!(h200.memory.unwrap().total_bytes, 143_771 * MIB);
    assert_eq!((h200.architecture.as_deref(), h200.persistence_mode), (Some("Hopper"), Some(true)));
}

#[test]
fn the_parts_of_a_divided_gpu_have_names_and_memory_of_their_own() {
    let [gpu] = inventory("mig").devices.try_into().unwrap();
    assert_eq!((gpu.utilisation, &gpu.health), (None, &Health::Usable));
    let process =
        Process { pid: 4711, memory_bytes: Some(10 * GIB), gpu_instance: Some(1), compute_instance: Some(0) };
    assert_eq!(gpu.processes, Some(vec![process]));
    let mig = gpu.mig.unwrap();
    assert!(mig.enabled && mig.enabled_after_reset);
    // Between them one was removed.
    let [first, second] = mig.instances.try_into().unwrap();
    assert_eq!((first.index, second.index), (0, 2));
    assert_eq!(first.uuid, Some(Uuid("MIG-00000001-1111-2222-3333-444455556666".to_owned())));
    assert_eq!(first.name.as_deref(), Some("NVIDIA A100-SXM4-80GB MIG 3g.40gb"));
    let free = |memory: Option<Memory>| memory.unwrap().free_bytes;
    assert_eq!((free(first.memory), free(second.memory)), (30 * GIB, 10 * GIB));
}

#[test]
fn different_gpus_stand_beside_each_other() {
    let [divided, whole, card] = inventory("mixed").devices.try_into().unwrap();
    assert_eq!(divided.mig.unwrap().instances.len(), 2);
    assert!(whole.mig.is_some_and(|mig| !mig.enabled && mig.instances.is_empty()));
    assert_eq!((card.ecc, card.row_remapping, card.mig), (None, None, None));
    // Without error correction it has no errors to tell of.
    assert_eq!((card.health, card.temperature_celsius), (Health::Usable, Some(64)));
}

#[test]
fn a_full_gpu_is_well_and_has_nothing_free() {
    let [gpu] = inventory("zero-free").devices.try_into().unwrap();
    assert_eq!((gpu.memory.unwrap().free_bytes, gpu.health), (0, Health::Usable));
}

#[test]
fn a_lost_gpu_is_listed_as_lost_and_the_others_as_they_are() {
    let [lost, gone, well, refused] = inventory("lost-gpu").devices.try_into().unwrap();
    assert_eq!((lost.health, lost.uuid, lost.memory), (Health::Lost, Some(uuid(1)), None));
    assert_eq!((gone.health, gone.uuid, gone.index), (Health::Lost, None, 1));
    assert_eq!((well.health, well.uuid), (Health::Usable, Some(uuid(3))));
    assert!(health(&refused).starts_with("unreadable: the current user"), "{}", health(&refused));
}

#[test]
fn an_old_driver_leaves_out_what_it_does_not_know_and_nothing_else() {
    let [gpu] = inventory("old-driver").devices.try_into().unwrap();
    assert_eq!((gpu.uuid, gpu.compute_capability.as_deref()), (Some(uuid(1)), Some("8.0")));
    assert_eq!(gpu.temperature_celsius, Some(64));
    assert_eq!(gpu.ecc.and_then(|ecc| ecc.volatile_uncorrectable), Some(0));
    assert_eq!((gpu.memory, gpu.architecture, gpu.mig), (None, None, None));
    assert_eq!((gpu.row_remapping, gpu.processes, gpu.health), (None, None, Health::Usable));
}

#[test]
fn a_driver_that_writes_too_much_is_not_asked_for_processes() {
    let Inventory { driver, devices, .. } = inventory("large-entries");
    assert_eq!(driver.as_deref(), Some("535.86.05"));
    assert_eq!(devices[0].processes, None);
    assert!(devices[0].memory.is_some());
}

#[test]
fn a_gpu_with_errors_drains_and_its_neighbour_does_not() {
    let [bad, good] = inventory("ecc-error").devices.try_into().unwrap();
    assert_eq!(bad.health, Health::Draining(vec![Reason::Uncorrectable(2)]));
    assert_eq!(health(&bad), "draining: 2 uncorrectable memory errors");
    assert_eq!(good.health, Health::Usable);
    let [pending, failed, silent, reset] = inventory("remap-pending").devices.try_into().unwrap();
    assert_eq!(pending.health, Health::Draining(vec![Reason::RemapPending]));
    assert_eq!(failed.health, Health::Draining(vec![Reason::RemapFailed, Reason::RemapPending]));
    // It counts errors, and does not say how many.
    assert_eq!(health(&silent), "unreadable: the provided timeout was reached");
    assert_eq!(reset.health, Health::Draining(vec![Reason::ResetRequired]));
}

#[test]
fn errors_that_the_driver_tells_of_drain_the_gpu_that_had_them() {
    let fake = Fake::new("xid");
    let library = Library::open(Some(&fake.path())).unwrap();
    let events = library.events().unwrap();
    let mut xids = Xids::default();
    let mut told = Vec::new();
    while let Some(Arrived { uuid, xid }) = events.wait(Duration::ZERO).unwrap() {
        told.push((uuid.clone().unwrap(), xid.0));
        xids.add(uuid.unwrap(), xid);
    }
    // The second GPU refuses to tell, and the third cannot: the others do.
    assert_eq!(told, [(uuid(1), 13), (uuid(1), 94), (uuid(1), 13), (uuid(4), 31)]);
    let states: Vec<Health> =
        library.inventory(&xids).unwrap().devices.into_iter().map(|gpu| gpu.health).collect();
    let well = Health::Usable;
    assert_eq!(states, [Health::Draining(vec![Reason::Xid(Xid(94))]), well.clone(), well.clone(), well]);
    assert_eq!(states[0].to_string(), "draining: Xid 94 (contained memory error)");
    xids.forget(&uuid(1));
    assert_eq!(library.inventory(&xids).unwrap().devices[0].health, Health::Usable);
}

#[test]
fn why_there_is_no_answer_is_told_each_way_for_itself() {
    let opened = |shape: &str| Library::open(Some(&Fake::new(shape).path())).unwrap_err();
    let mismatch = opened("mismatch");
    assert!(matches!(mismatch, Error::Mismatch) && mismatch.remedy().starts_with("restart the host"));
    let no_driver = opened("no-driver");
    assert!(matches!(no_driver, Error::NoDriver) && no_driver.remedy().contains("modprobe nvidia"));
    let refused = opened("no-permission");
    assert!(matches!(refused, Error::NoPermission) && refused.remedy().contains("/dev/nvidiactl"));
    assert!(matches!(opened("broken"), Error::Failed(_)));
    assert!(inventory("no-gpu").devices.is_empty());
}

#[test]
fn a_file_that_was_named_and_is_no_such_library_is_no_absence() {
    let folder = tempfile::TempDir::new().unwrap();
    let text = folder.path().join("text.so");
    std::fs::write(&text, "no library").unwrap();
    for path in [text.as_path(), Path::new("/no/such/library.so")] {
        let error = Library::open(Some(path)).unwrap_err();
        assert!(matches!(error, Error::Unloadable(_)) && !error.is_absence(), "{error}");
    }
    // The C library is one, without a single function of NVML's.
    let error = Library::open(Some(Path::new("libc.so.6"))).unwrap_err();
    assert!(matches!(&error, Error::Foreign(path) if path == Path::new("libc.so.6")), "{error}");
}

#[test]
fn json_has_units_in_names_and_null_for_what_was_not_told() {
    let json = serde_json::to_value(inventory("lost-gpu")).unwrap();
    let [lost, well] = [1, 2].map(|index| &json["devices"][index]);
    assert_eq!(lost["health"]["state"], "lost");
    assert!(
        lost.as_object().unwrap().contains_key("memory_free_bytes") && lost["memory_free_bytes"].is_null()
    );
    assert_eq!(well["memory_free_bytes"], (81_559 - 551) * MIB - GIB);
    assert_eq!((&well["power_milliwatts"], &well["temperature_celsius"]), (&412_345.into(), &64.into()));
    assert_eq!(well["utilisation"]["compute_percent"], 87);
    assert!(well["health"]["remedy"].is_null());
}
