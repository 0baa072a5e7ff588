//! The choice, line by line: a host, a wish, what comes of it.

use wire::catalogue::Context;

use super::*;

const GB: u64 = 1_000_000_000;

fn device(name: &str, number: u32, free: u64, capability: (u32, u32)) -> Device {
    Device {
        uuid: format!("GPU-{number}"),
        index: number,
        name: name.to_owned(),
        total_bytes: 80 * GB,
        free_bytes: free * GB,
        capability: Some(capability),
        is_instance: false,
    }
}

fn hopper(count: u32, free: u64) -> Host {
    let devices = (0..count).map(|number| device("H100", number, free, (9, 0))).collect();
    Host { devices, left_out: Vec::new(), memory_bytes: 16 * GB }
}

fn variant(quantisation: &str, engine: Engine, memory_gb: f64, least: Option<&str>) -> Variant {
    Variant {
        quantisation: quantisation.to_owned(),
        engine,
        // llama.cpp must find a file: this one is always there.
        source: format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR")),
        memory_gb,
        compute_capability: least.map(str::to_owned),
        arguments: Vec::new(),
    }
}

fn catalogue() -> Catalogue {
    let model = |rank, memory: [f64; 4]| Model {
        family: "nemotron".to_owned(),
        rank,
        context: Context { default: 262_144, most: 1_048_576 },
        kv_bytes_per_token: 34_800,
        servers: [(Engine::Vllm, Flags { kv_bits: Some(8), arguments: vec!["--flag".to_owned()] })].into(),
        variants: vec![
            variant("bf16", Engine::Vllm, memory[0], Some("8.0")),
            variant("fp8", Engine::Vllm, memory[1], Some("8.9")),
            variant("nvfp4", Engine::Vllm, memory[2], Some("10.0")),
            variant("q4_k_m", Engine::LlamaCpp, memory[3], None),
        ],
    };
    let models =
        [("super", model(120, [298.0, 149.0, 75.0, 70.0])), ("nano", model(30, [72.0, 35.0, 20.0, 19.3]))];
    Catalogue { models: models.map(|(name, model)| (name.to_owned(), model)).into() }
}

fn wish(model: &str) -> Wish {
    Wish {
        model: model.to_owned(),
        context: None,
        engine: None,
        quantisation: None,
        on: On::Gpu,
        weights: None,
    }
}

/// What is chosen: model, form, length, number of devices.
fn chosen(host: &Host, wish: &Wish) -> (String, String, u64, usize) {
    let plan = plan(&catalogue(), host, wish).unwrap();
    (plan.model, plan.quantisation, plan.context, plan.devices.len())
}

fn choice(model: &str, form: &str, context: u64, devices: usize) -> (String, String, u64, usize) {
    (model.to_owned(), form.to_owned(), context, devices)
}

#[test]
fn the_best_that_fits_is_chosen() {
    let blackwell = Host { devices: vec![device("B200", 0, 79, (10, 0))], ..Host::default() };
    for (host, wished, expected) in [
        // 149 + 4.6 GB over four GPUs; two of them would need 81 GB each.
        (hopper(4, 79), wish("nemotron"), choice("super", "fp8", 262_144, 4)),
        (hopper(8, 79), wish("nemotron"), choice("super", "bf16", 262_144, 8)),
        // One alone has no room for Super in a form that it can compute with, but for the quantised one of llama.cpp.
        (hopper(1, 79), wish("nemotron"), choice("super", "q4_k_m", 131_072, 1)),
        (hopper(1, 79), wish("nano"), choice("nano", "bf16", 262_144, 1)),
        (hopper(1, 45), wish("nano"), choice("nano", "fp8", 262_144, 1)),
        (
            blackwell.clone(),
            Wish { engine: Some(Engine::Vllm), ..wish("super") },
            choice("super", "nvfp4", 131_072, 1),
        ),
        (hopper(1, 38), wish("nano"), choice("nano", "q4_k_m", 262_144, 1)),
        // Rather a shorter conversation than none.
        (hopper(1, 22), wish("nano"), choice("nano", "q4_k_m", 65_536, 1)),
        (
            hopper(1, 60),
            Wish { context: Some(1_048_576), ..wish("nano") },
            choice("nano", "fp8", 1_048_576, 1),
        ),
        (
            hopper(1, 79),
            Wish { quantisation: Some("fp8".to_owned()), ..wish("nano") },
            choice("nano", "fp8", 262_144, 1),
        ),
    ] {
        assert_eq!(chosen(&host, &wished), expected, "{host:?} {wished:?}");
    }
}

