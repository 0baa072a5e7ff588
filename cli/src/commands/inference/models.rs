//! `openshell inference models`: what there is, what fits this host, and why not.

use audit_export::format::printable;
use gpu::{Inventory, Library, Xids};
use manager::failure::{Failure, chain};
use manager::layout::Layout;
use manager::serving::ServingSettings;
use models::{Fit, Gigabytes, Host, On, Plan, Refusal, Reserved, Wish};

use crate::arguments::InferenceModels;
use crate::commands::{NO, print_json, unanswered};

/// The answer for one model as JSON.
#[derive(serde::Serialize)]
struct Chosen<'a> {
    plan: Option<&'a Plan>,
    refusal: Option<&'a Refusal>,
}

pub(super) fn run(asked: InferenceModels, layout: &Layout) -> Result<u8, Failure> {
    let catalogue = ServingSettings::load(layout).map_err(unanswered)?.catalogue;
    let on = if asked.processor { On::Processor } else { On::Gpu };
    let inventory = if asked.processor { nothing() } else { inventory(&asked).map_err(unanswered)? };
    let host = Host::of(&inventory, &Reserved::default(), models::memory_available());
    match &asked.model {
        Some(model) => {
            let (engine, quantisation) = (None, asked.quantisation.clone());
            let wish = Wish {
                model: model.clone(),
                context: asked.context,
                engine,
                quantisation,
                on,
                weights: None,
            };
            chosen(&models::plan(&catalogue, &host, &wish), asked.output.json)
        }
        None => {
            let fits = models::survey(&catalogue, &host, asked.context, on);
            if asked.output.json {
                print_json(&fits)?;
            } else {
                list(&fits, &host, on);
            }
            Ok(0)
        }
    }
}

fn nothing() -> Inventory {
    Inventory { driver: None, cuda: None, devices: Vec::new() }
}

fn inventory(asked: &InferenceModels) -> Result<Inventory, Failure> {
    match Library::open(asked.library.as_deref()).and_then(|library| library.inventory(&Xids::default())) {
        Err(error) if error.is_absence() => Ok(nothing()),
        listed => listed.map_err(|error| Failure::new(chain(&error), error.remedy())),
    }
}

fn chosen(answer: &Result<Plan, Refusal>, json: bool) -> Result<u8, Failure> {
    if json {
        print_json(&Chosen { plan: answer.as_ref().ok(), refusal: answer.as_ref().err() })?;
    } else {
        match answer {
            Ok(plan) => {
                println!("{}", printable(&plan.why));
                println!(
                    "   {} serves {} with {}",
                    plan.engine.as_str(),
                    printable(&plan.source),
                    words(plan)
                );
            }
            Err(refusal) => {
                println!("{}", printable(&refusal.cause));
                println!("  remedy: {}", refusal.remedy);
                for reason in &refusal.looked_at {
                    println!("   {}", printable(reason));
                }
            }
        }
    }
    Ok(if answer.is_ok() { 0 } else { NO })
}

fn words(plan: &Plan) -> String {
    let words = printable(&plan.arguments.join(" ")).into_owned();
    if words.is_empty() { "no further argument".to_owned() } else { words }
}

fn list(fits: &[Fit], host: &Host, on: On) {
    for device in host.devices.iter().filter(|_device| on == On::Gpu) {
        let free = Gigabytes(device.free_bytes);
        println!("{}", printable(&format!("{} ({}): {free} free", device.name, device.uuid)));
    }
    match (on, host.devices.is_empty()) {
        (On::Processor, _) => println!("the host's memory: {} free", Gigabytes(host.memory_bytes)),
        (On::Gpu, true) => println!("no GPU can be given work (`openshell gpu ls`)"),
        (On::Gpu, false) => {}
    }
    for reason in &host.left_out {
        println!("not used: {}", printable(reason));
    }
    let longest = fits.iter().map(|fit| fit.model.chars().count()).max().unwrap_or(0);
    for fit in fits {
        let said =
            fit.unfit.as_deref().map_or_else(|| "fits".to_owned(), |unfit| format!("does not fit: {unfit}"));
        let needed = Gigabytes(fit.needed_bytes).to_string();
        let line = format!(
            "{:<longest$}  {:<7} {:<9}  {:>8} tokens  {needed:>9}  {said}",
            fit.model,
            fit.quantisation,
            fit.engine.as_str(),
            fit.context,
        );
        println!("{}", printable(&line));
    }
}
