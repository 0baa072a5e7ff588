//! What is taken out of the path of a request, and what stays: paths are evidence.

use classify::redact::Redactor;

/// A body that looks drawn at random, the same in every run, and no value of anybody.
const RANDOM: &str = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6a7B8c9D0e1F2g3H4";

const GUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

#[test]
fn a_webhook_is_known_by_its_host() {
    let redactor = Redactor::new();
    let (slack, discord, hex) = (&RANDOM[..24], &RANDOM[..68], "0123456789abcdef0123456789abcdef");
    let teams = format!("/{GUID}@{GUID}/IncomingWebhook/{hex}/{GUID}");
    for (host, path, rest) in [
        ("hooks.slack.com", format!("/services/T024BE7LD/B0123ABCD/{slack}"), "<credential/slack-webhook>"),
        (
            "hooks.slack.com",
            format!("/workflows/T024BE7LD/A01/1234567890/{slack}"),
            "<credential/slack-webhook>",
        ),
        (
            "hooks.slack.com",
            format!("/triggers/T024BE7LD/1234567890/{hex}?x"),
            "<credential/slack-webhook>?x",
        ),
        ("Hooks.Slack.COM.", format!("/services/T024BE7LD/B01/{slack}"), "<credential/slack-webhook>"),
        ("hooks.slack.com", format!("/services%2FT024BE7LD/B01%2F{slack}"), "<credential/slack-webhook>"),
        (
            "discord.com",
            format!("/api/webhooks/123456789012345678/{discord}"),
            "<credential/discord-webhook>",
        ),
        (
            "canary.discord.com",
            format!("/api/v10/webhooks/123456789012345678/{discord}/messages/123456789012345679"),
            "<credential/discord-webhook>/messages/123456789012345679",
        ),
        (
            "discordapp.com",
            format!("/api/webhooks/123456789012345678/{discord}/slack"),
            "<credential/discord-webhook>/slack",
        ),
        ("acme.webhook.office.com", format!("/webhookb2{teams}"), "<credential/teams-webhook>"),
        (
            "acme.webhook.office.com",
            format!("/webhookb2{}", teams.replace('@', "%40")),
            "<credential/teams-webhook>",
        ),
        ("outlook.office.com", format!("/webhook{teams}"), "<credential/teams-webhook>"),
        ("outlook.office365.com", format!("/webhook{teams}"), "<credential/teams-webhook>"),
    ] {
        assert_eq!(redactor.redact_path(host, &path).as_deref(), Some(rest), "{host} {path}");
        // The path says nothing to who does not know the host: it is the host that is looked at.
        assert_eq!(redactor.redact_path("files.example", &path), None, "{path}");
        assert_eq!(redactor.redact(&path), None, "{path}");
        // In one text, as an agent tells a model, it was found before, and is.
        let text = format!("post to https://{}{path} now", host.trim_end_matches('.').to_lowercase());
        assert!(redactor.redact(&text).is_some_and(|text| !text.contains(&RANDOM[8..20])), "{text}");
    }
    for path in ["/services", "/services/T024BE7LD", "/api/webhooks/123456789012345678", "/docs/webhooks"] {
        for host in ["hooks.slack.com", "discord.com", "outlook.office.com"] {
            assert_eq!(redactor.redact_path(host, path), None, "{host} {path}");
        }
    }
}

/// What stands in a path whole is found behind any host: the host is a help, and hides nothing.
#[test]
fn a_host_hides_nothing() {
    let redactor = Redactor::new();
    let github = format!("/x/ghp_{}", &RANDOM[..36]);
    let paths = [
        (&github[..], "/x/<credential/github-token>"),
        ("/4111111111111111", "/<financial/payment-card>"),
        ("/078-05-1120", "/<personal/us-social-security-number>"),
        ("/GB33BUKB20201555555555", "/<financial/iban>"),
        ("/jane@example.com", "/<personal/email-address>"),
    ];
    for host in ["", "10.0.0.1", "192.0.2.4111", "api.example.com", "x_.", "é.example", "jane@", "a1B2c3D4"]
    {
        for (path, expected) in paths {
            assert_eq!(redactor.redact_path(host, path).as_deref(), Some(expected), "{host} {path}");
        }
    }
    // The host's own is not the path's, and a path without its slash is no path of it.
    assert_eq!(redactor.redact_path("jane@example.com", "/x"), None);
    assert_eq!(redactor.redact_path("10.0.0.1", "1112345678901111"), None);
}

