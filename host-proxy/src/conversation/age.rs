//! How long ago a package was published, which the proxy asks its registry before it asks for the package.
//!
//! The question is a request like every other: the policy has to allow it to the program that wants the package, and it is
//! on the record. What is not known is not old enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Limited};
use policies::{Age, Package, Registry, Timestamp};
use serde::Deserialize;
use tokio::time::timeout;

use super::Named;
use super::tally::Tally;
use crate::canonical::{Arrived, Authority, CanonicalRequest, Host, canonicalise};
use crate::clock::now;
use crate::digest::Digests;
use crate::http1::{Head, Length};
use crate::journal::Outcome;
use crate::judge::Case;
use crate::refusal::Refusal;
use crate::upstream::Outgoing;

/// Longest answer of a registry about one package.
const LONGEST: usize = 32 << 20;

/// How long a registry may take for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the age of a package is not known.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("the question cannot be asked: {0}")]
    Question(String),
    #[error("the registry answered {0}")]
    Status(StatusCode),
    #[error("the registry did not answer in time, or not as it should")]
    Broken,
    #[error("the registry does not say when that version was published")]
    Missing,
}

/// The document of a package at npm.
#[derive(Deserialize)]
struct Packument {
    time: BTreeMap<String, serde_json::Value>,
}

/// The list of a project's files (PEP 691, PEP 700).
#[derive(Deserialize)]
struct Project {
    files: Vec<ProjectFile>,
}

#[derive(Deserialize)]
struct ProjectFile {
    filename: String,
    #[serde(rename = "upload-time")]
    upload_time: Option<String>,
}

/// One version of a crate.
#[derive(Deserialize)]
struct CrateVersion {
    version: CratePublished,
}

#[derive(Deserialize)]
struct CratePublished {
    num: String,
    created_at: String,
}

/// Finds out whether every package that the request is for is old enough for the rules that ask it.
///
/// # Errors
/// One is not, or it is not known; not recorded.
pub(super) async fn check(named: Named<'_>, permit: &policies::Permit, tally: &Tally) -> Result<(), Refusal> {
    let Some(rules) = permit.downloads() else { return Ok(()) };
    for age in rules.ages() {
        let Age { rule, package, least, .. } = &age;
        let published = published(named, &age).await;
        let reason = match published {
            Ok(time) if now().0.saturating_sub(time.0) >= i64::try_from(*least).unwrap_or(i64::MAX) => {
                continue;
            }
            Ok(time) => format!("package '{package}' was published at {time}, less than {least} s ago"),
            Err(why) => format!("it is not known when package '{package}' was published: {why}"),
        };
        if age.on_trial {
            let _first_is_kept = tally.note.set(format!("on trial, rule '{rule}' would refuse it: {reason}"));
            continue;
        }
        let hint = "wait until it is older, take an older version, or ask the operator to change 'downloads.packages' of the rule";
        return Err(Refusal::download(
            rule,
            format!("rule '{rule}' refuses the download: {reason}"),
            hint.to_owned(),
        ));
    }
    Ok(())
}

async fn published(named: Named<'_>, age: &Age<'_>) -> Result<Timestamp, Unknown> {
    let request = question(named, age)?;
    let key = format!("{} {} {} {}", request.authority, age.index, age.package, age.package.file);
    if let Some(time) = named.proxy.published.get(&key) {
        return Ok(time);
    }
    // As many at once as may look into downloads: what they read is in memory as a whole.
    let turn = Arc::clone(&named.proxy.rooms.searches).acquire_owned().await;
    let turn = turn.expect("the turns never end");
    let text = timeout(PATIENCE, asked(named, &request)).await.map_err(|_elapsed| Unknown::Broken)??;
    let (registry, package) = (age.registry, age.package.clone());
    let work = tokio::task::spawn_blocking(move || {
        let time = time_in(registry, &package, &text);
        drop(turn);
        time
    });
    let time = work.await.expect("a reader that panics ends the process").ok_or(Unknown::Missing)?;
    named.proxy.published.put(key, time);
    Ok(time)
}

/// The question for a package, in the form in which it is judged.
fn question(named: Named<'_>, age: &Age<'_>) -> Result<CanonicalRequest, Unknown> {
    let request = named.case.request;
    let authority = match age.metadata {
        Some((host, port)) => Host::parse(host).map(|host| Authority { host, port }),
        None => Ok(request.authority.clone()),
    };
    let host = authority.map(|authority| authority.to_string());
    let host = host.map_err(|error| Unknown::Question(error.to_string()))?;
    canonicalise(Arrived { method: "GET", target: &age.index, host: &host }, request.scheme)
        .map_err(|error| Unknown::Question(error.to_string()))
}

