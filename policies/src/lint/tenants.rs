//! Hosts that serve everybody: a rule for one must say whose part of it is meant, because everybody's part is
//! a place to send data to.

use super::levels::{allowed, writes};
use super::{Advice, LintName, Linted, Report, Severity};
use crate::answer::Answer;
use crate::pattern::Side;
use crate::pattern::host::{DestinationPattern, HostPattern};
use crate::place::At;

/// Names beneath which everybody can have one.
const BENEATH: [&str; 39] = [
    "amazonaws.com",
    "atlassian.net",
    "azurefd.net",
    "azurewebsites.net",
    "backblazeb2.com",
    "blob.core.windows.net",
    "cloudfront.net",
    "digitaloceanspaces.com",
    "firebaseapp.com",
    "firebaseio.com",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "hf.space",
    "ingest.sentry.io",
    "myshopify.com",
    "netlify.app",
    "ngrok-free.app",
    "ngrok-free.dev",
    "ngrok.app",
    "ngrok.io",
    "on.aws",
    "onrender.com",
    "pages.dev",
    "r2.cloudflarestorage.com",
    "r2.dev",
    "run.app",
    "sentry.io",
    "sharepoint.com",
    "slack.com",
    "storage.googleapis.com",
    "supabase.co",
    "trycloudflare.com",
    "vercel.app",
    "web.app",
    "webhook.office.com",
    "workers.dev",
    "zendesk.com",
];

/// A host whose paths say whose part is meant.
struct Shared {
    host: &'static str,
    /// Paths of somebody whom no rule names. A rule that allows one allows everybody's.
    strangers: &'static [&'static str],
    /// What to write.
    pin: &'static str,
}

const SHARED: [Shared; 22] = [
    Shared {
        host: "hooks.slack.com",
        strangers: &["/services/T0ZQ7/B0ZQ7/zq7", "/workflows/T0ZQ7/A0ZQ7/7/zq7", "/triggers/T0ZQ7/7/zq7"],
        pin: "'/services/T…/B…/…', the whole path of your own webhook",
    },
    Shared {
        host: "discord.com",
        strangers: &["/api/webhooks/7/zq7", "/api/v10/webhooks/7/zq7"],
        pin: "'/api/webhooks/ID/TOKEN' of your own webhook, or deny '/api/webhooks/*'",
    },
    Shared {
        host: "api.telegram.org",
        strangers: &[
            "/bot7:zq7/sendMessage",
            "/bot7:zq7/sendDocument",
            "/bot7:zq7/getUpdates",
            "/file/bot7:zq7/zq7",
        ],
        pin: "'/botID:*/…' with the id of your own bot",
    },
    Shared {
        host: "sentry.io",
        strangers: &["/api/7/envelope/", "/api/7/store/"],
        pin: "'/api/PROJECT/envelope/' of your own project",
    },
    Shared {
        host: "github.com",
        strangers: &[
            "/zq7/zq7",
            "/zq7/zq7.git/info/refs",
            "/zq7/zq7/info/refs",
            "/zq7/zq7.git/git-upload-pack",
            "/zq7/zq7.git/git-receive-pack",
        ],
        pin: "'/OWNER/…' for each owner that is meant",
    },
    Shared {
        host: "api.github.com",
        strangers: &[
            "/repos/zq7/zq7",
            "/repos/zq7/zq7/issues",
            "/repos/zq7/zq7/issues/7/comments",
            "/repos/zq7/zq7/pulls",
            "/repos/zq7/zq7/contents/zq7",
            "/gists",
        ],
        pin: "'/repos/OWNER/REPOSITORY/…' for each repository that is meant",
    },
    Shared { host: "raw.githubusercontent.com", strangers: &["/zq7/zq7/main/zq7"], pin: "'/OWNER/…'" },
    Shared { host: "codeload.github.com", strangers: &["/zq7/zq7/tar.gz/zq7"], pin: "'/OWNER/…'" },
    Shared {
        host: "gitlab.com",
        strangers: &["/zq7/zq7", "/zq7/zq7.git/info/refs", "/api/v4/projects/7", "/api/v4/projects/7/issues"],
        pin: "'/GROUP/…' or '/api/v4/projects/ID/…'",
    },
    Shared { host: "s3.amazonaws.com", strangers: &["/zq7/zq7"], pin: "'/BUCKET/**'" },
    Shared {
        host: "storage.googleapis.com",
        strangers: &["/zq7/zq7", "/upload/storage/v1/b/zq7/o"],
        pin: "'/BUCKET/**'",
    },
    Shared {
        host: "outlook.office.com",
        strangers: &["/webhook/zq7/IncomingWebhook/zq7/zq7"],
        pin: "the whole path of your own webhook",
    },
    Shared {
        host: "discordapp.com",
        strangers: &["/api/webhooks/7/zq7", "/api/v10/webhooks/7/zq7"],
        pin: "discord.com and the path of your own webhook",
    },
    Shared {
        host: "canary.discord.com",
        strangers: &["/api/webhooks/7/zq7", "/api/v10/webhooks/7/zq7"],
        pin: "discord.com and the path of your own webhook",
    },
    Shared {
        host: "ptb.discord.com",
        strangers: &["/api/webhooks/7/zq7", "/api/v10/webhooks/7/zq7"],
        pin: "discord.com and the path of your own webhook",
    },
    Shared {
        host: "gist.github.com",
        strangers: &["/zq7/zq7", "/zq7/zq7.git/git-receive-pack"],
        pin: "'/OWNER/…' for each owner that is meant",
    },
    Shared {
        host: "bitbucket.org",
        strangers: &["/zq7/zq7", "/zq7/zq7.git/info/refs", "/zq7/zq7.git/git-receive-pack"],
        pin: "'/WORKSPACE/…'",
    },
    Shared {
        host: "dev.azure.com",
        strangers: &["/zq7/zq7/_git/zq7", "/zq7/zq7/_apis/git/repositories"],
        pin: "'/ORGANISATION/…'",
    },
    Shared {
        host: "huggingface.co",
        strangers: &["/zq7/zq7", "/api/models/zq7/zq7", "/zq7/zq7/resolve/main/zq7"],
        pin: "'/OWNER/…' for each owner that is meant",
    },
    Shared {
        host: "hooks.zapier.com",
        strangers: &["/hooks/catch/7/zq7", "/hooks/catch/7/zq7/"],
        pin: "'/hooks/catch/ACCOUNT/HOOK' of your own",
    },
    Shared {
        host: "maker.ifttt.com",
        strangers: &["/trigger/zq7/with/key/zq7", "/trigger/zq7/json/with/key/zq7"],
        pin: "the whole path of your own applet",
    },
    Shared {
        host: "webhook.site",
        strangers: &["/7f3c2a10-0000-4000-8000-000000000007"],
        pin: "the whole path of your own, or another host",
    },
];

