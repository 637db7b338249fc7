//! `surety message sign`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use surety_core::json;

use crate::api::messages::submit::EnvelopeView;
use crate::cli::exit::Failed;
use crate::cli::{Common, input, output};
use crate::data::{is_exposed, read_key};

/// Signs exactly the bytes of a file, as `personal_sign` does.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sign {
    /// The message text; - for standard input
    file: PathBuf,
    /// The signer's key file
    #[arg(long, default_value = "surety.key", value_name = "FILE")]
    key: PathBuf,
}

impl Sign {
    pub(super) fn run(self, _: &Common) -> Result<(), Failed> {
        let text = input::text(&self.file)?;
        // What the host would refuse is not worth a signature.
        json::parse(text.as_bytes()).map_err(Failed::refused)?;
        let envelope = envelope(text, &self.key)?;
        output::document(&serde_json::to_string(&envelope)?)?;
        Ok(())
    }
}

/// A text with its signature by the key of a file.
pub(super) fn envelope(text: String, key: &Path) -> Result<EnvelopeView, Failed> {
    if is_exposed(key)? {
        let key = key.display();
        let _ = writeln!(std::io::stderr(), "surety: other users can read the key {key}");
    }
    let signature = read_key(key)?.sign_text(&text).to_string();
    Ok(EnvelopeView { scheme: "eip191".to_owned(), message: text, signature })
}
