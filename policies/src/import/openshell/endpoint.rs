//! One endpoint by itself: what it grants and what it denies, in our patterns.

use super::destination::Reach;
use super::glob::{self, Allowed, Denied, EVERYTHING};
use super::lint::Lint;
use super::methods::{Methods, PRESETS};
use super::report::{Report, Site};
use super::schema::{self, Matcher};
use super::selector::{Narrowed, Selector};
use crate::place::At;

/// An endpoint of a policy with at least one binary.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Index of its policy.
    pub(super) policy: usize,
    pub(super) site: Site,
    /// Entries for our binary list.
    pub(super) programs: Vec<String>,
    /// Entries for our destination list.
    pub(super) destinations: Vec<String>,
    pub(super) reach: Reach,
    pub(super) selector: Selector,
    pub(super) role: Role,
    pub(super) grants: Vec<Grant>,
    pub(super) denials: Vec<Denial>,
}

/// What an endpoint does to others that meet it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It has no request rules there: beside an endpoint that has, it adds nothing.
    Uninspected,
    /// Its rules decide what it selects.
    Inspected,
    /// Its rules decide what it selects, and we cannot say them.
    Opaque,
    /// It has a condition that we cannot keep, on everything at its destinations.
    Barred,
}

/// Methods that are allowed on a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) methods: Methods,
    pub(super) path: String,
}

/// Methods that are denied on a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) methods: Methods,
    pub(super) path: String,
    /// Whether the path is all that the endpoint selects.
    pub(super) whole: bool,
}

/// The protocols that OpenShell knows.
const PROTOCOLS: [&str; 7] = ["rest", "websocket", "graphql", "mcp", "json-rpc", "sql", "tcp"];

impl Draft {
    /// `draft` has the endpoint's place and its policy's programs already.
    pub(super) fn read(mut self, endpoint: &schema::Endpoint, report: &mut Report<'_>) -> Self {
        let protocol = report.choose("protocol", endpoint.protocol.as_ref(), &PROTOCOLS);
        note_keys(endpoint, &self.site, report);
        note_enforcement(endpoint, protocol, &self.site, report);
        let found = self.reach.destinations();
        for (lint, message, remedy) in found.findings {
            report.note(&self.site, lint, message, remedy);
        }
        self.destinations = found.entries;
        if !endpoint.allowed_ips.is_empty() {
            self.role = Role::Barred;
            let message = "addresses that a name must resolve to cannot be said here: it is left out";
            let remedy = "write a rule for the host if any address will do; private ones go under 'egress.allow_addresses' in agent.yaml";
            report.note(&self.site, Lint::AllowedIpsLeftOut, message, remedy);
            return self;
        }
        match protocol {
            None | Some("tcp") => self.uninspected(endpoint, protocol, report),
            Some("rest") => self.rest(endpoint, report),
            Some("websocket") => self.websocket(endpoint, report),
            Some(other) => {
                self.role = Role::Opaque;
                let message = format!("what a {other} request carries is not inspected here: it is left out");
                let remedy = "write a rule for its path if everything that can be sent there may be sent";
                report.note(&self.site, Lint::ProtocolLeftOut, message, remedy);
            }
        }
        self
    }

    /// Whether it lets everything that it selects through.
    pub(super) fn is_open(&self) -> bool {
        let everything = |grant: &Grant| grant.methods == Methods::Any;
        let Narrowed::Paths(paths) = self.selector.narrow(EVERYTHING) else { return false };
        let granted =
            |path: &String| self.grants.iter().any(|grant| everything(grant) && grant.path == *path);
        self.denials.is_empty() && paths.iter().all(granted)
    }

    fn uninspected(&mut self, endpoint: &schema::Endpoint, protocol: Option<&str>, report: &mut Report<'_>) {
        self.role = Role::Uninspected;
        let what = protocol.map_or("an endpoint without a protocol", |_tcp| "a tcp endpoint");
        let message = format!("{what} carries any bytes there, and here only HTTP, with TLS or without");
        report.note(&self.site, Lint::HttpOnly, message, "nothing to do if its clients speak HTTP");
        if endpoint.access.is_none() && endpoint.rules.is_empty() {
            self.grant(&Methods::Any, EVERYTHING, report);
            return;
        }
        self.rules(endpoint, report);
        let anything = Grant { methods: Methods::Any, path: EVERYTHING.to_owned() };
        if !self.grants.contains(&anything) || !endpoint.deny_rules.is_empty() {
            let message = "without 'protocol' its rules have no effect there; here they are in force";
            let remedy = "remove the rules if every request is meant to pass";
            report.note(&self.site, Lint::RulesWithoutProtocol, message, remedy);
        }
    }

    fn rest(&mut self, endpoint: &schema::Endpoint, report: &mut Report<'_>) {
        self.role = Role::Inspected;
        self.rules(endpoint, report);
    }

