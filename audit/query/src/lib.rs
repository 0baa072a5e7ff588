//! Questions to audit logs: a SQLite index beside each log, which can always be made again from it.
