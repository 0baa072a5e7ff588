//! Tokens that are a fixed prefix and a body of known alphabet and length.

use std::ops::Range;

use super::super::words::Word;
use super::{is_varied, mixes_letters_and_digits};

/// One kind of token.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) kind: &'static str,
    pub(super) prefix: &'static str,
    pub(super) alphabet: Alphabet,
    pub(super) size: Size,
}

/// Which characters a body is made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Alphabet {
    /// `a-z A-Z 0-9`
    Alnum,
    /// `A-Z 0-9`
    Upper,
    /// `0-9 a-f`, either case
    Hex,
    /// Hexadecimal digits and dashes
    Uuid,
    /// `a-z A-Z 0-9 _ -`
    Token,
    /// `a-z A-Z 0-9 _ - .`
    Dotted,
    /// `a-z A-Z 0-9 + / =`
    Base64,
}

/// How long a body is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    Exactly(usize),
    From(usize),
}

use Alphabet::{Alnum, Base64, Dotted, Hex, Token, Upper, Uuid};
use Size::{Exactly, From};

const fn rule(kind: &'static str, prefix: &'static str, alphabet: Alphabet, size: Size) -> Rule {
    Rule { kind, prefix, alphabet, size }
}

/// Formats as their issuers document them.
pub(super) const RULES: &[Rule] = &[
    rule("aws-access-key-id", "AKIA", Upper, Exactly(16)),
    rule("aws-access-key-id", "ASIA", Upper, Exactly(16)),
    rule("aws-access-key-id", "ABIA", Upper, Exactly(16)),
    rule("aws-access-key-id", "ACCA", Upper, Exactly(16)),
    rule("aws-bedrock-api-key", "ABSKQmVkcm9ja0FQSUtleS", Base64, From(60)),
    rule("github-token", "ghp_", Alnum, From(36)),
    rule("github-token", "gho_", Alnum, From(36)),
    rule("github-token", "ghu_", Alnum, From(36)),
    rule("github-token", "ghs_", Alnum, From(36)),
    rule("github-token", "ghr_", Alnum, From(36)),
    rule("github-token", "github_pat_", Token, From(60)),
    rule("gitlab-token", "glpat-", Token, From(20)),
    rule("gitlab-token", "gldt-", Token, From(20)),
    rule("gitlab-token", "glrt-", Token, From(20)),
    rule("gitlab-token", "glcbt-", Token, From(20)),
    rule("gitlab-token", "glptt-", Token, From(40)),
    rule("gitlab-token", "glft-", Token, From(20)),
    rule("gitlab-token", "glsoat-", Token, From(20)),
    rule("gitlab-token", "glagent-", Token, From(50)),
    rule("gitlab-token", "gloas-", Token, From(64)),
    rule("gitlab-token", "glimt-", Token, From(25)),
    rule("slack-token", "xoxb-", Token, From(24)),
    rule("slack-token", "xoxp-", Token, From(24)),
    rule("slack-token", "xoxa-", Token, From(24)),
    rule("slack-token", "xoxr-", Token, From(24)),
    rule("slack-token", "xoxs-", Token, From(24)),
    rule("slack-token", "xoxo-", Token, From(24)),
    rule("slack-token", "xoxe-", Token, From(24)),
    rule("slack-token", "xoxe.xox", Dotted, From(40)),
    rule("slack-token", "xoxc-", Token, From(24)),
    rule("slack-token", "xoxd-", Token, From(24)),
    rule("slack-token", "xapp-", Token, From(40)),
    rule("openai-api-key", "sk-proj-", Token, From(20)),
    rule("openai-api-key", "sk-svcacct-", Token, From(20)),
    rule("openai-api-key", "sk-admin-", Token, From(20)),
    rule("openai-api-key", "sk-None-", Token, From(20)),
    rule("anthropic-api-key", "sk-ant-api", Token, From(20)),
    rule("anthropic-api-key", "sk-ant-admin", Token, From(20)),
    rule("anthropic-api-key", "sk-ant-oat", Token, From(20)),
    rule("anthropic-api-key", "sk-ant-sid", Token, From(20)),
    rule("openrouter-api-key", "sk-or-v1-", Hex, From(32)),
    rule("langsmith-api-key", "lsv2_pt_", Token, From(32)),
    rule("langsmith-api-key", "lsv2_sk_", Token, From(32)),
    rule("langfuse-api-key", "sk-lf-", Token, From(36)),
    rule("google-api-key", "AIza", Token, Exactly(35)),
    rule("google-oauth-secret", "GOCSPX-", Token, From(24)),
    rule("google-oauth-token", "ya29.", Token, From(20)),
    rule("stripe-key", "sk_live_", Alnum, From(16)),
    rule("stripe-key", "sk_test_", Alnum, From(16)),
    rule("stripe-key", "rk_live_", Alnum, From(16)),
    rule("stripe-key", "rk_test_", Alnum, From(16)),
    rule("stripe-key", "sk_org_", Alnum, From(16)),
    rule("stripe-webhook-secret", "whsec_", Base64, From(24)),
    rule("npm-token", "npm_", Alnum, From(36)),
    rule("pypi-token", "pypi-AgEIcHlwaS5vcmc", Token, From(50)),
    rule("pypi-token", "pypi-AgENdGVzdC5weXBpLm9yZw", Token, From(50)),
    rule("rubygems-token", "rubygems_", Hex, From(48)),
    rule("crates-token", "cio", Alnum, Exactly(32)),
    rule("nuget-token", "oy2", Alnum, Exactly(43)),
    rule("hugging-face-token", "hf_", Alnum, From(30)),
    rule("hugging-face-token", "api_org_", Alnum, From(34)),
    rule("nvidia-api-key", "nvapi-", Token, From(60)),
    rule("groq-api-key", "gsk_", Alnum, From(40)),
    rule("xai-api-key", "xai-", Alnum, From(60)),
    rule("perplexity-api-key", "pplx-", Alnum, From(40)),
    rule("replicate-token", "r8_", Alnum, Exactly(37)),
    rule("fireworks-api-key", "fw_", Alnum, From(22)),
    rule("cerebras-api-key", "csk-", Alnum, From(40)),
    rule("tavily-api-key", "tvly-", Token, From(24)),
    rule("brevo-key", "xkeysib-", Token, From(64)),
    rule("mailgun-key", "key-", Hex, Exactly(32)),
    rule("digitalocean-token", "dop_v1_", Hex, Exactly(64)),
    rule("digitalocean-token", "doo_v1_", Hex, Exactly(64)),
    rule("digitalocean-token", "dor_v1_", Hex, Exactly(64)),
    rule("docker-token", "dckr_pat_", Token, From(24)),
    rule("docker-token", "dckr_oat_", Token, From(24)),
    rule("databricks-token", "dapi", Hex, Exactly(32)),
    rule("shopify-token", "shpat_", Hex, Exactly(32)),
    rule("shopify-token", "shpca_", Hex, Exactly(32)),
    rule("shopify-token", "shppa_", Hex, Exactly(32)),
    rule("shopify-token", "shpss_", Hex, Exactly(32)),
    rule("square-token", "sq0atp-", Token, From(22)),
    rule("square-token", "sq0csp-", Token, From(43)),
    rule("paypal-token", "access_token$production$", Token, From(20)),
    rule("vault-token", "hvs.", Token, From(24)),
    rule("vault-token", "hvb.", Token, From(24)),
    rule("vault-token", "hvr.", Token, From(24)),
    rule("grafana-token", "glsa_", Token, From(32)),
    rule("grafana-token", "glc_eyJ", Base64, From(32)),
    rule("new-relic-key", "NRAK-", Upper, Exactly(27)),
    rule("linear-key", "lin_api_", Alnum, From(32)),
    rule("linear-key", "lin_oauth_", Alnum, From(32)),
    rule("notion-token", "ntn_", Alnum, From(40)),
    rule("notion-token", "secret_", Alnum, Exactly(43)),
    rule("postman-key", "PMAK-", Token, From(50)),
    rule("atlassian-token", "ATATT3xFfGF0", Token, From(60)),
    rule("atlassian-token", "ATCTT3xFfGN0", Token, From(60)),
    rule("bitbucket-token", "ATBB", Alnum, Exactly(32)),
    rule("dropbox-token", "sl.", Token, From(100)),
    rule("figma-token", "figd_", Token, From(36)),
    rule("supabase-token", "sbp_", Hex, Exactly(40)),
    rule("planetscale-token", "pscale_tkn_", Dotted, From(32)),
    rule("planetscale-password", "pscale_pw_", Dotted, From(32)),
    rule("doppler-token", "dp.pt.", Alnum, From(40)),
    rule("doppler-token", "dp.st.", Dotted, From(40)),
    rule("pulumi-token", "pul-", Hex, Exactly(40)),
    rule("sentry-token", "sntrys_", Base64, From(60)),
    rule("sentry-token", "sntryu_", Hex, Exactly(64)),
    rule("heroku-key", "HRKU-", Token, From(36)),
    rule("fly-token", "FlyV1 fm2_", Base64, From(60)),
    rule("age-secret-key", "AGE-SECRET-KEY-1", Upper, Exactly(58)),
    rule("1password-secret-key", "ops_eyJ", Base64, From(100)),
    rule("tailscale-key", "tskey-", Token, From(20)),
    rule("netlify-token", "nfp_", Alnum, From(36)),
    rule("aws-access-key-id", "A3T", Upper, Exactly(17)),
    rule("alibaba-access-key-id", "LTAI", Alnum, From(20)),
    rule("tencent-secret-id", "AKID", Alnum, From(32)),
    rule("adobe-secret", "p8e-", Alnum, Exactly(32)),
    rule("airtable-token", "pat", Dotted, Exactly(79)),
    rule("buildkite-token", "bkua_", Hex, Exactly(40)),
    rule("buildkite-token", "bkct_", Alnum, From(40)),
    rule("circleci-token", "CCIPAT_", Token, From(40)),
    rule("clojars-token", "CLOJARS_", Hex, Exactly(60)),
    rule("cloudflare-key", "v1.0-", Token, From(100)),
    rule("contentful-token", "CFPAT-", Token, Exactly(43)),
    rule("discord-secret", "mfa.", Token, From(80)),
    rule("duffel-token", "duffel_test_", Token, From(43)),
    rule("duffel-token", "duffel_live_", Token, From(43)),
    rule("dynatrace-token", "dt0c01.", Dotted, From(80)),
    rule("dynatrace-token", "dt0s01.", Dotted, From(80)),
    rule("easypost-key", "EZAK", Alnum, Exactly(54)),
    rule("easypost-key", "EZTK", Alnum, Exactly(54)),
    rule("facebook-token", "EAA", Alnum, From(60)),
    rule("flutterwave-key", "FLWSECK-", Hex, From(12)),
    rule("flutterwave-key", "FLWSECK_TEST-", Alnum, From(12)),
    rule("frameio-token", "fio-u-", Token, From(64)),
    rule("gitlab-token", "glffct-", Token, From(20)),
    rule("gitlab-token", "GR1348941", Token, From(20)),
    rule("google-oauth-token", "1//0", Token, From(40)),
    rule("gumroad-token", "gum_", Alnum, From(40)),
    rule("harness-token", "pat.", Dotted, From(60)),
    rule("harness-token", "sat.", Dotted, From(60)),
    rule("hubspot-token", "pat-na1-", Uuid, From(36)),
    rule("hubspot-token", "pat-eu1-", Uuid, From(36)),
    rule("infracost-key", "ico-", Alnum, Exactly(32)),
    rule("jfrog-token", "AKCp", Alnum, From(60)),
    rule("jfrog-token", "cmVmdGtu", Alnum, From(50)),
    rule("launchdarkly-key", "sdk-", Uuid, Exactly(36)),
    rule("launchdarkly-key", "api-", Uuid, Exactly(36)),
    rule("mailersend-key", "mlsn.", Hex, Exactly(64)),
    rule("mapbox-token", "sk.eyJ", Dotted, From(60)),
    rule("mercadopago-token", "APP_USR-", Token, From(50)),
    rule("neon-key", "napi_", Alnum, From(40)),
    rule("new-relic-key", "NRII-", Token, Exactly(32)),
    rule("new-relic-key", "NRJS-", Hex, Exactly(19)),
    rule("paddle-key", "pdl_live_", Token, From(40)),
    rule("plaid-token", "access-production-", Uuid, Exactly(36)),
    rule("plaid-token", "access-sandbox-", Uuid, Exactly(36)),
    rule("planetscale-token", "pscale_oauth_", Dotted, From(32)),
    rule("posthog-key", "phx_", Alnum, From(32)),
    rule("posthog-key", "phc_", Alnum, From(32)),
    rule("prefect-key", "pnu_", Alnum, Exactly(36)),
    rule("railway-token", "rw_Fe26.", Dotted, From(40)),
    rule("readme-key", "rdme_", Alnum, Exactly(70)),
    rule("resend-key", "re_", Token, Exactly(33)),
    rule("render-key", "rnd_", Alnum, From(28)),
    rule("scalingo-token", "tk-us-", Token, Exactly(48)),
    rule("brevo-key", "xsmtpsib-", Token, From(64)),
    rule("sentry-dsn", "sntryi_", Hex, From(48)),
    rule("shippo-token", "shippo_live_", Hex, Exactly(40)),
    rule("shippo-token", "shippo_test_", Hex, Exactly(40)),
    rule("snyk-token", "snyk_uat.", Dotted, From(40)),
    rule("sourcegraph-token", "sgp_", Token, From(40)),
    rule("square-token", "EAAA", Token, Exactly(60)),
    rule("stripe-key", "rkcs_live_", Alnum, From(16)),
    rule("sumologic-id", "suLNO", Alnum, From(20)),
    rule("supabase-token", "sb_secret_", Token, From(30)),
    rule("together-key", "tgp_v1_", Token, From(40)),
    rule("typeform-token", "tfp_", Token, From(40)),
    rule("vercel-token", "vcp_", Alnum, From(24)),
    rule("vercel-token", "vercel_blob_rw_", Token, From(30)),
    rule("voyage-key", "pa-", Token, Exactly(43)),
    rule("weights-and-biases-key", "wandb_v1_", Token, From(40)),
    rule("yandex-key", "AQVN", Token, Exactly(36)),
    rule("yandex-token", "y0_", Token, From(50)),
    rule("zuplo-key", "zpka_", Alnum, From(32)),
    rule("temporal-key", "tmprl_", Token, From(30)),
    rule("eleven-labs-key", "sk_", Hex, Exactly(48)),
    rule("upstash-key", "qstash_", Token, From(30)),
    rule("axiom-token", "xaat-", Uuid, Exactly(36)),
    rule("axiom-token", "xapt-", Uuid, Exactly(36)),
    rule("honeycomb-key", "hcaik_", Alnum, From(50)),
];

