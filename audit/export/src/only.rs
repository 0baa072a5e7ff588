//! Which records an export is for: receivers of one tenant must not get those of another.

use audit::Record;
use audit::pattern::Pattern;

/// What an export is for; without a list, everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// Sandboxes by id.
    pub sandboxes: Option<Vec<Pattern>>,
    /// Tenants by name.
    pub tenants: Option<Vec<Pattern>>,
}

impl Only {
    /// Whether it is for records of this sandbox.
    #[must_use]
    pub fn is_for_sandbox(&self, sandbox: &str) -> bool {
        is_one_of(sandbox, self.sandboxes.as_deref())
    }

    /// Whether it is for one tenant's records or another's.
    #[must_use]
    pub fn is_for_every_tenant(&self) -> bool {
        self.tenants.is_none()
    }

    /// Whether it is for this record.
    #[must_use]
    pub fn is_for(&self, record: &Record) -> bool {
        // A log may lie under another name than the sandbox's that its records bear.
        self.is_for_sandbox(record.sandbox.as_str())
            && is_one_of(record.tenant.as_str(), self.tenants.as_deref())
    }
}

fn is_one_of(name: &str, patterns: Option<&[Pattern]>) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.is(name)))
}
