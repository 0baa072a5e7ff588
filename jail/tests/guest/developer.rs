//! The profile `developer`: browsers' sandboxes work under it, and a user namespace gets nobody further than its own things.

use wire::confinement::{PathAccess, SeccompProfile};

use super::{ATTACKS, Act, Bench, Outcome, REFUSALS};

/// What it is for.
const GRANTED: &str = "clone into a user namespace";

/// Runs all of it.
pub(super) fn run(bench: &mut Bench) {
    let before = bench.confinement.clone();
    bench.confinement.seccomp = SeccompProfile::Developer;
    // As the policy of this profile grants it.
    for rule in bench.confinement.filesystem.iter_mut().filter(|rule| rule.path == "/proc") {
        rule.access = PathAccess::ReadWrite;
    }
    for (name, attack) in ATTACKS {
        let (status, output) = bench.confined(Act::Attack(*attack));
        let refused = REFUSALS.iter().any(|error| status == Outcome::Status(error.raw_os_error()));
        let held = if *name == GRANTED { status == Outcome::Status(0) } else { refused };
        bench.report(&format!("developer {name}"), held, &format!("{status:?} {output}"));
    }
    for (name, script, expected) in PROGRAMS {
        let (status, output) = bench.confined(Act::Execute(&["/bin/bash", "-c", script]));
        let passed = status == Outcome::Status(0) && output.contains(expected);
        bench.report(&format!("developer program {name}"), passed, &format!("{status:?} {output}"));
    }
    bench.confinement = before;
}

/// Each as root of a user namespace.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("root of nothing", "unshare -Ur sh -c 'id -u; grep CapEff /proc/self/status'", "0\nCapEff:\t000001ffffffffff"),
    ("processes and network of its own", "unshare -Urpnf sh -c 'echo pid $$; grep -c : /proc/self/net/dev'", "pid 1"),
    // A copy of the mounts is not watched.
    ("no mount namespace", "! unshare -Urm true && ! unshare -Ur unshare -m true && echo held", "held"),
    ("no mounts", "! unshare -Ur mount -t tmpfs none /tmp && ! unshare -Ur umount /proc/kcore && echo held", "held"),
    ("nobody else's settings", "! unshare -Urn sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward' && echo held", "held"),
    (
        "no other program's name",
        "unshare -Ur python3 -c '
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
size = ctypes.c_uint()
print(libc.prctl(35, 15, ctypes.byref(size), 0, 0), ctypes.get_errno())
'",
        "-1 1",
    ),
    (
        "nobody else's memory",
        "sleep 9 & unshare -Ur python3 -c '
import os, subprocess, sys
def try_to(path):
    try: return open(path, \"rb\").close() or \"opened\"
    except (PermissionError, FileNotFoundError): return \"held\"
own = subprocess.Popen([\"sleep\", \"9\"])
print(try_to(\"/proc/%s/mem\" % sys.argv[1]), try_to(\"/proc/%d/mem\" % own.pid))
own.kill()
' $!; kill $!",
        "held opened",
    ),
    (
        "no packets",
        "unshare -Urn python3 -c '
import socket
for family, kind in ((socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_INET, socket.SOCK_RAW), (socket.AF_VSOCK, socket.SOCK_STREAM)):
    try: print(socket.socket(family, kind))
    except PermissionError: print(\"held\")
'",
        "held\nheld\nheld\n",
    ),
    (
        "no way out by another root",
        "mkdir -p /tmp/root && unshare -Ur python3 -c '
import os
os.chroot(\"/tmp/root\")
for _ in range(64): os.chdir(\"..\")
os.chroot(\".\")
print(open(\"/etc/hostname\").name)
for path in (\"/\", \"/var/lib/dpkg/status\", \"/root\"):
    try: print(os.open(path, os.O_RDONLY))
    except (PermissionError, FileNotFoundError): print(\"held\")
'",
        "/etc/hostname\nheld\nheld\nheld\n",
    ),
];
