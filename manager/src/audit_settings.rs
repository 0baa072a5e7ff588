//! `audit.yaml` in the operator's configuration directory: how logs are kept and signed. Without the file the defaults hold.

mod exports;

use std::io;
use std::path::PathBuf;

use policies::yaml;
use serde::Deserialize;
use wire::audit::{AuditSync, Limits, OnFull};

use crate::failure::Failure;
use crate::layout::Layout;
use crate::secret::SecretSource;
use crate::unit::{Mebibytes, Seconds};

pub use exports::{
    ElasticExport, Encoding, Export, ExportFormat, Exports, HttpExport, OtlpExport, Receiver, SplunkExport,
    SyslogExport, Transport, WebhookExport,
};

/// Its name.
const FILE: &str = "audit.yaml";

/// What the operator wants of audit logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// How they lie on the disk.
    pub log: LogSettings,
    /// Who signs them.
    pub signing: SigningSettings,
    /// What is looked for in them, and what is done about it.
    pub detections: audit_watch::Settings,
    /// Where records go beside the log.
    pub exports: Exports,
}

/// How a log lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// When a record must be on the disk.
    pub sync: SyncSetting,
    /// What becomes of actions while the disk has no room for their records.
    pub on_full: FullSetting,
    /// Size from which on a segment is full.
    pub segment: Mebibytes,
    /// What the log of one sandbox may take; from there on nothing goes on, whatever `on_full` says.
    pub most: Mebibytes,
    /// What stays free of the disk; `None`: 64 MiB, or a sixteenth of a disk where that is less.
    pub reserve: Option<Mebibytes>,
    /// Whether records of requests have digests of their bodies.
    pub digests: bool,
    /// Days that records are kept; `None`: for ever.
    pub keep_days: Option<u32>,
    /// What all logs may take; the oldest ended ones go first. `None`: any size.
    pub keep: Option<Mebibytes>,
}

/// When a record must be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncSetting {
    /// By a sync that begins at most 50 ms after it is acknowledged.
    Interval,
    /// Before it is acknowledged.
    Always,
}

/// What becomes of actions while the disk has no room for their records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FullSetting {
    /// None goes on.
    Deny,
    /// They go on; the log says afterwards how many have no record.
    Degrade,
}

/// Who signs checkpoints, and where they go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigningSettings {
    /// Whether they are signed at all.
    pub enabled: bool,
    /// What the key is called in signatures.
    pub name: String,
    /// The key; `None`: one in a file beside the logs, made at its first use.
    pub key: Option<KeySource>,
    /// Time between checkpoints while a log grows.
    pub interval: Seconds,
    /// Directories that get a copy of every checkpoint, best on another disk.
    pub copies: Vec<PathBuf>,
    /// Who stamps checkpoints with the time; `None`: nobody.
    pub timestamp: Option<TimestampSettings>,
}

/// A time stamping authority (RFC 3161).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampSettings {
    /// Where it answers.
    pub http: HttpExport,
    /// Certificates, in PEM, that its stamps must lead to.
    pub ca: PathBuf,
    /// Time between stamps while a log grows.
    #[serde(default = "hourly")]
    pub interval: Seconds,
}

fn hourly() -> Seconds {
    Seconds(3600)
}

/// Where the signing key is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum KeySource {
    /// A file with an Ed25519 key, PKCS #8 in PEM.
    File(PathBuf),
    /// A token.
    Pkcs11(TokenKey),
}

/// A key in a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// Path of the PKCS #11 library.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// Label of the key.
    pub key: String,
    /// Where the PIN comes from.
    pub pin: SecretSource,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            sync: SyncSetting::Interval,
            on_full: FullSetting::Deny,
            segment: Mebibytes(64),
            most: Mebibytes(4096),
            reserve: None,
            digests: true,
            keep_days: None,
            keep: None,
        }
    }
}

impl Default for SigningSettings {
    fn default() -> Self {
        let name = "openshell-audit".to_owned();
        Self { enabled: true, name, key: None, interval: Seconds(1), copies: Vec::new(), timestamp: None }
    }
}

impl LogSettings {
    /// As the writer is told how much of the disk is its.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { most: Some(self.most.bytes()), reserve: self.reserve.map(Mebibytes::bytes) }
    }
}

impl SigningSettings {
    /// Milliseconds after which the writer ends if a record is not signed: a log that goes on is never one that was interrupted for
    /// longer than a crash explains.
    #[must_use]
    pub fn within_ms(&self) -> u64 {
        let within = audit::verify::writers_patience(self.interval.duration());
        u64::try_from(within.as_millis()).expect("seconds of 32 bits fit in 64 bits of milliseconds")
    }
}

impl SyncSetting {
    /// As the writer is told it.
    #[must_use]
    pub fn for_writer(self) -> AuditSync {
        match self {
            Self::Interval => AuditSync::Interval(50),
            Self::Always => AuditSync::Always,
        }
    }
}

impl FullSetting {
    /// As writer and signer are told it.
    #[must_use]
    pub fn for_writer(self) -> OnFull {
        match self {
            Self::Deny => OnFull::Deny,
            Self::Degrade => OnFull::Degrade,
        }
    }
}

