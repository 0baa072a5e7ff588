//! Credentials that are more than a prefix and a body: dotted tokens, keys in a wrapper, passwords in a
//! URL, values that are assigned to a name that says "secret".

use std::ops::Range;

use crate::decode;

use super::super::words::Word;
use super::rules::Alphabet;
use super::{is_varied, mixes_letters_and_digits, webhook};

/// One kind: a literal that every instance holds and the function that reads around it.
pub(super) struct Shape {
    pub(super) kind: &'static str,
    pub(super) literal: &'static str,
    pub(super) read: fn(Word<'_>) -> Option<Range<usize>>,
}

const fn shape(
    kind: &'static str,
    literal: &'static str,
    read: fn(Word<'_>) -> Option<Range<usize>>,
) -> Shape {
    Shape { kind, literal, read }
}

/// The shapes, by literal.
pub(super) const SHAPES: [Shape; 28] = [
    shape("private-key", "-----BEGIN ", pem),
    shape("private-key", "PuTTY-User-Key-File-", |hit| Some(hit.start..hit.end)),
    shape("json-web-token", "eyJ", json_web_token),
    shape("openai-api-key", "sk-", bare_sk),
    shape("sendgrid-key", "SG.", sendgrid),
    shape("telegram-bot-token", ":AA", telegram),
    shape("twilio-key", "SK", twilio),
    shape("twilio-account", "AC", twilio),
    shape("mailchimp-key", "-us", mailchimp),
    shape("slack-webhook", "hooks.slack.com/services/T", webhook::token),
    shape("slack-webhook", "hooks.slack.com/workflows/T", webhook::token),
    shape("slack-webhook", "hooks.slack.com/triggers/T", webhook::token),
    shape("discord-webhook", "discord.com/api/", webhook::of_discord),
    shape("discord-webhook", "discordapp.com/api/", webhook::of_discord),
    shape("teams-webhook", ".webhook.office.com/webhookb2/", webhook::of_teams),
    shape("teams-webhook", "outlook.office.com/webhook/", webhook::of_teams),
    shape("teams-webhook", "outlook.office365.com/webhook/", webhook::of_teams),
    shape("azure-storage-key", "AccountKey=", azure_storage),
    shape("azure-shared-access-key", "SharedAccessKey=", azure_shared),
    shape("azure-shared-access-signature", "sig=", azure_signature),
    shape("azure-client-secret", "Q~", azure_client),
    shape("azure-ai-key", "JQQJ99", azure_ai),
    shape("url-password", "://", url_password),
    shape("terraform-token", ".atlasv1.", terraform),
    shape("bearer-token", "Bearer ", bearer),
    shape("bearer-token", "bearer ", bearer),
    shape("basic-authorization", "Basic ", basic),
    shape("basic-authorization", "basic ", basic),
];

/// Names that a secret is assigned to; a space stands for any separator.
pub(super) const SECRET_WORDS: [&str; 49] = [
    "secret access key",
    "secretaccesskey",
    "api key",
    "apikey",
    "api secret",
    "apisecret",
    "api token",
    "apitoken",
    "client secret",
    "clientsecret",
    "consumer secret",
    "app secret",
    "appsecret",
    "access token",
    "accesstoken",
    "refresh token",
    "refreshtoken",
    "session token",
    "sessiontoken",
    "auth token",
    "authtoken",
    "private token",
    "secret key",
    "secretkey",
    "secret token",
    "signing key",
    "signing secret",
    "encryption key",
    "webhook secret",
    "shared secret",
    "master key",
    "masterkey",
    "account key",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "mot de passe",
    "contraseña",
    "contraseÑa",
    "contrasena",
    "senha",
    "wachtwoord",
    "hasło",
    "hasŁo",
    "db pass",
    "bot token",
];

/// Longest part that is read on either side of a literal.
const LONGEST: usize = 128;

fn run(bytes: &[u8], alphabet: Alphabet, most: usize) -> usize {
    bytes.iter().take(most).take_while(|byte| alphabet.has(**byte)).count()
}

fn run_before(bytes: &[u8], alphabet: Alphabet, most: usize) -> usize {
    bytes.iter().rev().take(most).take_while(|byte| alphabet.has(**byte)).count()
}

fn is_glued(hit: Word<'_>) -> bool {
    hit.before().is_some_and(|byte| Alphabet::Token.has(byte))
}

/// `-----BEGIN RSA PRIVATE KEY-----`; certificates and public keys are no secret.
fn pem(hit: Word<'_>) -> Option<Range<usize>> {
    let behind = &hit.behind()[..hit.behind().len().min(48)];
    let label = memchr::memmem::find(behind, b"-----")?;
    let secret = behind[..label].ends_with(b"PRIVATE KEY") || behind[..label].ends_with(b"PRIVATE KEY BLOCK");
    // The first bytes of the key tell two keys of a kind apart.
    let end = hit.text.len().min(hit.end + label + 96);
    secret.then_some(hit.start..end)
}

/// Header with an algorithm, payload, signature (empty for `alg: none`), all base64url; of an encrypted one (RFC 7516) all
/// five parts. No two of them share a byte, so that none needs a limit but the header, which is decoded.
fn json_web_token(hit: Word<'_>) -> Option<Range<usize>> {
    const LONGEST_HEADER: usize = 2048;
    if is_glued(hit) || hit.before() == Some(b'.') {
        return None;
    }
    let token = &hit.text[hit.start..];
    let header = run(token, Alphabet::Token, LONGEST_HEADER);
    if token.get(header) != Some(&b'.') {
        return None;
    }
    let parts = parts_behind(&token[..header])?;
    let mut end = header;
    for part in 0..parts {
        let length = match token.get(end) {
            Some(b'.') => run(&token[end + 1..], Alphabet::Token, usize::MAX),
            _ => return (part > 0).then_some(hit.start..hit.start + end),
        };
        match (part, parts) {
            (0, 2) if length < 2 => return None,
            // A full stop, or what is cut.
            (1.., _) if length == 0 => break,
            _ => end += 1 + length,
        }
    }
    Some(hit.start..hit.start + end)
}

/// How many parts follow a header that names an algorithm.
fn parts_behind(header: &[u8]) -> Option<usize> {
    let bytes = decode::text_of_base64(header);
    let header: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let names = |key: &str| header.get(key).is_some_and(serde_json::Value::is_string);
    names("alg").then(|| if names("enc") { 4 } else { 2 })
}

/// `sk-` and 32 characters or more without the words that later formats put behind it.
fn bare_sk(hit: Word<'_>) -> Option<Range<usize>> {
    let length = run(hit.behind(), Alphabet::Alnum, 64);
    let body = &hit.behind()[..length];
    let fits = length >= 32 && mixes_letters_and_digits(body) && is_varied(body);
    (fits && !is_glued(hit)).then_some(hit.start..hit.end + length)
}

/// `SG.` 22 `.` 43.
fn sendgrid(hit: Word<'_>) -> Option<Range<usize>> {
    let behind = hit.behind();
    let id = run(behind, Alphabet::Token, 23);
    let secret = run(behind.get(id + 1..)?, Alphabet::Token, 43);
    let fits = id == 22 && behind[id] == b'.' && secret == 43 && is_varied(&behind[..id]);
    (fits && !is_glued(hit)).then_some(hit.start..hit.end + id + 1 + secret)
}

/// Eight to ten digits, `:AA`, 33 characters.
fn telegram(hit: Word<'_>) -> Option<Range<usize>> {
    let digits = hit.text[..hit.start].iter().rev().take(11).take_while(|byte| byte.is_ascii_digit()).count();
    let body = run(hit.behind(), Alphabet::Token, 34);
    let fits = (8..=10).contains(&digits) && (body == 33) && is_varied(&hit.behind()[..body]);
    fits.then_some(hit.start - digits..hit.end + body)
}

/// `AC` or `SK` and 32 lower-case hexadecimal digits.
fn twilio(hit: Word<'_>) -> Option<Range<usize>> {
    let length = run(hit.behind(), Alphabet::Alnum, 33);
    let body = &hit.behind()[..length];
    let hex = body.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    (length == 32 && hex && is_varied(body) && !is_glued(hit)).then_some(hit.start..hit.end + 32)
}

/// 32 hexadecimal digits, `-us`, a data centre number.
fn mailchimp(hit: Word<'_>) -> Option<Range<usize>> {
    let before = &hit.text[..hit.start];
    let length = run_before(before, Alphabet::Alnum, 33);
    let key = &before[before.len() - length..];
    let centre = hit.behind().iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let fits = length == 32 && key.iter().all(u8::is_ascii_hexdigit) && (1..=2).contains(&centre);
    (fits && is_varied(key)).then_some(hit.start - length..hit.end + centre)
}

/// 64 bytes in base64.
fn azure_storage(hit: Word<'_>) -> Option<Range<usize>> {
    let length = run(hit.behind(), Alphabet::Base64, 89);
    let key = &hit.behind()[..length];
    (length >= 86 && is_varied(key)).then_some(hit.start..hit.end + 86)
}

/// 32 bytes in base64.
fn azure_shared(hit: Word<'_>) -> Option<Range<usize>> {
    let length = run(hit.behind(), Alphabet::Base64, 44);
    (length >= 43 && is_varied(&hit.behind()[..length])).then_some(hit.start..hit.end + 43)
}

/// The signature of a shared access URL: 32 bytes in base64, percent-encoded where it must be.
fn azure_signature(hit: Word<'_>) -> Option<Range<usize>> {
    let allowed = |byte: &&u8| Alphabet::Base64.has(**byte) || **byte == b'%';
    let length = hit.behind().iter().take(72).take_while(allowed).count();
    let signature = &hit.behind()[..length];
    let ends = signature.ends_with(b"%3D") || signature.ends_with(b"%3d") || signature.ends_with(b"=");
    (length >= 44 && ends && is_varied(signature)).then_some(hit.start..hit.end + length)
}

/// Three characters, a digit, `Q~`, 31 to 34 characters.
fn azure_client(hit: Word<'_>) -> Option<Range<usize>> {
    let inner = |byte: u8| Alphabet::Dotted.has(byte) || byte == b'~';
    let start = hit.start.checked_sub(4)?;
    let head = &hit.text[start..hit.start];
    let length = hit.behind().iter().take(35).take_while(|byte| inner(**byte)).count();
    let fits =
        head[3].is_ascii_digit() && head.iter().all(|byte| inner(*byte)) && (31..=34).contains(&length);
    (fits && is_varied(&hit.behind()[..length])).then_some(start..hit.end + length)
}

/// 84 characters with a fixed mark in the middle.
fn azure_ai(hit: Word<'_>) -> Option<Range<usize>> {
    let before = run_before(&hit.text[..hit.start], Alphabet::Alnum, 84);
    let behind = run(hit.behind(), Alphabet::Alnum, 84);
    let length = before + hit.end - hit.start + behind;
    (length == 84).then_some(hit.start - before..hit.end + behind)
}

/// `scheme://user:password@host`.
fn url_password(hit: Word<'_>) -> Option<Range<usize>> {
    let allowed = |byte: &&u8| !byte.is_ascii_whitespace() && !b"/?#\"'<>`{}$\x1f".contains(*byte);
    let length = hit.behind().iter().take(LONGEST).take_while(allowed).count();
    let authority = &hit.behind()[..length];
    let at = memchr::memrchr(b'@', authority)?;
    let colon = memchr::memchr(b':', &authority[..at])?;
    let password = &authority[colon + 1..at];
    let masked = password.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.'));
    (password.len() >= 3 && !masked).then_some(hit.end..hit.end + at)
}

/// 14 characters, `.atlasv1.`, 60 or more.
fn terraform(hit: Word<'_>) -> Option<Range<usize>> {
    let before = run_before(&hit.text[..hit.start], Alphabet::Alnum, 15);
    let behind = run(hit.behind(), Alphabet::Token, 60);
    (before == 14 && behind == 60).then_some(hit.start - before..hit.end + behind)
}

/// An opaque token behind an authorization scheme.
fn bearer(hit: Word<'_>) -> Option<Range<usize>> {
    let allowed = |byte: &&u8| Alphabet::Dotted.has(**byte) || matches!(**byte, b'+' | b'/' | b'~' | b'=');
    let length = hit.behind().iter().take(LONGEST).take_while(allowed).count();
    let token = &hit.behind()[..length];
    (length >= 20 && mixes_letters_and_digits(token) && is_varied(token))
        .then_some(hit.start..hit.end + length)
}

/// Base64 of `user:password`.
fn basic(hit: Word<'_>) -> Option<Range<usize>> {
    let length = run(hit.behind(), Alphabet::Base64, LONGEST);
    let inner = decode::text_of_base64(&hit.behind()[..length]);
    let inside =
        inner.iter().all(|byte| (b' '..=b'~').contains(byte)) && inner[1.min(inner.len())..].contains(&b':');
    (length >= 8 && inside).then_some(hit.start..hit.end + length)
}

/// What a value behind such a name is: one of AWS, or any.
pub(super) const ASSIGNED: [&str; 2] = ["aws-secret-access-key", "assigned-secret"];

/// A random-looking value behind a name that says "secret": `password = "…"`, `"api_key": "…"`,
/// `--client-secret …`.
pub(super) fn assignment(hit: Word<'_>) -> Option<(&'static str, Range<usize>)> {
    let behind = hit.behind();
    let glue =
        |byte: &&u8| matches!(**byte, b' ' | b'\t' | b':' | b'=' | b'"' | b'\'' | b'`' | b'>' | b'\\' | b'|');
    let gap = behind.iter().take(12).take_while(glue).count();
    if gap == 0 {
        return None;
    }
    let allowed = |byte: &&u8| byte.is_ascii_graphic() && !b"\"'`,;(){}[]<>\\ ".contains(*byte);
    let length = behind[gap..].iter().take(LONGEST).take_while(allowed).count();
    let value = &behind[gap..gap + length];
    let name = hit.text[hit.start..hit.end].to_ascii_lowercase();
    let aws = name.starts_with(b"secret") && name.ends_with(b"key") && length == 40;
    let [of_aws, any] = ASSIGNED;
    let kind = if aws { of_aws } else { any };
    looks_secret(value).then_some((kind, hit.end + gap..hit.end + gap + length))
}

/// Long, mixed, and neither a path, an address nor an expression.
fn looks_secret(value: &[u8]) -> bool {
    const SHORTEST: usize = 12;
    let code = [&b"://"[..], b"process.", b"os.", b"env.", b"self.", b"config.", b"${", b"$(", b"->", b"::"];
    let words = value.iter().filter(|byte| matches!(byte, b'.' | b'/' | b'_')).count();
    value.len() >= SHORTEST
        && mixes_letters_and_digits(value)
        && is_varied(value)
        && words <= value.len() / 6
        && !code.iter().any(|part| memchr::memmem::find(value, part).is_some())
}