#[test]
fn personal_data_is_taken_out_of_paths() {
    let redactor = Redactor::new();
    for (path, expected) in [
        ("/calls/+4917012345678", "/calls/<personal/phone-number>"),
        ("/calls/%2B4917012345678/2024", "/calls/<personal/phone-number>/2024"),
        ("/calls/+14155552671/log", "/calls/<personal/phone-number>/log"),
        ("/calls/+1%20(415)%20555-2671/log", "/calls/<personal/phone-number>/log"),
        ("/calls/(415) 555-2671", "/calls/<personal/phone-number>"),
        ("/calls/%28415%29%20555-2671/x", "/calls/<personal/phone-number>/x"),
        ("/calls/415-555-2671", "/calls/<personal/phone-number>"),
        ("/calls/to=415.555.2671;x", "/calls/to=<personal/phone-number>;x"),
        ("/calls/+4917012345678.json", "/calls/<personal/phone-number>.json"),
        ("calling +49 170/1234567", "calling <personal/phone-number>"),
        ("calling +49 170 1234567", "calling <personal/phone-number>"),
        ("/nhs/9434765919/gp", "/nhs/<health/nhs-number>/gp"),
        ("/nhs-number/943%20476%205919", "/nhs-number/<health/nhs-number>"),
        ("/FHIR/R4/Patient/9434765919", "/FHIR/R4/Patient/<health/nhs-number>"),
        ("/records/MRN%2000483912", "/records/MRN%20<health/medical-record-number>"),
        ("MRN 00483912", "MRN <health/medical-record-number>"),
        ("/mrn/00483912/2024", "/mrn/<health/medical-record-number>/2024"),
        ("/patient-id/AB123456", "/patient-id/<health/medical-record-number>"),
    ] {
        assert_eq!(redactor.redact(path).as_deref(), Some(expected), "{path}");
    }
    let path = "/personal-demographics/FHIR/R4/Patient/9434765919";
    assert!(redactor.redact_path("api.service.nhs.uk", path).is_some());
    let path = "/personal-demographics/search/9434765919";
    assert!(redactor.redact_path("api.service.nhs.uk", path).is_some(), "the host names the service");
    assert_eq!(redactor.redact_path("api.example.com", path), None);
}

#[test]
fn what_a_secret_name_is_given_in_a_path_is_taken_out() {
    let redactor = Redactor::new();
    let (token, secret) = (&RANDOM[..40], "<credential/assigned-secret>");
    for (path, expected) in [
        ("/login/password/hunter2".to_owned(), format!("/login/password/{secret}")),
        ("/password/p%40ss-word/x".to_owned(), format!("/password/{secret}/x")),
        ("/passwd/Tr0ub4dor&3".to_owned(), format!("/passwd/{secret}&3")),
        ("/v1;password=hunter2;x=1".to_owned(), format!("/v1;password={secret};x=1")),
        ("/v1/db_password=horse".to_owned(), format!("/v1/db_password={secret}")),
        (format!("/v1/token={token}"), format!("/v1/token={secret}")),
        (format!("/v1/token%3D{token}/x"), format!("/v1/token%3D{secret}/x")),
        (format!("/v1/token/{token}/x"), format!("/v1/token/{secret}/x")),
        (format!("/access_token/{token}"), format!("/access_token/{secret}")),
        (format!("/Api-Key/{token}"), format!("/Api-Key/{secret}")),
        (format!("/reset-password/{token}"), format!("/reset-password/{secret}")),
        (format!("/password/reset/{token}"), format!("/password/reset/{secret}")),
        (format!("/token/{GUID}"), format!("/token/{secret}")),
        ("/jwt/4b825dc642cb6eb9a060e54bf8d69288".to_owned(), format!("/jwt/{secret}")),
    ] {
        assert_eq!(redactor.redact(&path), Some(expected), "{path}");
    }
}

#[test]
fn every_part_of_a_token_is_taken_out() {
    let redactor = Redactor::new();
    // {"alg":"HS256"} and {"alg":"dir","enc":"A128GCM"}
    let (signed, encrypted) = ("eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0");
    let payload = RANDOM.repeat(10);
    for token in [
        format!("{signed}.{payload}.{RANDOM}"),
        format!("{signed}.{payload}"),
        format!("{signed}.eyJzdWIiOiIxIn0.{}", &RANDOM[..43]),
        format!("{encrypted}..{RANDOM}.{payload}.{RANDOM}"),
        format!("{encrypted}.{RANDOM}.{RANDOM}.{payload}.{RANDOM}"),
    ] {
        let expected = "/v1/<credential/json-web-token>/x";
        assert_eq!(redactor.redact(&format!("/v1/{token}/x")).as_deref(), Some(expected), "{token}");
        let expected = "it is <credential/json-web-token>. Then";
        assert_eq!(redactor.redact(&format!("it is {token}. Then")).as_deref(), Some(expected), "{token}");
    }
}

#[test]
fn ordinary_paths_stay() {
    let redactor = Redactor::new();
    for host in ["api.example.com", "10.96.0.1", "hooks.slack.com", "discord.com", "files.example"] {
        let lost: Vec<_> =
            ORDINARY.iter().filter_map(|path| Some((path, redactor.redact_path(host, path)?))).collect();
        assert!(lost.is_empty(), "{host}: {lost:#?}");
    }
}