impl AuditSettings {
    /// What the operator's file says; the defaults, when there is none.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong: the failure names file, line and key.
    pub fn load(layout: &Layout) -> Result<Self, Failure> {
        let path = layout.config.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Failure::new(
                    format_args!("cannot read {}: {error}", path.display()),
                    "make the file readable for you, or remove it",
                ));
            }
        };
        let settings: Option<Self> = yaml::parse(&text, &path.display().to_string())
            .map_err(|error| Failure::new(&error, error.remedy()))?;
        let settings = settings.unwrap_or_default();
        settings
            .check()
            .map_err(|(cause, remedy)| Failure::new(format_args!("{}: {cause}", path.display()), remedy))?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        self.detections.check()?;
        if self.log.keep_days == Some(0) {
            return Err(("log.keep_days is 0", "write at least 1, or leave it out to keep everything"));
        }
        if self.log.most.bytes() < self.log.segment.bytes().saturating_mul(3) {
            return Err((
                "log.most is less than three of log.segment",
                "write at least three times log.segment: beside the present one stands one that is not packed yet",
            ));
        }
        if !audit::checkpoint::is_name(&self.signing.name) {
            return Err((
                "signing.name is empty, or has a space or a plus",
                "write a name like openshell-audit or audit.example.com: it stands in every signature",
            ));
        }
        self.exports.check()?;
        let absolute = |path: &PathBuf| path.is_absolute();
        let files = match &self.signing.key {
            Some(KeySource::File(path)) => absolute(path),
            Some(KeySource::Pkcs11(token)) => absolute(&token.module),
            None => true,
        };
        let authority = self.signing.timestamp.as_ref().map(|timestamp| &timestamp.ca);
        if !files || !self.signing.copies.iter().chain(authority).all(absolute) {
            return Err(("signing names a relative path", "write it from '/' on"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<AuditSettings, Failure> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), text).unwrap();
        let path = |_what| directory.path().to_owned();
        AuditSettings::load(&Layout {
            state: path(0),
            runtime: path(1),
            cache: path(2),
            config: path(3),
            programs: path(4),
        })
    }

    #[test]
    fn a_file_says_what_it_says_and_the_rest_is_as_without_it() {
        assert_eq!(load("# nothing\n").unwrap(), AuditSettings::default());
        let settings = load(
            "log: {sync: always, on_full: degrade, segment: 8MiB, most: 24MiB, reserve: 1GiB, digests: false, keep_days: 30, keep: 2GiB}\n\
             signing:\n  name: acme\n  interval: 5s\n  copies: [/mnt/worm]\n  \
             key: {pkcs11: {module: /usr/lib/p11.so, token: audit, key: k1, pin: {env: PIN}}}\n",
        )
        .unwrap();
        assert_eq!(settings.log.sync.for_writer(), AuditSync::Always);
        assert_eq!(settings.log.on_full.for_writer(), OnFull::Degrade);
        assert_eq!(settings.log.limits(), Limits { most: Some(24 << 20), reserve: Some(1 << 30) });
        assert!(!settings.log.digests && AuditSettings::default().log.digests);
        assert_eq!(
            (settings.log.segment.0, settings.log.keep_days, settings.log.keep),
            (8, Some(30), Some(Mebibytes(2048)))
        );
        assert!(
            matches!(settings.signing.key, Some(KeySource::Pkcs11(TokenKey { ref key, .. })) if key == "k1")
        );
        assert_eq!((settings.signing.interval.0, settings.signing.enabled), (5, true));
    }

    #[test]
    fn mistakes_name_the_file_and_the_key() {
        for (text, cause) in [
            ("log: {sink: always}\n", "sink"),
            ("log: {sync: sometimes}\n", "sometimes"),
            ("log: {keep_days: 0}\n", "log.keep_days is 0"),
            ("log: {segment: 0MiB}\n", "0MiB"),
            ("log: {most: 191MiB}\n", "log.most"),
            ("log: {reserve: none}\n", "none"),
            ("signing: {key: {file: key.pem}}\n", "relative"),
            ("signing: {copies: [here]}\n", "relative"),
            ("signing: {timestamp: {http: {url: 'http://t'}, ca: ca.pem}}\n", "relative"),
            ("signing: {timestamp: {http: {url: 'http://t'}}}\n", "ca"),
            ("signing: {interval: 0s}\n", "0s"),
            ("signing: {name: our log}\n", "signing.name"),
            ("signing: {name: ''}\n", "signing.name"),
            ("detections: {repeated-denials: {same: 0}}\n", "repeated-denials.same"),
            ("detections: {repeated-denials: {some: 3}}\n", "some"),
            ("detections: {new-binary: {response: sleep}}\n", "sleep"),
            ("log: {on_full: ignore}\n", "ignore"),
            ("log: {digests: some}\n", "boolean"),
        ] {
            let failure = load(text).unwrap_err();
            assert!(
                failure.cause.contains(cause) && failure.cause.contains(FILE),
                "{text}: {}",
                failure.cause
            );
        }
    }
}
