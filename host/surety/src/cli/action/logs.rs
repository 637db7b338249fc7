//! `surety action logs`

use std::time::Duration;

use clap::Args;
use surety_core::types::MsgId;

use crate::api::logs::LogsView;
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::guest_logs::LineView;

/// One long poll: short enough that proxies bear it.
const WAIT: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
pub(in crate::cli) struct Logs {
    /// The module: NAME or NAME@VERSION [default: all]
    module: Option<String>,
    /// Only of calls for this message
    #[arg(long, value_name = "MSG_ID")]
    message: Option<MsgId>,
    /// Go on with lines as they are written
    #[arg(long)]
    follow: bool,
}

impl Logs {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let (remote, output) = (common.remote()?, common.output());
        let mut filter = String::new();
        if let Some(module) = &self.module {
            // A name and a version have nothing that a query would take otherwise,
            // but for build metadata.
            filter.push_str(&format!("&module={}", module.replace('+', "%2B")));
        }
        if let Some(message) = self.message {
            filter.push_str(&format!("&msg_id={message}"));
        }
        let (mut after, mut behind_end) = (0, false);
        loop {
            let path = format!("/v1/logs?after={after}{filter}");
            let page: LogsView = match behind_end {
                true => remote.wait(&format!("{path}&wait={}", WAIT.as_secs()), WAIT)?.read()?,
                false => remote.get(&path)?.read()?,
            };
            if page.missed > 0 && behind_end {
                let missed = page.missed;
                eprintln!("surety: up to {missed} lines were gone before they could be read");
            }
            for line in &page.lines {
                output.value(line, show)?;
            }
            behind_end |= page.next == after;
            if behind_end && !self.follow {
                return Ok(());
            }
            after = page.next;
        }
    }
}

/// A line in a line.
fn show(line: &LineView) -> String {
    let LineView { at, level, module, msg_id, text, .. } = line;
    format!("{at}  {level:<5}  {module}  {msg_id}  {text}")
}
