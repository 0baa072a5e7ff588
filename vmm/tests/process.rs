//! The process as the manager sees it: started with descriptors, it answers with events and an exit code.
//!
//! The guests here are a few instructions each. `cargo xtask test` runs them where a real KVM is, with the
//! scenarios; without `/dev/kvm` they fail.

mod process {
    pub(crate) mod guest;
    pub(crate) mod vmm;
}

use process::guest::{Guest, Last};
use process::vmm::{Outcome, Vmm, kvm};
use wire::machine::MachineEvent;
use wire::spawn::EXIT_FAILED;

/// Asserts that the process said why it failed, with this in the cause and this in the remedy.
#[track_caller]
fn assert_failed(outcome: &Outcome, cause: &str, remedy: &str) {
    let [MachineEvent::Failed { cause: said, remedy: advised }] = outcome.events.as_slice() else {
        panic!("{:?} instead of a failure", outcome.events);
    };
    assert!(said.contains(cause), "{said}");
    assert!(advised.contains(remedy), "{advised}");
    assert!(!said.contains('\n') && !advised.contains('\n'), "one line each");
    assert_eq!(outcome.code, Some(EXIT_FAILED));
}

#[test]
fn config_that_is_none() {
    for text in ["", "{", "[]", r#"{"version":1}"#, "null"] {
        assert_failed(&Vmm::default().run_with(text), "config is not valid", "one version");
    }
    let unknown = Vmm::default().document().replacen('{', r#"{"surprise":1,"#, 1);
    assert_failed(&Vmm::default().run_with(&unknown), "surprise", "one version");
}

#[test]
fn config_of_another_version() {
    let (ours, another) = (wire::VERSION, wire::VERSION + 1);
    let text = Vmm::default().document();
    let other = text.replace(&format!(r#""version":{ours}"#), &format!(r#""version":{another}"#));
    assert_ne!(other, text);
    assert_failed(&Vmm::default().run_with(&other), &format!("version {another}"), "one version");
}

#[test]
fn impossible_sizes() {
    assert_failed(&Vmm { vcpus: 0, ..Vmm::default() }.run(), "0 virtual CPUs", "resources.vcpus");
    assert_failed(&Vmm { vcpus: 33, ..Vmm::default() }.run(), "33 virtual CPUs", "resources.vcpus");
    assert_failed(&Vmm { memory_mib: 1, ..Vmm::default() }.run(), "1 MiB of memory", "resources.memory");
}

#[test]
fn descriptor_that_is_not_open() {
    let document = Vmm::default().document().replace(r#""kernel":6"#, r#""kernel":600"#);
    assert_failed(&Vmm::default().run_with(&document), "descriptor 600 (kernel) is not open", "manager");
}

#[test]
fn descriptor_that_is_taken() {
    let document = Vmm::default().document().replace(r#""kernel":6"#, r#""kernel":4"#);
    assert_failed(&Vmm::default().run_with(&document), "descriptor 4 (kernel)", "manager");
}

#[test]
fn kvm_that_is_none() {
    assert_failed(&Vmm::default().run(), "not /dev/kvm", "doctor");
}

#[test]
fn kernels_that_are_none() {
    let kvm = kvm();
    let whole = Guest::default().kernel();
    let cases: [&[u8]; 4] = [b"", b"hello, I am a text file", &whole[..100], &whole[..whole.len() - 1]];
    for kernel in cases {
        let vmm = Vmm { kvm: kvm.try_clone().unwrap(), kernel: kernel.to_vec(), ..Vmm::default() };
        assert_failed(&vmm.run(), "kernel", "kernel image again");
    }
}

#[test]
fn kernel_and_initramfs_that_do_not_fit() {
    let kvm = kvm();
    let initramfs = vec![0; 63 * 1024 * 1024];
    let vmm = Vmm {
        kvm,
        kernel: Guest::default().kernel(),
        initramfs: Some(initramfs),
        memory_mib: 64,
        ..Vmm::default()
    };
    assert_failed(&vmm.run(), "initramfs", "resources.memory");
}

#[test]
fn command_line_that_is_too_long() {
    let kvm = kvm();
    let vmm = Vmm { kvm, cmdline: "x".repeat(3000), ..Vmm::default() };
    assert_failed(&vmm.run(), "command line", "command line");
}

/// Runs a guest on this machine's KVM.
fn run(guest: &Guest) -> Outcome {
    Vmm { kvm: kvm(), kernel: guest.kernel(), ..Vmm::default() }.run()
}

fn is_ready(event: &MachineEvent) -> bool {
    matches!(event, MachineEvent::Ready { phases } if phases.iter().any(|phase| phase.name == "jail"))
}

#[test]
fn guest_prints_and_resets() {
    for last in [Last::Reset, Last::PowerOff] {
        let outcome = run(&Guest { prints: "hello\nand more", last });
        assert_eq!(outcome.console, "hello\nand more", "{}", outcome.log);
        assert!(is_ready(&outcome.events[0]));
        assert_eq!(outcome.events[1..], [MachineEvent::Stopped]);
        assert_eq!(outcome.code, Some(0));
    }
}

#[test]
fn guest_panics() {
    let prints = "[    1.0] Kernel panic - not syncing: no working init found.\n[    1.1] CPU: 0\n";
    let outcome = run(&Guest { prints, last: Last::Reset });
    let reason = "no working init found.".to_owned();
    assert_eq!(outcome.events[1..], [MachineEvent::Panicked { reason }]);
    assert_eq!(outcome.console, prints, "what follows the panic is heard too");
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn guest_panics_and_stays() {
    let prints = "Kernel panic - not syncing: stuck\n";
    let outcome = run(&Guest { prints, last: Last::Spin });
    assert_eq!(outcome.events[1..], [MachineEvent::Panicked { reason: "stuck".to_owned() }]);
}

#[test]
fn guest_never_ends_until_the_manager_wants_it() {
    let kvm = kvm();
    for vcpus in [1, 3] {
        let kernel = Guest { prints: "up\n", last: Last::Spin }.kernel();
        let vmm =
            Vmm { kvm: kvm.try_clone().unwrap(), kernel, vcpus, stop_at: Some("up\n"), ..Vmm::default() };
        let outcome = vmm.run();
        assert!(is_ready(&outcome.events[0]));
        assert_eq!(outcome.events.len(), 1, "the manager knows why it ended");
        assert_eq!(outcome.code, Some(0));
    }
}

#[test]
fn guest_finds_its_devices_and_nothing_else() {
    // The windows of the entropy device (type 4) and the balloon (type 5); after them the bus is empty.
    for (address, expected) in [(0xd000_0008, 4), (0xd000_1008, 5), (0xd000_2000, u32::MAX)] {
        let outcome = run(&Guest { prints: "", last: Last::CompareAndReset { address, expected } });
        assert_eq!(outcome.console, "equal\n", "{address:#x}");
    }
}
