//! No token here is whole in the source: each is put together from its prefix and a made-up body.

use super::{ALNUM, HEX, Rows, UPPER, body};

fn check(kind: &str, rows: Vec<(String, bool)>) {
    let classifier = Rows::new();
    let kind = format!("credential/{kind}");
    for (text, expected) in rows {
        assert_eq!(classifier.kinds(&text).contains(&kind), expected, "{kind}: {text:?}");
    }
}

fn with(prefix: &str, length: usize, alphabet: &str) -> String {
    format!("{prefix}{}", body(length, alphabet))
}

#[test]
fn prefixed_tokens() {
    for (kind, prefix, length, alphabet) in [
        ("aws-access-key-id", "AKIA", 16, UPPER),
        ("aws-access-key-id", "ASIA", 16, UPPER),
        ("github-token", "ghp_", 36, ALNUM),
        ("github-token", "gho_", 36, ALNUM),
        ("github-token", "ghs_", 36, ALNUM),
        ("github-token", "github_pat_", 82, ALNUM),
        ("gitlab-token", "glpat-", 20, ALNUM),
        ("slack-token", "xoxb-", 50, ALNUM),
        ("slack-token", "xoxp-", 60, ALNUM),
        ("openai-api-key", "sk-proj-", 48, ALNUM),
        ("openai-api-key", "sk-", 48, ALNUM),
        ("anthropic-api-key", "sk-ant-api03-", 93, ALNUM),
        ("google-api-key", "AIza", 35, ALNUM),
        ("google-oauth-secret", "GOCSPX-", 28, ALNUM),
        ("stripe-key", "sk_live_", 24, ALNUM),
        ("stripe-key", "rk_test_", 24, ALNUM),
        ("npm-token", "npm_", 36, ALNUM),
        ("pypi-token", "pypi-AgEIcHlwaS5vcmc", 80, ALNUM),
        ("hugging-face-token", "hf_", 34, ALNUM),
        ("nvidia-api-key", "nvapi-", 64, ALNUM),
        ("openrouter-api-key", "sk-or-v1-", 64, HEX),
        ("databricks-token", "dapi", 32, HEX),
        ("digitalocean-token", "dop_v1_", 64, HEX),
        ("docker-token", "dckr_pat_", 27, ALNUM),
        ("shopify-token", "shpat_", 32, HEX),
        ("vault-token", "hvs.", 90, ALNUM),
        ("grafana-token", "glsa_", 41, ALNUM),
        ("mailgun-key", "key-", 32, HEX),
        ("twilio-key", "SK", 32, HEX),
        ("twilio-account", "AC", 32, HEX),
        ("tailscale-key", "tskey-", 30, ALNUM),
    ] {
        let token = with(prefix, length, alphabet);
        let short = &token[..prefix.len() + 10];
        check(
            kind,
            vec![
                (token.clone(), true),
                (format!("export TOKEN={token}"), true),
                (format!("(\"{token}\")"), true),
                (format!("{token}\nmore"), true),
                (short.to_owned(), false),
                (format!("{prefix}{}", "x".repeat(length)), false),
                (prefix.to_owned(), false),
                (format!("{prefix} {}", body(length, alphabet)), false),
            ],
        );
    }
}

#[test]
fn exact_lengths() {
    check(
        "aws-access-key-id",
        vec![
            (with("AKIA", 17, UPPER), false),
            (with("AKIA", 15, UPPER), false),
            (with("AKIA", 16, HEX), false),
            (format!("{}-", with("AKIA", 16, UPPER)), true),
            (format!("{}.", with("AKIA", 16, UPPER)), true),
        ],
    );
    check("google-api-key", vec![(with("AIza", 36, ALNUM), false), (with("AIza", 34, ALNUM), false)]);
    check("twilio-key", vec![(with("SK", 33, HEX), false), (with("MASK", 32, HEX), false)]);
}

