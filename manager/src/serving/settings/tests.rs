use super::*;

fn load(text: &str) -> Result<ServingSettings, Failure> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FILE), text).unwrap();
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
