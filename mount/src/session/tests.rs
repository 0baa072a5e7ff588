//! Requests and what they do not get through.
