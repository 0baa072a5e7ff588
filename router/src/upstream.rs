//! The model servers: where they are, how they are reached and trusted.
//!
//! Each zone has its own client with its own connections; there is no request that both could carry.

mod connector;
mod resolve;
mod serving;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use wire::region::Region;
use wire::router::{Api, Fallback, LocalServer, Managed, ModelServer, RouterConfig};
use wire::serving::SOCKET;

use crate::decide::{Zone, Zones};
use crate::json::Node;
use crate::region::{self, Place, Regions};
use crate::translate;
use crate::wire_api::Call;
pub use connector::{ConnectError, Connector};
pub use resolve::{ResolveError, Resolver};
pub use serving::{Serving, ServingError};

/// One model server.
#[derive(Debug)]
pub struct Server {
    zone: Zone,
    api: Api,
    base: Base,
    authorization: Option<HeaderValue>,
    model: Option<String>,
    /// By the names that clients have for them.
    models: BTreeMap<String, String>,
    region: Option<Region>,
    /// Who gives turns at it, if it is managed.
    serving: Option<Arc<Serving>>,
    client: Client<Connector, Full<Bytes>>,
}

/// The servers of this host.
#[derive(Debug)]
pub struct Servers {
    /// In the order in which they are asked.
    local: Vec<Server>,
    cloud: Vec<Server>,
    /// By the host to which the agent speaks.
    providers: BTreeMap<String, Server>,
    regions: Regions,
}

/// The servers for calls to one host.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    local: &'a [Server],
    cloud: &'a [Server],
    base: &'a str,
}

/// A base URL: scheme and authority, and a path without a final slash.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Base {
    origin: String,
    host: String,
    path: String,
}

/// Why the servers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The URL is none, or none that names a model server.
    #[error("the {zone} server's url '{url}' is not http(s)://host[:port][/path]")]
    Url {
        /// Which server.
        zone: &'static str,
        /// What it is.
        url: String,
    },
    /// The operator says one region, and the server's name another.
    #[error("the {zone} server is said to be in {said}, and its name says {named}")]
    Region {
        /// Which server.
        zone: &'static str,
        /// By the operator.
        said: Region,
        /// By the name.
        named: Region,
    },
    /// The key cannot stand in a header.
    #[error("the {0} server's api key holds a character that no header can carry")]
    Key(&'static str),
    /// A PEM block is broken.
    #[error("an extra root certificate is not PEM")]
    ExtraRoot(#[source] rustls::pki_types::pem::Error),
    /// A certificate is broken.
    #[error("an extra root certificate cannot be used")]
    Root(#[source] rustls::Error),
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

impl Servers {
    /// As [`Self::open_at`], with a managed server in the root directory that the jail makes.
    ///
    /// # Errors
    /// What in the configuration is wrong.
    pub fn open(config: &RouterConfig) -> Result<Self, UpstreamError> {
        Self::open_at(config, SOCKET.into())
    }

    /// Who is to be heard for as long as calls are served, if anybody.
    #[must_use]
    pub fn serving(&self) -> Option<Arc<Serving>> {
        self.local.first()?.serving.clone()
    }

    /// Reads everything that must be read from files: call it before the jail. A managed server is asked for at `at`.
    ///
    /// # Errors
    /// What in the configuration is wrong.
    pub fn open_at(config: &RouterConfig, at: PathBuf) -> Result<Self, UpstreamError> {
        let tls = Arc::new(tls(&config.extra_roots_pem)?);
        let resolver = Arc::new(Resolver::from_system(config.hosts.clone()));
        let connector = |zone: Zone| Connector::new(Arc::clone(&resolver), Arc::clone(&tls), zone);
        let open = |zone: Zone, server: &ModelServer| Server::open(zone, server, connector(zone));
        let providers =
            config.providers.iter().map(|(host, server)| Ok((host.clone(), open(Zone::Cloud, server)?)));
        let providers = providers.collect::<Result<_, UpstreamError>>()?;
        let Fallback { local: local_after, cloud: cloud_after } = &config.fallback;
        let cloud = config.cloud.iter().chain(cloud_after).map(|server| open(Zone::Cloud, server));
        let cloud = cloud.collect::<Result<_, UpstreamError>>()?;
        let first = match &config.local {
            None => None,
            Some(LocalServer::At(server)) => Some(open(Zone::Local, server)?),
            Some(LocalServer::Managed(managed)) => Some(Server::managed(managed, at)?),
        };
        let after = local_after.iter().map(|server| open(Zone::Local, server));
        let local = first.into_iter().map(Ok).chain(after).collect::<Result<_, UpstreamError>>()?;
        Ok(Self { local, cloud, providers, regions: Regions::new(config.regions.clone()) })
    }

    /// Where calls may be served.
    #[must_use]
    pub fn regions(&self) -> &Regions {
        &self.regions
    }

    /// The servers for calls to `host`; `None`: it is none of ours.
    #[must_use]
    pub fn at(&self, host: &str) -> Option<Site<'_>> {
        let local = &*self.local;
        if host == wire::inference::HOST {
            return Some(Site { local, cloud: &self.cloud, base: "/v1" });
        }
        let provider = self.providers.get(host)?;
        Some(Site { local, cloud: std::slice::from_ref(provider), base: &provider.base.path })
    }
}

impl<'a> Site<'a> {
    /// The path under which the agent finds the calls.
    #[must_use]
    pub fn base(self) -> &'a str {
        self.base
    }

    /// Which zones have a server that can serve calls of an API: the local ones also by translation.
    #[must_use]
    pub fn zones(self, api: Api) -> Zones {
        let first = |zone| self.chain(zone, api).next();
        Zones::of(first(Zone::Local), first(Zone::Cloud))
    }

    /// The servers of a zone that can serve calls of an API, in the order in which they are asked.
    pub fn chain(self, zone: Zone, api: Api) -> impl Iterator<Item = &'a Server> {
        let servers = match zone {
            Zone::Local => self.local,
            Zone::Cloud => self.cloud,
        };
        servers.iter().filter(move |server| server.is_available() && server.serves(api))
    }

    /// The first server of each zone, the operator's own first.
    pub fn iter(self) -> impl Iterator<Item = &'a Server> {
        self.local.first().into_iter().chain(self.cloud.first())
    }
}

