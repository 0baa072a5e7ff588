//! What a jail came to: which of the optional steps the host allowed.

use std::fmt;

use rustix::io::Errno;

/// What [`super::enter`] did. `Display` is one line for the process's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Namespaces and root directory.
    pub isolation: Isolation,
    /// Who the process is now.
    pub user: User,
    /// What Landlock enforces.
    pub files: Files,
}

/// How far the process is separated from the host's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Own namespaces and root directory, made as root.
    Privileged,
    /// Own namespaces and root directory, in a user namespace of its own.
    UserNamespace,
    /// The host refuses user namespaces: the process shares the host's namespaces and root.
    Refused(Errno),
}

/// Who the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The jail user it was told to become.
    Changed,
    /// The unprivileged user that started it.
    Unchanged,
    /// Root without any capability: no jail user was given.
    Root,
}

/// Landlock's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Everything that was asked for: no file, no TCP it has no use for, no signal to the outside.
    Restricted,
    /// The kernel's Landlock is older: a part of it.
    PartlyRestricted,
    /// The kernel has no Landlock.
    Unrestricted,
}

impl Report {
    /// What is weaker than it could be on a fully equipped host, one phrase each; empty when nothing is.
    #[must_use]
    pub fn weaknesses(&self) -> Vec<String> {
        let isolation = match &self.isolation {
            Isolation::Refused(error) => Some(format!("host namespaces and root shared ({error})")),
            Isolation::Privileged | Isolation::UserNamespace => None,
        };
        let user = (self.user == User::Root).then(|| "user 0 kept, without capabilities".to_owned());
        let files = match self.files {
            Files::Restricted => None,
            Files::PartlyRestricted => Some("an old kernel enforces only a part of Landlock".to_owned()),
            Files::Unrestricted => Some("the kernel has no Landlock".to_owned()),
        };
        [isolation, user, files].into_iter().flatten().collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.isolation {
            Isolation::Privileged => "jailed",
            Isolation::UserNamespace => "jailed in a user namespace",
            Isolation::Refused(_) => "jailed in part",
        };
        let weaknesses = self.weaknesses();
        if weaknesses.is_empty() { f.write_str(kind) } else { write!(f, "{kind}: {}", weaknesses.join("; ")) }
    }
}
