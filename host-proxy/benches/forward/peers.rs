//! Other programs in the same place, set up as their manuals say for this, without a policy and without a log.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::NAME;
use crate::certificates::Authority;
use crate::client::Entry;
use crate::process::Process;

/// How long a program may take until it listens. mitmproxy makes its authority first.
const PATIENCE: Duration = Duration::from_secs(60);
const NGINX: &str = "/usr/sbin/nginx";
const SQUID: &str = "/usr/sbin/squid";
/// Squid's helper that signs. Only the package with OpenSSL has it.
const CERTGEN: &str = "/usr/lib/squid/security_file_certgen";

/// A started peer.
pub(crate) struct Peer {
    pub(crate) process: Process,
    pub(crate) entry: Entry,
    /// What its client must trust.
    pub(crate) root_pem: String,
    _folder: tempfile::TempDir,
}

/// nginx between TLS and TLS.
pub(crate) fn nginx(authority: &Authority, origin: u16) -> Result<Peer, String> {
    there(NGINX, "package nginx-light")?;
    let (folder, address) = (folder(), free());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let leaf = authority.leaf();
    for (name, text) in [("root", &authority.pem()), ("cert", &leaf.certificate), ("key", &leaf.key)] {
        fs::write(at(name), text).unwrap();
    }
    // A worker of another user could not read this folder.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let mut config = format!(
        "{user} daemon off; worker_processes 1; pid {pid}; error_log {errors} error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000;
",
        pid = at("pid"),
        errors = at("errors"),
    );
    for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(config, "  {name}_temp_path {};", at(name)).expect("a String takes it");
    }
    write!(
        config,
        "  upstream origin {{ server 127.0.0.1:{origin}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen {address} ssl; ssl_certificate {cert}; ssl_certificate_key {key};
    location / {{
      proxy_pass https://origin; proxy_http_version 1.1; proxy_max_temp_file_size 0;
      proxy_set_header Connection ''; proxy_set_header Host $http_host;
      proxy_ssl_server_name on; proxy_ssl_name {NAME}; proxy_ssl_protocols TLSv1.2 TLSv1.3;
      proxy_ssl_verify on; proxy_ssl_trusted_certificate {root};
    }}
  }}
}}
",
        cert = at("cert"),
        key = at("key"),
        root = at("root"),
    )
    .expect("a String takes it");
    fs::write(at("conf"), config).unwrap();
    let mut command = Command::new(NGINX);
    command.args(["-p", &at(""), "-e", &at("errors"), "-c", &at("conf")]);
    start(command, (Entry::Tcp(address), address), authority.pem(), folder)
}

/// Squid as an intercepting proxy: a look at the client's greeting, then two connections.
pub(crate) fn squid(authority: &Authority, origin: u16) -> Result<Peer, String> {
    there(SQUID, "package squid-openssl")?;
    there(CERTGEN, "package squid-openssl")?;
    let (folder, address) = (folder(), free());
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("authority"), authority.pem() + &authority.key_pem()).unwrap();
    fs::write(at("hosts"), format!("127.0.0.1 {NAME}\n")).unwrap();
    let config = format!(
        "http_port {address} ssl-bump tls-cert={authority} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program {CERTGEN} -s {db} -M 4MB
sslcrtd_children 1
acl first at_step SslBump1
ssl_bump peek first
ssl_bump bump all
tls_outgoing_options cafile={authority}
http_access allow all
hosts_file {hosts}
cache deny all
cache_mem 0
access_log none
cache_log {log}
cache_store_log none
pid_filename {pid}
coredump_dir {folder}
max_filedescriptors 8192
shutdown_lifetime 0
netdb_filename none
",
        authority = at("authority"),
        db = at("db"),
        hosts = at("hosts"),
        log = at("log"),
        pid = at("pid"),
        folder = at(""),
    );
    fs::write(at("conf"), config).unwrap();
    done(Command::new(CERTGEN).args(["-c", "-s", &at("db"), "-M", "4MB"]))?;
    if rustix::process::geteuid().is_root() {
        // It gives root up for this user, and is then to write here.
        done(Command::new("chown").args(["-R", "proxy", &at("")]))?;
    }
    let mut command = Command::new(SQUID);
    command.args(["-N", "-f", &at("conf")]);
    let entry = Entry::Connect(address, format!("{NAME}:{origin}"));
    start(command, (entry, address), authority.pem(), folder)
}

/// mitmproxy without a screen. It does not keep long bodies, as all others do not.
pub(crate) fn mitmproxy(program: Option<&Path>, authority: &Authority, origin: u16) -> Result<Peer, String> {
    let program = program.ok_or("not installed (mitmproxy, a Python package)")?;
    let (folder, address) = (folder(), free());
    let root = folder.path().join("root");
    fs::write(&root, authority.pem()).unwrap();
    let mut command = Command::new(program);
    command.args(["--quiet", "--listen-host", "127.0.0.1", "--listen-port", &address.port().to_string()]);
    let options = [
        format!("confdir={}", folder.path().display()),
        format!("ssl_verify_upstream_trusted_ca={}", root.display()),
        "stream_large_bodies=1m".to_owned(),
    ];
    command.args(options.iter().flat_map(|option| ["--set", option.as_str()]));
    // It asks the system for addresses, so that the tunnel is to one, and the name is told inside.
    let entry = Entry::Connect(address, format!("127.0.0.1:{origin}"));
    let certificate: PathBuf = folder.path().join("mitmproxy-ca-cert.pem");
    let mut peer = start(command, (entry, address), String::new(), folder)?;
    peer.root_pem = fs::read_to_string(certificate).map_err(|error| error.to_string())?;
    Ok(peer)
}

/// Starts it, and waits until it listens.
fn start(
    mut command: Command,
    (entry, address): (Entry, SocketAddr),
    root_pem: String,
    folder: tempfile::TempDir,
) -> Result<Peer, String> {
    let output = fs::File::create(folder.path().join("output")).unwrap();
    command.stderr(output.try_clone().unwrap()).stdout(output);
    let mut process = Process::start(&mut command);
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        let ended = process.child().try_wait().unwrap();
        if ended.is_some() || started.elapsed() > PATIENCE {
            let said = fs::read_to_string(folder.path().join("output")).unwrap_or_default();
            return Err(format!("does not listen: {}", said.lines().last().unwrap_or("it said nothing")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Peer { process, entry, root_pem, _folder: folder })
}

fn there(file: &str, package: &str) -> Result<(), String> {
    if Path::new(file).exists() { Ok(()) } else { Err(format!("not installed ({package})")) }
}

fn done(command: &mut Command) -> Result<(), String> {
    let status = command.stdout(Stdio::null()).status().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{:?} ended with {status}", command.get_program())) }
}

/// A folder that a program of another user can enter.
fn folder() -> tempfile::TempDir {
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    tempfile::Builder::new().permissions(open).tempdir().unwrap()
}

/// A port that nobody listens on.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