impl Server {
    fn open(zone: Zone, server: &ModelServer, connector: Connector) -> Result<Self, UpstreamError> {
        let url = || UpstreamError::Url { zone: zone.as_str(), url: server.url.clone() };
        let base = Base::parse(&server.url).ok_or_else(url)?;
        let region = region(zone, server.region.as_ref(), base.host())?;
        let authorization = server
            .api_key
            .as_ref()
            .map(|key| authorization(server.api, key.expose()).ok_or(UpstreamError::Key(zone.as_str())));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(std::time::Duration::from_secs(30))
            .pool_max_idle_per_host(16)
            .build(connector);
        Ok(Self {
            zone,
            api: server.api,
            base,
            authorization: authorization.transpose()?,
            model: server.model.clone(),
            models: server.models.clone(),
            region,
            serving: None,
            client,
        })
    }

    fn managed(managed: &Managed, at: PathBuf) -> Result<Self, UpstreamError> {
        let name = managed.server.clone();
        let region = region(Zone::Local, managed.region.as_ref(), &name)?;
        let serving = Serving::new(managed, at);
        // A connection is a turn: none is kept for another call.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(Connector::turns(Arc::clone(&serving)));
        Ok(Self {
            zone: Zone::Local,
            api: Api::OpenAi,
            base: Base { origin: format!("http://{name}"), host: name, path: "/v1".to_owned() },
            authorization: None,
            model: None,
            models: BTreeMap::new(),
            region,
            serving: Some(serving),
            client,
        })
    }

    /// Whether it can serve calls of an API: one of the operator's own also by translation.
    fn serves(&self, api: Api) -> bool {
        self.api == api || self.zone == Zone::Local && translate::is_needed(api, self.api)
    }

    /// Whether a call can be served there, as far as anybody has said.
    fn is_available(&self) -> bool {
        self.serving.as_ref().is_none_or(|serving| serving.model().is_some())
    }