    /// Messages are not inspected: a path is granted only if its messages are, and then without the upgrade.
    fn websocket(&mut self, endpoint: &schema::Endpoint, report: &mut Report<'_>) {
        self.role = Role::Inspected;
        let message = "only plain GET requests are imported: here an upgrade grants messages of every kind";
        let remedy = "add the method WEBSOCKET to the rule if they may pass, in both directions";
        report.note(&self.site, Lint::WebsocketNotImported, message, remedy);
        let get = Methods::these(["GET", "HEAD"]);
        match report.choose("access", endpoint.access.as_ref(), &PRESETS) {
            Some("read-only") => {
                self.left_out(Lint::WebsocketNotImported, "upgrades without messages cannot be said", report);
            }
            Some(_messages_too) => self.grant(&get, EVERYTHING, report),
            None => {}
        }
        let says = |matcher: &Matcher, names: &[&str]| {
            matcher
                .method
                .as_ref()
                .is_some_and(|method| names.iter().any(|name| method.value.eq_ignore_ascii_case(name)))
        };
        let matchers = || endpoint.rules.iter().map(|rule| &rule.value.allow.value);
        for matcher in matchers().filter(|matcher| says(matcher, &["GET", "*"])) {
            let Some(written) = &matcher.path else { continue };
            let path = Some(written.value.as_str());
            let sends = |other: &Matcher| {
                let same = other.path.as_ref().map(|path| path.value.as_str()) == path;
                same && says(other, &["WEBSOCKET_TEXT", "*"]) && other.query.0.is_empty()
            };
            if matcher.query.0.is_empty() && matchers().any(sends) && !matchers().any(Matcher::looks_inside) {
                self.grant_glob(&get, written, report);
            } else {
                self.left_out(Lint::WebsocketNotImported, "upgrades without messages cannot be said", report);
            }
        }
        for rule in &endpoint.deny_rules {
            self.deny(&Methods::Any, rule, report);
        }
    }

    /// `access` or `rules`, and `deny_rules`.
    fn rules(&mut self, endpoint: &schema::Endpoint, report: &mut Report<'_>) {
        if let Some(preset) = report.choose("access", endpoint.access.as_ref(), &PRESETS) {
            if endpoint.rules.is_empty() {
                self.grant(&Methods::preset(preset), EVERYTHING, report);
            } else {
                let remedy = "keep one of the two; OpenShell refuses a policy with both";
                report.refuse(self.site.place, "access", "'access' and 'rules' stand side by side", remedy);
            }
        }
        for rule in &endpoint.rules {
            self.allow(&rule.value.allow, report);
        }
        for rule in &endpoint.deny_rules {
            let matcher = &rule.value;
            let methods = match matcher.method.as_ref().map(|method| Methods::parse(&method.value)) {
                Some(Ok(methods)) => methods,
                // Not a method that a request can have; but to deny too much is the safe side.
                Some(Err(_)) | None => Methods::Any,
            };
            self.deny(&methods, rule, report);
        }
    }

    fn allow(&mut self, matcher: &At<Matcher>, report: &mut Report<'_>) {
        let site = Site::new(matcher.place, self.site.subject.as_str());
        let Matcher { method, path, query, .. } = &matcher.value;
        if matcher.value.looks_inside() {
            let message = "a rule that looks into what a request carries is left out";
            report.note(&site, Lint::ProtocolLeftOut, message, "write a rule for its method and path");
            return;
        }
        let (Some(method), Some(path)) = (method, path) else {
            let message = "an allow rule without method and path matches nothing there: it is left out";
            report.note(&site, Lint::PathLeftOut, message, "write both");
            return;
        };
        let methods = match Methods::parse(&method.value) {
            Ok(methods) => methods,
            Err(reason) => {
                let message = format!("its rule is left out: {reason}");
                report.note(&site, Lint::MethodLeftOut, message, "write a registered method");
                return;
            }
        };
        if !query.0.is_empty() {
            let message = format!(
                "the rule for {} {} needs parameters in the query, which cannot be said here: it is left out",
                method.value, path.value
            );
            let remedy = "write a rule for the path if it may be asked with any query";
            report.note(&site, Lint::QueryLeftOut, message, remedy);
            return;
        }
        self.grant_glob(&methods, path, report);
    }

    fn grant_glob(&mut self, methods: &Methods, path: &At<String>, report: &mut Report<'_>) {
        let site = Site::new(path.place, self.site.subject.as_str());
        let At { value: path, .. } = path;
        match glob::allowed_path(path) {
            Allowed::Pattern(pattern) => self.grant(methods, &pattern, report),
            Allowed::Never => {
                let message = format!("'{path}' matches no path there: it is left out");
                report.note(&site, Lint::PathLeftOut, message, "start it with a slash");
            }
            Allowed::Unsayable(reason) => {
                let message = format!("'{path}' is left out: {reason}");
                report.note(&site, Lint::PathLeftOut, message, "write the paths out, or use '*'");
            }
        }
    }

