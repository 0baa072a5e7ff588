//! The library and its driver: opened once, and asked as often as wanted.

use std::path::Path;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use crate::error::Error;
use crate::events::Events;
use crate::inventory::Inventory;
use crate::questions;
use crate::xid::Xids;

/// The library's name in every driver package; where it lies is the dynamic linker's to know.
const NAME: &str = "libnvidia-ml.so.1";

/// NVML, opened and with its driver. Closed when dropped.
#[derive(Debug)]
pub struct Library(Nvml);

impl Library {
    /// Opens the library at `path`, or the one that the host's dynamic linker finds.
    ///
    /// # Errors
    /// It is not there, is another one, or has no driver to talk to.
    pub fn open(path: Option<&Path>) -> Result<Self, Error> {
        let name = path.unwrap_or(Path::new(NAME));
        let opened = Nvml::builder().lib_path(name.as_os_str()).init();
        opened.map(Self).map_err(|error| match (error, path) {
            (NvmlError::LibloadingError(refusal), None) => Error::Absent(refusal.into()),
            (NvmlError::LibloadingError(refusal), Some(_path)) => Error::Unloadable(refusal.into()),
            (NvmlError::FailedToLoadSymbol(_), _) => Error::Foreign(name.to_owned()),
            (error, _) => error.into(),
        })
    }

    /// Asks for everything, now. `xids` is what events have told before.
    ///
    /// # Errors
    /// The driver does not tell how many GPUs there are. What a single GPU does not answer is in the inventory.
    pub fn inventory(&self, xids: &Xids) -> Result<Inventory, Error> {
        Ok(questions::inventory(&self.0, xids)?)
    }

    /// Begins to listen for the driver's errors: what came before is not told.
    ///
    /// # Errors
    /// The driver has no events.
    pub fn events(&self) -> Result<Events<'_>, Error> {
        Ok(Events::listen(&self.0)?)
    }
}
