//! `surety keys`

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::Common;
use super::exit::Failed;
use super::output::fields;
use crate::data::{create_new, new_key, read_key};

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make a private key, in a file that only its owner can read
    New {
        /// The file to make; there must be none of its name
        #[arg(long, default_value = "surety.key", value_name = "FILE")]
        out: PathBuf,
    },
    /// Show the address of a private key
    Address {
        /// The key file
        #[arg(default_value = "surety.key", value_name = "FILE")]
        file: PathBuf,
    },
}

impl Keys {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let (address, file) = match self {
            Self::New { out } => {
                let (key, line) = new_key();
                let mut file = create_new(&out)
                    .with_context(|| format!("the key file {} cannot be made", out.display()))?;
                file.write_all(line.as_bytes()).and_then(|()| file.sync_all())?;
                (key.address(), out)
            }
            Self::Address { file } => (read_key(&file)?.address(), file),
        };
        let file = file.display().to_string();
        let value = json!({ "address": address, "file": file });
        common.output().value(&value, |_| {
            fields(&[("address", address.to_string()), ("key file", file.clone())])
        })?;
        Ok(())
    }
}
