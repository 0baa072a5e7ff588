//! `openshell image`.

use images::{ImageName, Stop, Store, root};
use manager::failure::{Failure, chain};
use manager::interruption::Interruption;
use manager::layout::Layout;

use super::print_json;
use crate::arguments::{Image, Output};

pub(super) fn run(command: Image, layout: &Layout) -> Result<u8, Failure> {
    let store = Store::open(&layout.cache.join("images"))
        .map_err(|error| Failure::new(chain(&error), error.remedy()))?;
    match command {
        Image::Build { name, force } => {
            let interruption = Interruption::watch(drop)?;
            build((&parse(&name)?, force), &store, layout, interruption.stop())
                .map_err(|failure| interruption.explain(failure))
        }
        Image::Ls(output) => list(output, &store),
        Image::Rm { name } => {
            store.remove(&parse(&name)?).map_err(|error| Failure::new(chain(&error), error.remedy()))?;
            Ok(0)
        }
    }
}

fn build(
    (name, force): (&ImageName, bool),
    store: &Store,
    layout: &Layout,
    stop: &Stop,
) -> Result<u8, Failure> {
    manager::image::prepare_boot_files(layout, stop)?;
    let mut progress = |step: &str| eprintln!("openshell: {step}");
    let path = if force {
        root::build(name, store, &mut progress, stop).map(|image| image.path)
    } else {
        root::Reference::Name(name.clone()).open(store, &mut progress, stop).map(|image| image.path)
    };
    println!("{}", path.map_err(|error| Failure::new(chain(&error), error.remedy()))?.display());
    Ok(0)
}

fn list(output: Output, store: &Store) -> Result<u8, Failure> {
    let manifests = store.list().map_err(|error| Failure::new(chain(&error), error.remedy()))?;
    if output.json {
        print_json(&manifests)?;
        return Ok(0);
    }
    for manifest in &manifests {
        let mib = manifest.size.div_ceil(1 << 20);
        println!(
            "{:<24} {mib:>5} MiB  {:>4} packages  {}",
            manifest.name.as_str(),
            manifest.packages.len(),
            manifest.digest
        );
    }
    Ok(0)
}

fn parse(name: &str) -> Result<ImageName, Failure> {
    name.parse().map_err(|error| Failure::new(chain(&error), "see openshell image ls"))
}
