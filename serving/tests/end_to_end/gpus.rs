//! What is started on which GPU, by what the driver says is free.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;
use wire::catalogue::Catalogue;
use wire::serving::{ServerConfig, Source, State, Wanted};

use crate::fake::Fake;
use crate::rig::{Rig, config, model_server, until};

fn catalogue() -> Catalogue {
    let model = json!({
        "family": "nemotron", "rank": 30, "context": {"default": 262_144, "most": 1_048_576},
        "kv_bytes_per_token": 34_800, "servers": {"vllm": {"kv_bits": 8, "arguments": ["--kv-cache-dtype", "fp8"]}},
        "variants": [{"quantisation": "bf16", "engine": "vllm", "source": "nano-bf16", "memory_gb": 72.0}],
    });
    serde_json::from_value(json!({"models": {"nano": model}})).unwrap()
}

/// A server of the model, run by the test's own.
fn nano(folder: &std::path::Path) -> ServerConfig {
    config(Source::Model(Wanted {
        model: "nemotron".to_owned(),
        context: None,
        engine: None,
        quantisation: None,
        on_processor: false,
        weights: None,
        program: Some(model_server().to_owned()),
        arguments: Vec::new(),
        env: BTreeMap::from([("MODE".to_owned(), folder.join("mode").display().to_string())]),
    }))
}

fn rig(shape: &str, mode: &str, names: &[&str]) -> (Rig, Fake) {
    let fake = Fake::new(shape);
    let rig = Rig::with(mode, (catalogue(), Some(fake.path())), |folder| {
        names.iter().map(|name| ((*name).to_owned(), nano(folder))).collect()
    });
    (rig, fake)
}

#[test]
fn the_model_is_started_on_the_gpu_that_has_room_with_the_flags_that_it_needs() {
    // The second of the two has 70 GiB in use.
    let (rig, _fake) = rig("h100", "well", &["m"]);
    let report = rig.until_ready();
    let plan = report.plan.unwrap();
    assert!(plan.starts_with("nano bf16 with 262144 tokens takes 76.5 GB and fits NVIDIA H100"), "{plan}");
    let log = fs::read_to_string(report.log.unwrap()).unwrap();
    assert!(log.contains("serve nano-bf16 --host 127.0.0.1 --port "), "{log}");
    assert!(log.contains("--served-model-name m --max-model-len 262144"), "{log}");
    assert!(log.contains("--gpu-memory-utilization 0.8953 --kv-cache-dtype fp8"), "{log}");
    assert!(log.contains("devices: 0\n"), "{log}");
}

#[test]
fn what_does_not_fit_is_not_started_and_says_how_much_is_missing() {
    for (shape, cause) in [
        ("zero-free", "nano bf16 with 32768 tokens: needs 72.5 GB, the largest free device has 0.0 GB"),
        ("no-gpu", "there is no GPU that can be given work"),
        ("no-driver", "the GPUs of this host cannot be listed: "),
        // All of its GPUs have errors.
        ("remap-pending", "there is no GPU that can be given work"),
    ] {
        let (rig, _fake) = rig(shape, "well", &["m"]);
        let report = rig.until(|report| report.state == State::Down);
        assert!(report.cause.as_ref().is_some_and(|said| said.contains(cause)), "{shape}: {report:?}");
        // Why is told to the operator alone.
        let refused = rig.ask_turn("a").refused();
        assert!(refused.starts_with("the model server 'm' is ") && !refused.contains(cause), "{refused}");
    }
}

#[test]
fn what_a_server_that_loads_will_take_is_not_given_away() {
    // 151 GB of memory, most of it free: enough for one, and to the driver still free while that one loads.
    let (rig, _fake) = rig("h200", "loading", &["m", "n"]);
    let states = until("one loads and the other has no room", || {
        let reports = rig.reports();
        let of = |state| reports.iter().filter(|report| report.state == state).count();
        (of(State::Starting) == 1 && of(State::Down) == 1).then_some(reports)
    });
    let down = states.iter().find(|report| report.state == State::Down).unwrap();
    let cause = down.cause.as_ref().unwrap();
    assert!(
        cause.starts_with("nano bf16 with 32768 tokens: needs 72.5 GB, the largest free device has 72."),
        "{cause}"
    );
}

#[test]
fn a_server_leaves_a_gpu_of_which_the_driver_tells_an_error() {
    let (rig, _fake) = rig("xid", "well", &["m"]);
    let before = rig.until_ready();
    assert!(before.plan.as_ref().is_some_and(|plan| plan.contains("GPU-00000001")), "{before:?}");
    let turn = rig.ask_turn("a").turn();
    let mut watch = rig.watch();
    watch.until_available(true);
    // A contained memory error on the first.
    fs::write(rig.folder.path().join("xids"), "").unwrap();
    watch.until_available(false);
    let draining = rig.until(|report| report.state == State::Failing);
    let cause = "its GPU 0 is draining: Xid 94 (contained memory error)";
    assert_eq!((draining.cause.as_deref(), draining.active), (Some(cause), 1));
    drop(turn);
    watch.until_available(true);
    let after = rig.until_ready();
    assert!(after.plan.as_ref().is_some_and(|plan| plan.contains("GPU-00000002")), "{after:?}");
    assert_ne!(after.pid, before.pid);
}
