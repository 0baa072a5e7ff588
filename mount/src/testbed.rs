//! A session over a temporary directory, and requests as a guest's kernel writes them.
