//! `openshell image`.

use images::{Digest, ImageName, Manifest, Stop, Store, root};
use manager::failure::{Failure, chain};
use manager::interruption::Interruption;
use manager::layout::Layout;

use super::print_json;
use crate::arguments::{Image, Output};

/// An image as it is listed.
#[derive(serde::Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    manifest: &'a Manifest,
    root_hash: Option<Digest>,
}

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
        let reference = root::Reference::Name(name.clone());
        reference.open(store, &mut progress, stop).map(|image| image.path().to_owned())
    };
    println!("{}", path.map_err(|error| Failure::new(chain(&error), error.remedy()))?.display());
    Ok(0)
}

fn list(output: Output, store: &Store) -> Result<u8, Failure> {
    let manifests = store.list().map_err(|error| Failure::new(chain(&error), error.remedy()))?;
    // What comes from a time before there were root hashes gets its own when it is used.
    let listed: Vec<_> =
        manifests.iter().map(|manifest| Listed { manifest, root_hash: store.root_hash(manifest) }).collect();
    if output.json {
        print_json(&listed)?;
        return Ok(0);
    }
    for Listed { manifest, root_hash } in &listed {
        let mib = manifest.size.div_ceil(1 << 20);
        let root_hash = root_hash.map_or_else(|| "-".to_owned(), |hash| format!("verity:{hash}"));
        println!(
            "{:<24} {mib:>5} MiB  {:>4} packages  {root_hash}",
            manifest.name.as_str(),
            manifest.packages.len(),
        );
    }
    Ok(0)
}

fn parse(name: &str) -> Result<ImageName, Failure> {
    name.parse().map_err(|error| Failure::new(chain(&error), "see openshell image ls"))
}
