//! Guest memory as the devices see it.

/// All of a guest's RAM. Its bytes change under our hands at any time: they are read once into a value that
/// is then checked, never checked in place.
pub type Memory = vm_memory::GuestMemoryMmap<()>;