#[test]
fn the_smallest_device_that_is_enough_is_taken_and_the_reason_has_numbers() {
    let mut host = hopper(2, 79);
    host.devices[1].free_bytes = 41 * GB;
    let plan = plan(
        &catalogue(),
        &host,
        &Wish { engine: Some(Engine::Vllm), quantisation: Some("fp8".to_owned()), ..wish("nano") },
    );
    let plan = plan.unwrap();
    assert_eq!(plan.devices, ["GPU-1"]);
    assert_eq!(
        plan.why,
        "nano fp8 with 262144 tokens takes 39.5 GB and fits H100 (GPU-1), which has 41.0 GB free"
    );
    assert_eq!(plan.arguments, ["--flag"]);
}

#[test]
fn what_does_not_fit_is_refused_with_numbers() {
    let cause = |host: &Host, wish: &Wish| plan(&catalogue(), host, wish).unwrap_err().cause;
    let fp8 = Wish { quantisation: Some("fp8".to_owned()), context: Some(131_072), ..wish("nano") };
    let too_small = "nano fp8 with 131072 tokens: needs 37.2 GB, the largest free device has 22.0 GB";
    assert_eq!(cause(&hopper(1, 22), &fp8), too_small);
    let refusal = plan(&catalogue(), &hopper(1, 5), &wish("nemotron")).unwrap_err();
    // Of all, what would have needed least.
    assert!(refusal.cause.starts_with("nano q4_k_m with 32768 tokens: needs 20.4 GB"), "{}", refusal.cause);
    assert!(refusal.looked_at.len() > 8 && refusal.remedy.contains("openshell gpu ls"));
    assert!(cause(&Host::default(), &wish("nano")).ends_with("there is no GPU that can be given work"));
    assert_eq!(cause(&hopper(1, 79), &wish("gpt")), "there is no model 'gpt' in the catalogue");
    let form = Wish { quantisation: Some("int3".to_owned()), ..wish("nano") };
    assert_eq!(cause(&hopper(1, 79), &form), "'nano' is not in the catalogue in that form");
    let long = Wish { context: Some(2_000_000), ..wish("nano") };
    assert!(cause(&hopper(8, 79), &long).ends_with("a conversation has at most 1048576 tokens"));
}

#[test]
fn values_that_a_gpu_cannot_compute_with_are_refused_there() {
    let nvfp4 = Wish { quantisation: Some("nvfp4".to_owned()), ..wish("nano") };
    let cause = plan(&catalogue(), &hopper(1, 79), &nvfp4).unwrap_err().cause;
    assert!(cause.ends_with("its values need a GPU of compute capability 10.0 or newer"), "{cause}");
    let mut unknown = hopper(1, 79);
    unknown.devices[0].capability = None;
    assert!(plan(&catalogue(), &unknown, &nvfp4).is_err());
    assert_eq!(chosen(&unknown, &wish("nano")).1, "q4_k_m");
}

#[test]
fn a_model_is_spread_over_equal_whole_gpus_alone() {
    let mut mixed = hopper(2, 50);
    "H200".clone_into(&mut mixed.devices[1].name);
    let bf16 = Wish { quantisation: Some("bf16".to_owned()), ..wish("nano") };
    assert!(plan(&catalogue(), &mixed, &bf16).is_err());
    assert_eq!(chosen(&hopper(2, 50), &bf16), choice("nano", "bf16", 262_144, 2));
    let mut parts = hopper(2, 50);
    parts.devices.iter_mut().for_each(|device| device.is_instance = true);
    assert!(plan(&catalogue(), &parts, &bf16).is_err());
    let small = Wish { quantisation: Some("q4_k_m".to_owned()), ..wish("nano") };
    assert_eq!(chosen(&parts, &small).3, 1);
}

