//! Who the process is: another user without groups, and no capability whatever.

use rustix::thread::{Gid, Uid};
use wire::spawn::JailUser;

use super::{JailError, User};
use jail_layers::capabilities;

pub(super) fn change(user: Option<JailUser>) -> Result<User, JailError> {
    // The bounding set goes first: emptying it takes a capability that the change of user takes away.
    if capabilities::may_shrink().map_err(JailError::Capabilities)? {
        capabilities::empty_bounding_set().map_err(JailError::Capabilities)?;
    }
    let outcome = match user {
        Some(user) => become_user(user)?,
        None if rustix::process::getuid().is_root() => User::Root,
        None => User::Unchanged,
    };
    capabilities::drop_all().map_err(JailError::Capabilities)?;
    Ok(outcome)
}

fn become_user(user: JailUser) -> Result<User, JailError> {
    if rustix::process::getuid().as_raw() == user.uid && rustix::process::getgid().as_raw() == user.gid {
        if user.uid == 0 {
            rustix::thread::set_thread_groups(&[]).map_err(|error| JailError::User(user, error))?;
        }
        return Ok(User::Unchanged);
    }
    if !rustix::process::getuid().is_root() {
        return Err(JailError::NotRoot(user));
    }
    let refused = |error| JailError::User(user, error);
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    // Groups before the user: a plain user may not change them.
    rustix::thread::set_thread_groups(&[]).map_err(refused)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(refused)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(refused)?;
    Ok(User::Changed)
}
