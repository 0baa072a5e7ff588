//! The agent's user, and no way back.

use rustix::io::Errno;
use rustix::thread::{Gid, Uid};

use crate::ConfineError;
use crate::capabilities;

/// Makes the calling process that user's, with no group but `gid`, no capability and no way to one.
///
/// # Errors
/// A privilege could not be given up.
pub fn lower(uid: u32, gid: u32) -> Result<(), ConfineError> {
    let failed = |what| move |error: Errno| ConfineError::Identity(what, error);
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    // The bounding set first, then groups, then the user: each step takes what the next takes away.
    capabilities::empty_bounding_set().map_err(failed("bounding set"))?;
    rustix::thread::set_thread_groups(&[]).map_err(failed("groups"))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(failed("group"))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(failed("user"))?;
    capabilities::drop_all().map_err(failed("capabilities"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("no_new_privs"))
}
