//! The driver's errors (Xids) as they come. NVML tells them only to those who listen at that moment: who wants to know
//! of all keeps one [`Events`] for as long as it uses GPUs.

use std::time::Duration;

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, EventSet, Nvml};

use crate::error::Error;
use crate::name::Uuid;
use crate::xid::Xid;

/// Errors of all GPUs that tell of them.
#[derive(Debug)]
pub struct Events<'library>(EventSet<'library>);

/// An error that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Whose; None of a GPU that cannot even say its name any more.
    pub uuid: Option<Uuid>,
    /// Which.
    pub xid: Xid,
}

impl<'library> Events<'library> {
    /// Listens to every GPU that can tell. One that cannot is left out: it may be the broken one.
    pub(crate) fn listen(nvml: &'library Nvml) -> Result<Self, NvmlError> {
        let mut devices: Vec<Device<'library>> = (0..nvml.device_count()?)
            .filter_map(|index| nvml.device_by_index(index).ok())
            .filter(|device| {
                let told = device.supported_event_types();
                told.is_ok_and(|types| types.contains(EventTypes::CRITICAL_XID_ERROR))
            })
            .collect();
        loop {
            match register(nvml.create_event_set()?, &devices) {
                Ok(set) => return Ok(Self(set)),
                // The set went with the refusal: a new one, without this GPU.
                Err(refused) => drop(devices.remove(refused)),
            }
        }
    }

    /// Waits for the next error, at most so long (in whole milliseconds); None if none came.
    ///
    /// # Errors
    /// The driver has none to give any more.
    pub fn wait(&self, longest: Duration) -> Result<Option<Arrived>, Error> {
        let milliseconds = u32::try_from(longest.as_millis()).unwrap_or(u32::MAX);
        let event = match self.0.wait(milliseconds) {
            Err(NvmlError::Timeout) => return Ok(None),
            answer => answer?,
        };
        let xid = match event.event_data {
            Some(XidError::Value(number)) => Xid(number),
            Some(XidError::Unknown) => Xid::UNKNOWN,
            // No other kind was asked for.
            None => return Ok(None),
        };
        Ok(Some(Arrived { uuid: event.device.uuid().ok().map(Uuid), xid }))
    }
}

/// Adds all devices to the set; the place of the first one that refuses.
fn register<'library>(
    set: EventSet<'library>,
    devices: &[Device<'library>],
) -> Result<EventSet<'library>, usize> {
    devices.iter().enumerate().try_fold(set, |set, (place, device)| {
        device.register_events(EventTypes::CRITICAL_XID_ERROR, set).map_err(|_refusal| place)
    })
}
