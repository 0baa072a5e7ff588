//! A guest that is somebody else's: whatever it sends, nothing outside of the directory is reached.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode};

use super::super::testbed::{Bed, Fields};
use super::{RDONLY, RDWR, TRUNC, WRONLY};
use crate::kept::Kept;
use crate::message::testbed::{longs, message, name, op, words};
use crate::nodes::ROOT;

#[test]
fn a_name_is_one_component() {
    let bed = Bed::new();
    fs::write(bed.inside("f"), "").unwrap();
    for text in ["", ".", "..", "../outside", "/etc", "a/b", "f/", "/"] {
        assert_eq!(bed.look_up(1, text), Err(22), "{text:?}");
        assert_eq!(bed.create(1, text, (RDWR, 0o600)), Err(22));
        assert_eq!(bed.ask(op::UNLINK, 1, &name(text)), Err(22));
        assert_eq!(bed.ask(op::MKDIR, 1, &[words(&[0o755, 0]), name(text)].concat()), Err(22));
        let from = [longs(&[1]), name(text), name("g")].concat();
        let to = [longs(&[1]), name("f"), name(text)].concat();
        assert_eq!((bed.ask(op::RENAME, 1, &from), bed.ask(op::RENAME, 1, &to)), (Err(22), Err(22)));
    }
    assert_eq!(bed.look_up(1, &"x".repeat(256)), Err(36));
    assert!(bed.outside("secret").exists());
}

#[test]
fn a_link_leads_nowhere() {
    let bed = Bed::new();
    symlink(bed.outside("secret"), bed.inside("file")).unwrap();
    symlink(bed.outside(""), bed.inside("dir")).unwrap();
    symlink("../outside", bed.inside("relative")).unwrap();
    let (file, dir) = (bed.walk("file").unwrap(), bed.walk("dir").unwrap());
    assert_eq!(file.mode & 0o17_0000, 0o12_0000, "it is told as a link");
    for flags in [RDONLY, RDWR, WRONLY | TRUNC] {
        assert!(bed.open(file.node, flags).is_err());
    }
    for node in [dir.node, bed.walk("relative").unwrap().node] {
        assert_eq!(bed.look_up(node, "secret"), Err(20));
        assert_eq!(bed.create(node, "new", (RDWR, 0o600)), Err(20));
        assert_eq!(bed.ask(op::OPENDIR, node, &words(&[0, 0])), Err(20));
    }
    assert!(bed.create(1, "file", (WRONLY | TRUNC, 0o600)).is_err(), "neither by creating");
    assert!(bed.change(file.node, 1 << 3, Fields::default()).is_err(), "nor by truncating");
    assert_eq!(fs::read_to_string(bed.outside("secret")).unwrap(), "host secret");
}

#[test]
fn what_became_a_link_after_it_was_looked_up_leads_nowhere() {
    let bed = Bed::new();
    fs::create_dir(bed.inside("d")).unwrap();
    fs::write(bed.inside("d/secret"), "inside").unwrap();
    fs::write(bed.inside("f"), "inside").unwrap();
    let (dir, file) = (bed.walk("d").unwrap().node, bed.walk("f").unwrap().node);
    fs::rename(bed.inside("d"), bed.inside("aside")).unwrap();
    symlink(bed.outside(""), bed.inside("d")).unwrap();
    fs::remove_file(bed.inside("f")).unwrap();
    symlink(bed.outside("secret"), bed.inside("f")).unwrap();
    assert_eq!(bed.look_up(dir, "secret"), Err(116), "the guest's kernel looks it up again");
    assert_eq!(bed.open(file, RDONLY), Err(116));
    let mode = bed.change(file, 1, Fields { mode: 0o777, ..Fields::default() });
    let times = bed.change(file, 1 << 5, Fields { times: (0, 5), ..Fields::default() });
    let size = bed.change(file, 1 << 3, Fields::default());
    assert_eq!((mode, times, size), (Err(116), Err(116), Err(116)));
    let secret = fs::metadata(bed.outside("secret")).unwrap();
    assert!(secret.len() == 11 && secret.mtime() != 5 && secret.mode() & 0o777 != 0o777);
}