/// Asks, if the policy lets the program ask.
async fn asked(named: Named<'_>, request: &CanonicalRequest) -> Result<Bytes, Unknown> {
    let Named { proxy, case, .. } = named;
    let mut fields = HeaderMap::new();
    let accepted = "application/vnd.pypi.simple.v1+json, application/json;q=0.9";
    fields.insert(header::ACCEPT, HeaderValue::from_static(accepted));
    fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let agent = case.fields.get(header::USER_AGENT).cloned();
    fields.insert(header::USER_AGENT, agent.unwrap_or(HeaderValue::from_static("openshell")));
    let id = proxy.judge.next_id();
    let case = Case { asker: case.asker, request, fields: &fields, message: None };
    let granted =
        proxy.judge.request(&case, &id).await.map_err(|refusal| Unknown::Question(refusal.error))?;
    let named = Named { proxy, case: &case, id: &id };
    let tally = Tally::new(granted.budget.clone(), Digests::Off);
    let ways = named.ways(&granted);
    let answer = async {
        let mut link = ways.reach(None).await.map_err(|refusal| Unknown::Question(refusal.error))?;
        let head = Head {
            method: request.method.to_string(),
            target: request.resource.path().to_owned(),
            host: None,
            fields: fields.clone(),
            length: Length::Exact(0),
            persistent: false,
            expects_continue: false,
            chunked_responses: true,
            accepts_trailers: false,
        };
        let out = named.outbound(ways, head, Some(&[]));
        let out = out.map_err(|why| Unknown::Question(tally.misplaced(why).error))?;
        let sent = link.send(&out, Outgoing::Nothing).await;
        let response = sent.map_err(|refusal| Unknown::Question(refusal.error))?;
        tally.status.store(response.status().as_u16(), std::sync::atomic::Ordering::Relaxed);
        if response.status() != StatusCode::OK {
            return Err(Unknown::Status(response.status()));
        }
        let whole = Limited::new(response.into_body(), LONGEST).collect().await;
        whole.map(|whole| whole.to_bytes()).map_err(|_broken| Unknown::Broken)
    };
    let answer = answer.await;
    let received = answer.as_ref().map_or(0, |text| text.len() as u64);
    let outcome =
        Outcome { received, ..tally.outcome() }.with_note("asked by the proxy for the age of a package");
    let recorded = proxy.judge.record_outcome(case.asker, &id, request, outcome).await;
    recorded.map_err(|error| Unknown::Question(error.to_string()))?;
    answer
}

/// When a version was published, by what its registry says of the package.
fn time_in(registry: Registry, package: &Package, text: &[u8]) -> Option<Timestamp> {
    let time = match registry {
        Registry::Npm => {
            let packument: Packument = serde_json::from_slice(text).ok()?;
            packument.time.get(&package.version)?.as_str()?.to_owned()
        }
        Registry::Pypi => {
            let project: Project = serde_json::from_slice(text).ok()?;
            let file = project.files.into_iter().find(|file| file.filename == package.file)?;
            file.upload_time?
        }
        Registry::Crates => {
            let CrateVersion { version } = serde_json::from_slice(text).ok()?;
            (version.num == package.version).then_some(version.created_at)?
        }
        Registry::Debian => return None,
    };
    Timestamp::of_rfc3339(&time)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn a_registry_says_when_a_version_was_published() {
        let package =
            Package { name: "a".to_owned(), version: "1.0".to_owned(), file: "a-1.0.tar.gz".to_owned() };
        let at = Timestamp::of_rfc3339("2026-11-01T00:00:00Z");
        for (registry, text, time) in [
            (Registry::Npm, r#"{"name":"a","time":{"created":"x","1.0":"2026-11-01T00:00:00.000Z"}}"#, at),
            (Registry::Npm, r#"{"name":"a","time":{"1.0.0":"2026-11-01T00:00:00.000Z"}}"#, None),
            (Registry::Npm, r#"{"name":"a"}"#, None),
            (Registry::Npm, r#"{"time":{},"time":{"1.0":"2026-11-01T00:00:00.000Z"}}"#, None),
            (
                Registry::Pypi,
                r#"{"files":[{"filename":"a-1.0.tar.gz","upload-time":"2026-11-01T00:00:00.123Z"}]}"#,
                at,
            ),
            (
                Registry::Pypi,
                r#"{"files":[{"filename":"a-1.0.zip","upload-time":"2026-11-01T00:00:00Z"}]}"#,
                None,
            ),
            (Registry::Pypi, r#"{"files":[{"filename":"a-1.0.tar.gz"}]}"#, None),
            (Registry::Crates, r#"{"version":{"num":"1.0","created_at":"2026-11-01T00:00:00+00:00"}}"#, at),
            (Registry::Crates, r#"{"version":{"num":"1.1","created_at":"2026-11-01T00:00:00+00:00"}}"#, None),
            (Registry::Crates, "<html>", None),
        ] {
            assert_eq!(time_in(registry, &package, text.as_bytes()), time, "{text}");
        }
    }
}
