//! The agent's user as its programs see it: listed under its name and number, with a home and a working
//! directory that are its own.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use wire::confinement::User;
use wire::control::{MountAccess, Setup};

use super::root::{Owner, RootError, Tree};

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// Longest list that is read.
const MAX_LIST: u64 = 1 << 20;

/// Who is listed in an image that says nothing else, and owns what it made for its agent.
const SHELL: &str = "/bin/sh";

/// Makes the user known and at home.
///
/// # Errors
/// What could not be written.
pub(crate) fn settle(setup: &Setup, tree: &Tree) -> Result<(), RootError> {
    let user = &setup.confinement.user;
    update(tree, USERS, |text| listed_user(text, user))?;
    update(tree, GROUPS, |text| listed_group(text, user))?;
    let live = || setup.mounts.iter().filter(|mount| mount.access == MountAccess::Live);
    for path in [&user.home, &setup.agent.workdir] {
        // In a directory of the host's, whose files are whose is the host's matter.
        if live().any(|mount| Path::new(path).starts_with(&mount.target)) {
            tree.make_directories(Path::new(path), Owner::agent(user))?;
        } else {
            own(tree, path, user)?;
        }
    }
    Ok(())
}

/// Writes a list anew if `change` changes it.
fn update(tree: &Tree, path: &str, change: impl Fn(&str) -> String) -> Result<(), RootError> {
    let path = Path::new(path);
    let before = read(tree, path).map_err(|cause| RootError::new("read", path, cause))?;
    let after = change(&before);
    if after == before { Ok(()) } else { tree.write(path, after.as_bytes(), 0o644, Owner::ROOT) }
}

/// An image without the list has an empty one.
fn read(tree: &Tree, path: &Path) -> Result<String, Errno> {
    let file = match tree.at(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::NOENT) => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_LIST)
        .read_to_end(&mut bytes)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The list with the agent's user as the only one of its name and of its number.
fn listed_user(text: &str, user: &User) -> String {
    let User { name, uid, gid, home } = user;
    let shell = text
        .lines()
        .find(|line| line.split(':').next() == Some(name))
        .and_then(|line| line.split(':').nth(6));
    let shell = shell.filter(|shell| !shell.is_empty()).unwrap_or(SHELL);
    let entry = format!("{name}:x:{uid}:{gid}:{name}:{home}:{shell}");
    replace(text, name, &uid.to_string(), &entry)
}

fn listed_group(text: &str, user: &User) -> String {
    let gid = user.gid.to_string();
    replace(text, &user.name, &gid, &format!("{}:x:{gid}:", user.name))
}

/// Puts `entry` in place of every entry of that name or number; if it is there already, nothing changes.
fn replace(text: &str, name: &str, number: &str, entry: &str) -> String {
    let same = |line: &&str| {
        let mut fields = line.split(':');
        fields.next() == Some(name) || fields.nth(1) == Some(number)
    };
    if text.lines().filter(same).eq([entry]) {
        return text.to_owned();
    }
    let others = text.lines().filter(|line| !same(line));
    others.chain([entry]).flat_map(|line| [line, "\n"]).collect()
}

/// Makes the directory, or takes it over from the image's standard agent. What belongs to anybody else stays
/// theirs.
fn own(tree: &Tree, path: &str, user: &User) -> Result<(), RootError> {
    let path = Path::new(path);
    let directory = tree.make_directories(path, Owner::agent(user))?;
    let failed = |cause| RootError::new("take over", path, cause);
    let metadata = std::fs::metadata(Tree::name(&directory))
        .map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    let standard = User::default();
    if metadata.uid() != standard.uid || (metadata.uid(), metadata.gid()) == (user.uid, user.gid) {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::fs::chownat(&directory, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH).map_err(failed)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    const LIST: &str = "root:x:0:0:root:/root:/bin/bash\nagent:x:1000:1000:agent:/home/agent:/bin/bash\n";

    #[test]
    fn the_standard_user_changes_nothing() {
        assert_eq!(listed_user(LIST, &User::default()), LIST);
        assert_eq!(listed_group("agent:x:1000:\n", &User::default()), "agent:x:1000:\n");
    }

    #[test]
    fn another_name_or_number_is_the_only_one() {
        let dev = User { name: "dev".into(), home: "/home/dev".into(), ..User::default() };
        let list = listed_user(LIST, &dev);
        assert_eq!(list, "root:x:0:0:root:/root:/bin/bash\ndev:x:1000:1000:dev:/home/dev:/bin/sh\n");
        let other = User { uid: 2000, gid: 3000, ..User::default() };
        let list = listed_user(LIST, &other);
        assert!(list.ends_with("\nagent:x:2000:3000:agent:/home/agent:/bin/bash\n"), "{list}");
        assert_eq!(list.matches("agent:x:").count(), 1);
        assert_eq!(listed_group("agent:x:1000:\nusers:x:3000:\n", &other), "agent:x:3000:\n");
    }

    #[test]
    fn the_directories_become_the_users() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("etc")).unwrap();
        std::fs::create_dir_all(temp.path().join("home/agent")).unwrap();
        std::os::unix::fs::chown(temp.path().join("home/agent"), Some(1000), Some(1000)).unwrap();
        let tree = Tree::open(temp.path()).unwrap();
        let user = User { uid: 2000, gid: 3000, ..User::default() };
        own(&tree, &user.home, &user).unwrap();
        own(&tree, "/etc", &user).unwrap();
        let owner = |path: &str| {
            let metadata = std::fs::metadata(temp.path().join(path)).unwrap();
            (metadata.uid(), metadata.gid())
        };
        assert_eq!((owner("home/agent"), owner("etc")), ((2000, 3000), (0, 0)));
    }
}
