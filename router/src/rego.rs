//! What the operator's Rego says of a call, which can only be stricter than the rules' words.
//!
//! Owns: what a module is told, and whether what it says counts. Must never know: what is in a prompt.
//!
//! *Invariant:* no verdict of a module is `block`.

use std::time::{SystemTime, UNIX_EPOCH};

use ::classify::Findings;
use audit::Subject;
use policies::rego::routing::{Facts, Holder, RouteModules, Stand};
use wire::router::Sensitive;

use crate::context::Context;
use crate::decide::{Session, Zone};
use crate::known::{ModelName, Ruled, WITHHELD};
use crate::region::Place;
use crate::upstream::{Servers, Site};
use crate::wire_api::Call;

/// The operator's modules.
#[derive(Debug, Default)]
pub struct Rego(RouteModules);

/// What surrounds a call.
#[derive(Debug)]
pub struct Around<'a> {
    /// Who asks.
    pub context: &'a Context,
    /// Where it may be served.
    pub servers: &'a Servers,
    /// Whether the session stays with the local server.
    pub session: Session,
    /// Size of the client's body.
    pub bytes: usize,
}

/// A server that may be asked, and the model that it would be asked for.
struct Server {
    place: Place,
    model: String,
}

/// What a text ends with that was cut on its way.
const CUT: char = '…';

impl Rego {
    /// These modules.
    #[must_use]
    pub fn new(modules: RouteModules) -> Self {
        Self(modules)
    }

    /// What the modules say of a call, if it is stricter than `word`, which holds without them.
    #[must_use]
    pub fn ask(
        &self,
        call: &Call,
        (findings, model, word): (&Findings, &ModelName, Option<Sensitive>),
        around: &Around<'_>,
    ) -> Option<Ruled> {
        if self.0.is_empty() {
            return None;
        }
        let Around { context, servers, session, bytes } = around;
        let named = model.as_deref();
        let site = servers.at(&context.host);
        let [local, cloud] = [Zone::Local, Zone::Cloud]
            .map(|zone| site.map(|site| stands(site, zone, (call, named), servers)).unwrap_or_default());
        let facts = Facts {
            sandbox: context.sandbox.as_str(),
            host: &context.host,
            api: call.endpoint().api(),
            call: call.endpoint().path(),
            model: named.unwrap_or(WITHHELD),
            programs: programs(context),
            categories: findings.iter().map(|(category, count)| (category.to_string(), count)).collect(),
            word,
            stays: *session == Session::Stays,
            bytes: u64::try_from(*bytes).unwrap_or(u64::MAX),
            tools: tools(call),
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            local: local.iter().map(Server::stand).collect(),
            cloud: cloud.iter().map(Server::stand).collect(),
        };
        let ruling = self.0.ask(&facts)?;
        (ruling.word > word.unwrap_or_default()).then(|| Ruled {
            module: ruling.module.to_owned(),
            word: ruling.word,
            failure: ruling.failure.map(String::from),
        })
    }
}

impl Server {
    fn stand(&self) -> Stand<'_> {
        let Self { place: Place { server, region }, model } = self;
        Stand { server, region: region.as_ref().map(wire::region::Region::as_str), model }
    }
}

/// The servers of a zone that may be asked, in their order.
fn stands(
    site: Site<'_>,
    zone: Zone,
    (call, named): (&Call, Option<&str>),
    servers: &Servers,
) -> Vec<Server> {
    let all = site.chain(zone, call.endpoint().api()).map(|server| {
        let model = server.model_for(call.model());
        let model = model.as_deref().or(named).unwrap_or(WITHHELD).to_owned();
        Server { place: server.place(call), model }
    });
    all.filter(|server| servers.regions().permit(&server.place)).collect()
}

/// The programs that ask, if the router was told all of them whole.
fn programs(context: &Context) -> Option<Vec<Holder<'_>>> {
    let Subject::Owners(owners) = &context.subject else { return None };
    if u64::try_from(owners.len()).ok() != Some(context.programs) {
        return None;
    }
    let holders = owners.iter().map(|owner| {
        let is_cut = |text: &str| text.ends_with(CUT);
        let (path, script) = (owner.binary.as_str(), owner.script.as_deref());
        let is_whole = !is_cut(path) && !script.is_some_and(is_cut);
        is_whole.then_some(Holder { path, script, sha256: owner.sha256.as_deref() })
    });
    holders.collect()
}

/// Tools and functions that the call lets the model use.
fn tools(call: &Call) -> u64 {
    let listed = ["tools", "functions"].into_iter().filter_map(|name| call.body().get(name));
    listed.map(|list| u64::try_from(list.elements().len()).unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
}
