//! `surety workflow migrate`

use clap::Args;
use surety_core::types::MsgType;

use crate::api::migrate::{MigrateRequest, MigratedView, VerdictView};
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::cli::output::table;

/// Moves the open messages of a type to a version of its workflow.
#[derive(Debug, Args)]
pub(in crate::cli) struct Migrate {
    /// The message type
    msg_type: MsgType,
    /// The version to move to
    #[arg(long, value_name = "VERSION")]
    to: u32,
    /// Only say of each message whether it can move, and why not
    #[arg(long)]
    dry_run: bool,
    /// Why; the records keep it
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
}

impl Migrate {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let Self { msg_type, to, dry_run, reason } = self;
        let remote = common.remote()?;
        let path = format!("/v1/workflows/{msg_type}/{to}/migrate");
        let reason = reason.unwrap_or_default();
        let mut all = MigratedView { messages: Vec::new(), cursor: None };
        loop {
            let request = MigrateRequest { dry_run, reason: reason.clone(), cursor: all.cursor };
            let page: MigratedView = remote.post_json(&path, &request)?.read()?;
            all.messages.extend(page.messages);
            all.cursor = page.cursor;
            if all.cursor.is_none() {
                break;
            }
        }
        common.output().value(&all, |all| show(all, dry_run))?;
        match all.messages.iter().filter(|verdict| !verdict.moves).count() {
            0 => Ok(()),
            stay => Err(Failed::Unproven(format!("{stay} messages stay on their version"))),
        }
    }
}

fn show(all: &MigratedView, dry_run: bool) -> String {
    let moves = if dry_run { "can move" } else { "moved" };
    let row = |v: &VerdictView| {
        let mut why = v.detail.clone().unwrap_or_default();
        for finding in &v.errors {
            why.push_str(&format!("; {} {}", finding.pointer, finding.detail));
        }
        let verdict = if v.moves { moves } else { "stays" };
        let (id, state) = (v.msg_id.to_string(), v.msg_state.to_string());
        [id, state, v.from_version.to_string(), verdict.to_owned(), why]
    };
    table(["MSG_ID", "STATE", "FROM", "VERDICT", "WHY"], all.messages.iter().map(row).collect())
}
