//! The sandbox's certificate authority, put where every program of the guest looks for one: first in the
//! files that programs read by themselves, then in the variables of those that bring their own.

use std::path::{Path, PathBuf};

use crate::boot::root::{Owner, RootError, Tree};

/// The authority alone, where distributions expect additions.
const ALONE: &str = "/usr/local/share/ca-certificates/openshell.crt";

/// The bundle of Debian and its kin; made if the image has none.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Bundles of other distributions, and those that libraries bring; each is appended to if it is there.
const OTHER_BUNDLES: &[&str] = &[
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/share/ca-certificates/cacert.org/cacert.org.crt",
];

/// Where Python packages live; versions are found by listing.
const PYTHON: &[&str] = &["/usr/lib", "/usr/local/lib"];

/// Bundles within Python's package folders.
const PYTHON_BUNDLES: &[&str] = &["certifi/cacert.pem", "pip/_vendor/certifi/cacert.pem"];

/// OpenSSL's own folders: without a `cert.pem` there it knows no bundle unless a variable names one.
const OPENSSL: &[&str] = &["/usr/lib/ssl", "/usr/local/ssl", "/etc/pki/tls"];

/// Variables that name a bundle to use in place of any other.
const BUNDLE_VARIABLES: &[&str] = &[
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "AWS_CA_BUNDLE",
    "HTTPLIB2_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "NPM_CONFIG_CAFILE",
    "YARN_HTTPS_CA_FILE_PATH",
    "CARGO_HTTP_CAINFO",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "BUNDLE_SSL_CA_CERT",
    "PERL_LWP_SSL_CA_FILE",
    "NIX_SSL_CERT_FILE",
    "DENO_CERT",
];

/// Variables with another meaning.
const OTHER_VARIABLES: &[(&str, &str)] = &[
    // Added to Node's own roots, so the authority alone is enough.
    ("NODE_EXTRA_CA_CERTS", ALONE),
    ("NODE_USE_SYSTEM_CA", "1"),
    ("DENO_TLS_CA_STORE", "system,mozilla"),
    ("UV_SYSTEM_CERTS", "1"),
    ("UV_NATIVE_TLS", "1"),
];

/// Makes the tree trust the authority in `pem`.
///
/// # Errors
/// A store could not be written.
pub(crate) fn install(pem: &str, tree: &Tree) -> Result<(), RootError> {
    let addition = format!("\n{}\n", pem.trim());
    tree.write(Path::new(ALONE), addition.trim_start().as_bytes(), 0o644, Owner::ROOT)?;
    if !tree.append(Path::new(BUNDLE), addition.as_bytes())? {
        tree.write(Path::new(BUNDLE), addition.as_bytes(), 0o644, Owner::ROOT)?;
    }
    // A bundle that is only another name of one already written must not get the authority twice, but
    // twice does no harm either: stores are sets.
    for bundle in OTHER_BUNDLES {
        tree.append(Path::new(bundle), addition.as_bytes())?;
    }
    for bundle in python_bundles(tree) {
        tree.append(&bundle, addition.as_bytes())?;
    }
    for folder in OPENSSL.iter().map(Path::new) {
        let bundle = folder.join("cert.pem");
        if tree.has(folder) && !tree.has(&bundle) {
            tree.link(&bundle, Path::new(BUNDLE))?;
        }
    }
    Ok(())
}

/// Adds the variables to the agent's environment, except those that it sets itself.
pub(crate) fn add_variables(env: &mut Vec<(String, String)>) {
    let bundles = BUNDLE_VARIABLES.iter().map(|name| (*name, BUNDLE));
    for (name, value) in bundles.chain(OTHER_VARIABLES.iter().copied()) {
        if !env.iter().any(|(present, _)| present == name) {
            env.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// Candidates: `<lib>/python3*/{dist,site}-packages/<bundle>`.
fn python_bundles(tree: &Tree) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for lib in PYTHON {
        for version in tree.list(Path::new(lib)).into_iter().filter(|name| name.starts_with("python3")) {
            for packages in ["dist-packages", "site-packages"] {
                let packages = Path::new(lib).join(&version).join(packages);
                found.extend(PYTHON_BUNDLES.iter().map(|bundle| packages.join(bundle)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

    fn read(root: &Path, path: &str) -> String {
        std::fs::read_to_string(root.join(path.trim_start_matches('/'))).unwrap()
    }

    #[test]
    fn an_image_without_any_store_gets_one() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("usr/lib/ssl")).unwrap();
        install(PEM, &Tree::open(root.path()).unwrap()).unwrap();
        assert_eq!(read(root.path(), BUNDLE).matches("BEGIN CERTIFICATE").count(), 1);
        assert_eq!(read(root.path(), ALONE), PEM);
        let link = std::fs::read_link(root.path().join("usr/lib/ssl/cert.pem")).unwrap();
        assert_eq!(link, Path::new(BUNDLE));
    }

    #[test]
    fn every_present_store_keeps_what_it_had() {
        let root = tempfile::tempdir().unwrap();
        let certifi = "usr/lib/python3.11/dist-packages/certifi/cacert.pem";
        for store in ["etc/ssl/certs/ca-certificates.crt", "etc/ssl/cert.pem", certifi] {
            let store = root.path().join(store);
            std::fs::create_dir_all(store.parent().unwrap()).unwrap();
            std::fs::write(store, "OLD").unwrap();
        }
        install(PEM, &Tree::open(root.path()).unwrap()).unwrap();
        for store in [BUNDLE, "/etc/ssl/cert.pem", certifi] {
            let text = read(root.path(), store);
            assert!(text.starts_with("OLD\n-----BEGIN CERTIFICATE-----"), "{store}: {text}");
        }
    }

    #[test]
    fn a_link_out_of_the_tree_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("cert.pem"), "OUTSIDE").unwrap();
        std::fs::create_dir_all(root.path().join("etc/ssl")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("cert.pem"), root.path().join("etc/ssl/cert.pem"))
            .unwrap();
        install(PEM, &Tree::open(root.path()).unwrap()).unwrap();
        assert_eq!(std::fs::read_to_string(outside.path().join("cert.pem")).unwrap(), "OUTSIDE");
    }

    #[test]
    fn the_agents_own_variables_win() {
        let mut env = vec![("SSL_CERT_FILE".to_owned(), "/mine".to_owned())];
        add_variables(&mut env);
        assert_eq!(env.iter().filter(|(name, _)| name == "SSL_CERT_FILE").count(), 1);
        assert_eq!(env[0].1, "/mine");
        assert!(env.contains(&("GIT_SSL_CAINFO".to_owned(), BUNDLE.to_owned())));
    }
}
