//! What is parsed, and what is refused.