    fn grant(&mut self, methods: &Methods, pattern: &str, report: &mut Report<'_>) {
        match self.selector.narrow(pattern) {
            Narrowed::Paths(paths) => {
                let grants = paths.into_iter().map(|path| Grant { methods: methods.clone(), path });
                self.grants.extend(grants);
            }
            Narrowed::Nothing => {
                let message = format!("'{pattern}' is never within the endpoint's own path: it is left out");
                report.note(&self.site, Lint::PathLeftOut, message, "remove the rule");
            }
            Narrowed::Unsayable => {
                let message =
                    format!("'{pattern}' within the endpoint's own path cannot be said: it is left out");
                report.note(&self.site, Lint::PathLeftOut, message, "write the paths out");
            }
        }
    }

    fn deny(&mut self, methods: &Methods, rule: &At<Matcher>, report: &mut Report<'_>) {
        let site = Site::new(rule.place, self.site.subject.as_str());
        let matcher = &rule.value;
        let written = matcher.path.as_ref().map_or(EVERYTHING, |path| path.value.as_str());
        let (pattern, wider) = match glob::denied_path(written) {
            Denied::Pattern(pattern) => (pattern, false),
            Denied::Wider(pattern) => (pattern, true),
            Denied::Never => return,
        };
        let whole = pattern == EVERYTHING;
        let path = if whole { self.selector.denied() } else { pattern };
        let message = match () {
            () if !matcher.query.0.is_empty() => Some(format!("'{written}' is denied with every query")),
            () if matcher.looks_inside() => Some(format!("'{written}' is denied whatever it carries")),
            () if wider => Some(format!("'{written}' is denied as '{path}'")),
            () if !whole && !self.grants.iter().all(|grant| methods.covers(&grant.methods)) => {
                Some(format!("'{written}' is denied for every method"))
            }
            () => None,
        };
        if let Some(message) = message {
            let remedy = "leave it, or write the allowed paths so that nothing needs to be denied";
            report.note(&site, Lint::DenyWidened, message, remedy);
        }
        self.denials.push(Denial { methods: methods.clone(), path, whole });
    }

    fn left_out(&self, lint: Lint, message: &str, report: &mut Report<'_>) {
        report.note(&self.site, lint, message, "write a rule of your own if it is meant");
    }
}

fn note_enforcement(
    endpoint: &schema::Endpoint,
    protocol: Option<&str>,
    site: &Site,
    report: &mut Report<'_>,
) {
    let written = report.choose("enforcement", endpoint.enforcement.as_ref(), &["enforce", "audit"]);
    if written != Some("enforce") && !matches!(protocol, None | Some("tcp")) {
        let message = match written {
            Some(_audit) => "'enforcement: audit' lets through what it only logs; here it is refused",
            None => "without 'enforcement' OpenShell only logs what breaks the rules; here it is refused",
        };
        let remedy =
            "to only record it while the policy is rolled out, write 'enforcement: audit' in the rule";
        report.note(site, Lint::AuditEnforced, message, remedy);
    }
    // 'terminate' and 'passthrough' are what older files say for the default.
    let tls = report.choose("tls", endpoint.tls.as_ref(), &["skip", "terminate", "passthrough"]);
    if tls.is_some_and(|tls| tls != "terminate") {
        let message = "TLS is always terminated here: a client that pins certificates cannot connect";
        report.note(
            site,
            Lint::TlsTerminated,
            message,
            "nothing to do if its clients use the system's roots",
        );
    }
}

/// Reports the keys that decide nothing here.
fn note_keys(endpoint: &schema::Endpoint, site: &Site, report: &mut Report<'_>) {
    let signing = [&endpoint.credential_binding, &endpoint.credential_signing];
    let signing = signing.into_iter().chain([&endpoint.signing_service, &endpoint.signing_region]);
    let rewriting = [&endpoint.request_body_credential_rewrite, &endpoint.websocket_credential_rewrite];
    let rewriting = rewriting.into_iter().chain([&endpoint.allow_uninspected_credentials]);
    let rewrites = rewriting.flatten().any(|key| key.value);
    if signing.flatten().next().is_some() || rewrites {
        let message = "credentials are not part of a policy here: its keys about them are left out";
        report.note(site, Lint::CredentialsLeftOut, message, "give credentials to the session in agent.yaml");
    }
    if endpoint.allow_encoded_slash.as_ref().is_some_and(|allow| allow.value) {
        let message = "a path with an encoded slash (%2F) is refused here";
        report.note(site, Lint::EncodedSlashRefused, message, "use an interface of the service without them");
    }
    let options = [&endpoint.persisted_queries, &endpoint.graphql_persisted_queries];
    let options = options.into_iter().chain([&endpoint.graphql_max_body_bytes]);
    if options.chain([&endpoint.json_rpc, &endpoint.mcp]).flatten().next().is_some() {
        let message = "options of a protocol that is not inspected here have no effect";
        report.note(site, Lint::KeyIgnored, message, "nothing to do");
    }
    if let (Some(_port), false) = (&endpoint.port, endpoint.ports.is_empty()) {
        report.note(site, Lint::KeyIgnored, "'ports' counts, and 'port' does not", "remove 'port'");
    }
}