#[test]
fn the_processor_is_used_only_if_it_is_asked_for() {
    let mut host = Host { memory_bytes: 64 * GB, ..Host::default() };
    assert!(plan(&catalogue(), &host, &wish("nano")).is_err());
    let there = Wish { on: On::Processor, ..wish("nano") };
    assert_eq!(chosen(&host, &there), choice("nano", "q4_k_m", 262_144, 0));
    host.memory_bytes = 8 * GB;
    let cause = plan(&catalogue(), &host, &there).unwrap_err().cause;
    assert!(cause.contains("needs 20.4 GB, the largest free device has 8.0 GB"), "{cause}");
}

#[test]
fn the_survey_names_every_form_and_why_not() {
    let fits = survey(&catalogue(), &hopper(1, 45), None, On::Gpu);
    assert_eq!(fits.len(), 8);
    let of = |model: &str, form: &str| {
        fits.iter().find(|fit| fit.model == model && fit.quantisation == form).unwrap().unfit.clone()
    };
    assert_eq!(of("nano", "fp8"), None);
    assert_eq!(of("super", "fp8").unwrap(), "needs 153.5 GB, the largest free device has 45.0 GB");
    assert!(of("nano", "nvfp4").unwrap().contains("10.0"));
    assert_eq!(fits[0].model, "super");
}

/// Of what fits, the models whose weights are nowhere on this host.
fn absent() -> Catalogue {
    let mut catalogue = catalogue();
    let variants = catalogue.models.values_mut().flat_map(|model| &mut model.variants);
    variants.for_each(|variant| "Model-Q4_K_M.gguf".clone_into(&mut variant.source));
    catalogue
}

#[test]
fn a_form_whose_weights_nobody_would_fetch_does_not_fit() {
    let host = hopper(1, 79);
    // Super by llama.cpp would fit, and has no file: what can be served is served.
    let found = plan(&absent(), &host, &wish("nemotron")).unwrap();
    assert_eq!((found.model.as_str(), found.quantisation.as_str()), ("nano", "bf16"));
    let refusal = plan(&absent(), &hopper(1, 22), &wish("nano")).unwrap_err();
    assert!(refusal.cause.ends_with("fetch them and name their file in `weights`"), "{}", refusal.cause);
    assert!(refusal.remedy.contains("`weights`"), "{}", refusal.remedy);
}

#[test]
fn a_file_for_llama_cpp_is_given_to_no_other_program() {
    let file = std::env::temp_dir().join(format!("models-{}.gguf", std::process::id()));
    std::fs::write(&file, "").unwrap();
    let named = Wish { weights: Some(file.display().to_string()), ..wish("nano") };
    let found = plan(&absent(), &hopper(1, 79), &named);
    std::fs::remove_file(&file).unwrap();
    let found = found.unwrap();
    assert_eq!((found.engine, found.quantisation.as_str()), (Engine::LlamaCpp, "q4_k_m"));
    let gone = Wish { weights: Some("/no/such/nano.gguf".to_owned()), ..wish("nano") };
    assert!(plan(&absent(), &hopper(1, 79), &gone).is_err());
}

#[test]
fn the_share_that_vllm_is_told_is_no_more_than_what_is_free() {
    let fp8 = Wish { quantisation: Some("fp8".to_owned()), ..wish("nano") };
    let mut host = hopper(1, 79);
    // 39.5613056 GB are needed, 39.568 GB are taken of 80 GB by a share of four decimals.
    host.devices[0].free_bytes = 39_565_000_000;
    assert_ne!(plan(&catalogue(), &host, &fp8).unwrap().context, 262_144);
    host.devices[0].free_bytes = 39_568_000_000;
    let found = plan(&catalogue(), &host, &fp8).unwrap();
    assert_eq!((found.context, found.bytes_per_device), (262_144, 39_568_000_000));
    assert_eq!(ten_thousandths(found.bytes_per_device, found.device_bytes), 4946);
}

#[test]
fn parts_of_a_gpu_are_for_llama_cpp_alone() {
    let mut parts = hopper(2, 79);
    parts.devices.iter_mut().for_each(|device| device.is_instance = true);
    assert_eq!(chosen(&parts, &wish("nano")).1, "q4_k_m");
    let bf16 = Wish { quantisation: Some("bf16".to_owned()), ..wish("nano") };
    let cause = plan(&catalogue(), &parts, &bf16).unwrap_err().cause;
    assert!(
        cause.ends_with("vLLM does not find the parts of a divided GPU (MIG): llama.cpp does"),
        "{cause}"
    );
}
