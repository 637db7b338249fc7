//! Fixtures: files with a call and what comes of it, the same that
//! `surety action test` runs the component against.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bindings::surety::action::types;
use crate::testing::{NOW_MS, message};
use crate::{Advance, Call, Failure};

/// Files of a folder that are looked at.
const FILES_MAX: usize = 10_000;

/// Failures that a function has by itself. The others are the sandbox's.
const OWN_FAILURES: [&str; 2] = ["permanent", "transient"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    payload: Map<String, Value>,
    #[serde(default)]
    ext: Map<String, Value>,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    message: Named,
    #[serde(default = "received")]
    state: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    step: u64,
    #[serde(default = "first")]
    attempt: u32,
    #[serde(default = "now")]
    now_ms: u64,
    expect: Expected,
}

/// Members of the message, where they matter.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Named {
    msg_id: Option<String>,
    msg_type: Option<String>,
    client_id: Option<String>,
    creation_date: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum Expected {
    Advance {
        state: String,
        #[serde(default)]
        patch: Map<String, Value>,
        note: Option<String>,
    },
    Failure {
        failure: String,
        reason: Option<String>,
    },
}

fn received() -> String {
    "received".to_owned()
}

fn first() -> u32 {
    1
}

fn now() -> u64 {
    NOW_MS
}

/// Runs an action against every fixture (`*.json`) of a folder, natively. Those
/// that expect a failure of the sandbox's, such as `limit`, are left to
/// `surety action test`.
///
/// # Panics
/// When one does not hold, with what differs; when there is none, or one cannot
/// be read.
pub fn fixtures<P, E, S>(
    folder: impl AsRef<Path>,
    action: impl Fn(Call<P, E, S>) -> Result<Advance, Failure>,
) where
    P: DeserializeOwned,
    E: DeserializeOwned,
    S: DeserializeOwned,
{
    let folder = folder.as_ref();
    let files = files(folder);
    assert!(!files.is_empty(), "there is no fixture in {}", folder.display());
    let mut wrong = Vec::new();
    for file in files {
        if let Err(why) = hold(&file, &action) {
            wrong.push(format!("{}: {why}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|e| panic!("{} cannot be read: {e}", folder.display()));
    let mut files: Vec<_> = entries.take(FILES_MAX).flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn hold<P, E, S>(
    file: &Path,
    action: impl Fn(Call<P, E, S>) -> Result<Advance, Failure>,
) -> Result<(), String>
where
    P: DeserializeOwned,
    E: DeserializeOwned,
    S: DeserializeOwned,
{
    let text = fs::read_to_string(file).map_err(|e| e.to_string())?;
    let fixture: Fixture = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    if let Expected::Failure { failure, .. } = &fixture.expect
        && !OWN_FAILURES.contains(&failure.as_str())
    {
        return Ok(());
    }
    let outcome = Call::from_raw(raw(&fixture)).and_then(action);
    let (expected, found) = (expected(&fixture.expect), found(outcome, &fixture.expect)?);
    if expected == found {
        return Ok(());
    }
    Err(format!("\n  expected {expected}\n  found    {found}"))
}

fn raw(fixture: &Fixture) -> types::Call {
    let mut message = message(&Value::Object(fixture.payload.clone()).to_string());
    let Named { msg_id, msg_type, client_id, creation_date } = &fixture.message;
    for (member, named) in [
        (&mut message.msg_id, msg_id),
        (&mut message.msg_type, msg_type),
        (&mut message.client_id, client_id),
        (&mut message.creation_date, creation_date),
    ] {
        if let Some(named) = named {
            member.clone_from(named);
        }
    }
    types::Call {
        message,
        state: fixture.state.clone(),
        seq: fixture.seq,
        step: fixture.step,
        attempt: fixture.attempt,
        now_ms: fixture.now_ms,
        ext: Value::Object(fixture.ext.clone()).to_string(),
        settings: Value::Object(fixture.settings.clone()).to_string(),
    }
}

/// What is expected, as one value to compare and to show.
fn expected(expect: &Expected) -> Value {
    match expect {
        Expected::Advance { state, patch, note } => {
            serde_json::json!({ "state": state, "patch": patch, "note": note })
        }
        Expected::Failure { failure, reason } => {
            serde_json::json!({ "failure": failure, "reason": reason })
        }
    }
}

/// What came, in the same form. A reason counts where one is expected.
fn found(outcome: Result<Advance, Failure>, expect: &Expected) -> Result<Value, String> {
    let (failure, reason) = match outcome {
        Ok(Advance { state, ext_patch, note }) => {
            let patch: Value = serde_json::from_str(&ext_patch)
                .map_err(|e| format!("the patch is not JSON: {e}"))?;
            return Ok(serde_json::json!({ "state": state, "patch": patch, "note": note }));
        }
        Err(Failure::Transient(reason)) => ("transient", reason),
        Err(Failure::Permanent(reason)) => ("permanent", reason),
    };
    let any = matches!(expect, Expected::Failure { reason: None, failure: of } if of == failure);
    let reason = (!any).then_some(reason);
    Ok(serde_json::json!({ "failure": failure, "reason": reason }))
}
