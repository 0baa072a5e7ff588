//! Keys without a mark of their own: hexadecimal digits or letters of a known length, assigned to a name that holds the
//! name of who issues them, as in `DATADOG_API_KEY=…`.

use std::ops::Range;

use super::super::words::Word;
use super::rules::Alphabet;
use super::{is_varied, mixes_letters_and_digits};

/// One issuer.
#[derive(Debug)]
pub(super) struct Vendor {
    pub(super) kind: &'static str,
    /// What names hold; lower case, a space stands for any separator.
    pub(super) word: &'static str,
    pub(super) alphabet: Alphabet,
    /// Lengths that its keys have.
    pub(super) lengths: &'static [usize],
}

use Alphabet::{Alnum, Base64, Hex, Token};

const fn vendor(
    kind: &'static str,
    word: &'static str,
    alphabet: Alphabet,
    lengths: &'static [usize],
) -> Vendor {
    Vendor { kind, word, alphabet, lengths }
}

/// Lengths and alphabets as the issuers' documents show them; 36 is a UUID.
pub(super) const VENDORS: &[Vendor] = &[
    vendor("adafruit-key", "adafruit", Token, &[32]),
    vendor("adobe-secret", "adobe", Hex, &[32]),
    vendor("algolia-key", "algolia", Hex, &[32]),
    vendor("amplitude-key", "amplitude", Hex, &[32]),
    vendor("asana-token", "asana", Alnum, &[32]),
    vendor("assemblyai-key", "assemblyai", Hex, &[32]),
    vendor("auth0-secret", "auth0", Token, &[64]),
    vendor("azure-key", "azure", Hex, &[32]),
    vendor("bitbucket-secret", "bitbucket", Token, &[32, 64]),
    vendor("bitly-token", "bitly", Hex, &[40]),
    vendor("bittrex-key", "bittrex", Alnum, &[32]),
    vendor("bugsnag-key", "bugsnag", Hex, &[32]),
    vendor("circleci-token", "circle", Hex, &[40]),
    vendor("cloudflare-key", "cloudflare", Token, &[37, 40]),
    vendor("cloudinary-secret", "cloudinary", Token, &[27]),
    vendor("codecov-token", "codecov", Token, &[32, 36]),
    vendor("cohere-key", "cohere", Alnum, &[40]),
    vendor("coinbase-key", "coinbase", Token, &[64]),
    vendor("confluent-key", "confluent", Alnum, &[16, 64]),
    vendor("datadog-key", "datadog", Alnum, &[32, 40]),
    vendor("datadog-key", "dd api key", Hex, &[32]),
    vendor("deepgram-key", "deepgram", Hex, &[40]),
    vendor("deepseek-key", "deepseek", Token, &[35]),
    vendor("discord-secret", "discord", Token, &[32, 59, 70, 72]),
    vendor("dropbox-secret", "dropbox", Alnum, &[15]),
    vendor("elastic-key", "elastic", Base64, &[60]),
    vendor("etsy-key", "etsy", Alnum, &[24]),
    vendor("facebook-secret", "facebook", Hex, &[32]),
    vendor("fastly-key", "fastly", Token, &[32]),
    vendor("finnhub-key", "finnhub", Alnum, &[20]),
    vendor("freshbooks-secret", "freshbooks", Alnum, &[64]),
    vendor("github-secret", "github", Hex, &[40]),
    vendor("gitter-token", "gitter", Token, &[40]),
    vendor("heroku-key", "heroku", Token, &[36]),
    vendor("honeycomb-key", "honeycomb", Alnum, &[22, 32]),
    vendor("hubspot-key", "hubspot", Token, &[36]),
    vendor("intercom-key", "intercom", Base64, &[60]),
    vendor("jenkins-token", "jenkins", Hex, &[32, 34]),
    vendor("jira-token", "jira", Alnum, &[24]),
    vendor("kraken-key", "kraken", Base64, &[80, 88]),
    vendor("kucoin-key", "kucoin", Token, &[24, 36]),
    vendor("line-secret", "line channel", Hex, &[32]),
    vendor("linkedin-secret", "linkedin", Alnum, &[14, 16]),
    vendor("lob-key", "lob", Hex, &[35]),
    vendor("mailchimp-key", "mailchimp", Hex, &[32]),
    vendor("mailgun-key", "mailgun", Token, &[32, 50]),
    vendor("mapbox-token", "mapbox", Token, &[60]),
    vendor("mattermost-token", "mattermost", Alnum, &[26]),
    vendor("messagebird-key", "messagebird", Alnum, &[25]),
    vendor("mistral-key", "mistral", Alnum, &[32]),
    vendor("netlify-token", "netlify", Token, &[40, 43, 45]),
    vendor("newrelic-key", "new relic", Hex, &[40]),
    vendor("nytimes-key", "nytimes", Token, &[32]),
    vendor("okta-token", "okta", Token, &[42]),
    vendor("opsgenie-key", "opsgenie", Token, &[36]),
    vendor("pagerduty-key", "pagerduty", Token, &[20, 32]),
    vendor("pinecone-key", "pinecone", Token, &[36]),
    vendor("plaid-secret", "plaid", Alnum, &[24, 30]),
    vendor("pusher-secret", "pusher", Hex, &[20]),
    vendor("rapidapi-key", "rapidapi", Alnum, &[50]),
    vendor("rollbar-token", "rollbar", Hex, &[32]),
    vendor("segment-key", "segment", Alnum, &[32]),
    vendor("sentry-token", "sentry", Hex, &[64]),
    vendor("shodan-key", "shodan", Alnum, &[32]),
    vendor("snyk-token", "snyk", Token, &[36]),
    vendor("sonarqube-token", "sonar", Hex, &[40]),
    vendor("splunk-token", "splunk", Token, &[36]),
    vendor("spotify-secret", "spotify", Hex, &[32]),
    vendor("squarespace-token", "squarespace", Token, &[36]),
    vendor("sumologic-key", "sumo", Alnum, &[64]),
    vendor("telegram-secret", "telegram", Hex, &[32]),
    vendor("travis-token", "travis", Alnum, &[22]),
    vendor("trello-token", "trello", Alnum, &[32, 64]),
    vendor("twilio-secret", "twilio", Hex, &[32]),
    vendor("twitch-secret", "twitch", Alnum, &[30]),
    vendor("twitter-secret", "twitter", Alnum, &[25, 45, 50]),
    vendor("vercel-token", "vercel", Alnum, &[24]),
    vendor("weights-and-biases-key", "wandb", Hex, &[40]),
    vendor("yandex-secret", "yandex", Hex, &[32]),
    vendor("zendesk-token", "zendesk", Alnum, &[40, 64]),
    vendor("zoom-secret", "zoom", Alnum, &[32]),
];

