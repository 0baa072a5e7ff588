//! Audit records for other systems: formats (pure), receivers, and a durable cursor between the log and each of them.
