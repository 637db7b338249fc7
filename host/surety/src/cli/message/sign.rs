//! `surety message sign`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use serde_json::Value;
use surety_core::crypto::PrivateKey;
use surety_core::json;
use surety_core::scheme::SchemeName;
use surety_core::typed_data::TypedData;
use surety_core::types::MsgType;

use crate::api::messages::submit::EnvelopeView;
use crate::cli::exit::Failed;
use crate::cli::{Common, input, output};
use crate::data::{is_exposed, read_key};

/// Signs a message: exactly the bytes of the file, or what it says as typed data.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sign {
    /// The message text; - for standard input
    file: PathBuf,
    /// The signer's key file
    #[arg(long, default_value = "surety.key", value_name = "FILE")]
    key: PathBuf,
    /// How it is signed
    #[arg(long, value_enum, default_value_t = By::Eip191)]
    scheme: By,
    /// The typed data of the message type, for eip712 [default: the host is asked]
    #[arg(long, value_name = "FILE")]
    typed_data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum By {
    /// As personal_sign does, over the file's bytes
    Eip191,
    /// As typed data; the envelope carries the message's canonical text
    Eip712,
}

impl Sign {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let text = input::text(&self.file)?;
        // What the host would refuse is not worth a signature.
        let value = json::parse(text.as_bytes()).map_err(Failed::refused)?;
        let envelope = match (self.scheme, &self.typed_data) {
            (By::Eip191, None) => envelope(text, &self.key)?,
            (By::Eip191, Some(_)) => {
                return Err(anyhow!("--typed-data goes with --scheme eip712").into());
            }
            (By::Eip712, file) => {
                let text = typed_data(common, file.as_deref(), &value)?;
                typed_envelope(&value, &text, &self.key)?
            }
        };
        output::document(&serde_json::to_string(&envelope)?)?;
        Ok(())
    }
}

/// A text with its signature by the key of a file.
pub(super) fn envelope(text: String, key: &Path) -> Result<EnvelopeView, Failed> {
    let signature = signer(key)?.sign_text(&text).to_string();
    Ok(EnvelopeView { scheme: SchemeName::Eip191.as_str().to_owned(), message: text, signature })
}

/// A value's canonical text, signed as typed data by the key of a file.
pub(super) fn typed_envelope(
    value: &Value,
    typed_data: &str,
    key: &Path,
) -> Result<EnvelopeView, Failed> {
    let unusable = |why| Failed::Other(anyhow!("the typed data cannot be used: {why}"));
    let typed_data = TypedData::parse(typed_data).map_err(unusable)?;
    let text = value.to_string();
    let hash = typed_data.hash(&text, value).map_err(Failed::refused)?;
    let signature = signer(key)?.sign_hash(&hash).to_string();
    Ok(EnvelopeView { scheme: SchemeName::Eip712.as_str().to_owned(), message: text, signature })
}

fn signer(key: &Path) -> Result<PrivateKey, Failed> {
    if is_exposed(key)? {
        let key = key.display();
        let _ = writeln!(std::io::stderr(), "surety: other users can read the key {key}");
    }
    Ok(read_key(key)?)
}

/// Those of the file, or of the host for the message's type.
fn typed_data(common: &Common, file: Option<&Path>, message: &Value) -> Result<String, Failed> {
    match file {
        Some(file) => Ok(input::text(file)?),
        None => {
            let msg_type: MsgType = message["msg_type"].as_str().unwrap_or_default().parse()?;
            let path = format!("/v1/message-types/{msg_type}/typed-data");
            Ok(String::from_utf8(common.remote()?.get(&path)?.bytes().to_vec())?)
        }
    }
}
