//! Boot, page tables, CPUID, MSRs, ACPI: configuration to bytes and registers.