#[test]
fn a_directory_that_is_open_stays_the_one_it_was() {
    let bed = Bed::new();
    fs::create_dir(bed.inside("d")).unwrap();
    fs::write(bed.inside("d/f"), "inside").unwrap();
    let dir = bed.walk("d").unwrap().node;
    bed.look_up(dir, "f").unwrap();
    fs::rename(bed.inside("d"), bed.inside("aside")).unwrap();
    symlink(bed.outside(""), bed.inside("d")).unwrap();
    assert_eq!(bed.look_up(dir, "secret"), Err(2));
    assert!(bed.look_up(dir, "f").is_ok());
}

#[test]
fn neither_devices_nor_sockets_nor_pipes_nor_set_user_id_bits_are_made() {
    let bed = Bed::new();
    for mode in [0o1_0666, 0o2_0666, 0o6_0666, 0o14_0666, 0o4_0755, 0o12_0777, 0o666] {
        let made = bed.make(op::MKNOD, 1, &[words(&[mode, 0x103, 0, 0]), name("n")].concat());
        assert_eq!(made, Err(1), "{mode:o}");
    }
    bed.make(op::MKNOD, 1, &[words(&[0o10_6755, 0, 0, 0]), name("f")].concat()).unwrap();
    bed.create(1, "g", (RDWR, 0o6755)).unwrap();
    bed.make(op::MKDIR, 1, &[words(&[0o6755, 0]), name("d")].concat()).unwrap();
    for path in ["f", "g", "d"] {
        let node = bed.walk(path).unwrap().node;
        assert_eq!(fs::metadata(bed.inside(path)).unwrap().mode() & 0o6000, 0, "{path}");
        bed.change(node, 1, Fields { mode: 0o6777, ..Fields::default() }).unwrap();
        assert_eq!(fs::metadata(bed.inside(path)).unwrap().mode() & 0o7777, 0o777, "{path}");
    }
}

