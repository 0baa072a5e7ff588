//! What this host has for models, asked anew for every start, and what servers that are still loading will take of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gpu::{Inventory, Library, Xids};
use models::{Host, On, Plan, Refusal, Reserved, Wish};
use wire::catalogue::Catalogue;

/// The devices of this host.
#[derive(Debug)]
pub struct Devices {
    library: Option<PathBuf>,
    catalogue: Catalogue,
    reserved: Arc<Mutex<Reserved>>,
}

/// A plan, and its memory for as long as nobody has measured it. Given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    /// What was chosen.
    pub plan: Plan,
    reserved: Arc<Mutex<Reserved>>,
}

/// Why nothing was chosen.
#[derive(Debug, thiserror::Error)]
pub enum NoPlan {
    /// Nothing fits.
    #[error("{}", .0.cause)]
    Refused(Refusal),
    /// The driver does not answer.
    #[error("the GPUs of this host cannot be listed")]
    Driver(#[source] gpu::Error),
}

impl Devices {
    /// Those of which `library` tells, or the one that the dynamic linker finds.
    #[must_use]
    pub fn new(library: Option<PathBuf>, catalogue: Catalogue) -> Self {
        Self { library, catalogue, reserved: Arc::default() }
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

    fn inventory(&self) -> Result<Inventory, NoPlan> {
        let listed =
            Library::open(self.library.as_deref()).and_then(|library| library.inventory(&Xids::default()));
        match listed {
            Err(error) if error.is_absence() => Ok(nothing()),
            listed => listed.map_err(NoPlan::Driver),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        reserved.remove(&self.plan.devices, self.plan.bytes_per_device);
    }
}

fn nothing() -> Inventory {
    Inventory { driver: None, cuda: None, devices: Vec::new() }
}
