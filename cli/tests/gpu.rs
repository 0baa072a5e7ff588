//! `openshell gpu ls` on hosts with all kinds of GPUs, and on one without.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "../../router/gpu/tests/fake/library.rs"]
mod fake;

use std::fs;
use std::process::{Command, Output};

use fake::Fake;
use tempfile::TempDir;

/// Exit code, standard output, standard error.
fn told(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn ls() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell"));
    command.args(["gpu", "ls"]);
    command
}

/// What is listed of this host.
fn listed(shape: &str) -> String {
    let fake = Fake::new(shape);
    let (code, said, error) = told(ls().arg("--library").arg(fake.path()));
    assert_eq!((code, error.as_str()), (Some(0), ""), "{shape}: {said}");
    said
}

fn json(command: &mut Command) -> serde_json::Value {
    let (code, said, error) = told(command.arg("--json"));
    assert_eq!(code, Some(0), "{error}");
    serde_json::from_str(&said).unwrap()
}

#[test]
fn a_gpu_is_a_line_and_its_parts_stand_below_it() {
    let lines = [
        "driver 580.95.05, CUDA 13.0",
        "0  NVIDIA A100-SXM4-80GB    GPU-00000001     69.4 of 80.0 GiB free      -   64 °C  usable",
        "   MIG 0  3g.40gb       MIG-00000001     30.0 of 40.0 GiB free",
        "   MIG 2  1g.10gb       MIG-00000003     10.0 of 10.0 GiB free",
        "1  NVIDIA H100 80GB HBM3    GPU-00000002     78.1 of 79.6 GiB free   87 %   64 °C  usable",
        "2  NVIDIA GeForce RTX 4090  GPU-00000003     22.8 of 23.9 GiB free   87 %   64 °C  usable",
    ];
    assert_eq!(listed("mixed").lines().collect::<Vec<_>>(), lines);
}

#[test]
fn health_is_told_with_its_reason_and_what_to_do() {
    let said = listed("ecc-error");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[1].ends_with("  draining: 2 uncorrectable memory errors"), "{said}");
    assert!(lines[2].starts_with("   remedy: end what runs on the GPU and reset it"), "{said}");
    assert!(lines[3].ends_with("  usable") && lines.len() == 4, "{said}");
    let said = listed("lost-gpu");
    assert!(said.contains("lost: the driver cannot reach it\n   remedy: restart the host"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("1  -  ") && line.contains("  lost: ")), "{said}");
    assert!(
        said.lines().any(|line| line.starts_with("2  NVIDIA H100") && line.ends_with("  usable")),
        "{said}"
    );
    assert!(listed("zero-free").contains("  0.0 of 79.6 GiB free"));
}

#[test]
fn json_has_all_of_it_in_named_units() {
    let fake = Fake::new("mig");
    let said = json(ls().arg("--library").arg(fake.path()));
    assert!(said["absent"].is_null());
    assert_eq!((&said["driver"], &said["cuda"]), (&"580.95.05".into(), &"13.0".into()));
    let gpu = &said["devices"][0];
    assert_eq!(gpu["uuid"], "GPU-00000001-1111-2222-3333-444455556666");
    assert_eq!(gpu["pci"], "0000:31:00.0");
    assert_eq!(gpu["memory_free_bytes"], 74_532_782_080_u64);
    assert_eq!(gpu["mig"]["instances"][0]["memory_free_bytes"], 32_212_254_720_u64);
    assert_eq!(gpu["health"], serde_json::json!({"state": "usable", "reasons": [], "remedy": null}));
}

#[test]
fn the_library_is_found_as_the_dynamic_linker_finds_libraries() {
    let fake = Fake::new("h200");
    let (code, said, _) = told(ls().env("LD_LIBRARY_PATH", fake.path().parent().unwrap()));
    assert!(code == Some(0) && said.contains("NVIDIA H200  GPU-00000001"), "{said}");
}

#[test]
fn a_host_without_a_gpu_is_no_fault() {
    // Found first, whatever this machine has, and not loaded.
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("libnvidia-ml.so.1"), "no library").unwrap();
    let (code, said, error) = told(ls().env("LD_LIBRARY_PATH", folder.path()));
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(said.starts_with("no GPU: NVIDIA's management library cannot be loaded: "), "{said}");
    assert!(said.lines().count() == 2 && said.contains("\n  remedy: "), "{said}");
    let said = json(ls().env("LD_LIBRARY_PATH", folder.path()));
    assert_eq!(said["devices"], serde_json::json!([]));
    assert!(said["absent"]["cause"].is_string() && said["absent"]["remedy"].is_string(), "{said}");
    assert_eq!(listed("no-gpu"), "no GPU: the driver knows none (driver 580.95.05, CUDA 13.0)\n");
}

#[test]
fn a_driver_that_does_not_answer_is_told_with_cause_and_remedy() {
    for (shape, words) in [
        ("no-driver", "its kernel driver is not loaded\n  remedy: load it (modprobe nvidia)"),
        ("mismatch", "are of different versions\n  remedy: restart the host"),
        ("no-permission", "refuses this user\n  remedy: give this user"),
        ("broken", "does not answer: an internal driver error occurred\n  remedy: "),
    ] {
        let fake = Fake::new(shape);
        let (code, said, error) = told(ls().arg("--library").arg(fake.path()));
        assert_eq!((code, said.as_str()), (Some(2), ""), "{shape}");
        assert!(error.starts_with("openshell: ") && error.contains(words), "{shape}: {error}");
        assert_eq!(error.lines().count(), 2, "{error}");
    }
    let (code, _, error) = told(ls().args(["--library", "/no/such/library.so"]));
    assert!(code == Some(2) && error.contains("/no/such/library.so"), "{error}");
}
