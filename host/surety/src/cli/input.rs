//! Files that commands read; `-` is standard input.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;

/// All bytes of a file.
pub(super) fn bytes(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("standard input cannot be read")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// All text of a file.
pub(super) fn text(file: &Path) -> anyhow::Result<String> {
    String::from_utf8(bytes(file)?).with_context(|| format!("{} is not UTF-8", file.display()))
}
