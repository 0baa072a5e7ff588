//! The signing key, and the list of all that were used: `keys` beside the logs, one public key a line, which only grows.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use audit::checkpoint::{self, VerifyingKey};
use wire::audit::SigningKey;
use wire::secret::Secret;

use crate::audit_settings::{AuditSettings, KeySource, SigningSettings};
use crate::failure::{Failure, chain};
use crate::layout::Layout;

const KEYS: &str = "keys";
const KEY: &str = "key.pem";

/// What the signer is told of its key. A key beside the logs is made if there is none.
pub(super) fn signing_key(layout: &Layout, signing: &SigningSettings) -> Result<SigningKey, Failure> {
    match &signing.key {
        None => own_key(&layout.audit().join(KEY)).map(SigningKey::Pem),
        Some(KeySource::File(path)) => read(path).map(SigningKey::Pem),
        Some(KeySource::Pkcs11(token)) => Ok(SigningKey::Pkcs11 {
            module: token.module.display().to_string(),
            token: token.token.clone(),
            key: token.key.clone(),
            pin: token.pin.read()?,
        }),
    }
}

/// The public half of the key in a file; `None`: it is in a token, or there is none yet.
///
/// # Errors
/// The file cannot be read, or holds no key.
pub fn public_key(layout: &Layout, settings: &AuditSettings) -> Result<Option<VerifyingKey>, Failure> {
    let own = layout.audit().join(KEY);
    let path = match &settings.signing.key {
        None => &own,
        Some(KeySource::File(path)) => path,
        Some(KeySource::Pkcs11(_)) => return Ok(None),
    };
    if settings.signing.key.is_none() && !own.exists() {
        return Ok(None);
    }
    let pem = read(path)?;
    let pair = checkpoint::read_pem(pem.expose()).map_err(|error| {
        Failure::new(
            format_args!("{}: {error}", path.display()),
            "make one with: openssl genpkey -algorithm ed25519 -out FILE",
        )
    })?;
    Ok(VerifyingKey::new(&settings.signing.name, checkpoint::public(&pair)))
}

/// The keys that have signed logs here.
///
/// # Errors
/// The list cannot be read, or is damaged.
pub fn known_keys(layout: &Layout) -> Result<Vec<VerifyingKey>, Failure> {
    let path = layout.audit().join(KEYS);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&path, &error)),
    };
    let keys: Result<_, _> = text.lines().map(str::parse).collect();
    keys.map_err(|error: checkpoint::KeyError| {
        Failure::new(format_args!("{}: {}", path.display(), chain(&error)), "name the key with --key")
    })
}

/// Adds a key to the list in the directory of all logs.
pub(super) fn remember(logs: &Path, key: &str) -> Result<(), Failure> {
    let path = logs.join(KEYS);
    if fs::read_to_string(&path).is_ok_and(|text| text.lines().any(|line| line == key)) {
        return Ok(());
    }
    let file = File::options().append(true).create(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(format!("{key}\n").as_bytes()))
        .map_err(|error| failed(&path, &error))
}

fn own_key(path: &Path) -> Result<Secret, Failure> {
    if path.exists() {
        return read(path);
    }
    let pem =
        checkpoint::new_pem().map_err(|error| Failure::new(error, "this machine gives no randomness"))?;
    // Two sandboxes may start at once: whoever comes second takes the first one's.
    let unfinished = path.with_extension(format!("{}.new", std::process::id()));
    let made =
        File::options().write(true).create_new(true).mode(0o600).open(&unfinished).and_then(|mut file| {
            file.write_all(pem.as_bytes())?;
            file.sync_all()?;
            match fs::hard_link(&unfinished, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            }
        });
    let _gone = fs::remove_file(&unfinished);
    made.map_err(|error| failed(path, &error))?;
    read(path)
}

/// A key that others can read is theirs as well, and one that they can write is no longer yours.
fn read(path: &Path) -> Result<Secret, Failure> {
    const OTHERS: u32 = 0o077;
    let mut file = File::open(path).map_err(|error| failed(path, &error))?;
    let mode = file.metadata().map_err(|error| failed(path, &error))?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(Failure::new(
            format_args!("the signing key's file {} is open to others (mode {mode:o})", path.display()),
            format_args!("chmod 600 {}; make a new key if others may have read it", path.display()),
        ));
    }
    let mut pem = String::new();
    file.read_to_string(&mut pem).map_err(|error| failed(path, &error))?;
    Ok(Secret::new(pem))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        format_args!("cannot use the signing key's file {}: {error}", path.display()),
        "make it readable for you, or name another key in audit.yaml (signing.key)",
    )
}
