//! The policies that come with the product, by the name under which `extends` finds them: presets of integrations, tiers,
//! the baseline, and profiles of well-known agents. Must never know what is in them.

/// Name and text of each, in the order of the names.
const POLICIES: &[(&str, &str)] = &[
    ("baseline/openclaw-sandbox", include_str!("../openclaw-sandbox.yaml")),
    ("preset/anthropic", include_str!("../../presets/anthropic.yaml")),
    ("preset/apt", include_str!("../../presets/apt.yaml")),
    ("preset/brave-search", include_str!("../../presets/brave-search.yaml")),
    ("preset/brew", include_str!("../../presets/brew.yaml")),
    ("preset/crates", include_str!("../../presets/crates.yaml")),
    ("preset/discord", include_str!("../../presets/discord.yaml")),
    ("preset/docker", include_str!("../../presets/docker.yaml")),
    ("preset/github", include_str!("../../presets/github.yaml")),
    ("preset/github-read", include_str!("../../presets/github-read.yaml")),
    ("preset/gitlab", include_str!("../../presets/gitlab.yaml")),
    ("preset/go", include_str!("../../presets/go.yaml")),
    ("preset/huggingface", include_str!("../../presets/huggingface.yaml")),
    ("preset/huggingface-inference", include_str!("../../presets/huggingface-inference.yaml")),
    ("preset/jira", include_str!("../../presets/jira.yaml")),
    ("preset/jira-cloud", include_str!("../../presets/jira-cloud.yaml")),
    ("preset/npm", include_str!("../../presets/npm.yaml")),
    ("preset/nvidia", include_str!("../../presets/nvidia.yaml")),
    ("preset/openai", include_str!("../../presets/openai.yaml")),
    ("preset/outlook", include_str!("../../presets/outlook.yaml")),
    ("preset/pypi", include_str!("../../presets/pypi.yaml")),
    ("preset/slack", include_str!("../../presets/slack.yaml")),
    ("preset/tavily", include_str!("../../presets/tavily.yaml")),
    ("preset/telegram", include_str!("../../presets/telegram.yaml")),
    ("profile/claude-code", include_str!("../profiles/claude-code.yaml")),
    ("profile/codex", include_str!("../profiles/codex.yaml")),
    ("profile/openclaw", include_str!("../profiles/openclaw.yaml")),
    ("tier/balanced", include_str!("../tiers/balanced.yaml")),
    ("tier/open", include_str!("../tiers/open.yaml")),
    ("tier/restricted", include_str!("../tiers/restricted.yaml")),
];

/// The text of a policy that comes with the product.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    let at = POLICIES.binary_search_by(|(known, _text)| (*known).cmp(name)).ok()?;
    Some(POLICIES[at].1)
}

/// The names of all policies that come with the product, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    POLICIES.iter().map(|(name, _text)| *name)
}

/// Whether a name in `extends` is meant for one of these and not for a file.
pub(crate) fn is_name(text: &str) -> bool {
    ["preset/", "tier/", "profile/", "baseline/"].iter().any(|kind| text.starts_with(kind))
}
