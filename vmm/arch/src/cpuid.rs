//! What the processor says about itself: KVM's own answer, less what a sandbox must not use, plus the
//! machine's topology (one socket, one thread per core).

use kvm_bindings::{KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid_entry2};

const FEATURES: u32 = 0x1;
const CACHES_INTEL: u32 = 0x4;
const POWER: u32 = 0x6;
const PERFORMANCE_COUNTERS: u32 = 0xa;
const TOPOLOGY: u32 = 0xb;
const TOPOLOGY_V2: u32 = 0x1f;
const EXTENDED_FEATURES: u32 = 0x8000_0001;
const EXTENDED_SIZES: u32 = 0x8000_0008;
const SVM: u32 = 0x8000_000a;
const CACHES_AMD: u32 = 0x8000_001d;
const TOPOLOGY_AMD: u32 = 0x8000_001e;

const ECX_VMX: u32 = 1 << 5;
const ECX_PERFORMANCE_CAPABILITIES: u32 = 1 << 15;
const ECX_TSC_DEADLINE: u32 = 1 << 24;
const ECX_HYPERVISOR: u32 = 1 << 31;
const EDX_MULTIPLE_CORES: u32 = 1 << 28;
const AMD_ECX_LEGACY_CORES: u32 = 1 << 1;
const AMD_ECX_SVM: u32 = 1 << 2;
const AMD_ECX_TOPOLOGY: u32 = 1 << 22;
const AMD_ECX_PERFORMANCE: u32 = (1 << 23) | (1 << 24) | (1 << 28);

const LEVEL_THREAD: u32 = 1;
const LEVEL_CORE: u32 = 2;

/// The virtual CPUs of a machine, as many as one byte of APIC ids names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    cores: u8,
}

/// How the local timer works on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// KVM offers the TSC deadline timer: the guest need not calibrate anything.
    TscDeadline,
    /// It does not.
    Periodic,
}

impl Topology {
    /// A machine of `cores` virtual CPUs; 0 counts as 1.
    #[must_use]
    pub fn new(cores: u8) -> Self {
        Self { cores: cores.max(1) }
    }

    /// Bits of an APIC id that number cores.
    fn core_bits(self) -> u32 {
        u32::from(self.cores).next_power_of_two().trailing_zeros()
    }
}

/// The table for the virtual CPU with this index, which is its APIC id as well.
#[must_use]
pub fn for_vcpu(
    supported: &[kvm_cpuid_entry2],
    topology: Topology,
    index: u8,
    timer: Timer,
) -> Vec<kvm_cpuid_entry2> {
    let highest =
        supported.iter().filter(|entry| entry.function < 0x4000_0000).map(|entry| entry.function).max();
    let mut table: Vec<_> = supported
        .iter()
        .filter(|entry| !matches!(entry.function, TOPOLOGY | TOPOLOGY_V2 | SVM))
        .map(|entry| adjusted(*entry, topology, index, timer))
        .collect();
    if highest >= Some(TOPOLOGY) {
        table.extend(topology_leaves(topology, index));
    }
    table
}

fn adjusted(mut entry: kvm_cpuid_entry2, topology: Topology, index: u8, timer: Timer) -> kvm_cpuid_entry2 {
    let cores = u32::from(topology.cores);
    match entry.function {
        FEATURES => {
            // Nested virtualisation and performance counters are attack surface that no agent needs.
            entry.ecx &= !(ECX_VMX | ECX_PERFORMANCE_CAPABILITIES | ECX_TSC_DEADLINE);
            entry.ecx |= ECX_HYPERVISOR;
            if timer == Timer::TscDeadline {
                entry.ecx |= ECX_TSC_DEADLINE;
            }
            entry.ebx = (entry.ebx & 0xffff) | (cores << 16) | (u32::from(index) << 24);
            entry.edx &= !EDX_MULTIPLE_CORES;
            if cores > 1 {
                entry.edx |= EDX_MULTIPLE_CORES;
            }
        }
        CACHES_INTEL => set_cache_sharing(&mut entry, topology, Vendor::Intel),
        CACHES_AMD => set_cache_sharing(&mut entry, topology, Vendor::Amd),
        POWER | PERFORMANCE_COUNTERS => {
            // No frequency control, no thermal sensors, no counters.
            entry.eax = 0;
            entry.ebx = 0;
            entry.ecx = 0;
            entry.edx = 0;
        }
        EXTENDED_FEATURES => {
            entry.ecx &= !(AMD_ECX_SVM | AMD_ECX_PERFORMANCE | AMD_ECX_LEGACY_CORES);
            if cores > 1 && entry.ecx & AMD_ECX_TOPOLOGY != 0 {
                entry.ecx |= AMD_ECX_LEGACY_CORES;
            }
        }
        EXTENDED_SIZES => entry.ecx = (topology.core_bits() << 12) | (cores - 1),
        TOPOLOGY_AMD => {
            entry.eax = u32::from(index);
            entry.ebx = u32::from(index);
            entry.ecx = 0;
        }
        _ => {}
    }
    entry
}

