//! The list of models that this host offers: the one that a server is pinned to, or what the server says
//! it has.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::inference::Providers;
use wire::router::Api;

use crate::forward;
use crate::trail::Chain;
use crate::upstream::{Server, Site};
use crate::wire_api::Target;

/// Largest list that is read, and how long a server may take to give it.
const LARGEST: usize = 4 << 20;
const LIMIT: Duration = Duration::from_secs(10);

/// When a model was made whose age nobody knows.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// One model on offer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offer {
    id: String,
    zone: &'static str,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
}

/// What the servers offer that may be used; the others are not asked. A server that does not answer offers nothing.
pub(super) async fn list(site: Site<'_>, named: Providers) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    let is_named = |server: &&Server| site.zones(server.api()).among(named).contain(server.zone());
    for server in site.iter().filter(is_named) {
        for id in ids(server).await {
            if offers.iter().all(|offer| offer.id != id) {
                offers.push(Offer { id, zone: server.zone().as_str() });
            }
        }
    }
    offers
}

/// The answer to a request for the list or for one model of it.
pub(super) fn document((target, api): (&Target, Api), offers: &[Offer]) -> Option<Vec<u8>> {
    let entry = |offer: &Offer| match api {
        Api::OpenAi => json!({ "id": offer.id, "object": "model", "created": 0, "owned_by": offer.zone }),
        Api::Anthropic => {
            json!({ "id": offer.id, "type": "model", "created_at": EPOCH, "display_name": offer.id })
        }
    };
    let document = match target {
        Target::Model(id) => entry(offers.iter().find(|offer| offer.id == *id)?),
        _ if api == Api::Anthropic => json!({
            "data": offers.iter().map(entry).collect::<Vec<Value>>(), "has_more": false,
            "first_id": offers.first().map(|offer| &offer.id), "last_id": offers.last().map(|offer| &offer.id),
        }),
        _ => json!({ "object": "list", "data": offers.iter().map(entry).collect::<Vec<Value>>() }),
    };
    Some(document.to_string().into_bytes())
}

async fn ids(server: &Server) -> Vec<String> {
    if let Some(model) = server.model() {
        return vec![model.into_owned()];
    }
    let mut ids: Vec<String> = server.aliases().cloned().collect();
    match tokio::time::timeout(LIMIT, ask(server)).await {
        Ok(Some(list)) => ids.extend(list.data.into_iter().map(|entry| entry.id)),
        Ok(None) | Err(_) => {
            tracing::warn!(zone = server.zone().as_str(), "the server gave no list of models");
        }
    }
    ids
}

async fn ask(server: &Server) -> Option<List> {
    let answer = forward::models(server).await.inspect_err(|error| {
        tracing::warn!(zone = server.zone().as_str(), error = %Chain(error), "no list of models");
    });
    let answer = answer.ok().filter(|answer| answer.status().is_success())?;
    let body = Limited::new(answer.into_body(), LARGEST).collect().await.ok()?;
    serde_json::from_slice(&body.to_bytes()).ok()
}
