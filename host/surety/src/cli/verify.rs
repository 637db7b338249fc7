//! `surety verify`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use surety_core::bundle::Bundle;
use surety_core::types::Address;

use super::exit::Failed;
use super::message::line;
use super::output::fields;
use super::{Common, input};
use crate::api::messages::history::RecordView;

/// Checks signatures and chain of a bundle, and prints each record. Needs no
/// host; names the first link that does not hold.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The bundle; - for standard input
    bundle: PathBuf,
    /// The address of the host that must have signed it. Without it the bundle
    /// proves only what the host that it names says
    #[arg(long, value_name = "ADDRESS")]
    host: Option<Address>,
}

impl Verify {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let bytes = input::bytes(&self.bundle)?;
        let unproven = |why: String| Failed::Unproven(format!("nothing is proven: {why}"));
        let bundle = Bundle::decode(&bytes).map_err(|e| unproven(e.to_string()))?;
        bundle.verify().map_err(|e| unproven(e.to_string()))?;
        for host in [bundle.receipt.host, bundle.closing.host] {
            if self.host.is_some_and(|expected| expected != host) {
                return Err(unproven(format!("it is signed by the host {host}")));
            }
        }
        let records = bundle.records.iter().map(RecordView::of);
        let records =
            records.collect::<Result<Vec<_>, _>>().map_err(|e| unproven(e.to_string()))?;
        Ok(common.output().value(&value(&bundle, &records), |_| show(&bundle, &records))?)
    }
}

fn value(bundle: &Bundle, records: &[RecordView]) -> Value {
    let message = &bundle.message;
    json!({
        "proven": true,
        "msg_id": message.msg_id,
        "msg_type": message.msg_type,
        "client_id": message.client_id,
        "signer": message.signer,
        "content_hash": message.content_hash,
        "host": bundle.closing.host,
        "records": records,
    })
}

fn show(bundle: &Bundle, records: &[RecordView]) -> String {
    let message = &bundle.message;
    let head = fields(&[
        ("msg_id", message.msg_id.to_string()),
        ("type", message.msg_type.to_string()),
        ("client", message.client_id.to_string()),
        ("signed by", message.signer.to_string()),
        ("host", bundle.closing.host.to_string()),
    ]);
    let lines = records.iter().map(line).collect::<Vec<_>>().join("\n");
    let count = records.len();
    format!("{head}\n\n{lines}\n\nproven: the signatures and all {count} links hold")
}
