//! syslog-ng of Debian's package, over TLS, both sides with certificates.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use audit_export::Format;
use audit_export::format::Facility;
use audit_export::service::Notice;
use audit_export::sink::{SyslogTarget, Target, TlsFiles, Transport};

use crate::receivers::{Receiver, free_port, tool};
use crate::relay::{End, Relay};
use crate::rig::{Rig, SANDBOX};
use crate::tls::Authority;

/// Its configuration.
fn configure(folder: &Path, ours: &Authority, port: u16) -> PathBuf {
    let (certificate, key) = ours.issue("localhost");
    let text = format!(
        r#"@version: 3.35
options {{ log-msg-size(65536); keep-hostname(yes); }};
source in {{ syslog(ip("127.0.0.1") port({port}) transport("tls") tls(
  key-file("{key}") cert-file("{certificate}") ca-file("{ca}") peer-verify(required-trusted))); }};
destination out {{ file("{out}" template("${{HOST}}|${{PROGRAM}}|${{PID}}|${{.SDATA.openshell@32473.sequence}}|${{.SDATA.openshell@32473.hash}}|${{LEVEL}}|${{FACILITY}}|${{MSGID}}|${{MSG}}\n")); }};
log {{ source(in); destination(out); }};
"#,
        key = key.display(),
        certificate = certificate.display(),
        ca = ours.ca.display(),
        out = folder.join("messages").display(),
    );
    let file = folder.join("syslog-ng.conf");
    fs::write(&file, text).unwrap();
    file
}

fn start(folder: &Path, config: &Path) -> Receiver {
    let installed = |path: &str| tool("syslog-ng").join(path);
    let mut command = Command::new(installed("usr/sbin/syslog-ng"));
    let libraries = ["usr/lib/syslog-ng", "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(installed);
    command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap());
    command.arg("--module-path").arg(installed("usr/lib/syslog-ng/3.38"));
    command.args(["--foreground", "--no-caps"]).arg("--cfgfile").arg(config);
    for (option, name) in [("--persist-file", "persist"), ("--pidfile", "pid"), ("--control", "control")] {
        command.arg(option).arg(folder.join(name));
    }
    Receiver::start(&mut command, &folder.join("log"))
}

fn target(port: u16, tls: TlsFiles) -> Target {
    let (host, facility) = ("localhost".to_owned(), Facility::default());
    Target::Syslog(SyslogTarget { transport: Transport::Tls, host, port, facility, tls })
}

#[tokio::test]
async fn syslog_ng_has_every_record_with_its_parts_over_its_own_restart() {
    let (rig, mut log) = Rig::with(1100);
    let folder = rig.folder.path();
    let ours = Authority::new(folder, "ours");
    let port = free_port();
    let config = configure(folder, &ours, port);
    let target = |tls: TlsFiles| target(port, tls);
    let trusting = TlsFiles { ca: Some(ours.ca.clone()), ..TlsFiles::default() };
    let (certificate, key) = ours.issue("sender.test");
    let files = TlsFiles { certificate: Some(certificate), key: Some(key), ..trusting.clone() };

    let mut first = start(folder, &config);
    rig.drain(target(files.clone()), Format::Syslog).await;
    // It does not take just anybody, and we do not take a refusal for a delivery.
    log.append(150);
    let notice = rig.until_notice(target(trusting), Format::Syslog).await;
    assert!(matches!(notice, Notice::NotNow { .. }), "{notice:?}");
    assert_eq!(rig.cursor().delivered, 1100);
    first.stop();
    let notice = rig.until_notice(target(files.clone()), Format::Syslog).await;
    assert!(matches!(notice, Notice::NotNow { .. }), "{notice:?}");
    let mut second = start(folder, &config);
    rig.drain(target(files), Format::Syslog).await;
    second.stop();

    let records = log.records();
    let written = fs::read_to_string(folder.join("messages")).unwrap();
    let mut numbers = Vec::new();
    for message in written.lines() {
        let parts: Vec<&str> = message.splitn(9, '|').collect();
        let [host, program, client, sequence, hash, level, facility, kind, text] = parts[..] else {
            panic!("{message}");
        };
        let number: usize = sequence.parse().unwrap();
        assert_eq!((host, program, client), (SANDBOX, "openshell", "proxy"), "{message}");
        assert_eq!(hash, records[number - 1].hash.to_string());
        assert_eq!((level, facility, kind), ("info", "security", "network-request"), "{message}");
        assert!(text.contains(&format!("/{number}")), "{message}");
        numbers.push(number);
    }
    // Each batch is a connection of its own, and a record may come twice.
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (1..=1250).collect::<Vec<_>>());
}

/// It says the end of TLS only where it has read one: what a relay swallows it does not confirm.
#[tokio::test]
async fn syslog_ng_confirms_nothing_that_was_swallowed_on_the_way() {
    let (rig, mut log) = Rig::with(1);
    let folder = rig.folder.path();
    let ours = Authority::new(folder, "ours");
    let port = free_port();
    let config = configure(folder, &ours, port);
    let _running = start(folder, &config);
    let (certificate, key) = ours.issue("sender.test");
    let files = TlsFiles { ca: Some(ours.ca.clone()), certificate: Some(certificate), key: Some(key) };
    // It runs by then.
    rig.drain(target(port, files.clone()), Format::Syslog).await;
    log.append(100);
    for end in [End::Cut, End::Passed] {
        let relay = Relay::start(port, end);
        let notice = rig.until_notice(target(relay.address.port(), files.clone()), Format::Syslog).await;
        assert!(matches!(notice, Notice::NotNow { .. }), "{notice:?}");
        assert_eq!(rig.cursor().delivered, 1);
        assert!(relay.swallowed() > 1);
    }
}
