//! The policies that come with the product, by the name under which `extends` finds them: presets of integrations, tiers,
//! the baseline, and profiles of well-known agents. Must never know what is in them.

/// Name and text of each, in the order of the names.
const POLICIES: &[(&str, &str)] = &[
    ("preset/discord", include_str!("../../presets/discord.yaml")),
    ("preset/huggingface", include_str!("../../presets/huggingface.yaml")),
    ("preset/outlook", include_str!("../../presets/outlook.yaml")),
    ("preset/slack", include_str!("../../presets/slack.yaml")),
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
