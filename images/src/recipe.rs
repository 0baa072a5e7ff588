//! Recipes: which packages an image holds and what is done to them. The shell scripts lie in `recipes/`; they run
//! beside the new root (not inside it) with `$root`, `$out` and `$epoch` set. Must never know where packages come from.

use crate::digest::{Digest, Hasher};
use crate::erofs::{self, Compression, Layout, Ownership, Times};
use crate::manifest::ImageName;

/// The time of every file of an image when `SOURCE_DATE_EPOCH` does not say another: 2025-01-01 00:00 UTC.
const EPOCH: u64 = 1_735_689_600;

/// How to make one image.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    /// By name; what they depend on follows.
    pub(crate) packages: &'static [&'static str],
    pub(crate) depth: Depth,
    /// MiB on the disk that a build takes at its largest, package lists and packages included.
    pub(crate) space_mib: u64,
    body: &'static str,
}

/// How far the packages are installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Only unpacked: no script of theirs runs.
    Unpacked,
    /// Installed and configured, with what Debian calls essential.
    Installed,
}

/// The built-in recipes.
pub(crate) const ALL: [Recipe; 2] = [
    Recipe {
        name: "base",
        packages: &[
            "bash",
            "coreutils",
            "curl",
            "git",
            "ca-certificates",
            "python3",
            "nodejs",
            "procps",
            "netbase",
        ],
        depth: Depth::Installed,
        space_mib: 900,
        body: include_str!("../recipes/base.sh"),
    },
    Recipe {
        name: "tiny",
        packages: &["busybox-static"],
        depth: Depth::Unpacked,
        space_mib: 150,
        body: include_str!("../recipes/tiny.sh"),
    },
];

/// Sets up what every recipe uses.
const IDENTITY: &str = include_str!("../recipes/identity.sh");
/// Looks beneath the /dev, /proc and /sys that a build has mounted in the new root: their owners are not the image's.
/// Where binding is not permitted nothing can have been mounted.
const BENEATH: &str = "mkdir -p \"$out/beneath\"\n\
    if mount --bind \"$tree\" \"$out/beneath\" 2>/dev/null; then tree=$out/beneath; fi";

impl Recipe {
    /// The built-in recipe of that name.
    pub(crate) fn named(name: &ImageName) -> Option<&'static Self> {
        const RECIPES: &[Recipe] = &ALL;
        RECIPES.iter().find(|recipe| recipe.name == name.as_str())
    }

    /// Everything that decides about the image apart from the packages' versions.
    pub(crate) fn digest(&self, epoch: u64) -> Digest {
        let mut hasher = Hasher::default();
        hasher.field(self.script("mkfs.erofs", epoch).as_bytes());
        self.packages.iter().for_each(|package| hasher.field(package.as_bytes()));
        hasher.finish()
    }

    /// The whole script: prepare, the recipe's own part, pack. It leaves `.openshell/image` and
    /// `.openshell/packages` (name, tab, version) in the new root.
    pub(crate) fn script(&self, mkfs: &str, epoch: u64) -> String {
        let layout =
            Layout { compression: Compression::Lz4hc, owner: Ownership::Kept, times: Times::Fixed(epoch) };
        let options: Vec<_> =
            erofs::arguments(&layout).iter().map(|option| option.to_string_lossy().into_owned()).collect();
        let (options, body) = (options.join(" "), self.body);
        format!(
            "set -eu\nexport LC_ALL=C\numask 022\nroot=$1 epoch={epoch} out=$1/.openshell\nmkdir -p \"$out\"\n\
             {IDENTITY}\n{body}\n{BENEATH}\n\
             '{mkfs}' {options} --exclude-path=.openshell --exclude-regex='^dev/.+' \
             \"$out/image\" \"$tree\"\numount \"$out/beneath\" 2>/dev/null || true\n"
        )
    }
}

/// The time that files of an image get: `SOURCE_DATE_EPOCH` (reproducible-builds.org) or a fixed one.
pub(crate) fn epoch() -> u64 {
    std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok()).unwrap_or(EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_found_by_name() {
        for recipe in &ALL {
            assert_eq!(Recipe::named(&recipe.name.parse().unwrap()).unwrap().name, recipe.name);
        }
        assert!(Recipe::named(&"nothing".parse().unwrap()).is_none());
    }

    #[test]
    fn the_digest_sees_the_time_and_the_script() {
        let [base, tiny] = &ALL;
        assert_ne!(base.digest(0), base.digest(1));
        assert_ne!(base.digest(0), tiny.digest(0));
        assert_eq!(base.digest(0), base.digest(0));
    }

    #[test]
    fn scripts_are_shell() {
        let shell = crate::tool::Tool { program: "sh", package: "dash" };
        for recipe in &ALL {
            shell.run(["-n", "-c", &recipe.script("mkfs.erofs", 0)]).unwrap();
        }
    }
}