#[test]
fn tokens_with_a_shape() {
    let header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
    let payload = "eyJzdWIiOiIxMjM0NTY3ODkwIn0";
    check(
        "json-web-token",
        vec![
            (format!("{header}.{payload}.{}", body(43, ALNUM)), true),
            (format!("Cookie: s={header}.{payload}."), true),
            (format!("{header}.{payload}"), true),
            (header.to_owned(), false),
            (format!("eyJub3QiOiJhbGcifQ.{payload}.x"), false),
            (format!("eyJnotjson.{payload}.x"), false),
        ],
    );
    check(
        "sendgrid-key",
        vec![
            (format!("SG.{}.{}", body(22, ALNUM), body(43, ALNUM)), true),
            (format!("SG.{}.{}", body(21, ALNUM), body(43, ALNUM)), false),
            (format!("SG.{}.{}", body(22, ALNUM), body(42, ALNUM)), false),
        ],
    );
    check(
        "telegram-bot-token",
        vec![
            (format!("123456789:AA{}", body(33, ALNUM)), true),
            (format!("bot1234567890:AA{}/getMe", body(33, ALNUM)), true),
            (format!("1234567:AA{}", body(33, ALNUM)), false),
            (format!("123456789:AB{}", body(33, ALNUM)), false),
            (format!("123456789:AA{}", body(32, ALNUM)), false),
        ],
    );
    check(
        "mailchimp-key",
        vec![
            (format!("{}-us12", body(32, HEX)), true),
            (format!("{}-us", body(32, HEX)), false),
            (format!("{}-us12", body(31, HEX)), false),
        ],
    );
}

#[test]
fn tokens_in_a_place() {
    check(
        "slack-webhook",
        vec![
            (format!("https://hooks.slack.com/services/T0123ABCD/B0123ABCD/{}", body(24, ALNUM)), true),
            ("https://hooks.slack.com/services/T0123ABCD".to_owned(), false),
        ],
    );
    check(
        "url-password",
        vec![
            ("postgres://app:s3cr3t@db.internal:5432/x".to_owned(), true),
            ("https://jane:pw123@example.org/".to_owned(), true),
            ("https://jane@example.org/".to_owned(), false),
            ("https://example.org:8080/a@b:c".to_owned(), false),
            ("https://jane:***@example.org/".to_owned(), false),
        ],
    );
    check(
        "bearer-token",
        vec![
            (format!("Authorization: Bearer {}", body(40, ALNUM)), true),
            ("Authorization: Bearer TOKEN".to_owned(), false),
            ("Bearer of good news, everyone".to_owned(), false),
        ],
    );
    check(
        "basic-authorization",
        vec![
            ("Authorization: Basic amFuZTpzM2NyM3Q=".to_owned(), true),
            ("Basic understanding of things".to_owned(), false),
        ],
    );
}

#[test]
fn azure() {
    check(
        "azure-storage-key",
        vec![
            (format!("AccountName=x;AccountKey={}==;", body(86, ALNUM)), true),
            ("AccountKey=<your key>".to_owned(), false),
        ],
    );
    check(
        "azure-client-secret",
        vec![
            (format!("abc8Q~{}", body(34, ALNUM)), true),
            (format!("abcxQ~{}", body(34, ALNUM)), false),
            (format!("abc8Q~{}", body(30, ALNUM)), false),
        ],
    );
    check(
        "azure-shared-access-signature",
        vec![
            (format!("?sv=2022-11-02&sig={}%3D&se=x", body(43, ALNUM)), true),
            ("sig=abc".to_owned(), false),
        ],
    );
}

#[test]
fn private_keys() {
    let begin = |label: &str| format!("-----BEGIN {label}-----\n{}\n", body(64, ALNUM));
    check(
        "private-key",
        vec![
            (begin("PRIVATE KEY"), true),
            (begin("RSA PRIVATE KEY"), true),
            (begin("OPENSSH PRIVATE KEY"), true),
            (begin("EC PRIVATE KEY"), true),
            (begin("ENCRYPTED PRIVATE KEY"), true),
            (begin("PGP PRIVATE KEY BLOCK"), true),
            (begin("PRIVATE KEY").replace('\n', "\\n"), true),
            (begin("PUBLIC KEY"), false),
            (begin("CERTIFICATE"), false),
            ("-----BEGIN ".to_owned(), false),
        ],
    );
}

#[test]
fn assigned_secrets() {
    let secret = body(20, ALNUM);
    check(
        "assigned-secret",
        vec![
            (format!("password = \"{secret}\""), true),
            (format!("API_KEY={secret}"), true),
            (format!("'client_secret': '{secret}'"), true),
            (format!("--client-secret {secret}"), true),
            (format!("DB_PASSWORD: {secret}"), true),
            (format!("the password of {secret}"), false),
            ("password = get_password(user)".to_owned(), false),
            ("password: correct horse battery staple".to_owned(), false),
            ("api_key = os.environ[\"KEY\"]".to_owned(), false),
            ("password: <set by the operator>".to_owned(), false),
            ("password=changeme".to_owned(), false),
        ],
    );
    check(
        "aws-secret-access-key",
        vec![
            (format!("aws_secret_access_key = {}", body(40, ALNUM)), true),
            (format!("\"SecretAccessKey\": \"{}\"", body(40, ALNUM)), true),
            (format!("aws_secret_access_key = {}", body(39, ALNUM)), false),
        ],
    );
}
