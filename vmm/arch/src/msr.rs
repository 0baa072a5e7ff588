//! Model-specific registers that a kernel expects firmware to have set.

use kvm_bindings::kvm_msr_entry;

const MISC_ENABLE: u32 = 0x1a0;
const MISC_FAST_STRING: u64 = 1;
const MTRR_DEFAULT_TYPE: u32 = 0x2ff;
const MTRR_ENABLED: u64 = 1 << 11;
const MTRR_WRITE_BACK: u64 = 6;

/// The registers for every virtual CPU. Without fast strings Linux copies memory the slow way; without a
/// default memory type it would believe that all RAM is uncached.
#[must_use]
pub fn boot() -> Vec<kvm_msr_entry> {
    [(MISC_ENABLE, MISC_FAST_STRING), (MTRR_DEFAULT_TYPE, MTRR_ENABLED | MTRR_WRITE_BACK)]
        .map(|(index, data)| kvm_msr_entry { index, data, ..Default::default() })
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_write_back_by_default() {
        let mtrr = boot().into_iter().find(|entry| entry.index == 0x2ff).unwrap();
        assert_eq!(mtrr.data, 0x806);
    }
}
