//! `agent.yaml`: what the user wrote, validated. Nothing here touches anything but the files that the
//! document names.

mod local;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use classify::property::Property;
use policies::Document;
use serde::{Deserialize, Serialize};
use wire::control::MountAccess;
use wire::region::Region;
use wire::router::{
    AfterLocal, Api, CLASSES, Directive, Limits, MOST_FALLBACKS, MOST_PER_MINUTE, Sensitive, ZoneLimits,
};
use wire::rules::Rules;
use wire::scanner::Scanner;

use crate::credentials::{self, CredentialSpec};
use crate::detect::Detect;
use crate::documents::{self, Document as Registered};
use crate::failure::Failure;
use crate::policy_files::{self, PolicyError, PolicyFiles};
use crate::restart::Restart;
use crate::secret::SecretSource;
use crate::unit::{Mebibytes, Seconds};

pub use local::{Local, LocalProvider};

/// One agent session, as written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Version of the format: 1.
    pub version: u32,
    /// Name of the agent; sandboxes are called `<name>-<8 hex digits>`.
    pub name: String,
    /// Built-in image, path to a root tree, or path to an EROFS image.
    pub image: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Working directory in the guest.
    #[serde(default = "default_workdir")]
    pub workdir: String,
    /// Environment of the agent; nothing is inherited from the host.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What the sandbox may use.
    #[serde(default)]
    pub resources: Resources,
    /// Whether the agent is started again when it has ended.
    #[serde(default)]
    pub restart: Restart,
    /// Host directories that the agent sees.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// What the agent may do. Without it: nothing outside the guest.
    #[serde(default)]
    pub policy: Document,
    /// How upstreams are found and trusted.
    #[serde(default)]
    pub egress: Egress,
    /// What the open ports of `policy.inbound` need from the operator.
    #[serde(default)]
    pub inbound: Inbound,
    /// What the agent's requests carry, and the agent never has.
    #[serde(default)]
    pub credentials: Vec<CredentialSpec>,
    /// Model servers behind `https://inference.local`.
    #[serde(default)]
    pub inference: Option<Inference>,
    /// The file that it was read from, as the user named it.
    #[serde(skip)]
    pub file: PathBuf,
    /// The other files that were read for it.
    #[serde(skip)]
    beside: Vec<PathBuf>,
}

/// What a sandbox may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Virtual CPUs.
    pub vcpus: u8,
    /// Guest memory.
    pub memory: Mebibytes,
    /// Size of the writable layer; without it, half of the memory.
    pub disk: Option<Mebibytes>,
    /// Longest run; without it, none.
    pub timeout: Option<Seconds>,
}

/// A host directory that the agent sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Directory on the host; relative to the file that names it.
    pub source: PathBuf,
    /// Absolute path in the guest.
    pub target: String,
    /// What the agent may do there.
    pub mode: MountMode,
    /// Of a live mount: for how long its guest may believe what it was told of names and attributes; without it, a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Seconds>,
}

/// Modes of a [`Mount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountMode {
    /// Read only.
    Ro,
    /// The agent writes to a private copy, thrown away with the sandbox.
    Copy,
    /// The agent writes to the host's directory itself.
    Rw,
}

/// How upstreams are found and trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// Names answered from here instead of by DNS.
    pub hosts: BTreeMap<String, IpAddr>,
    /// Loopback, link-local, private or metadata addresses that may be dialled all the same.
    pub allow_addresses: Vec<String>,
    /// PEM file of certificates trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// Who looks into downloads, where a rule of the policy names it.
    pub scanners: Vec<Scanner>,
}

/// What open ports need from the operator. Which ports are open, the policy says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inbound {
    /// Where the bearer tokens come from, by the name of the entry; the agent never sees them.
    pub tokens: BTreeMap<String, SecretSource>,
}

