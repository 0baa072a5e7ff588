//! Owners of real sockets: shared, hidden, deleted, closed.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use wire::subject::{Program, Subject};

use crate::capture::Egress;
use crate::testbed::Bed;

/// A connection within the agent's network, and its two addresses.
fn connection(bed: &Bed) -> (TcpStream, SocketAddr, SocketAddr) {
    let (client, server) = bed.inside(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    });
    let (local, remote) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    // The other end lives as long as the process; nobody asks for it.
    std::mem::forget(server);
    (client, local, remote)
}

fn owners(subject: Subject) -> Vec<Program> {
    match subject {
        Subject::Owners(owners) => owners,
        Subject::Unknown(why) => panic!("{why}"),
    }
}

/// A program with `socket` as its standard input, where it waits for what never comes.
fn holder(program: &Path, arguments: &[&str], socket: &TcpStream) -> Child {
    let stdin = Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
    Command::new(program).args(arguments).stdin(stdin).stdout(Stdio::piped()).spawn().unwrap()
}

/// Waits until the child has executed its program and says so.
fn settled(child: &mut Child) {
    let mut line = [0; 1];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_only_owner_is_this_program() {
    let bed = Bed::new(Egress::ToHost);
    let (_client, local, remote) = connection(&bed);
    let owners = owners(bed.resolver().of_connection(local, remote));
    assert_eq!(owners.len(), 1);
    assert_eq!(Path::new(&owners[0].path), std::env::current_exe().unwrap());
    assert_eq!(owners[0].uid, 0);
    assert!(!owners[0].parents.is_empty());
}

#[test]
fn everybody_who_holds_it_is_named() {
    let bed = Bed::new(Egress::ToHost);
    let (client, local, remote) = connection(&bed);
    let mut child = holder(Path::new("/bin/sh"), &["-c", "echo; read line"], &client);
    settled(&mut child);
    let owners = owners(bed.resolver().of_connection(local, remote));
    end(child);
    let mut paths: Vec<_> = owners.iter().map(|owner| Path::new(&owner.path)).collect();
    paths.sort();
    let (own, shell) = (std::env::current_exe().unwrap(), fs::canonicalize("/bin/sh").unwrap());
    let mut expected = [own.as_path(), shell.as_path()];
    expected.sort();
    assert_eq!(paths, expected);
}

/// Who may make namespaces hides nobody there.
#[test]
fn a_holder_in_a_namespace_of_its_own_is_named() {
    let bed = Bed::new(Egress::ToHost);
    let (client, local, remote) = connection(&bed);
    let arguments = ["--pid", "--fork", "--kill-child", "/bin/sh", "-c", "echo; read line"];
    let mut child = holder(Path::new("/usr/bin/unshare"), &arguments, &client);
    settled(&mut child);
    let owners = owners(bed.resolver().of_connection(local, remote));
    end(child);
    let shell = fs::canonicalize("/bin/sh").unwrap();
    assert!(owners.iter().any(|owner| Path::new(&owner.path) == shell), "{owners:?}");
}

#[test]
fn a_script_is_named_by_its_path() {
    let bed = Bed::new(Egress::ToHost);
    let (client, local, remote) = connection(&bed);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("agent.sh");
    fs::write(&script, "echo\nread line\n").unwrap();
    let mut child = holder(Path::new("/bin/sh"), &[script.to_str().unwrap(), "other"], &client);
    settled(&mut child);
    let resolver = bed.resolver();
    let found = owners(resolver.of_connection(local, remote)).into_iter().find_map(|owner| owner.script);
    end(child);
    assert_eq!(found.as_deref(), script.to_str());
}

#[test]
fn a_deleted_program_is_not_the_file_that_replaced_it() {
    let bed = Bed::new(Egress::ToHost);
    let (client, local, remote) = connection(&bed);
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tool");
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &program).unwrap();
    let mut child = holder(&program, &["-c", "echo; read line"], &client);
    settled(&mut child);
    fs::remove_file(&program).unwrap();
    fs::copy("/bin/true", &program).unwrap();
    let owners = owners(bed.resolver().of_connection(local, remote));
    end(child);
    let tool = owners.iter().find(|owner| owner.path.contains("tool")).unwrap();
    assert_eq!(tool.path, format!("{} (deleted)", program.display()));
}

#[test]
fn a_thread_with_descriptors_of_its_own_hides_nothing() {
    let bed = Bed::new(Egress::ToHost);
    let (client, local, remote) = connection(&bed);
    let resolver = bed.resolver();
    let (ready, wait) = std::sync::mpsc::channel();
    let (done, finish) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        crate::sys::leave_descriptors().unwrap();
        ready.send(()).unwrap();
        let _ = finish.recv();
    });
    wait.recv().unwrap();
    // From here on only the thread has the socket, in its own table.
    drop(client);
    let found = owners(resolver.of_connection(local, remote));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].pid, std::process::id());
    drop(done);
    thread.join().unwrap();
}

#[test]
fn a_closed_socket_has_no_owner() {
    let bed = Bed::new(Egress::ToHost);
    let (client, local, remote) = connection(&bed);
    drop(client);
    assert!(matches!(bed.resolver().of_connection(local, remote), Subject::Unknown(_)));
    let never = "127.0.0.1:9".parse().unwrap();
    assert!(matches!(bed.resolver().of_connection(never, never), Subject::Unknown(_)));
}

#[test]
fn a_listener_on_the_clients_old_address_is_not_the_client() {
    let bed = Bed::new(Egress::ToHost);
    let listener = bed.inside(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let client = listener.local_addr().unwrap();
    // A client may be gone before it is looked up, and its port another program's.
    for remote in ["127.0.0.1:3128", "198.18.0.1:443"] {
        let subject = bed.resolver().of_connection(client, remote.parse().unwrap());
        assert!(matches!(subject, Subject::Unknown(_)), "{remote}: {subject:?}");
    }
}