#[derive(Clone, Copy)]
enum Vendor {
    Intel,
    Amd,
}

/// First- and second-level caches belong to one core, the third to the socket.
fn set_cache_sharing(entry: &mut kvm_cpuid_entry2, topology: Topology, vendor: Vendor) {
    let level = (entry.eax >> 5) & 0b111;
    let sharing = if level >= 3 { u32::from(topology.cores) - 1 } else { 0 };
    entry.eax = (entry.eax & !(0xfff << 14)) | (sharing << 14);
    if matches!(vendor, Vendor::Intel) && entry.eax & 0x1f != 0 {
        let ids = (1 << topology.core_bits()) - 1;
        entry.eax = (entry.eax & !(0x3f << 26)) | ((ids & 0x3f) << 26);
    }
}

fn topology_leaves(topology: Topology, index: u8) -> [kvm_cpuid_entry2; 3] {
    let leaf = |subleaf: u32, eax, ebx, level: u32| kvm_cpuid_entry2 {
        function: TOPOLOGY,
        index: subleaf,
        flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        eax,
        ebx,
        ecx: subleaf | (level << 8),
        edx: u32::from(index),
        ..Default::default()
    };
    [
        leaf(0, 0, 1, LEVEL_THREAD),
        leaf(1, topology.core_bits(), u32::from(topology.cores), LEVEL_CORE),
        leaf(2, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(function: u32) -> kvm_cpuid_entry2 {
        kvm_cpuid_entry2 {
            function,
            eax: u32::MAX,
            ebx: u32::MAX,
            ecx: u32::MAX,
            edx: u32::MAX,
            ..Default::default()
        }
    }

    fn find(table: &[kvm_cpuid_entry2], function: u32, index: u32) -> kvm_cpuid_entry2 {
        *table.iter().find(|entry| entry.function == function && entry.index == index).unwrap()
    }

    fn table(cores: u8, index: u8) -> Vec<kvm_cpuid_entry2> {
        let supported =
            [FEATURES, CACHES_INTEL, PERFORMANCE_COUNTERS, TOPOLOGY, EXTENDED_FEATURES, SVM, TOPOLOGY_AMD]
                .map(entry);
        for_vcpu(&supported, Topology::new(cores), index, Timer::TscDeadline)
    }

    #[test]
    fn nested_virtualisation_and_counters_are_hidden() {
        let table = table(1, 0);
        assert_eq!(find(&table, FEATURES, 0).ecx & (ECX_VMX | ECX_PERFORMANCE_CAPABILITIES), 0);
        assert_eq!(find(&table, EXTENDED_FEATURES, 0).ecx & (AMD_ECX_SVM | AMD_ECX_PERFORMANCE), 0);
        assert!(table.iter().all(|entry| entry.function != SVM));
        assert_eq!(find(&table, PERFORMANCE_COUNTERS, 0).eax, 0);
    }

    #[test]
    fn each_vcpu_has_its_own_apic_id() {
        let table = table(3, 2);
        let features = find(&table, FEATURES, 0);
        assert_eq!(features.ebx >> 24, 2);
        assert_eq!((features.ebx >> 16) & 0xff, 3);
        assert_ne!(features.edx & EDX_MULTIPLE_CORES, 0);
        assert_eq!(find(&table, TOPOLOGY, 0).edx, 2);
        assert_eq!(find(&table, TOPOLOGY, 1).eax, 2);
        assert_eq!(find(&table, TOPOLOGY, 1).ebx, 3);
        assert_eq!(find(&table, TOPOLOGY_AMD, 0).eax, 2);
    }

    #[test]
    fn single_core_says_so() {
        let table = table(1, 0);
        assert_eq!(find(&table, FEATURES, 0).edx & EDX_MULTIPLE_CORES, 0);
        assert_eq!(find(&table, TOPOLOGY, 1).eax, 0);
        assert_eq!(find(&table, CACHES_INTEL, 0).eax >> 26, 0);
    }

    #[test]
    fn timer_follows_the_host() {
        let with = for_vcpu(&[entry(FEATURES)], Topology::new(1), 0, Timer::TscDeadline);
        let without = for_vcpu(&[entry(FEATURES)], Topology::new(1), 0, Timer::Periodic);
        assert_ne!(with[0].ecx & ECX_TSC_DEADLINE, 0);
        assert_eq!(without[0].ecx & ECX_TSC_DEADLINE, 0);
        assert_eq!(with.len(), 1, "a processor without leaf 0xb must not get one");
    }
}