/// Model servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    /// What happens to classified data that `rules` does not name. Without it, what is usual for its class.
    #[serde(default)]
    pub sensitive: Option<Sensitive>,
    /// What happens to the data of a class, or of one category of it.
    #[serde(default)]
    pub rules: BTreeMap<String, Sensitive>,
    /// What is found beside what is found anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<Detect>,
    /// Texts of which no piece may leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Registered>,
    /// What happens to the session's other prompts once one was local for what it held.
    #[serde(default)]
    pub after_local: AfterLocal,
    /// The servers.
    #[serde(default)]
    pub providers: Providers,
    /// Who is asked when these do not answer; nobody, without it.
    #[serde(default)]
    pub fallback: Fallback,
    /// Where calls may be served, by names of regions or what they begin with; without it, anywhere, known or not.
    #[serde(default)]
    pub regions: Option<Vec<Region>>,
    /// Hosts of providers: what the agent sends there is a model call, and that host is its cloud.
    #[serde(default)]
    pub hosts: BTreeMap<String, HostProvider>,
    /// What may be spent with the servers; without it, all.
    #[serde(default)]
    pub limits: ZoneLimits,
}

/// A provider's host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostProvider {
    /// Base URL; without it, `https://HOST/v1`.
    pub url: Option<String>,
    /// What it speaks; without it, what the provider of that host does.
    pub api: Option<Api>,
    /// Where its key comes from; the agent never sees it, and what it sends as its own is dropped.
    pub api_key: Option<SecretSource>,
    /// Replaces the model that the agent names.
    pub model: Option<String>,
    /// Models by the names that the agent has for them; another name goes as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// Where it computes; without it, what its name says.
    pub region: Option<Region>,
}

/// The servers that prompts may go to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Providers {
    /// On this host: for prompts that must not leave it.
    pub local: Option<LocalProvider>,
    /// Anywhere.
    pub cloud: Option<Provider>,
}

/// Servers that are asked one after the other when the first one of their zone does not answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fallback {
    /// After the local one, for prompts that must not leave the host.
    pub local: Vec<Provider>,
    /// After the cloud's.
    pub cloud: Vec<Provider>,
}

/// A model server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Base URL, for example `https://models.example.com/v1`.
    pub url: String,
    /// What it speaks.
    #[serde(default)]
    pub api: Api,
    /// Where its key comes from; the agent never sees it.
    pub api_key: Option<SecretSource>,
    /// Replaces the model that the agent names.
    pub model: Option<String>,
    /// Models by the names that the agent has for them; another name goes as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// Where it computes; without it, what its name says.
    pub region: Option<Region>,
}

impl Default for Resources {
    fn default() -> Self {
        Self { vcpus: 1, memory: Mebibytes(512), disk: None, timeout: None }
    }
}

/// Where guest-init writes: who the agent is, names, and the certificates of this sandbox.
const WRITTEN: [&str; 2] = ["/etc", "/usr"];

/// Whoever believes longer what a live mount's files were like would as well have a copy.
const LONGEST_CACHE: Seconds = Seconds(3600);

impl Spec {
    /// Reads and validates `path`; relative paths in it become relative to its directory, and its policy
    /// is resolved with what it extends.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong: the failure names file, line and key.
    pub fn load(path: &Path, files: &PolicyFiles) -> Result<Self, Failure> {
        let mut spec = Self::parse(path, &policy_files::read(path)?)?;
        let document = std::mem::take(&mut spec.policy);
        spec.policy =
            policies::compose(document, &files.with_image(&spec.image)).map_err(PolicyError::Mistakes)?;
        spec.beside.extend(files.read_so_far());
        Ok(spec)
    }

