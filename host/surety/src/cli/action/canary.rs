//! `surety action canary`

use std::collections::BTreeMap;

use clap::Args;
use surety_core::types::ModuleName;

use crate::api::canaries::{CanaryView, EndRequest, EndView, TallyView};
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::cli::output::table;

/// Compares a module's canary with the version before it; promotes or stops it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Canary {
    /// The module's name
    name: ModuleName,
    /// Give it all calls
    #[arg(long, conflicts_with = "stop")]
    promote: bool,
    /// Take it out
    #[arg(long)]
    stop: bool,
}

impl Canary {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let remote = common.remote()?;
        let path = format!("/v1/deployments/{}/canary", self.name);
        let end = match (self.promote, self.stop) {
            (true, _) => Some(EndView::Promote),
            (_, true) => Some(EndView::Stop),
            _ => None,
        };
        let answer = match end {
            Some(end) => remote.post_json(&path, &EndRequest { end })?,
            None => remote.get(&path)?,
        };
        let view: CanaryView = answer.read()?;
        Ok(common.output().value(&view, show)?)
    }
}

fn show(view: &CanaryView) -> String {
    let CanaryView { name, version, share, started_at, course, why, old, new, .. } = view;
    let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let counts = |counts: &BTreeMap<String, u64>| {
        let all: Vec<_> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
        all.join(", ")
    };
    let row = |name: &str, of: &dyn Fn(&TallyView) -> String| [name.to_owned(), of(old), of(new)];
    let rows = vec![
        row("calls", &|t| t.calls.to_string()),
        row("failed", &|t| t.failed.to_string()),
        row("failures", &|t| counts(&t.failures)),
        row("states", &|t| counts(&t.states)),
        row("fuel, mean", &|t| t.fuel_mean.to_string()),
        row("µs, mean", &|t| t.micros_mean.to_string()),
        row("µs, longest", &|t| t.micros_max.to_string()),
    ];
    let compared = table(["", "BEFORE", "CANARY"], rows);
    format!("{name}@{version}  {share} of the calls since {started_at}  {course}{why}\n{compared}")
}
