//! The policy file, read at a start.

use std::path::Path;

use anyhow::Context as _;
use surety_core::policy::Policy;

/// The policy of a file; of no file the one that gives nobody anything.
///
/// # Errors
/// With the file and the place in it.
pub fn read(file: &Path) -> anyhow::Result<Policy> {
    if file.as_os_str().is_empty() {
        return Ok(Policy::default());
    }
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the policy {} cannot be read", file.display()))?;
    let policy = Policy::parse(&text);
    policy.with_context(|| format!("the policy {} is not valid", file.display()))
}
