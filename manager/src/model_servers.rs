//! The model servers of a sandbox, as its router gets them: with their keys read, and with the way to a managed one.

use std::os::fd::OwnedFd;
use std::path::Path;

use wire::id::SandboxId;
use wire::router::{Fallback, LocalServer, Managed, ModelServer};

use crate::failure::Failure;
use crate::layout::Layout;
use crate::process::Resources;
use crate::secret::SecretSource;
use crate::serving;
use crate::spec::{self, Local, LocalProvider, Provider};

/// Opens a directory as a process's root.
pub(crate) type OpenDirectory = fn(&Path) -> Result<OwnedFd, Failure>;

/// A server at an address.
pub(crate) fn server(provider: &Provider) -> Result<ModelServer, Failure> {
    let api_key = provider.api_key.as_ref().map(SecretSource::read).transpose()?;
    let Provider { url, api, model, models, region, api_key: _ } = provider.clone();
    Ok(ModelServer { url, api, api_key, model, models, region })
}

/// Those that are asked after the first ones.
pub(crate) fn fallback(after: &spec::Fallback) -> Result<Fallback, Failure> {
    let servers = |of: &[Provider]| of.iter().map(server).collect::<Result<_, _>>();
    Ok(Fallback { local: servers(&after.local)?, cloud: servers(&after.cloud)? })
}

/// The local server. A managed one need not be there yet: until it is, nothing goes to it.
pub(crate) fn local(
    provider: &LocalProvider,
    (layout, sandbox): (&Layout, &SandboxId),
    (resources, open_directory): (&mut Resources, OpenDirectory),
) -> Result<LocalServer, Failure> {
    match provider.server().expect("what names no server was refused when it was read") {
        Local::At(provider) => server(&provider).map(LocalServer::At),
        Local::Managed { server, region } => {
            let directory = open_directory(&serving::directory(layout)?)?;
            let directory = resources.add(directory);
            Ok(LocalServer::Managed(Managed { directory, server, sandbox: sandbox.clone(), region }))
        }
    }
}