pub(super) fn lint(report: &mut Report<'_>, rule: &Linted<'_>) {
    for At { value, place } in allowed(&rule.entry.destination) {
        let Ok(pattern) = DestinationPattern::parse(value, Side::Allow) else { continue };
        let found = beneath(value, &pattern.host).or_else(|| shared(rule, value, &pattern));
        let Some(advice) = found else { continue };
        report.add(LintName::MultiTenant, *place, Some(rule), advice);
    }
}

fn beneath(text: &str, host: &HostPattern) -> Option<Advice> {
    let (HostPattern::OneLabelBefore(name) | HostPattern::AnyDepthBefore(name)) = host else { return None };
    let is = |suffix: &&&str| **name == ***suffix || name.ends_with(&format!(".{suffix}"));
    let suffix = BENEATH.iter().find(is)?;
    let cause = format!("'{text}' is everybody's: anyone can have a name beneath '{suffix}'");
    Some(Advice::new(cause, format!("name your own: 'TENANT.{name}', from a variable if it differs")))
}

/// A stranger's part that only can be read is a note: what is sent is then the path and the query.
fn shared(rule: &Linted<'_>, text: &str, pattern: &DestinationPattern) -> Option<Advice> {
    let denied = |host: &str| {
        rule.rule
            .destination
            .deny
            .iter()
            .any(|deny| deny.host.matches(host) && deny.ports.cover(pattern.ports))
    };
    let open = |shared: &&Shared| {
        let stranger = |path: &&str| rule.rule.path(path) == Answer::Allowed;
        pattern.host.matches(shared.host) && !denied(shared.host) && shared.strangers.iter().any(stranger)
    };
    let Shared { host, pin, .. } = SHARED.iter().find(open)?;
    let what = if writes(rule) { "sent to" } else { "read from" };
    let cause = format!("'{text}' is everybody's: data can be {what} anyone who has a part of '{host}'");
    let severity = if writes(rule) { Severity::Warning } else { Severity::Note };
    Some(Advice {
        severity,
        ..Advice::new(cause, format!("allow {pin}; or bind the host to an injected credential"))
    })
}
