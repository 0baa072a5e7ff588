//! Ed25519 keys as files hold them: PKCS #8 in PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// What stands before the 32 bytes of a key in PKCS #8, version 1 (RFC 8410, section 7): without the public half, which not every
/// tool knows how to read.
const HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// It is not PEM.
    #[error("it is not a private key in PEM ({BEGIN})")]
    Form,
    /// It is no Ed25519 key.
    #[error("it is not an Ed25519 key in PKCS #8")]
    Key,
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

/// A new key.
///
/// # Errors
/// The system gave no randomness.
pub fn new_pem() -> Result<Zeroizing<String>, PemError> {
    let mut document = Zeroizing::new([0; HEAD.len() + 32]);
    let (head, seed) = document.split_at_mut(HEAD.len());
    head.copy_from_slice(&HEAD);
    SystemRandom::new().fill(seed).map_err(|_none| PemError::Randomness)?;
    let encoded = Zeroizing::new(BASE64.encode(*document));
    let mut pem = Zeroizing::new(String::with_capacity(256));
    pem.push_str(BEGIN);
    for line in encoded.as_bytes().chunks(64) {
        pem.push('\n');
        pem.push_str(std::str::from_utf8(line).expect("Base64 is ASCII"));
    }
    pem.push('\n');
    pem.push_str(END);
    pem.push('\n');
    Ok(pem)
}

/// Reads one.
///
/// # Errors
/// The text is not an Ed25519 key in PEM.
pub fn read_pem(pem: &str) -> Result<Ed25519KeyPair, PemError> {
    let body =
        pem.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(PemError::Form)?;
    let encoded: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    let document = Zeroizing::new(BASE64.decode(encoded.as_str()).map_err(|_not_base64| PemError::Form)?);
    // Other tools write version 1, without the public half.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document).map_err(|_rejected| PemError::Key)
}

/// The public half of a key.
#[must_use]
pub fn public(key: &Ed25519KeyPair) -> [u8; 32] {
    key.public_key().as_ref().try_into().expect("a public key of Ed25519 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by another tool: `openssl genpkey -algorithm ed25519`.
    const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn new_keys_differ_and_are_read() {
        let (one, other) = (new_pem().unwrap(), new_pem().unwrap());
        let public = |pem: &str| super::public(&read_pem(pem).unwrap());
        assert_ne!(public(&one), public(&other));
        assert_eq!(public(&one), public(&one.replace('\n', "\r\n")));
    }

    /// Debian 12's openssl reads version 1 only; both are read here.
    #[test]
    fn new_keys_are_read_by_other_tools() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.pem");
        let pem = new_pem().unwrap();
        std::fs::write(&file, pem.as_bytes()).unwrap();
        let mut openssl = std::process::Command::new("openssl");
        let output = openssl.args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(&file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout[output.stdout.len() - 32..], public(&read_pem(&pem).unwrap()));
        let second = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let second = format!("{BEGIN}\n{}\n{END}\n", BASE64.encode(second.as_ref()));
        read_pem(&second).unwrap();
    }

    #[test]
    fn keys_of_other_tools_are_read_and_others_are_refused() {
        // RFC 8410, section 10.3, has the same seed and this public key.
        let public = public(&read_pem(OPENSSL).unwrap());
        assert_eq!(
            public.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
        );
        for (bad, error) in [
            ("", PemError::Form),
            (&OPENSSL.replace("PRIVATE", "PUBLIC"), PemError::Form),
            (&OPENSSL.replace("MC4C", "M*4C"), PemError::Form),
            (&OPENSSL.replace("MC4C", "MC5C"), PemError::Key),
        ] {
            assert_eq!(read_pem(bad).unwrap_err(), error);
        }
    }
}