    /// The same with the policy as it is written, from the text of the file.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let mut spec: Self = policies::yaml::parse(text, &path.display().to_string())
            .map_err(|error| Failure::new(&error, error.remedy()))?;
        spec.policy = spec.policy.named(&path.display().to_string());
        if let Some(inference) = &mut spec.inference {
            let base = path.parent().unwrap_or(Path::new(""));
            let own = (text, path.display().to_string());
            let detect = inference.detect.take();
            spec.beside.extend(detect.as_ref().and_then(Detect::file).map(|file| base.join(file)));
            let read = detect.map(|detect| detect.resolve((own.0, &own.1), base));
            inference.detect = read.transpose()?;
            inference.documents =
                documents::read(std::mem::take(&mut inference.documents), (own.0, &own.1), base)?;
            spec.beside.extend(inference.documents.iter().flat_map(Registered::files).cloned());
        }
        spec.check()
            .map_err(|(cause, remedy)| Failure::new(format_args!("{}: {cause}", path.display()), remedy))?;
        spec.resolve_paths(path.parent().unwrap_or(Path::new("")));
        path.clone_into(&mut spec.file);
        Ok(spec)
    }

    /// The document with all that it names read in: what `vm run --dry-run` prints, and of which the audit log keeps the
    /// digest.
    ///
    /// # Errors
    /// A path in it is not UTF-8.
    pub fn text(&self) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n").map_err(|error| Failure::new(error, "name files in UTF-8"))
    }

    fn check(&self) -> Result<(), (String, String)> {
        let problem = |cause: String, remedy: &str| Err((cause, remedy.to_owned()));
        if self.version != 1 {
            return problem(format!("version {} is not supported", self.version), "write 'version: 1'");
        }
        // The id appends nine characters and must stay a label.
        if !wire::id::is_label(&self.name) || self.name.len() > 54 {
            return problem(
                format!("name '{}' is not a label", self.name),
                "use 1 to 54 of a-z, 0-9 and '-', with no '-' at either end",
            );
        }
        if self.command.first().is_none_or(String::is_empty) {
            return problem("command is empty".to_owned(), "write the program and its arguments as a list");
        }
        if !(1..=32).contains(&self.resources.vcpus) {
            return problem(format!("resources.vcpus is {}", self.resources.vcpus), "use 1 to 32");
        }
        if self.resources.memory < Mebibytes(128) {
            return problem(
                format!(
                    "resources.memory is {}MiB, below what the kernel and an image need",
                    self.resources.memory.0
                ),
                "use at least 128MiB",
            );
        }
        credentials::check(&self.credentials, |name| self.env.contains_key(name))?;
        self.inference.as_ref().map_or(Ok(()), Inference::check)?;
        self.check_caches()?;
        self.check_guest_paths()
    }

    fn check_caches(&self) -> Result<(), (String, String)> {
        let is_wrong = |mount: &&Mount| {
            mount.cache.is_some_and(|span| mount.mode != MountMode::Rw || span > LONGEST_CACHE)
        };
        let wrong = self.mounts.iter().find(is_wrong).map(|mount| {
            let remedy = "leave it out, or write a time such as 30s";
            (
                format!("mount {}: 'cache' is of live mounts (mode: rw), and an hour at most", mount.target),
                remedy.to_owned(),
            )
        });
        wrong.map_or(Ok(()), Err)
    }

    fn check_guest_paths(&self) -> Result<(), (String, String)> {
        let targets = self.mounts.iter().map(|mount| mount.target.as_str());
        for path in targets.clone().chain([self.workdir.as_str()]) {
            let plain = path.starts_with('/') && path.split('/').all(|part| part != ".." && part != ".");
            if !plain || path.bytes().any(|b| b < 0x20) {
                return Err((
                    format!("'{path}' is not a plain absolute path"),
                    "write it as /like/this".to_owned(),
                ));
            }
        }
        let live = self.mounts.iter().filter(|mount| mount.mode == MountMode::Rw);
        let is_written = |target: &str| {
            let target = Path::new(target);
            WRITTEN.iter().any(|own| target.starts_with(own) || Path::new(own).starts_with(target))
        };
        if let Some(mount) = live.into_iter().find(|mount| is_written(&mount.target)) {
            return Err((
                format!("live mount {}: guest-init writes the sandbox's own files there", mount.target),
                "give it a target of its own, such as /work".to_owned(),
            ));
        }
        if let Some((inner, outer)) = self.mount_in_live_mount() {
            return Err((
                format!(
                    "mount {inner} lies in {outer}, where making its directory would write to the host's"
                ),
                "give one of them another target".to_owned(),
            ));
        }
        match targets
            .clone()
            .find(|target| *target == "/" || targets.clone().filter(|other| other == target).count() > 1)
        {
            Some(target) => Err((
                format!("mount target {target} is used twice or is /"),
                "give each mount its own directory".to_owned(),
            )),
            None => Ok(()),
        }
    }

    /// A mount whose target is beneath a live one's.
    fn mount_in_live_mount(&self) -> Option<(&str, &str)> {
        let live = self.mounts.iter().filter(|mount| mount.mode == MountMode::Rw);
        live.map(|mount| mount.target.as_str()).find_map(|outer| {
            let inner =
                self.mounts.iter().map(|mount| mount.target.as_str()).find(|inner| {
                    Path::new(inner) != Path::new(outer) && Path::new(inner).starts_with(outer)
                });
            Some((inner?, outer))
        })
    }

    /// The files on the host that this run believes, and the next one would: itself, what it names, and what tells secrets.
    pub(crate) fn believed(&self) -> Vec<PathBuf> {
        let secrets = self.secrets().flat_map(SecretSource::files).cloned();
        let named = self.beside.iter().cloned().chain(self.egress.ca.clone());
        std::iter::once(self.file.clone()).chain(named).chain(secrets).collect()
    }

    /// What runs on the host for secrets.
    pub(crate) fn programs(&self) -> Vec<PathBuf> {
        self.secrets().flat_map(SecretSource::programs).collect()
    }

    fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        let providers = self.inference.iter().flat_map(|inference| {
            let Providers { local, cloud } = &inference.providers;
            let local = local.iter().filter_map(|provider| provider.api_key.as_ref());
            let cloud = cloud.iter().chain(&inference.fallback.local).chain(&inference.fallback.cloud);
            let cloud = cloud.filter_map(|provider| provider.api_key.as_ref());
            local.chain(cloud).chain(inference.hosts.values().filter_map(|host| host.api_key.as_ref()))
        });
        let credentials = self.credentials.iter().map(|credential| &credential.from);
        providers.chain(self.inbound.tokens.values()).chain(credentials)
    }

    fn resolve_paths(&mut self, base: &Path) {
        for mount in &mut self.mounts {
            mount.source = base.join(&mount.source);
        }
        if let Some(ca) = &mut self.egress.ca {
            *ca = base.join(&ca);
        }
        if self.image.contains('/') {
            self.image = base.join(&self.image).display().to_string();
        }
        let keys = self.inference.iter_mut().flat_map(Inference::keys);
        let credentials = self.credentials.iter_mut().map(|credential| &mut credential.from);
        for secret in keys.chain(self.inbound.tokens.values_mut()).chain(credentials) {
            secret.resolve(base);
        }
    }
}

