//! `openshell gpu`.

use audit_export::format::printable;
use gpu::{Device, Error, Inventory, Library, Memory, MigInstance, Uuid, Xids};
use manager::failure::{Failure, chain};

use super::{print_json, unanswered};
use crate::arguments::{Gpu, GpuLs};

/// What a figure is shown as that was not told.
const UNTOLD: &str = "-";

/// The answer as JSON: the inventory, and why there is none.
#[derive(serde::Serialize)]
struct Listing<'a> {
    absent: Option<Absence>,
    #[serde(flatten)]
    inventory: &'a Inventory,
}

#[derive(serde::Serialize)]
struct Absence {
    cause: String,
    remedy: &'static str,
}

pub(super) fn run(command: Gpu) -> Result<u8, Failure> {
    let Gpu::Ls(GpuLs { library, output }) = command;
    // Errors of the driver's are told only to who listens when they happen: nothing is known of earlier ones here.
    let answer = Library::open(library.as_deref()).and_then(|library| library.inventory(&Xids::default()));
    let (inventory, absent) = match answer {
        Ok(inventory) => (inventory, None),
        Err(error) if error.is_absence() => {
            let nothing = Inventory { driver: None, cuda: None, devices: Vec::new() };
            (nothing, Some(Absence { cause: chain(&error), remedy: error.remedy() }))
        }
        Err(error) => return Err(unanswered(failure(&error))),
    };
    if output.json {
        print_json(&Listing { absent, inventory: &inventory })?;
    } else {
        list(&inventory, absent.as_ref());
    }
    Ok(0)
}

fn failure(error: &Error) -> Failure {
    Failure::new(chain(error), error.remedy())
}

fn list(inventory: &Inventory, absent: Option<&Absence>) {
    let versions = format!(
        "driver {}, CUDA {}",
        inventory.driver.as_deref().unwrap_or("unknown"),
        inventory.cuda.as_deref().unwrap_or("unknown")
    );
    match absent {
        Some(Absence { cause, remedy }) => {
            println!("no GPU: {}", printable(cause));
            println!("  remedy: {remedy}");
        }
        None if inventory.devices.is_empty() => {
            println!("no GPU: the driver knows none ({})", printable(&versions))
        }
        None => println!("{}", printable(&versions)),
    }
    let longest = inventory.devices.iter().map(|gpu| name(gpu).chars().count()).max().unwrap_or(0);
    for gpu in &inventory.devices {
        println!("{}", printable(&row(gpu, longest)));
        for instance in gpu.mig.iter().flat_map(|mig| &mig.instances) {
            println!("{}", printable(&instance_row(instance)));
        }
        if gpu.mig.as_ref().is_some_and(|mig| mig.enabled && mig.instances.is_empty()) {
            println!("   MIG is on and has no instance: nothing can run there");
        }
        if let Some(remedy) = gpu.health.remedy() {
            println!("   remedy: {remedy}");
        }
    }
}

fn row(gpu: &Device, longest: usize) -> String {
    let told = |figure: Option<String>| figure.unwrap_or_else(|| UNTOLD.to_owned());
    format!(
        "{}  {:<longest$}  {:<12}  {:>24}  {:>5}  {:>6}  {}",
        gpu.index,
        name(gpu),
        told(gpu.uuid.as_ref().map(short)),
        free(gpu.memory),
        told(gpu.utilisation.map(|utilisation| format!("{} %", utilisation.compute_percent))),
        told(gpu.temperature_celsius.map(|celsius| format!("{celsius} °C"))),
        gpu.health
    )
}

fn instance_row(instance: &MigInstance) -> String {
    let name = instance.name.as_deref().unwrap_or(UNTOLD);
    // The GPU's name stands above.
    let profile = name.rsplit_once("MIG ").map_or(name, |(_gpu, profile)| profile);
    let uuid = instance.uuid.as_ref().map_or_else(|| UNTOLD.to_owned(), short);
    format!("   MIG {}  {profile:<12}  {uuid:<12}  {:>24}", instance.index, free(instance.memory))
}

fn name(gpu: &Device) -> &str {
    gpu.name.as_deref().unwrap_or(UNTOLD)
}

/// Enough of it to tell GPUs of one host apart; the JSON has all of it.
fn short(uuid: &Uuid) -> String {
    uuid.0.splitn(3, '-').take(2).collect::<Vec<_>>().join("-")
}

/// Never more than there is: tenths are cut off.
fn free(memory: Option<Memory>) -> String {
    let gib = |bytes: u64| {
        let tenths = (u128::from(bytes) * 10) >> 30;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    memory.map_or_else(
        || UNTOLD.to_owned(),
        |memory| format!("{} of {} GiB free", gib(memory.free_bytes), gib(memory.total_bytes)),
    )
}