impl Rule {
    /// The whole token, if what follows the prefix is a body.
    pub(super) fn token(&self, hit: Word<'_>) -> Option<Range<usize>> {
        if !hit.is_written(self.prefix) {
            return None;
        }
        let glued = hit.before().is_some_and(|byte| byte.is_ascii_alphanumeric());
        // Three characters appear in the middle of any word; a longer prefix speaks for itself.
        if glued && self.prefix.len() < 4 {
            return None;
        }
        let length = self.body(hit.behind())?;
        let body = &hit.behind()[..length];
        // A short prefix is part of many a name: only what no name looks like is a token behind it.
        let random = self.prefix.len() > 3 || mixes_letters_and_digits(body);
        (is_varied(body) && random).then_some(hit.start..hit.end + length)
    }

    fn body(&self, behind: &[u8]) -> Option<usize> {
        let most = match self.size {
            Exactly(size) => size + 1,
            From(size) => size,
        };
        let length = behind.iter().take(most).take_while(|byte| self.alphabet.has(**byte)).count();
        match self.size {
            // A dash or dot right behind a token ends a phrase.
            Exactly(size) if length > size && behind[size].is_ascii_alphanumeric() => None,
            Exactly(size) | From(size) => (length >= size).then_some(size),
        }
    }
}

impl Alphabet {
    pub(super) fn has(self, byte: u8) -> bool {
        match self {
            Alnum => byte.is_ascii_alphanumeric(),
            Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Hex => byte.is_ascii_hexdigit(),
            Uuid => byte.is_ascii_hexdigit() || byte == b'-',
            Token => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
        }
    }
}
