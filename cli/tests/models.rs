//! `openshell inference models` and `status` on hosts with all kinds of GPUs, and on one without.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "../../router/gpu/tests/fake/library.rs"]
mod fake;

use std::fs;
use std::process::{Command, Output};

use fake::Fake;
use tempfile::TempDir;

/// One host with its configuration.
struct Host {
    gpus: Fake,
    home: TempDir,
}

impl Host {
    fn new(shape: &str, configuration: &str) -> Self {
        let home = TempDir::new().unwrap();
        fs::create_dir(home.path().join("openshell")).unwrap();
        fs::write(home.path().join("openshell/inference.yaml"), configuration).unwrap();
        Self { gpus: Fake::new(shape), home }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshell"));
        command.arg("inference").args(words).env("HOME", self.home.path());
        command.env("XDG_CONFIG_HOME", self.home.path()).env("XDG_RUNTIME_DIR", self.home.path().join("run"));
        command
    }

    /// Exit code and standard output.
    fn models(&self, words: &[&str]) -> (Option<i32>, String) {
        let library = self.gpus.path();
        let Output { status, stdout, stderr } =
            self.command(&["models"]).args(words).arg("--library").arg(library).output().unwrap();
        assert!(stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
        (status.code(), String::from_utf8(stdout).unwrap())
    }
}

#[test]
fn what_fits_is_told_with_what_it_takes_and_what_does_not_with_what_is_missing() {
    let host = Host::new("h100", "");
    let (code, said) = host.models(&[]);
    assert_eq!(code, Some(0));
    let line = |model: &str, form: &str| {
        let found = said.lines().find(|line| line.starts_with(model) && line.contains(form));
        found.unwrap_or_else(|| panic!("{model} {form}: {said}")).to_owned()
    };
    assert!(
        said.starts_with("NVIDIA H100 80GB HBM3 (GPU-00000001-1111-2222-3333-444455556666): 84.9 GB free\n"),
        "{said}"
    );
    let nano = line("nemotron-3-nano-30b-a3b", " fp8 ");
    assert!(nano.contains("262144 tokens    39.5 GB  fits"), "{nano}");
    let large = line("nemotron-3-super-120b-a12b", " fp8 ");
    assert!(large.ends_with("does not fit: needs 155.0 GB, the largest free device has 84.9 GB"), "{large}");
    let newer = line("nemotron-3-nano-30b-a3b", " nvfp4 ");
    assert!(newer.ends_with("its values need a GPU of compute capability 10.0 or newer"), "{newer}");
}

#[test]
fn one_model_is_told_with_its_plan_or_with_every_reason() {
    let host = Host::new("h100", "");
    let (code, said) = host.models(&["nemotron"]);
    assert_eq!(code, Some(0));
    let first = "nemotron-3.5-lightning-30b-a3b bf16 with 262144 tokens takes 81.1 GB and fits NVIDIA H100";
    assert!(said.starts_with(first), "{said}");
    assert!(
        said.contains("vllm serves nvidia/") && said.contains("--reasoning-parser nemotron_v3"),
        "{said}"
    );
    let (code, said) =
        host.models(&["nemotron-3-nano-30b-a3b", "--context", "1000000", "--quantisation", "bf16"]);
    assert_eq!(code, Some(1));
    let cause = "nemotron-3-nano-30b-a3b bf16 with 1000000 tokens: needs 89.4 GB, the largest free device has 84.9 GB\n  remedy: ";
    assert!(said.starts_with(cause), "{said}");
    let (code, said) = Host::new("remap-pending", "").models(&["nemotron"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("   not used: NVIDIA H100 80GB HBM3 (0): draining: "), "{said}");
    let (_, said) = host.models(&["nemotron", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["plan"]["context"], 262_144);
    assert!(json["refusal"].is_null());
}

#[test]
fn an_operators_models_are_among_them() {
    let own = |source: &str| {
        format!(
            "models:\n  ours:\n    family: ours\n    rank: 1\n    context: {{default: 1000, most: 2000}}\n    \
             kv_bytes_per_token: 1000\n    variants: [{{quantisation: q8, engine: llama.cpp, source: {source}, memory_gb: 3}}]\n"
        )
    };
    let (code, said) = Host::new("mig", &own("/no/such/ours.gguf")).models(&["ours"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("its weights are not on this host"), "{said}");
    // Any file that is there.
    let (code, said) = Host::new("mig", &own(env!("CARGO_BIN_EXE_openshell"))).models(&["ours"]);
    assert_eq!(code, Some(0), "{said}");
    // The smaller of the two parts is enough.
    assert!(
        said.starts_with("ours q8 with 1000 tokens takes 3.0 GB and fits NVIDIA A100-SXM4-80GB MIG 1g.10gb"),
        "{said}"
    );
}

#[test]
fn without_a_gpu_nothing_fits_and_the_processor_must_be_asked_for() {
    let host = Host::new("no-gpu", "");
    let (code, said) = host.models(&["nemotron-3-nano-4b"]);
    assert!(code == Some(1) && said.contains("there is no GPU that can be given work"), "{said}");
    let asked = host.command(&["models", "--processor", "--json"]).output().unwrap();
    let fits: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
    let on_gpu = fits.as_array().unwrap().iter().filter(|fit| fit["engine"] == "vllm");
    assert!(on_gpu.clone().count() > 0);
    on_gpu.for_each(|fit| assert_eq!(fit["unfit"], "its program serves it on a GPU alone"));
}

#[test]
fn that_nothing_is_served_is_told_and_a_wrong_file_too() {
    let host = Host::new("no-gpu", "servers: {a: {modell: m}}\n");
    let asked = host.command(&["status", "--json"]).output().unwrap();
    assert_eq!(asked.status.code(), Some(1));
    let said: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(said, serde_json::json!({"serving": false, "servers": []}));
    let asked = host.command(&["serve"]).output().unwrap();
    let error = String::from_utf8(asked.stderr).unwrap();
    assert!(error.contains("inference.yaml:1:") && error.contains("did you mean 'model'"), "{error}");
    let empty = Host::new("no-gpu", "").command(&["serve"]).output().unwrap();
    let error = String::from_utf8(empty.stderr).unwrap();
    assert!(error.contains("inference.yaml names no server"), "{error}");
}
