//! What this host has for models: asked anew for every start, with what servers that are still loading will take of it, and
//! with the errors that the driver has told of since this process began to listen.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gpu::{Device, Error, Events, Health, Inventory, Library, Xids};
use models::{Host, On, Plan, Refusal, Reserved, Wish};
use wire::catalogue::Catalogue;

/// The devices of this host.
#[derive(Debug)]
pub struct Devices {
    catalogue: Catalogue,
    reserved: Arc<Mutex<Reserved>>,
    /// To the one thread that has the library.
    asks: Sender<Ask>,
}

/// A plan, and its memory for as long as nobody has measured it. Given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    /// What was chosen.
    pub plan: Plan,
    reserved: Arc<Mutex<Reserved>>,
}

/// Why something must not go on running on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The driver says so.
    Certain(String),
    /// The driver does not say that all is well.
    Doubtful(String),
}

/// Why nothing was chosen.
#[derive(Debug, thiserror::Error)]
pub enum NoPlan {
    /// Nothing fits.
    #[error("{}", .0.cause)]
    Refused(Refusal),
    /// The driver does not answer.
    #[error("the GPUs of this host cannot be listed")]
    Driver(#[source] Error),
    /// The thread that asks it is gone.
    #[error("nobody asks the driver any more")]
    Gone,
}

/// A question to the thread that has the library: where the answer goes.
type Ask = Sender<Result<Inventory, Error>>;

/// How often the driver's errors are taken over while nobody asks.
const LISTEN: Duration = Duration::from_millis(500);

impl Devices {
    /// Those of which `library` tells, or the one that the dynamic linker finds.
    #[must_use]
    pub fn new(library: Option<PathBuf>, catalogue: Catalogue) -> Self {
        let (asks, asked) = mpsc::channel();
        // NVML is opened once and by one thread, which sees every error that the driver tells of.
        std::thread::spawn(move || answer(library.as_deref(), &asked));
        Self { catalogue, reserved: Arc::default(), asks }
    }

    /// Chooses, and reserves what was chosen. It takes a while: not for an event loop.
    ///
    /// # Errors
    /// [`NoPlan`].
    pub fn plan(&self, wish: &Wish) -> Result<Reservation, NoPlan> {
        // Held while it is asked and chosen: of two servers that start at once, the second sees what the first will take.
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let inventory = match wish.on {
            On::Processor => nothing(),
            On::Gpu => self.inventory()?,
        };
        let host = Host::of(&inventory, &reserved, models::memory_available());
        let plan = models::plan(&self.catalogue, &host, wish).map_err(NoPlan::Refused)?;
        reserved.add(&plan.devices, plan.bytes_per_device);
        Ok(Reservation { plan, reserved: Arc::clone(&self.reserved) })
    }

    /// Why something must not go on running on these devices; `None`: it may. It takes a while.
    #[must_use]
    pub fn trouble(&self, devices: &[String]) -> Option<Trouble> {
        if devices.is_empty() {
            return None;
        }
        // A driver that does not answer says nothing against a server that does.
        let inventory = self.inventory().ok()?;
        devices.iter().find_map(|uuid| match inventory.devices.iter().find(|gpu| is_part(gpu, uuid)) {
            Some(gpu) if gpu.health == Health::Usable => None,
            Some(gpu) => {
                let cause = format!("its GPU {} is {}", gpu.index, gpu.health);
                Some(match gpu.health {
                    Health::Unreadable(_) => Trouble::Doubtful(cause),
                    _ => Trouble::Certain(cause),
                })
            }
            None => Some(Trouble::Doubtful(format!("its device {uuid} is not there any more"))),
        })
    }

    fn inventory(&self) -> Result<Inventory, NoPlan> {
        let (answers, answered) = mpsc::channel();
        self.asks.send(answers).map_err(|_gone| NoPlan::Gone)?;
        match answered.recv() {
            Ok(Err(error)) if error.is_absence() => Ok(nothing()),
            Ok(listed) => listed.map_err(NoPlan::Driver),
            Err(_gone) => Err(NoPlan::Gone),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        reserved.remove(&self.plan.devices, self.plan.bytes_per_device);
    }
}

/// Answers until nobody can ask any more. The library is opened for the first question, and again if it failed.
fn answer(library: Option<&Path>, asked: &Receiver<Ask>) {
    let mut xids = Xids::default();
    while let Ok(first) = asked.recv() {
        match Library::open(library) {
            Ok(library) => listen(&library, (first, asked), &mut xids),
            // Who asked does not wait any more if it is not taken.
            Err(error) => drop(first.send(Err(error))),
        }
    }
}

/// Answers for as long as the library does, and takes the driver's errors over meanwhile.
fn listen(library: &Library, (first, asked): (Ask, &Receiver<Ask>), xids: &mut Xids) {
    let events = library.events().inspect_err(|error| {
        tracing::warn!(%error, "the driver does not tell of errors");
    });
    let events = events.ok();
    let mut next = Ok(first);
    loop {
        events.iter().for_each(|events| take_over(events, xids));
        match next {
            Ok(answers) => {
                let listed = library.inventory(xids);
                let is_over = listed.is_err();
                // Who asked does not wait any more if it is not taken.
                drop(answers.send(listed));
                if is_over {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        next = asked.recv_timeout(LISTEN);
    }
}

fn take_over(events: &Events<'_>, xids: &mut Xids) {
    while let Ok(Some(arrived)) = events.wait(Duration::ZERO) {
        tracing::warn!(gpu = ?arrived.uuid, xid = %arrived.xid, "the driver tells of an error");
        if let Some(uuid) = arrived.uuid {
            xids.add(uuid, arrived.xid);
        }
    }
}

/// Whether a device is a GPU or an instance of it.
fn is_part(gpu: &Device, uuid: &str) -> bool {
    let instances = gpu.mig.iter().flat_map(|mig| &mig.instances);
    let all = instances.filter_map(|instance| instance.uuid.as_ref()).chain(&gpu.uuid);
    all.into_iter().any(|own| own.0 == uuid)
}

fn nothing() -> Inventory {
    Inventory { driver: None, cuda: None, devices: Vec::new() }
}
