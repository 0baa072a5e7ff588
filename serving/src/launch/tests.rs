//! What a server is started with, word by word.

use std::collections::BTreeMap;

use super::*;

fn plan(engine: Engine, devices: &[&str]) -> Plan {
    Plan {
        model: "nano".to_owned(),
        quantisation: "fp8".to_owned(),
        engine,
        source: "maker/nano-fp8".to_owned(),
        context: 65_536,
        devices: devices.iter().map(|uuid| (*uuid).to_owned()).collect(),
        indices: (0..).zip(devices).map(|(index, _)| index + 2).collect(),
        bytes_per_device: 40_500_000_000,
        device_bytes: 80_000_000_000,
        arguments: vec!["--reasoning-parser".to_owned(), "nemotron_v3".to_owned()],
        why: String::new(),
    }
}

fn wanted() -> Wanted {
    Wanted {
        model: "nemotron".to_owned(),
        context: None,
        engine: None,
        quantisation: None,
        on_processor: false,
        weights: None,
        program: Some("/opt/serve".into()),
        arguments: vec!["--seed".to_owned(), "1".to_owned()],
        env: BTreeMap::from([("HF_HUB_OFFLINE".to_owned(), "1".to_owned())]),
    }
}

fn line(command: &Command) -> String {
    command.words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[test]
fn vllm_gets_place_length_share_and_the_models_own_flags() {
    let command = command(&wanted(), &plan(Engine::Vllm, &["GPU-1", "GPU-2"]), ("m", 8001, 4)).unwrap();
    assert_eq!(
        line(&command),
        "/opt/serve serve maker/nano-fp8 --host 127.0.0.1 --port 8001 --served-model-name m --max-model-len 65536 \
         --max-num-seqs 5 --tensor-parallel-size 2 --gpu-memory-utilization 0.5063 --reasoning-parser nemotron_v3 --seed 1"
    );
    let has = |name: &str, value: &str| command.env.contains(&(name.to_owned(), value.into()));
    assert!(has("CUDA_DEVICE_ORDER", "PCI_BUS_ID") && has("CUDA_VISIBLE_DEVICES", "2,3"));
    assert!(has("HF_HUB_OFFLINE", "1"));
    assert!(has("DO_NOT_TRACK", "1"));
}

#[test]
fn llama_cpp_gets_a_file_that_is_there() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    let there = Wanted { weights: Some(path.clone()), ..wanted() };
    let said = line(&command(&there, &plan(Engine::LlamaCpp, &[]), ("m", 8001, 4)).unwrap());
    assert!(
        said.starts_with(&format!("/opt/serve --model {path} --host 127.0.0.1 --port 8001 --alias m")),
        "{said}"
    );
    assert!(said.contains("--ctx-size 65536 --parallel 5 --n-gpu-layers 0 --kv-unified"), "{said}");
    let error = command(&wanted(), &plan(Engine::LlamaCpp, &[]), ("m", 8001, 4)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the weights of nano fp8 are not at 'maker/nano-fp8': name their file in `weights`"
    );
}

#[test]
fn an_own_command_gets_its_port_and_nothing_of_the_environment_but_what_finds_things() {
    let own = Own {
        command: ["serve", "--at", "127.0.0.1:{port}", "{model}"].map(str::to_owned).into(),
        model: "big".to_owned(),
        env: BTreeMap::from([("HOST".to_owned(), "127.0.0.1:{port}".to_owned())]),
    };
    let command = own_command(&own, 9);
    assert_eq!(line(&command), "serve --at 127.0.0.1:9 big");
    assert!(command.env.contains(&("HOST".to_owned(), "127.0.0.1:9".into())));
    let is_known =
        |name: &str| KEPT.contains(&name) || QUIET.iter().any(|(quiet, _)| *quiet == name) || name == "HOST";
    assert!(command.env.iter().all(|(name, _)| is_known(name)), "{:?}", command.env);
}

#[test]
fn llama_cpp_finds_its_devices_by_their_names_and_no_value_of_the_environment_prints() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let there = Wanted { weights: Some(file.path().display().to_string()), ..wanted() };
    let command = command(&there, &plan(Engine::LlamaCpp, &["MIG-1"]), ("m", 8001, 4)).unwrap();
    assert!(command.env.contains(&("CUDA_VISIBLE_DEVICES".to_owned(), "MIG-1".into())));
    let printed = format!("{command:?}");
    assert!(printed.contains("CUDA_VISIBLE_DEVICES") && !printed.contains("MIG-1"), "{printed}");
}