/// Bytes of a name behind the issuer's, and of what stands between a name and its value.
const LONGEST_NAME: usize = 32;
const LONGEST_GAP: usize = 6;

impl Vendor {
    /// The key that is assigned to a name with the word in it, if the name says that it is one.
    pub(super) fn token(&self, word: Word<'_>) -> Option<Range<usize>> {
        let behind = word.behind();
        let name = behind
            .iter()
            .take(LONGEST_NAME)
            .take_while(|byte| Alphabet::Dotted.has(**byte) || **byte == b' ')
            .count();
        let says = self.word.ends_with("key") || is_secret(&behind[..name]);
        let sign = |byte: &&u8| matches!(**byte, b'=' | b':' | b'>' | b' ' | b'"' | b'\'' | b',' | b'`');
        let gap = behind[name..].iter().take(LONGEST_GAP).take_while(sign).count();
        let assigns = behind[name..name + gap].iter().any(|byte| matches!(byte, b'=' | b':' | b',' | b'>'));
        if !says || !assigns {
            return None;
        }
        let start = word.end + name + gap;
        let length = word.text[start..].iter().take(128).take_while(|byte| self.alphabet.has(**byte)).count();
        let body = &word.text[start..start + length];
        let fits = self.lengths.contains(&length) && is_varied(body) && mixes_letters_and_digits(body);
        fits.then_some(start..start + length)
    }
}

fn is_secret(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    [&b"key"[..], b"token", b"secret", b"pass", b"auth", b"credential", b"sid", b"pat"]
        .iter()
        .any(|part| memchr::memmem::find(&name, part).is_some())
}