#[test]
fn the_hosts_pipes_and_sockets_are_not_opened() {
    let bed = Bed::new();
    rustix::fs::mknodat(CWD, bed.inside("p"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let _listener = UnixListener::bind(bed.inside("s")).unwrap();
    for path in ["p", "s"] {
        let node = bed.walk(path).unwrap().node;
        for flags in [RDONLY, WRONLY, RDWR] {
            assert_eq!(bed.open(node, flags), Err(95), "{path}");
        }
        assert!(bed.create(1, path, (WRONLY, 0o600)).is_err());
    }
    // A file that became a pipe, for which nobody writes, keeps no thread.
    fs::write(bed.inside("f"), "").unwrap();
    let node = bed.walk("f").unwrap().node;
    fs::remove_file(bed.inside("f")).unwrap();
    rustix::fs::mknodat(CWD, bed.inside("f"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    assert_eq!(bed.open(node, RDONLY), Err(116));
}

#[test]
fn a_link_to_a_file_is_made_only_beneath() {
    let bed = Bed::new();
    symlink(bed.outside("secret"), bed.inside("l")).unwrap();
    let link = bed.walk("l").unwrap().node;
    bed.make(op::LINK, 1, &[longs(&[link]), name("hard")].concat()).unwrap();
    assert!(fs::symlink_metadata(bed.inside("hard")).unwrap().is_symlink(), "the link, not where it leads");
    assert_eq!(fs::metadata(bed.outside("secret")).unwrap().nlink(), 1);
}

#[test]
fn numbers_that_were_never_told_reach_nothing() {
    let bed = Bed::new();
    fs::write(bed.inside("f"), "x").unwrap();
    for node in [0, 2, 3, u64::MAX] {
        assert_eq!(bed.look_up(node, "f"), Err(116));
        assert_eq!(bed.open(node, RDONLY), Err(116));
        assert!(bed.make(op::LINK, 1, &[longs(&[node]), name("g")].concat()).is_err());
    }
    for handle in [0, 1, u64::MAX] {
        assert_eq!((bed.read(handle, 0, 8), bed.write(handle, 0, b"x")), (Err(9), Err(9)));
    }
}

#[test]
fn lengths_and_offsets_beyond_everything_are_harmless() {
    let bed = Bed::new();
    let (told, handle) = bed.create(1, "f", (RDWR, 0o600)).unwrap();
    bed.write(handle, 0, b"abc").unwrap();
    assert_eq!(bed.read(handle, 0, u32::MAX).unwrap(), b"abc");
    assert_eq!(bed.read(handle, u64::MAX, 1), Err(22));
    assert!(bed.write(handle, u64::MAX - 1, b"xyz").is_err());
    assert!(bed.change(told.node, 1 << 3, Fields { size: u64::MAX, ..Fields::default() }).is_err());
    let far = [longs(&[handle, u64::MAX, u64::MAX]), words(&[0, 0])].concat();
    assert!(bed.ask(op::FALLOCATE, told.node, &far).is_err());
    let listing = [longs(&[handle, 0]), words(&[u32::MAX, 0]), longs(&[0, 0])].concat();
    assert_eq!(bed.ask(op::READDIR, 1, &listing), Err(20), "a file is no directory");
    for cut in 0..message(op::WRITE, 1, &listing).len() {
        assert!(bed.say(&message(op::WRITE, 1, &listing)[..cut]).is_err());
    }
}

#[test]
fn open_files_have_a_bound() {
    let bed = Bed::new();
    fs::write(bed.inside("f"), "x").unwrap();
    let node = bed.walk("f").unwrap().node;
    let outcome = (0..=crate::handles::MAX_OPEN).find_map(|_| bed.open(node, RDONLY).err());
    // The bound of the server, or of this process: never more, and never an end.
    assert!(matches!(outcome, Some(23 | 24)), "{outcome:?}");
    assert!(bed.create(1, "new", (RDWR, 0o600)).is_err());
    assert_eq!(bed.known(), 2, "what was made and could not be opened is not known");
    assert!(bed.walk("f").is_ok());
}

/// `agent.yaml` and `policies/net.yaml`, kept.
fn keeping() -> Bed {
    Bed::keeping(|inside, directory| {
        fs::write(inside.join("agent.yaml"), "rules").unwrap();
        fs::create_dir(inside.join("policies")).unwrap();
        fs::write(inside.join("policies/net.yaml"), "rules").unwrap();
        Kept::of(directory, &["agent.yaml".to_owned(), "policies/net.yaml".to_owned()]).unwrap()
    })
}

#[test]
fn what_the_next_run_would_believe_stays_as_it_is() {
    let bed = keeping();
    fs::write(bed.inside("mine"), "mine").unwrap();
    let (file, dir) = (bed.walk("agent.yaml").unwrap().node, bed.walk("policies").unwrap().node);
    for flags in [WRONLY, RDWR, RDONLY | TRUNC] {
        assert_eq!(bed.open(file, flags), Err(30));
    }
    assert_eq!(bed.create(1, "agent.yaml", (WRONLY, 0o600)), Err(30));
    assert_eq!(bed.change(file, 1 << 3, Fields::default()), Err(30));
    assert_eq!(bed.change(file, 1, Fields { mode: 0o777, ..Fields::default() }), Err(30));
    assert_eq!(bed.ask(op::UNLINK, 1, &name("agent.yaml")), Err(30));
    assert_eq!(bed.ask(op::RENAME, 1, &[longs(&[1]), name("mine"), name("agent.yaml")].concat()), Err(30));
    assert_eq!(bed.ask(op::RENAME, 1, &[longs(&[1]), name("agent.yaml"), name("other")].concat()), Err(30));
    assert_eq!(bed.ask(op::RENAME, 1, &[longs(&[1]), name("policies"), name("other")].concat()), Err(30));
    let swap = [longs(&[1]), words(&[2, 0]), name("mine"), name("policies")].concat();
    assert_eq!(bed.ask(op::RENAME2, 1, &swap), Err(30));
    assert_eq!(bed.make(op::LINK, 1, &[longs(&[file]), name("hard")].concat()), Err(30));
    let inner = bed.look_up(dir, "net.yaml").unwrap().node;
    assert_eq!((bed.open(inner, WRONLY), bed.ask(op::UNLINK, dir, &name("net.yaml"))), (Err(30), Err(30)));
    assert_eq!(bed.read(bed.open(file, RDONLY).unwrap(), 0, 9).unwrap(), b"rules");
    assert!(bed.create(dir, "another.yaml", (WRONLY, 0o600)).is_ok(), "the rest is the agent's");
}

#[test]
fn a_kept_name_is_kept_when_the_host_has_put_another_file_there() {
    let bed = keeping();
    fs::write(bed.inside("new"), "edited by the user").unwrap();
    fs::rename(bed.inside("new"), bed.inside("agent.yaml")).unwrap();
    let file = bed.walk("agent.yaml").unwrap().node;
    assert_eq!((bed.open(file, WRONLY), bed.ask(op::UNLINK, 1, &name("agent.yaml"))), (Err(30), Err(30)));
    assert_eq!(bed.make(op::LINK, 1, &[longs(&[file]), name("hard")].concat()), Err(30));
}

#[test]
fn a_name_elsewhere_is_no_way_to_what_is_kept() {
    let bed = keeping();
    // The host's own second name for it.
    fs::hard_link(bed.inside("agent.yaml"), bed.inside("alias")).unwrap();
    let alias = bed.walk("alias").unwrap().node;
    assert_eq!(bed.open(alias, WRONLY), Err(30));
    assert_eq!(bed.change(alias, 1 << 3, Fields::default()), Err(30));
}

#[test]
fn what_the_host_moves_to_a_kept_name_is_kept_by_its_other_names_too() {
    let bed = keeping();
    // An editor's temporary file, which the guest gives another name in time.
    fs::write(bed.inside("temporary"), "edited by the user").unwrap();
    let early = bed.walk("temporary").unwrap().node;
    bed.make(op::LINK, 1, &[longs(&[early]), name("other")].concat()).unwrap();
    fs::rename(bed.inside("temporary"), bed.inside("agent.yaml")).unwrap();
    for path in ["other", "agent.yaml"] {
        let file = bed.walk(path).unwrap().node;
        assert_eq!((bed.open(file, WRONLY), bed.open(file, RDONLY | TRUNC)), (Err(30), Err(30)), "{path}");
        assert_eq!(bed.change(file, 1 << 3, Fields::default()), Err(30));
        assert_eq!(bed.change(file, 1, Fields { mode: 0o777, ..Fields::default() }), Err(30));
        assert_eq!(bed.make(op::LINK, 1, &[longs(&[file]), name("hard")].concat()), Err(30));
    }
    assert_eq!(fs::read_to_string(bed.inside("agent.yaml")).unwrap(), "edited by the user");
}

#[test]
fn what_is_kept_is_kept_in_a_directory_that_the_host_has_made_anew() {
    let bed = keeping();
    fs::remove_dir_all(bed.inside("policies")).unwrap();
    assert_eq!(bed.ask(op::MKDIR, 1, &[words(&[0o755, 0]), name("policies")].concat()), Err(30));
    fs::create_dir(bed.inside("policies")).unwrap();
    let dir = bed.walk("policies").unwrap().node;
    assert_eq!(bed.create(dir, "net.yaml", (WRONLY, 0o600)), Err(30), "while it is not there");
    fs::write(bed.inside("policies/net.yaml"), "rules").unwrap();
    let file = bed.look_up(dir, "net.yaml").unwrap().node;
    assert_eq!((bed.open(file, WRONLY), bed.ask(op::UNLINK, dir, &name("net.yaml"))), (Err(30), Err(30)));
    assert_eq!(bed.make(op::LINK, 1, &[longs(&[file]), name("hard")].concat()), Err(30));
    fs::write(bed.inside("mine"), "mine").unwrap();
    let over = [longs(&[dir]), name("mine"), name("net.yaml")].concat();
    assert_eq!(bed.ask(op::RENAME, 1, &over), Err(30));
    assert!(bed.create(dir, "another.yaml", (WRONLY, 0o600)).is_ok(), "the rest is the agent's");
}

#[test]
fn names_of_what_is_kept_are_neither_moved_nor_removed_however_they_are_written() {
    // As in a directory that does not tell capitals: another name that leads to the same file.
    let bed = keeping();
    fs::hard_link(bed.inside("agent.yaml"), bed.inside("AGENT.yaml")).unwrap();
    fs::write(bed.inside("mine"), "mine").unwrap();
    assert_eq!(bed.ask(op::UNLINK, 1, &name("AGENT.yaml")), Err(30));
    for (from, to) in [("AGENT.yaml", "other"), ("mine", "AGENT.yaml")] {
        assert_eq!(bed.ask(op::RENAME, 1, &[longs(&[1]), name(from), name(to)].concat()), Err(30), "{from}");
    }
    assert!(bed.inside("AGENT.yaml").exists() && bed.inside("mine").exists());
}

#[test]
fn a_directory_above_what_is_kept_is_opened_to_nobody_and_closed_to_nobody() {
    let bed = keeping();
    fs::create_dir(bed.inside("free")).unwrap();
    let (above, free) = (bed.walk("policies").unwrap().node, bed.walk("free").unwrap().node);
    let to =
        |node, mode| bed.change(node, 1, Fields { mode, ..Fields::default() }).map(|now| now.mode & 0o1777);
    for path in ["", "policies", "free"] {
        fs::set_permissions(bed.inside(path), PermissionsExt::from_mode(0o1755)).unwrap();
    }
    for node in [1, above] {
        for mode in [0o1777, 0o1775, 0o1757, 0o1555, 0o1655, 0o1355, 0o1055, 0o755] {
            assert_eq!(to(node, mode), Err(30), "{mode:o} of {node}");
        }
        assert_eq!((to(node, 0o1711), to(node, 0o1755)), (Ok(0o1711), Ok(0o1755)));
    }
    assert_eq!((to(free, 0o777), to(free, 0o555)), (Ok(0o777), Ok(0o555)));
}

#[test]
fn a_mode_is_given_to_what_was_looked_up_and_not_to_where_a_link_leads() {
    let bed = keeping();
    let before = fs::metadata(bed.inside("agent.yaml")).unwrap().mode();
    rustix::fs::mknodat(CWD, bed.inside("e"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let pipe = bed.walk("e").unwrap().node;
    bed.make(op::SYMLINK, 1, &[name("link"), name("agent.yaml")].concat()).unwrap();
    let exchange = [longs(&[1]), words(&[2, 0]), name("link"), name("e")].concat();
    let given = std::thread::scope(|scope| {
        // One lane puts the link there, and the pipe again, while the other one gives modes.
        let links =
            scope.spawn(|| (0..20_000).for_each(|_| drop(bed.ask(op::RENAME2, 1, &exchange).unwrap())));
        let mut given = 0;
        while !links.is_finished() {
            given += u32::from(bed.change(pipe, 1, Fields { mode: 0o777, ..Fields::default() }).is_ok());
        }
        given
    });
    assert_eq!(fs::metadata(bed.inside("agent.yaml")).unwrap().mode(), before);
    assert!(given > 0, "a pipe of the host's gets the mode");
}

#[test]
fn what_is_not_answered_is_not_known() {
    let bed = Bed::new();
    rustix::fs::mknodat(CWD, bed.inside("p"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    assert_eq!(bed.create(1, "p", (WRONLY, 0o600)), Err(95));
    assert_eq!(bed.known(), 1);
}

#[test]
fn a_circle_of_places_ends() {
    // The host moves a directory into what was beneath it, and back, between look-ups.
    let bed = Bed::new();
    fs::create_dir_all(bed.inside("a/b")).unwrap();
    let a = bed.walk("a").unwrap().node;
    let b = bed.look_up(a, "b").unwrap().node;
    fs::rename(bed.inside("a/b"), bed.inside("b")).unwrap();
    fs::rename(bed.inside("a"), bed.inside("b/a")).unwrap();
    let nodes = bed.session.directory().nodes();
    for (id, parent, text) in [(a, b, c"a"), (b, a, c"b")] {
        let node = crate::nodes::locked(nodes).get(crate::message::NodeId(id)).unwrap();
        node.move_to(crate::nodes::Place { parent: crate::message::NodeId(parent), name: text.to_owned() });
    }
    assert!(bed.look_up(b, "a").is_err() || bed.look_up(a, "b").is_err());
    assert_ne!(a, ROOT.0);
    fs::set_permissions(bed.inside("b"), PermissionsExt::from_mode(0o755)).unwrap();
}