const ORDINARY: &[&str] = &[
    // Packages and images.
    "/@types%2fnode/-/node-22.10.1.tgz",
    "/token/-/token-1.0.0-alpha.20240101120000.tgz",
    "/password/-/password-2.3.1.tgz",
    "/simple/passlib/passlib-1.7.4-py2.py3-none-any.whl",
    "/packages/0d/4e/4b825dc642cb6eb9a060e54bf8d69288fbee4904dd/requests-2.32.3-py3-none-any.whl",
    "/api/v1/crates/secrecy/0.10.3/download",
    "/v2/library/nginx/manifests/sha256:2d61b8ae8f9f8f5f0c4f3e2c8f2f5e4e6a7b8c9d0e1f2a3b4c5d6e7f8091a2b3",
    "/v2/acme/secret/blobs/sha256:2d61b8ae8f9f8f5f0c4f3e2c8f2f5e4e6a7b8c9d0e1f2a3b4c5d6e7f8091a2b3",
    "/pool/main/g/gcc-12/gcc-12_12.2.0-14+deb12u1_amd64.deb",
    "/linux/kernel/v6.x/linux-6.1.119.tar.xz",
    "/golang.org/x/net/@v/v0.0.0-20241021072843-4b825dc642cb.zip",
    "/maven2/com/acme/token/1.4.2-SNAPSHOT/token-1.4.2-20241121.052157-12.jar",
    "/build/1.0.0+20240101120000/x",
    // Repositories.
    "/acme/app.git/info/refs",
    "/repos/acme/app/commits/4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "/repos/acme/token/contents/src/main.rs",
    "/acme/password/blob/4b825dc642cb6eb9a060e54bf8d69288fbee4904/src/lib.rs",
    "/c/acme/app/+/123456/3",
    "/acme/app/+/refs/heads/main/README.md",
    "/acme/app/-/merge_requests/1234/diffs",
    "/acme/app/compare/v1.2.3...v1.3.0",
    // Interfaces.
    "/v1/items/4155552671",
    "/v1/items/415555-2671",
    "/v1/orders/114-1234567-1234567",
    "/v1/orders/2024-415-555-2671",
    "/v1/orders/415-555-2671-9",
    "/v1/chat/completions",
    "/api/v1/patients/42/notes",
    "/api/v1/patients/1234567890",
    "/fhir/Patient/12345",
    "/fhir/medical-records/00483912",
    "/ipp/print1234567",
    "/users/1234567890123/items/550e8400-e29b-41d4-a716-446655440000",
    "/v1/messages/01J9Z3K4V5W6X7Y8Z9A0B1C2D3",
    "/oauth2/v2.0/token",
    "/oauth/token/introspect",
    "/oauth/token/revoke/all-of-them-and-more",
    "/token/refreshAccessTokenForUser",
    "/token/0x6b175474e89094c44da98b954eedeac495271d0f",
    "/tokens/550e8400-e29b-41d4-a716-446655440000",
    "/password/reset",
    "/password/reset/confirm",
    "/password/change-it-now",
    "/password/oauth2",
    "/password/sha256",
    "/password/step-2",
    "/password/main.3f9a1c2b.js",
    "/password/policy2",
    "/password/123456",
    "/password/%7Bid%7D",
    "/password/v2",
    "/secret/data/team/app/config",
    "/secret/db-credentials-7d9c6b5f4-x2x8z",
    "/v1/secret/metadata/a1",
    "/auth/realms/acme/protocol/openid-connect/certs",
    "/auth/2024/11/21",
    "/author=jane/pass=2/token=abc/credential=none",
    "/passport/ABC12345678901234",
    "/api/secrets/8f14e45fceea167a5a36dedd4bea2543",
    // Times and places.
    "/2024/11/21/part-00001-4f6a1c1e-3d5b-4e0e-9c55-1d2f4a5b6c7d.c000.snappy.parquet",
    "/year=2024/month=11/day=21/hour=05/1732166517123.json",
    "/history/2024-11-21T05:21:57.123Z",
    "/history/2024-11-21T05:21:57+01:00",
    "/forecast/37.7749,-122.4194",
    "/tiles/12/2048/1362.png",
    "/mirror/192.168.100.200/8080",
    // Clusters.
    "/api/v1/namespaces/default/pods/api-7d9c6b5f4-x2x8z/log",
    "/api/v1/namespaces/default/secrets/db-password",
    "/api/v1/namespaces/default/secrets/sh.helm.release.v1.app.v3",
    "/apis/apps/v1/namespaces/prod/replicasets/patient-api-5d4f8c7b96",
    // Files.
    "/usr/lib/python3.11/site-packages/secretstorage/util.py",
    "/usr/include/c++/12/bits/stl_vector.h",
    "/usr/share/doc/libpassword-perl/changelog.gz",
    "/proc/1234/task/1235/status",
    "/work/data/(2024) report-0001.pdf",
];
