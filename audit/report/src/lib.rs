//! Reports over audit logs: what controls existed, what was decided, what was an exception.
