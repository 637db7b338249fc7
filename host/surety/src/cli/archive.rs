//! `surety archive`

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;
use surety_core::types::MsgId;

use super::Common;
use super::exit::Failed;
use super::output::raw;

#[derive(Debug, Subcommand)]
pub(super) enum Archive {
    /// Take out the bundle of a finished message
    Get {
        /// Its Msg_ID
        id: MsgId,
        /// The file to write; - for standard output [default: ID.surety]
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl Archive {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let Self::Get { id, out } = self;
        let answer = common.remote()?.get(&format!("/v1/messages/{id}/bundle"))?;
        let out = out.unwrap_or_else(|| PathBuf::from(format!("{id}.surety")));
        if out.as_os_str() == "-" {
            return Ok(raw(answer.bytes())?);
        }
        // For its owner alone: it holds the message whole.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&out)
            .and_then(|mut file| file.write_all(answer.bytes()))
            .with_context(|| format!("{} cannot be written", out.display()))?;
        let (file, bytes) = (out.display().to_string(), answer.bytes().len());
        let value = json!({ "msg_id": id, "file": file, "bytes": bytes });
        Ok(common.output().value(&value, |_| format!("{file}  {bytes} bytes"))?)
    }
}
