//! Where the package clients of this machine fetch from. Presets name registries by variables (`npm`, `pypi`,
//! `pypi.files`, `debian`, `crates`, `go`, `go.sums`); their values are read from the clients' own configuration when
//! an image is built, and stand in its manifest. A client that is not installed, or does not say, leaves its variable
//! out: a preset that needs it is then refused until the operator sets it.
//!
//! A value is what a policy writes as a destination: a host, and the port where it is not 443.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::destination::destination;
use crate::tool::Tool;

const NPM: Tool = Tool { program: "npm", package: "npm" };
const PIP: Tool = Tool { program: "pip3", package: "python3-pip" };
const GO: Tool = Tool { program: "go", package: "golang-go" };

/// A package that every Python index has, used to see which host an index sends its clients to.
const PYTHON_PACKAGE: &str = "pip";

/// The registries by variable name, as an image that is built now would record them.
#[must_use]
pub fn here() -> BTreeMap<String, Vec<String>> {
    recorded(crate::apt::archive().map(|archive| archive.hosts).unwrap_or_default())
}

/// The registries by variable name. `debian` is what apt says.
pub(crate) fn recorded(debian: Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut registries = BTreeMap::from([("debian".to_owned(), debian)]);
    let mut record = |name: &str, mut hosts: Vec<String>| {
        hosts.sort();
        hosts.dedup();
        if !hosts.is_empty() {
            registries.insert(name.to_owned(), hosts);
        }
    };
    record("npm", npm());
    record("pypi", pypi_index());
    record("pypi.files", pypi_files());
    record("crates", crates(&cargo_home()));
    record("go", ask(GO, &["env", "GOPROXY"]).map(|list| go_proxies(&list)).unwrap_or_default());
    record("go.sums", ask(GO, &["env", "GOSUMDB"]).map(|text| go_sums(&text)).unwrap_or_default());
    registries
}

fn npm() -> Vec<String> {
    ask(NPM, &["config", "get", "registry"]).and_then(|url| destination(url.trim())).into_iter().collect()
}

/// pip prints the index that is in force as the default of its option.
fn pypi_index() -> Vec<String> {
    ask(PIP, &["download", "--help"]).map(|help| default_index(&help)).unwrap_or_default()
}

/// In the help text of `--index-url`, which is wrapped: "(default https://...)".
fn default_index(help: &str) -> Vec<String> {
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let option = words.split_once("--index-url").map(|(_, rest)| rest).unwrap_or_default();
    let url = option.split_once("(default ").and_then(|(_, rest)| rest.split([')', ' ']).next());
    url.and_then(destination).into_iter().collect()
}

/// Resolves a package without fetching it; the report says where it would come from.
fn pypi_files() -> Vec<String> {
    let resolve = ["install", "--dry-run", "--no-deps", "--ignore-installed", "--quiet", "--retries", "0"];
    let report = ["--timeout", "10", "--report", "-", PYTHON_PACKAGE];
    let arguments: Vec<&str> = resolve.into_iter().chain(report).collect();
    ask(PIP, &arguments).map(|report| report_hosts(&report)).unwrap_or_default()
}

fn report_hosts(report: &str) -> Vec<String> {
    let report: serde_json::Value = serde_json::from_str(report).unwrap_or_default();
    let installs = report.get("install").and_then(serde_json::Value::as_array);
    let url = |install: &serde_json::Value| destination(install.pointer("/download_info/url")?.as_str()?);
    installs.into_iter().flatten().filter_map(url).collect()
}

/// cargo keeps each index that it used in `registry/index/<host>-<hash>`, with a file that says where crates are.
fn crates(home: &Path) -> Vec<String> {
    let Ok(indexes) = fs::read_dir(home.join("registry/index")) else { return Vec::new() };
    let mut hosts = Vec::new();
    for index in indexes.flatten() {
        let name = index.file_name().to_string_lossy().into_owned();
        hosts.extend(name.rsplit_once('-').map(|(host, _hash)| host.to_owned()));
        let config = fs::read(index.path().join("config.json")).unwrap_or_default();
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap_or_default();
        hosts.extend(["dl", "api"].iter().filter_map(|key| destination(config.get(key)?.as_str()?)));
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

/// `GOPROXY`: addresses with commas or bars between them; `direct` and `off` are no addresses.
fn go_proxies(list: &str) -> Vec<String> {
    list.trim().split([',', '|']).filter_map(destination).collect()
}

/// `GOSUMDB`: a name, which may have a key after a plus sign and an address after a space.
fn go_sums(text: &str) -> Vec<String> {
    let mut words = text.split_whitespace();
    let name = words.next().and_then(|word| word.split('+').next()).filter(|name| name.contains('.'));
    let address = words.next().and_then(destination);
    address.or_else(|| name.map(str::to_ascii_lowercase)).into_iter().collect()
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// What a client prints, or nothing: a client that is missing or fails does not stop a build.
fn ask(client: Tool, arguments: &[&str]) -> Option<String> {
    match client.run(arguments) {
        Ok(text) => Some(String::from_utf8_lossy(&text).into_owned()),
        Err(error) => {
            tracing::debug!("{} is not asked for its registry: {error}", client.program);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_proxies_and_sums_are_found_in_their_settings() {
        assert_eq!(go_proxies("https://a.example,https://b.example|direct\n"), ["a.example", "b.example"]);
        assert!(go_proxies("off").is_empty());
        assert_eq!(go_sums("sums.example\n"), ["sums.example"]);
        assert_eq!(go_sums("sums.example+033de0ae+Ac4 http://mirror.example/sumdb"), ["mirror.example:80"]);
        assert!(go_sums("off").is_empty() && go_sums("").is_empty());
    }

    #[test]
    fn pips_index_is_found_in_its_wrapped_help() {
        let help = "  --no-clean   x (default y).\n  -i, --index-url <url>       Base URL of the Index (default\n\
                    \x20                             https://index.example/simple). This should\n";
        assert_eq!(default_index(help), ["index.example"]);
        assert!(default_index("no such option").is_empty());
    }

    #[test]
    fn pips_report_names_the_host_of_the_file() {
        let report = r#"{"install": [{"download_info": {"url": "https://files.example/a/pip.whl"}}]}"#;
        assert_eq!(report_hosts(report), ["files.example"]);
        assert!(report_hosts("not json").is_empty());
        assert!(
            report_hosts(r#"{"install": [{"download_info": {"url": "file:///opt/pip.whl"}}]}"#).is_empty()
        );
    }

    #[test]
    fn cargos_indexes_are_found_in_its_home() {
        let home = tempfile::tempdir().unwrap();
        let index = home.path().join("registry/index/my-index.example-1949cf8c6b5b557f");
        fs::create_dir_all(&index).unwrap();
        fs::write(index.join("config.json"), r#"{"dl": "https://static.example/crates"}"#).unwrap();
        assert_eq!(crates(home.path()), ["my-index.example", "static.example"]);
        assert!(crates(&home.path().join("none")).is_empty());
    }
}