impl Inference {
    /// The operator's word on what prompts hold.
    #[must_use]
    pub fn directive(&self) -> Directive {
        let Self { sensitive, rules, after_local, .. } = self;
        Directive { sensitive: *sensitive, rules: rules.clone(), after_local: *after_local }
    }

    /// The operator's own rules.
    #[must_use]
    pub fn detected(&self) -> Rules {
        self.detect.as_ref().and_then(Detect::rules).cloned().unwrap_or_default()
    }

    /// What is kept of the operator's documents.
    #[must_use]
    pub fn registered(&self) -> Vec<wire::router::Document> {
        documents::registered(&self.documents)
    }

    fn keys(&mut self) -> impl Iterator<Item = &mut SecretSource> {
        let Self { providers: Providers { local, cloud }, fallback, hosts, .. } = self;
        let local = local.iter_mut().filter_map(|provider| provider.api_key.as_mut());
        let cloud = cloud.iter_mut().chain(&mut fallback.local).chain(&mut fallback.cloud);
        let cloud = cloud.filter_map(|provider| provider.api_key.as_mut());
        local.chain(cloud).chain(hosts.values_mut().filter_map(|host| host.api_key.as_mut()))
    }

    fn check(&self) -> Result<(), (String, String)> {
        self.providers.local.as_ref().map_or(Ok(()), LocalProvider::check)?;
        let Providers { local, cloud } = &self.providers;
        let chains = [
            ("local", local.is_some(), &self.fallback.local),
            ("cloud", cloud.is_some(), &self.fallback.cloud),
        ];
        for (zone, has_first, after) in chains {
            if !after.is_empty() && !has_first {
                let cause = format!("inference.fallback.{zone} follows no server");
                return Err((cause, format!("name the first one under inference.providers.{zone}")));
            }
            if after.len() > MOST_FALLBACKS {
                let cause = format!("inference.fallback.{zone} has more than {MOST_FALLBACKS} servers");
                return Err((cause, "name fewer".to_owned()));
            }
        }
        let spares = self.fallback.local.iter().chain(&self.fallback.cloud);
        let others = cloud.iter().chain(spares).map(|server| (&server.model, &server.models));
        let named = local.iter().map(|server| (&server.model, &server.models)).chain(others);
        let named = named.chain(self.hosts.values().map(|host| (&host.model, &host.models)));
        for (model, models) in named {
            check_models(model.as_ref(), models)?;
        }
        if let Some(host) = self.hosts.keys().find(|host| !is_provider_host(host)) {
            let remedy = "write the name alone, in lower case: api.example.com";
            return Err((format!("inference.hosts: '{host}' is no host of a provider"), remedy.to_owned()));
        }
        if self.regions.as_ref().is_some_and(Vec::is_empty) {
            let remedy = "name the regions in which calls may be served: [eu, us-east-1], or leave it out";
            return Err(("inference.regions names none".to_owned(), remedy.to_owned()));
        }
        let zones = [&self.limits.local, &self.limits.cloud];
        let is_wrong = |limits: &&Limits| {
            limits.requests_per_minute.is_some_and(|calls| !(1..=MOST_PER_MINUTE).contains(&calls))
        };
        if zones.iter().any(is_wrong) {
            let remedy = format!("write 1 to {MOST_PER_MINUTE}, or leave it out");
            return Err(("inference.limits: requests_per_minute is out of range".to_owned(), remedy));
        }
        if let Some(name) = self.directive().misplaced() {
            let cause =
                format!("inference.rules: '{name}' is no data, so it can neither be replaced nor stay local");
            return Err((cause, "write block, or pass (which only marks the prompt)".to_owned()));
        }
        let own = Property::new(&self.detected()).and_then(|own| own.with_documents(&self.registered()));
        let own = own.map_err(|mistake| (mistake.to_string(), mistake.remedy))?;
        let known =
            classify::categories().chain(own.categories()).map(|category| category.to_string()).collect();
        self.rules.keys().try_for_each(|name| is_found(name, &known))
    }
}

