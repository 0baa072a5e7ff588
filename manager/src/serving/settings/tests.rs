use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn load(text: &str) -> Result<ServingSettings, Failure> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FILE), text).unwrap();
    load_in(&directory, 0o600)
}

fn load_in(directory: &tempfile::TempDir, mode: u32) -> Result<ServingSettings, Failure> {
    std::fs::set_permissions(directory.path().join(FILE), Permissions::from_mode(mode)).unwrap();
    let path = |_what| directory.path().to_owned();
    ServingSettings::load(&Layout {
        state: path(0),
        runtime: path(1),
        cache: path(2),
        config: path(3),
        programs: path(4),
    })
}

#[test]
fn a_name_of_a_model_is_enough() {
    let settings = load("servers: {nemotron: {model: nemotron}}\n").unwrap();
    let server = &settings.servers["nemotron"];
    assert!(
        matches!(&server.source, Source::Model(wanted) if wanted.model == "nemotron" && !wanted.on_processor)
    );
    assert_eq!((server.slots, server.idle_s, server.start_s), (8, None, 900));
    assert!(load("").unwrap().servers.is_empty());
}

#[test]
fn each_kind_of_server_is_read() {
    let settings = load(
        "servers:\n  \
           small: {model: nemotron-3-nano-4b, context: 65536, engine: llama.cpp, device: processor, weights: /m/4b.gguf, idle: 30m, slots: 2}\n  \
           own: {command: [serve, '{port}'], model: big, env: {HOME: /srv}, start: 90s}\n  \
           found: {url: 'http://127.0.0.1:8000/v1', model: m}\n",
    );
    let servers = settings.unwrap().servers;
    let small = &servers["small"];
    assert!(
        matches!(&small.source, Source::Model(wanted) if wanted.on_processor && wanted.context == Some(65_536))
    );
    assert_eq!((small.idle_s, small.slots), (Some(1800), 2));
    assert!(matches!(&servers["own"].source, Source::Command(own) if own.command == ["serve", "{port}"]));
    assert!(matches!(&servers["found"].source, Source::Running(found) if found.address.port() == 8000));
}

#[test]
fn the_models_of_the_product_are_known_and_an_operators_take_their_place() {
    let known = load("").unwrap().catalogue.models;
    for name in
        ["nemotron-nano-9b-v2", "nemotron-3-nano-4b", "nemotron-3-nano-30b-a3b", "nemotron-3-super-120b-a12b"]
    {
        assert!(known.contains_key(name), "{name}");
    }
    for (name, model) in &known {
        assert!(!model.variants.is_empty() && model.context.default <= model.context.most, "{name}");
    }
    let own = load(
        "models:\n  nemotron-3-nano-4b:\n    family: nemotron\n    rank: 4\n    context: {default: 1000, most: 2000}\n    \
         kv_bytes_per_token: 1\n    variants: [{quantisation: q2, engine: llama.cpp, source: /m, memory_gb: 1.5}]\n",
    );
    let models = own.unwrap().catalogue.models;
    assert_eq!((models["nemotron-3-nano-4b"].variants.len(), models.len()), (1, known.len()));
}

#[test]
fn mistakes_name_the_file_and_the_key() {
    for (text, cause) in [
        ("servers: {a: {}}\n", "servers.a: it names no model"),
        (
            "servers: {a: {model: m, command: [x], url: 'http://127.0.0.1:1'}}\n",
            "servers.a: it is to be started in one way",
        ),
        ("servers: {a: {model: m, command: [x], context: 5}}\n", "has what belongs to another"),
        (
            "servers: {a: {model: m, url: 'http://localhost:1'}}\n",
            "'http://localhost:1' is no http://ADDRESS:PORT",
        ),
        ("servers: {a: {model: m, url: 'http://127.0.0.1:1', idle: 5m}}\n", "idle is for servers"),
        ("servers: {A B: {model: m}}\n", "its name is no label"),
        ("servers: {a: {model: m, slots: 0}}\n", "slots or waiting is 0"),
        ("servers: {a: {model: m, contxt: 5}}\n", "contxt"),
        ("models: {m: {family: f}}\n", "missing"),
    ] {
        let cause_of = load(text).unwrap_err().cause;
        assert!(cause_of.contains(cause) && cause_of.contains(FILE), "{text}: {cause_of}");
    }
}

#[test]
fn figures_that_cannot_be_meant_name_their_key() {
    let model = |change: (&str, &str)| {
        let text = "models: {m: {family: f, rank: 1, context: {default: 10, most: 20}, kv_bytes_per_token: 1, \
                    servers: {vllm: {kv_bits: 8}}, variants: [{quantisation: q, engine: vllm, source: s, memory_gb: 18, \
                    compute_capability: \"9.0\"}]}}\n";
        load(&text.replace(change.0, change.1))
    };
    model(("", "")).unwrap();
    for (old, new, cause) in [
        ("memory_gb: 18", "memory_gb: -18", "models.m.variants[0].memory_gb: -18"),
        ("kv_bits: 8", "kv_bits: 0", "models.m.servers.vllm.kv_bits: 0"),
        ("\"9.0\"", "\"9\"", "models.m.variants[0].compute_capability: '9'"),
        ("default: 10", "default: 0", "models.m.context: 0 of at most 20"),
        ("default: 10", "default: 30", "models.m.context: 30 of at most 20"),
        ("source: s", "source: ''", "models.m.variants[0]: quantisation or source"),
    ] {
        let failure = model((old, new)).unwrap_err();
        assert!(failure.cause.contains(cause) && !failure.remedy.is_empty(), "{new}: {}", failure.cause);
    }
    let none = "models: {m: {family: f, rank: 1, context: {default: 10, most: 20}, kv_bytes_per_token: 1, variants: []}}\n";
    assert!(load(none).unwrap_err().cause.contains("models.m.variants: there is none"));
    for key in ["check", "answer", "start", "idle"] {
        let cause = load(&format!("servers: {{a: {{model: m, {key}: 0s}}}}\n")).unwrap_err().cause;
        assert!(cause.contains("'0s' is not a duration"), "{cause}");
    }
    let cause = load("servers: {a: {model: m, context: 0}}\n").unwrap_err().cause;
    assert!(cause.contains("servers.a: context is 0"), "{cause}");
}

#[test]
fn a_file_with_an_environment_is_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let text = "servers: {a: {model: m, env: {HF_TOKEN: hf_secret}}}\n";
    std::fs::write(directory.path().join(FILE), text).unwrap();
    let failure = load_in(&directory, 0o644).unwrap_err();
    assert!(failure.cause.contains("is not for you alone") && failure.remedy.starts_with("chmod 600 "));
    assert!(!failure.cause.contains("hf_secret"));
    load_in(&directory, 0o600).unwrap();
    std::fs::write(directory.path().join(FILE), "servers: {a: {model: m}}\n").unwrap();
    load_in(&directory, 0o644).unwrap();
}
