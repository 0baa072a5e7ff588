//! What the variables of policies stand for, outside of the policy itself: `${registry.npm}`, `${jira.tenant}`.
//!
//! The operator's file, `$XDG_CONFIG_HOME/openshell/config.yaml`, comes first. Then the registries that were recorded when
//! the image was built; for an image that recorded none, those of the image `base`; and if that was not built yet, those
//! that a build would record now. A policy's own `variables` beat all of these: whoever composes asks here last.
//! Must never know which variables a policy uses.

#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use images::Store;
use policies::LoadError;
use policies::document::OneOrMany;
use policies::place::At;
use policies::yaml::{self, nearest};
use serde::Deserialize;

use crate::failure::Failure;
use crate::layout::Layout;

/// Name of the operator's file in [`Layout::config`].
const FILE: &str = "config.yaml";

/// Under which name the registries of an image are variables.
const PREFIX: &str = "registry.";

/// The registries that presets know.
const REGISTRIES: [&str; 10] = [
    "registry.brew",
    "registry.brew.bottles",
    "registry.brew.files",
    "registry.crates",
    "registry.debian",
    "registry.go",
    "registry.go.sums",
    "registry.npm",
    "registry.pypi",
    "registry.pypi.files",
];

/// The image whose registries stand in for those of an image that recorded none.
const STANDARD_IMAGE: &str = "base";

/// Values by name; each has at least one.
#[derive(Clone, Debug)]
pub struct Variables {
    operator: BTreeMap<String, Vec<String>>,
    /// Where images are stored.
    images: PathBuf,
    image: BTreeMap<String, Vec<String>>,
    /// Asked for only when nothing else knows a registry: asking the package clients takes seconds.
    machine: OnceCell<BTreeMap<String, Vec<String>>>,
    ask: fn() -> BTreeMap<String, Vec<String>>,
}

/// The operator's file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with 'variables'")]
struct Config {
    #[serde(default)]
    variables: BTreeMap<String, At<OneOrMany>>,
}

impl Variables {
    /// The variables for an image that is not known, which is taken for `base`. Nothing is built.
    ///
    /// # Errors
    /// The operator's file cannot be read, or something in it is wrong: the failure names file, line and key.
    pub fn load(layout: &Layout) -> Result<Self, Failure> {
        let operator = operator(layout)?;
        let images = layout.cache.join("images");
        let image = recorded(&images, STANDARD_IMAGE).unwrap_or_default();
        Ok(Self { operator, images, image, machine: OnceCell::new(), ask: images::registry::here })
    }

    /// The same for the image that `image` of agent.yaml means, as far as it recorded anything.
    #[must_use]
    pub fn with_image(&self, image: &str) -> Self {
        // Whoever names an image by its hash does not trust the store, and its hash says nothing of what stands beside it.
        if matches!(images::root::pinned(image), Ok((_name, Some(_root_hash)))) {
            return Self { image: BTreeMap::new(), ..self.clone() };
        }
        match recorded(&self.images, image) {
            Some(image) => Self { image, ..self.clone() },
            None => self.clone(),
        }
    }

    /// What a name stands for. A destination with the variable stands for one with each of the values.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Vec<String>> {
        if let Some(values) = self.operator.get(name) {
            return Some(values.clone());
        }
        let registry = name.strip_prefix(PREFIX)?;
        let known = if self.image.is_empty() { self.machine.get_or_init(self.ask) } else { &self.image };
        known.get(registry).filter(|values| !values.is_empty()).cloned()
    }
}

/// What the operator's file says; nothing, when there is no such file.
fn operator(layout: &Layout) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let path = layout.config.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => {
            return Err(Failure::new(
                format_args!("cannot read {}: {error}", path.display()),
                "make the file readable for you, or remove it",
            ));
        }
    };
    parse(&text, &path.display().to_string()).map_err(|error| Failure::new(&error, error.remedy()))
}

fn parse(text: &str, file: &str) -> Result<BTreeMap<String, Vec<String>>, LoadError> {
    // A file with nothing but comments says nothing, which is no mistake.
    let config: Option<Config> = yaml::parse(text, file)?;
    let mut found = BTreeMap::new();
    for (name, At { value: OneOrMany(values), place }) in config.unwrap_or_default().variables {
        let values: Vec<String> = values.into_iter().map(|value| value.value).collect();
        let refuse = |reason: String, remedy: String| {
            Err(LoadError::new(file, place, reason, remedy).about(format!("variables.{name}")))
        };
        if values.is_empty() || values.iter().any(String::is_empty) {
            return refuse(
                format!("the variable '{name}' has no value"),
                "write a text, or remove it".into(),
            );
        }
        if !is_name(&name) {
            let remedy = "use words of a-z, 0-9, '-' and '_' with dots between them".to_owned();
            return refuse(format!("'{name}' is not the name of a variable"), remedy);
        }
        if name.starts_with(PREFIX) && !REGISTRIES.contains(&name.as_str()) {
            let remedy = match nearest(&name, REGISTRIES) {
                Some(close) => format!("did you mean '{close}'?"),
                None => format!("known here: {}", REGISTRIES.join(", ")),
            };
            return refuse(format!("there is no registry '{name}'"), remedy);
        }
        found.insert(name, values);
    }
    Ok(found)
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    name.split('.').all(|word| !word.is_empty() && word.bytes().all(plain))
}

/// The registries of a stored image, if it has any. A damaged store is for whoever opens the image to report.
fn recorded(images: &Path, image: &str) -> Option<BTreeMap<String, Vec<String>>> {
    if !images.is_dir() {
        return None;
    }
    let manifests = Store::open(images).ok()?.list().ok()?;
    let manifest = manifests.into_iter().find(|manifest| manifest.name.as_str() == image)?;
    Some(manifest.registries).filter(|registries| !registries.is_empty())
}
