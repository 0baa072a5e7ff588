//! Who may import whom. A crate is a process or a layer, and this table is the architecture: it changes by a
//! decision, not by a new line in some `Cargo.toml`.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::workspace::{Package, Workspace};

/// Every package, and the packages of the workspace that it may depend on (in tests too).
const LAYERS: [(&str, &[&str]); 32] = [
    ("wire", &[]),
    ("vmm-arch", &[]),
    // For the names and numbers of vsock, which host processes share.
    ("vmm-virtio", &["wire"]),
    // One wall each: nobody who ships but `jail` can leave one out.
    ("jail-layers", &["wire"]),
    ("jail", &["jail-layers", "wire"]),
    ("policies", &["wire"]),
    // For the operator's own rules as they are written.
    ("classify", &["wire"]),
    // The writer is a process, and jails itself.
    ("audit", &["classify", "jail", "wire"]),
    ("audit-query", &["audit", "wire"]),
    ("audit-watch", &["audit", "wire"]),
    ("audit-export", &["audit", "audit-watch", "wire"]),
    ("audit-report", &["audit", "audit-query", "wire"]),
    // The only process that holds an audit key.
    ("audit-sign", &["audit", "jail", "wire"]),
    ("audit-stamp", &["audit"]),
    ("images", &[]),
    ("vmm", &["vmm-arch", "vmm-virtio", "jail", "wire"]),
    // Both ends of a copy.
    ("copy", &["wire"]),
    // Reads what a guest writes; has the operator's files and nothing else.
    ("mount", &["jail", "wire"]),
    ("guest-init", &["copy", "jail", "wire"]),
    ("host-proxy", &["policies", "audit", "jail", "wire"]),
    // What the host has, for who serves models and who asks.
    ("gpu", &[]),
    // Which model fits what the host has.
    ("models", &["gpu", "wire"]),
    ("router", &["audit", "classify", "gpu", "jail", "wire"]),
    // Starts programs of the operator's choice, and meets no prompt: not even a type of one.
    ("serving", &["gpu", "jail", "models", "wire"]),
    // Speaks to the operator's vault, so that the manager speaks to nobody.
    ("vault", &["wire"]),
    // For the names of what is found, which rules in agent.yaml name.
    ("manager", &["images", "policies", "audit", "audit-watch", "classify", "copy", "wire"]),
    (
        "cli",
        &[
            "manager",
            "policies",
            "audit",
            "audit-query",
            "audit-export",
            "audit-watch",
            "audit-report",
            "audit-stamp",
            "classify",
            "gpu",
            "images",
            "models",
            "wire",
        ],
    ),
    ("lab", &["images"]),
    ("scenarios", &[]),
    // Leaves out walls, to see what each of the others holds.
    ("isolation", &["jail-layers", "wire"]),
    ("fuzz", &["audit", "copy", "mount", "policies", "wire"]),
    ("xtask", &["lab", "images", "wire"]),
];

/// Foreign packages that a package must stay without, whoever else uses them.
const WITHOUT: [(&str, &[&str]); 6] = [
    // PID 1 of the guest stays small and parses no policy.
    ("guest-init", &["tokio", "granit-parser", "serde-saphyr", "rustls", "hyper"]),
    // Only the VMM opens KVM.
    ("manager", &["kvm-ioctls", "rustls"]),
    // A device knows guest memory and an interrupt, not the hypervisor.
    ("vmm-virtio", &["kvm-ioctls", "tokio"]),
    ("vmm", &["tokio", "hyper", "rustls"]),
    ("mount", &["tokio", "hyper", "rustls", "kvm-ioctls"]),
    ("wire", &["tokio", "rustix"]),
];

/// Foreign packages that have one door: the only package that may use each.
const ONLY: [(&str, &str); 1] = [
    // One place decides what an answer of the driver's means.
    ("nvml-wrapper", "gpu"),
];

/// Checks every package against the table; returns the summary.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let wrong: Vec<String> = workspace.packages.iter().flat_map(violations).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(format!("{} packages keep to their layers", workspace.packages.len()))
}

fn violations(package: &Package) -> Vec<String> {
    let layers: BTreeMap<_, _> = LAYERS.into_iter().collect();
    let without: BTreeMap<_, _> = WITHOUT.into_iter().collect();
    let name = package.name.as_str();
    let Some(allowed) = layers.get(name) else {
        return vec![format!("{name} has no place in the layer table")];
    };
    let refused = without.get(name).copied().unwrap_or_default();
    package
        .dependencies
        .iter()
        .filter(|dependency| match dependency.path {
            Some(_) => !allowed.contains(&dependency.name.as_str()),
            None => {
                refused.contains(&dependency.name.as_str())
                    || ONLY.iter().any(|(door, owner)| dependency.name == *door && name != *owner)
            }
        })
        .map(|dependency| format!("{name} must not depend on {}", dependency.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependency = |&(name, ours): &(&str, bool)| Dependency {
            name: name.to_owned(),
            path: ours.then(|| "/".into()),
        };
        Package { name: name.to_owned(), dependencies: dependencies.iter().map(dependency).collect() }
    }

    #[test]
    fn the_table_decides() {
        assert!(violations(&package("vmm", &[("jail", true), ("serde", false)])).is_empty());
        assert_eq!(violations(&package("vmm", &[("policies", true)])), ["vmm must not depend on policies"]);
        assert_eq!(
            violations(&package("guest-init", &[("tokio", false)])),
            ["guest-init must not depend on tokio"]
        );
        assert!(violations(&package("gpu", &[("nvml-wrapper", false)])).is_empty());
        assert_eq!(
            violations(&package("router", &[("gpu", true), ("nvml-wrapper", false)])),
            ["router must not depend on nvml-wrapper"]
        );
        assert_eq!(violations(&package("stranger", &[])).len(), 1);
    }

    #[test]
    fn the_table_has_no_cycle() {
        // Every package may only name packages that can be resolved before it.
        let mut resolved: Vec<&str> = Vec::new();
        while resolved.len() < LAYERS.len() {
            let next = LAYERS.iter().find(|(name, needs)| {
                !resolved.contains(name) && needs.iter().all(|need| resolved.contains(need))
            });
            resolved.push(next.expect("some package needs only resolved ones").0);
        }
    }
}
