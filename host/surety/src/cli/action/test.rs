//! `surety action test`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use surety_kit::Project;
use surety_sandbox::Compiling;

use super::build::build;
use crate::cli::exit::Failed;
use crate::cli::{Common, Output};
use crate::compile::by_this_binary;
use crate::data::DataFolder;
use crate::fixture::{Bench, Difference, Exchanging, Expect, Fixture, Held};

/// Fixtures of a project: more are not written by hand.
const FIXTURES_MAX: usize = 10_000;

/// Builds a project and runs its component in the sandbox against every
/// fixtures/*.json, judged as a host judges it. Exit code 5 when one does not hold.
#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Run the component that was built before
    #[arg(long)]
    no_build: bool,
    /// Write what came into the fixtures that do not hold
    #[arg(long)]
    update: bool,
    /// Show what the component writes to its log, and its requests
    #[arg(long)]
    log: bool,
    /// The host's configuration, for its limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// How a fixture went.
#[derive(Serialize)]
struct CaseView {
    fixture: String,
    held: bool,
    updated: bool,
    expect: Option<Expect>,
    found: Expect,
    fuel: u64,
    memory_bytes: usize,
    took_us: u128,
    log: Vec<String>,
    http: Vec<String>,
    differences: Vec<Difference>,
}

impl Test {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let config = common.config(self.config.as_ref())?;
        let limits = config.sandbox;
        let project = Project::open(&self.folder)?;
        let component = match self.no_build {
            true => crate::cli::input::bytes(&project.component())?,
            false => build(&project, &limits)?.0,
        };
        let fixtures = fixtures(&project.folder.join("fixtures"))?;
        let secret = DataFolder::open(&config.data_folder()?)?.compile_secret()?;
        let cache = project.cache().join("compiled");
        let command = by_this_binary().context("the compiler cannot be found")?;
        let compiling = Compiling { command, limits: config.compile, folder: cache, secret };
        let bench = Bench::new(component, limits, compiling)?.map_err(Failed::refused)?;
        let mut wrong = 0;
        for (name, file) in &fixtures {
            let case = self.case(&bench, name, file)?;
            wrong += usize::from(!case.held && !case.updated);
            self.show(common.output(), &case)?;
        }
        match wrong {
            0 => Ok(()),
            _ => {
                let all = fixtures.len();
                Err(Failed::Unproven(format!("{wrong} of {all} fixtures do not hold")))
            }
        }
    }

    fn case(&self, bench: &Bench, name: &str, file: &Path) -> Result<CaseView, Failed> {
        let failed = || format!("the fixture {} cannot be run", file.display());
        let fixture = Fixture::read(file)?;
        let run = |exchanging| bench.run(&fixture, exchanging).with_context(failed);
        let mut held = run(Exchanging::Compare)?.map_err(Failed::refused)?;
        let holds = holds(&fixture, &held);
        let mut updated = false;
        if self.update && !holds {
            held = run(Exchanging::Record)?.map_err(Failed::refused)?;
            // A request without an answer is not the end of the call.
            updated = held.differences.iter().all(|difference| difference.asked.is_none());
            let expect = if updated { Some(held.found.clone()) } else { fixture.expect.clone() };
            let golden = Fixture { expect, http: held.golden.clone(), ..fixture.clone() };
            let failed = || format!("the fixture {} cannot be written", file.display());
            std::fs::write(file, golden.text()?).with_context(failed)?;
        }
        let Held { found, fuel, memory_bytes, took, log, http, differences, .. } = held;
        Ok(CaseView {
            fixture: name.to_owned(),
            held: holds,
            updated,
            expect: fixture.expect,
            found,
            fuel,
            memory_bytes,
            took_us: took.as_micros(),
            log,
            http,
            differences,
        })
    }

    fn show(&self, output: Output, case: &CaseView) -> anyhow::Result<()> {
        output.value(case, |case| {
            let mut text = summary(case);
            if self.log || !case.held {
                text.extend(case.log.iter().map(|line| format!("\n      {line}")));
                text.extend(case.http.iter().map(|line| format!("\n      http: {line}")));
            }
            if !case.held {
                text.extend(case.differences.iter().map(exchange));
                text.push_str(&difference(case.expect.as_ref(), Some(&case.found)));
            }
            text
        })
    }
}

/// Whether what came is what the fixture says.
fn holds(fixture: &Fixture, held: &Held) -> bool {
    let expected = fixture.expect.as_ref().is_some_and(|expect| expect.admits(&held.found));
    expected && held.differences.is_empty()
}

/// The fixtures of a folder, by name.
fn fixtures(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let failed = || format!("the fixtures in {} cannot be read", folder.display());
    let entries = std::fs::read_dir(folder).with_context(failed)?;
    let mut fixtures = Vec::new();
    for entry in entries {
        let file = entry.with_context(failed)?.path();
        let is_json = file.extension().is_some_and(|extension| extension == "json");
        if let (true, Some(name)) = (is_json, file.file_stem()) {
            fixtures.push((name.to_string_lossy().into_owned(), file));
        }
    }
    anyhow::ensure!(
        fixtures.len() <= FIXTURES_MAX,
        "{} has {} fixtures; the limit is {FIXTURES_MAX}",
        folder.display(),
        fixtures.len()
    );
    fixtures.sort();
    match fixtures.is_empty() {
        true => Err(anyhow!("there is no fixture in {}", folder.display())),
        false => Ok(fixtures),
    }
}

/// A case in a line.
fn summary(case: &CaseView) -> String {
    let word = match (case.held, case.updated) {
        (true, _) => "ok",
        (false, true) => "new",
        (false, false) => "DIFF",
    };
    let outcome = match &case.found {
        Expect::Advance { state, .. } => format!("→ {state}"),
        Expect::Failure { failure, .. } => format!("fails: {failure}"),
        Expect::Findings { findings } if findings.is_empty() => "passes".to_owned(),
        Expect::Findings { findings } => format!("findings: {}", findings.len()),
    };
    let CaseView { fixture, fuel, memory_bytes, took_us, .. } = case;
    let (kib, ms) = (memory_bytes.div_ceil(1 << 10), *took_us as f64 / 1000.0);
    format!("{word:<4}  {fixture:<20}  {outcome:<20}  fuel {fuel}, memory {kib} KiB, {ms:.2} ms")
}

/// A request that is not the recorded one.
fn exchange(Difference { exchange, why, expected, asked }: &Difference) -> String {
    let shown = difference(expected.as_ref(), asked.as_ref());
    format!("\n      http {exchange}: {why}{shown}")
}

/// What differs, line by line: `-` is expected, `+` came.
fn difference<T: Serialize>(expect: Option<&T>, found: Option<&T>) -> String {
    let pretty = |value: &T| serde_json::to_string_pretty(value).unwrap_or_default();
    let expected = expect.map(pretty).unwrap_or_default();
    let found = found.map(pretty).unwrap_or_default();
    let diff = TextDiff::from_lines(&expected, &found);
    let line = |change: similar::Change<&str>| {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        format!("\n      {sign} {}", change.value().trim_end_matches('\n'))
    };
    diff.iter_all_changes().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_line_by_line() {
        let expect = |note: &str| Expect::Advance {
            state: "done".parse().unwrap(),
            patch: serde_json::Map::new(),
            note: Some(note.to_owned()),
        };
        let shown = difference(Some(&expect("a")), Some(&expect("b")));
        let expected = r#"
        {
          "state": "done",
      -   "note": "a"
      +   "note": "b"
        }"#;
        assert_eq!(shown, expected);
        assert!(difference(None, Some(&expect("b"))).contains("\n      + {"));
    }
}
