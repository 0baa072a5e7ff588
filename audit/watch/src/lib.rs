//! Detections over audit records as they come: pure, a record in, findings out.
