//! Rotel, a collector of OpenTelemetry, which prints what it understood.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use audit_export::Format;
use audit_export::sink::Target;

use crate::receivers::{Receiver, free_port, tool};
use crate::rig::{Rig, http};

fn start(port: u16, output: &Path) -> Receiver {
    let mut command = Command::new(tool("rotel/rotel/rotel-agent"));
    command.arg("start").args(["--exporter", "blackhole"]);
    command.args(["--debug-log", "logs", "--debug-log-verbosity", "detailed"]);
    command.arg("--otlp-http-endpoint").arg(format!("127.0.0.1:{port}"));
    command.arg("--otlp-grpc-endpoint").arg(format!("127.0.0.1:{}", free_port()));
    Receiver::start(&mut command, output)
}

#[tokio::test]
async fn a_collector_has_every_record_with_its_fields_over_its_own_restart() {
    for format in [Format::OtlpProtobuf, Format::OtlpJson] {
        let (rig, mut log) = Rig::with(1100);
        let (port, output) = (free_port(), rig.folder.path().join("output"));
        let target = || Target::Otlp(http(&format!("http://127.0.0.1:{port}")));
        let mut collector = start(port, &output);
        // It is not there at once, which the export takes as it takes any receiver that is away.
        rig.drain(target(), format).await;
        collector.stop();
        log.append(150);
        let away = rig.until_notice(target(), format).await;
        assert!(format!("{away:?}").contains("NotNow"), "{away:?}");
        let mut again = start(port, &output);
        rig.drain(target(), format).await;
        again.stop();
        assert_eq!(rig.cursor().delivered, 1250);

        let told = std::fs::read_to_string(&output).unwrap();
        let received: BTreeMap<u64, BTreeMap<&str, &str>> = told
            .split("LogRecord #")
            .skip(1)
            .map(fields)
            .map(|record| (record["openshell.sequence"].parse().unwrap(), record))
            .collect();
        let records = log.records();
        assert_eq!(received.keys().copied().collect::<Vec<_>>(), (1..=1250).collect::<Vec<_>>());
        for record in records {
            let (got, hash) = (&received[&record.sequence], record.hash.to_string());
            let path = record.event.object.as_ref().unwrap().path.clone().unwrap();
            for (name, value) in [
                ("openshell.hash", hash.as_str()),
                ("openshell.prev", &record.prev.to_string()),
                ("openshell.sandbox", record.sandbox.as_str()),
                ("openshell.client", &record.client),
                ("openshell.decision", "allow"),
                ("server.address", "h.example"),
                ("http.request.method", "GET"),
                ("url.path", &path),
            ] {
                assert_eq!(got.get(name), Some(&value), "{name} of record {}", record.sequence);
            }
        }
    }
}

/// `     -> name: Kind(value)`, one a line.
fn fields(record: &str) -> BTreeMap<&str, &str> {
    record.lines().filter_map(field).collect()
}

fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim_start().strip_prefix("-> ")?.split_once(": ")?;
    Some((name, value.split_once('(')?.1.strip_suffix(')')?))
}