/// One name for all models leaves none for others.
fn check_models(model: Option<&String>, models: &BTreeMap<String, String>) -> Result<(), (String, String)> {
    if model.is_some() && !models.is_empty() {
        let cause = "inference: a server has 'model', which stands for every name, and 'models'";
        return Err((cause.to_owned(), "keep one of the two".to_owned()));
    }
    if models.iter().any(|(name, model)| name.is_empty() || model.is_empty()) {
        let cause = "inference: a name under 'models' is empty";
        return Err((cause.to_owned(), "write 'NAME: MODEL'".to_owned()));
    }
    Ok(())
}

/// Whether a rule names something that can be found.
fn is_found(name: &str, categories: &BTreeSet<String>) -> Result<(), (String, String)> {
    let classes = CLASSES.map(|(class, _)| class.to_owned());
    if classes.iter().any(|class| class == name) || categories.contains(name) {
        return Ok(());
    }
    let known = classes.iter().chain(categories).map(String::as_str);
    let remedy = match policies::yaml::nearest(name, known) {
        Some(close) => format!("did you mean '{close}'?"),
        None => format!(
            "name one of {}, or a category of it as docs/classification.md lists it",
            classes.join(", ")
        ),
    };
    Err((format!("inference.rules: '{name}' is nothing that is found"), remedy))
}

impl HostProvider {
    /// The server that it is.
    #[must_use]
    pub fn provider(&self, host: &str) -> Provider {
        let Self { url, api, api_key, model, models, region } = self.clone();
        let own = if host == ANTHROPIC { Api::Anthropic } else { Api::OpenAi };
        let url = url.unwrap_or_else(|| format!("https://{host}/v1"));
        Provider { url, api: api.unwrap_or(own), api_key, model, models, region }
    }
}

/// The host that speaks its own API.
const ANTHROPIC: &str = "api.anthropic.com";

/// A name of at least two labels that is not the router's own.
fn is_provider_host(host: &str) -> bool {
    let labels = host.split('.');
    host != wire::inference::HOST && labels.clone().count() > 1 && labels.clone().all(wire::id::is_label)
}

impl MountMode {
    /// What the guest is told.
    #[must_use]
    pub fn access(self) -> MountAccess {
        match self {
            Self::Ro => MountAccess::ReadOnly,
            Self::Copy => MountAccess::Copy,
            Self::Rw => MountAccess::Live,
        }
    }
}

fn default_workdir() -> String {
    "/work".to_owned()
}

#[cfg(test)]
mod tests;