    /// Whose it is.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// Who serves a call, and where.
    #[must_use]
    pub fn place(&self, call: &Call) -> Place {
        let host = self.base.host();
        let replaced = self.model_for(call.model());
        let model = replaced.as_deref().unwrap_or(call.model());
        let asked = call.body().get("inference_geo").and_then(Node::as_text);
        let region = match asked.filter(|_geography| self.api == Api::Anthropic) {
            Some(geography) => region::of_call(geography),
            None => region::of_model(host, model, self.region.clone()),
        };
        Place { server: host.to_owned(), region }
    }

    /// The model that replaces whatever the client names.
    #[must_use]
    pub fn model(&self) -> Option<Cow<'_, str>> {
        match &self.serving {
            Some(serving) => serving.model().map(Cow::Owned),
            None => self.model.as_deref().map(Cow::Borrowed),
        }
    }

    /// The model that replaces the one that the client named.
    #[must_use]
    pub fn model_for(&self, asked: &str) -> Option<Cow<'_, str>> {
        let named = || self.models.get(asked).map(|model| Cow::Borrowed(model.as_str()));
        self.model().or_else(named)
    }

    /// The names that clients have for its models.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = &String> {
        self.models.keys()
    }

    /// The address of one of its calls.
    #[must_use]
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{}/{path}", self.base.origin, self.base.path)
    }

    /// What it speaks.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api
    }

    /// What authorises the operator there, and the header for it.
    pub(crate) fn authorization(&self) -> Option<(HeaderName, &HeaderValue)> {
        let name = match self.api {
            Api::OpenAi => AUTHORIZATION,
            Api::Anthropic => HeaderName::from_static("x-api-key"),
        };
        self.authorization.as_ref().map(|value| (name, value))
    }

    pub(crate) fn client(&self) -> &Client<Connector, Full<Bytes>> {
        &self.client
    }
}

impl Base {
    fn parse(url: &str) -> Option<Self> {
        let uri: http::Uri = url.parse().ok()?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        if uri.query().is_some() || authority.host().is_empty() {
            return None;
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        let host = authority.host().to_owned();
        Some(Self { origin: format!("{scheme}://{authority}"), host, path })
    }

    fn host(&self) -> &str {
        &self.host
    }
}

/// Where a server is; what the operator says may be a part of what the name says, or the other way round.
fn region(zone: Zone, said: Option<&Region>, host: &str) -> Result<Option<Region>, UpstreamError> {
    match (said, region::of_host(host)) {
        (Some(said), Some(named)) if said.is_within(&named) => Ok(Some(said.clone())),
        (Some(said), Some(named)) if named.is_within(said) => Ok(Some(named)),
        (Some(said), Some(named)) => {
            Err(UpstreamError::Region { zone: zone.as_str(), said: said.clone(), named })
        }
        (said, named) => Ok(said.cloned().or(named)),
    }
}

fn authorization(api: Api, key: &str) -> Option<HeaderValue> {
    let value = match api {
        Api::OpenAi => HeaderValue::from_str(&format!("Bearer {key}")),
        Api::Anthropic => HeaderValue::from_str(key),
    };
    let mut value = value.ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn tls(extra_roots_pem: &str) -> Result<rustls::ClientConfig, UpstreamError> {
    let mut roots = rustls::RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a root certificate of this machine is left out");
    }
    roots.add_parsable_certificates(system.certs);
    for certificate in CertificateDer::pem_slice_iter(extra_roots_pem.as_bytes()) {
        roots.add(certificate.map_err(UpstreamError::ExtraRoot)?).map_err(UpstreamError::Root)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(UpstreamError::Tls)?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let base = |url: &str| Base::parse(url).map(|base| format!("{}{}", base.origin, base.path));
        assert_eq!(base("https://api.example.com/v1/").as_deref(), Some("https://api.example.com/v1"));
        assert_eq!(base("http://127.0.0.1:8000").as_deref(), Some("http://127.0.0.1:8000"));
        for bad in [
            "",
            "api.example.com",
            "ftp://x/v1",
            "https://u:p@x/v1",
            "https://x/v1?a=b",
            "https:///v1",
            "/v1",
        ] {
            assert_eq!(base(bad), None, "{bad}");
        }
    }
}
