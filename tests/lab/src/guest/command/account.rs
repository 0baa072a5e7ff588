//! A user of the lab, who is a user of the host: the lab shows the host's `/etc/passwd`.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};

/// A line of `/etc/passwd`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: String,
}

impl Account {
    /// Root, whatever the file says.
    pub(super) fn root() -> Self {
        Self { name: "root".to_owned(), uid: 0, gid: 0, home: "/root".to_owned() }
    }

    /// Looks a user up by name.
    pub(super) fn find(name: &str) -> io::Result<Self> {
        let text = fs::read_to_string("/etc/passwd")?;
        let found = text.lines().filter_map(parse).find(|account| account.name == name);
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no user {name}")))
    }

    /// Makes the folder that a login would have made for the user's sockets.
    pub(super) fn make_run_folder(&self) -> io::Result<String> {
        let folder = format!("/run/user/{}", self.uid);
        DirBuilder::new().recursive(true).mode(0o755).create("/run/user")?;
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _made_or_there => chown(&folder, Some(self.uid), Some(self.gid))?,
        }
        Ok(folder)
    }
}

/// `name:password:uid:gid:comment:home:shell`.
fn parse(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    Some(Account {
        name: fields.next()?.to_owned(),
        uid: fields.nth(1)?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
        home: fields.nth(1)?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_account() {
        let account = Account { name: "x".into(), uid: 1001, gid: 7, home: "/home/x".into() };
        assert_eq!(parse("x:*:1001:7:X,,,:/home/x:/bin/sh"), Some(account));
        assert_eq!(parse("x:*:many:7::/home/x:/bin/sh"), None);
        assert_eq!(parse(""), None);
    }
}
