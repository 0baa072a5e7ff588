//! The local APIC's two wires, as firmware leaves them.

use kvm_bindings::kvm_lapic_state;

const LVT_LINT0: usize = 0x350;
const LVT_LINT1: usize = 0x360;
const DELIVERY_SHIFT: u32 = 8;
const DELIVERY_MASK: u32 = 0b111 << DELIVERY_SHIFT;
const NMI: u32 = 0b100;
const EXTERNAL: u32 = 0b111;

/// Wires interrupts of the old controller to LINT0 and non-maskable ones to LINT1.
#[must_use]
pub fn with_wires(reset: &kvm_lapic_state) -> kvm_lapic_state {
    let mut state = *reset;
    set_delivery(&mut state, LVT_LINT0, EXTERNAL);
    set_delivery(&mut state, LVT_LINT1, NMI);
    state
}

fn set_delivery(state: &mut kvm_lapic_state, register: usize, mode: u32) {
    let mut bytes = [0_u8; 4];
    for (byte, source) in bytes.iter_mut().zip(&state.regs[register..]) {
        *byte = source.to_le_bytes()[0];
    }
    let value = (u32::from_le_bytes(bytes) & !DELIVERY_MASK) | (mode << DELIVERY_SHIFT);
    for (target, byte) in state.regs[register..].iter_mut().zip(value.to_le_bytes()) {
        *target = std::os::raw::c_char::from_le_bytes([byte]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_delivery_mode_changes() {
        let mut reset = kvm_lapic_state::default();
        reset.regs[LVT_LINT0 + 2] = 1;
        let state = with_wires(&reset);
        assert_eq!(&state.regs[LVT_LINT0..LVT_LINT0 + 4], &[0, 7, 1, 0]);
        assert_eq!(&state.regs[LVT_LINT1..LVT_LINT1 + 4], &[0, 4, 0, 0]);
        assert_eq!(state.regs[..LVT_LINT0], reset.regs[..LVT_LINT0]);
    }
}
