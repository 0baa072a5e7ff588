//! rsyslog as Debian ships it, over TLS, both sides with certificates.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use audit_export::Format;
use audit_export::format::Facility;
use audit_export::service::Notice;
use audit_export::sink::{SyslogTarget, Target, TlsFiles, Transport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::relay::{End, Relay};
use crate::rig::{Rig, STARTING};
use crate::tls::Authority;

/// How long the program may take to begin, on a machine with much to do.
const PATIENCE: Timespec = Timespec { tv_sec: 120, tv_nsec: 0 };

/// A running rsyslog; killed when dropped.
struct Rsyslog {
    child: Child,
    port: u16,
    output: PathBuf,
}

impl Rsyslog {
    fn start(folder: &Path, ours: &Authority) -> Self {
        let (certificate, key) = ours.issue("localhost");
        let (port, output) = (folder.join("port"), folder.join("output"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &port, rustix::fs::Mode::RWXU).unwrap();
        let config = format!(
            r#"global(
  workDirectory="{folder}" maxMessageSize="64k"
  defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{ca}"
  defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}"
)
main_queue(queue.timeoutShutdown="60000")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer="sender.test")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{port}")
template(name="parts" type="string" string="%hostname%|%syslogtag%|%structured-data%|%msg%\n")
action(type="omfile" file="{output}" template="parts")
"#,
            folder = folder.display(),
            ca = ours.ca.display(),
            certificate = certificate.display(),
            key = key.display(),
            port = port.display(),
            output = output.display(),
        );
        let file = folder.join("rsyslog.conf");
        fs::write(&file, config).unwrap();
        // Opened for both ways, opening waits for nobody.
        let port_file = File::options().read(true).write(true).open(&port).unwrap();
        let starting = STARTING.lock().unwrap();
        let child = Command::new("/usr/sbin/rsyslogd")
            .args(["-n", "-f"])
            .arg(&file)
            .arg("-i")
            .arg(folder.join("pid"))
            .stdin(Stdio::null())
            .spawn()
            .expect("cargo xtask setup installs rsyslog");
        drop(starting);
        Self { child, port: number(port_file), output }
    }

    /// Ends it, and returns the messages that it has written.
    fn messages(mut self) -> Vec<String> {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        fs::read_to_string(&self.output).unwrap().lines().map(str::to_owned).collect()
    }

    fn target(&self, tls: TlsFiles) -> Target {
        target(self.port, tls)
    }
}

fn target(port: u16, tls: TlsFiles) -> Target {
    let (host, facility) = ("localhost".to_owned(), Facility::default());
    Target::Syslog(SyslogTarget { transport: Transport::Tls, host, port, facility, tls })
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        // One that has ended is not killed again.
        let _ended = self.child.kill();
        self.child.wait().expect("it is ours");
    }
}

/// The port, once it is written.
fn number(mut file: File) -> u16 {
    let mut waited = [PollFd::new(&file, PollFlags::IN)];
    assert_eq!(poll(&mut waited, Some(&PATIENCE)).unwrap(), 1, "rsyslog does not listen");
    let mut digits = [0; 8];
    let length = file.read(&mut digits).unwrap();
    std::str::from_utf8(&digits[..length]).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn rsyslog_has_every_record_and_takes_apart_what_it_says() {
    let (rig, mut log) = Rig::with(1203);
    let ours = Authority::new(rig.folder.path(), "ours");
    let rsyslog = Rsyslog::start(rig.folder.path(), &ours);
    let trusting = TlsFiles { ca: Some(ours.ca.clone()), ..TlsFiles::default() };

    // It does not take just anybody, and we do not take a refusal for a delivery.
    let notice = rig.until_notice(rsyslog.target(trusting.clone()), Format::Syslog).await;
    assert!(matches!(notice, Notice::NotNow { .. }), "{notice:?}");
    assert_eq!(rig.cursor().delivered, 0);

    let (certificate, key) = ours.issue("sender.test");
    let files = TlsFiles { certificate: Some(certificate), key: Some(key), ..trusting };
    assert_eq!(rig.drain(rsyslog.target(files.clone()), Format::Syslog).await, []);
    // The log's own line as the message.
    log.append(1);
    assert_eq!(rig.drain(rsyslog.target(files), Format::Json).await, []);
    let line = fs::read_to_string(log.directory.join("000001.jsonl")).unwrap();

    let mut messages = rsyslog.messages();
    let own = messages.pop().unwrap();
    assert!(own.ends_with(&format!("|{}", line.lines().last().unwrap())), "{own}");
    let records = log.records();
    let mut numbers: Vec<usize> = messages.iter().map(|message| number_in(message, &records)).collect();
    // Each batch is a connection of its own, and rsyslog reads several at a time.
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=1203).collect::<Vec<_>>());
}

/// It says the end of TLS only where it has read one: what a relay swallows it does not confirm.
#[tokio::test]
async fn rsyslog_confirms_nothing_that_was_swallowed_on_the_way() {
    let (rig, mut log) = Rig::with(1);
    let ours = Authority::new(rig.folder.path(), "ours");
    let rsyslog = Rsyslog::start(rig.folder.path(), &ours);
    let (certificate, key) = ours.issue("sender.test");
    let files = TlsFiles { ca: Some(ours.ca.clone()), certificate: Some(certificate), key: Some(key) };
    // It runs by then.
    rig.drain(target(rsyslog.port, files.clone()), Format::Syslog).await;
    log.append(100);
    for end in [End::Cut, End::Passed] {
        let relay = Relay::start(rsyslog.port, end);
        let notice = rig.until_notice(target(relay.address.port(), files.clone()), Format::Syslog).await;
        assert!(matches!(notice, Notice::NotNow { .. }), "{notice:?}");
        assert_eq!(rig.cursor().delivered, 1);
        assert!(relay.swallowed() > 1);
    }
}

/// The number of the record that a message is about.
fn number_in(message: &str, records: &[audit::Record]) -> usize {
    let parts: Vec<&str> = message.splitn(4, '|').collect();
    assert_eq!(parts[..2], ["test-0a1b2c3d", "openshell[proxy]"], "{message}");
    let data = parts[2].strip_prefix("[openshell@32473 ").unwrap();
    let value = |name: &str| {
        let rest = data.split_once(&format!("{name}=\"")).unwrap().1;
        rest.split_once('"').unwrap().0
    };
    let number: usize = value("sequence").parse().unwrap();
    assert_eq!(value("hash"), records[number - 1].hash.to_string());
    number
}
