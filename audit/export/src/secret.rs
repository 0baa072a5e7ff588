//! Secrets that a receiver asks for, read where the operator keeps them.

use std::fmt;

use wire::secret::Secret;

/// Reads a secret anew each time, so that a new one needs no new start.
pub struct SecretReader(Box<dyn Fn() -> Result<Secret, String> + Send>);

impl SecretReader {
    /// A secret that `read` gives, or says in one line why not.
    pub fn new(read: impl Fn() -> Result<Secret, String> + Send + 'static) -> Self {
        Self(Box::new(read))
    }

    pub(crate) fn read(&self) -> Result<Secret, String> {
        (self.0)()
    }
}

impl fmt::Debug for SecretReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretReader")
    }
}
