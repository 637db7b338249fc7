//! Fixtures: files with a call and what comes of it, or with what a validator finds;
//! the same that `surety action test` runs the component against.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::bindings::surety::action::types;
use crate::testing::{NOW_MS, message};
use crate::world::World;
use crate::{Advance, Call, Failure};
#[cfg(feature = "validator")]
use crate::{Finding, Submission, validator_bindings};

/// Files of a folder that are looked at.
const FILES_MAX: usize = 10_000;

/// The Msg_ID of a fixture that names none.
const MSG_ID: &str = "0190a0b0-c0d0-7000-8000-000000000001";

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
    #[serde(default)]
    http: Vec<Value>,
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
    Findings {
        findings: Vec<Value>,
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

/// Runs an action against every fixture (`*.json`) of a folder, natively, with its
/// recorded `http` as the world. What the sandbox alone can do is left to
/// `surety action test`: failures of its own, such as `limit`, and bodies that are no
/// text.
///
/// # Panics
/// When one does not hold, with what differs; when there is none, or one cannot
/// be read; when one has `http`, and this crate not the feature of that name.
pub fn fixtures<P, E, S>(
    folder: impl AsRef<Path>,
    action: impl Fn(Call<P, E, S>) -> Result<Advance, Failure>,
) where
    P: DeserializeOwned,
    E: DeserializeOwned,
    S: DeserializeOwned,
{
    each(folder.as_ref(), |fixture| hold(fixture, &action));
}

/// Runs a validator against every fixture of a folder, as [`fixtures`].
///
/// # Panics
/// As [`fixtures`].
#[cfg(feature = "validator")]
pub fn validator_fixtures<P, S>(
    folder: impl AsRef<Path>,
    validator: impl Fn(Submission<P, S>) -> Vec<Finding>,
) where
    P: DeserializeOwned,
    S: DeserializeOwned,
{
    each(folder.as_ref(), |fixture| {
        let raw = validator_bindings::Submission {
            message: signed(fixture),
            now_ms: fixture.now_ms,
            settings: Value::Object(fixture.settings.clone()).to_string(),
        };
        let findings = match Submission::from_raw(raw) {
            Ok(submission) => validator(submission),
            Err(finding) => vec![finding],
        };
        let finding = |Finding { pointer, detail }| json!({ "pointer": pointer, "detail": detail });
        let findings: Vec<_> = findings.into_iter().map(finding).collect();
        same(expected(&fixture.expect), json!({ "findings": findings }))
    });
}

fn each(folder: &Path, hold: impl Fn(&Fixture) -> Result<(), String>) {
    let files = files(folder);
    assert!(!files.is_empty(), "there is no fixture in {}", folder.display());
    let mut wrong = Vec::new();
    for file in files {
        let read = || -> Result<Fixture, String> {
            let text = fs::read_to_string(&file).map_err(|e| e.to_string())?;
            serde_json::from_str(&text).map_err(|e| e.to_string())
        };
        let held = read().and_then(|fixture| match is_the_sandboxs(&fixture) {
            true => Ok(()),
            false => hold(&fixture),
        });
        if let Err(why) = held {
            wrong.push(format!("{}: {why}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether only the sandbox can do what is expected.
fn is_the_sandboxs(fixture: &Fixture) -> bool {
    let binary = |exchange: &Value| {
        ["request", "response"].iter().any(|side| !exchange[side]["body_base64"].is_null())
    };
    let fails = match &fixture.expect {
        Expected::Failure { failure, .. } => !OWN_FAILURES.contains(&failure.as_str()),
        Expected::Advance { .. } | Expected::Findings { .. } => false,
    };
    fails || fixture.http.iter().any(binary)
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
    fixture: &Fixture,
    action: impl Fn(Call<P, E, S>) -> Result<Advance, Failure>,
) -> Result<(), String>
where
    P: DeserializeOwned,
    E: DeserializeOwned,
    S: DeserializeOwned,
{
    let world = World::of(&fixture.http);
    let outcome = Call::from_raw(raw(fixture)).and_then(action);
    world.end()?;
    same(expected(&fixture.expect), found(outcome, &fixture.expect)?)
}

fn same(expected: Value, found: Value) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("\n  expected {expected}\n  found    {found}"))
}

fn signed(fixture: &Fixture) -> types::Message {
    let mut message = message(&Value::Object(fixture.payload.clone()).to_string());
    MSG_ID.clone_into(&mut message.msg_id);
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
    message
}

fn raw(fixture: &Fixture) -> types::Call {
    types::Call {
        message: signed(fixture),
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
            json!({ "state": state, "patch": patch, "note": note })
        }
        Expected::Failure { failure, reason } => {
            json!({ "failure": failure, "reason": reason })
        }
        Expected::Findings { findings } => json!({ "findings": findings }),
    }
}

/// What came, in the same form. A reason counts where one is expected.
fn found(outcome: Result<Advance, Failure>, expect: &Expected) -> Result<Value, String> {
    let (failure, reason) = match outcome {
        Ok(Advance { state, ext_patch, note }) => {
            let patch: Value = serde_json::from_str(&ext_patch)
                .map_err(|e| format!("the patch is not JSON: {e}"))?;
            return Ok(json!({ "state": state, "patch": patch, "note": note }));
        }
        Err(Failure::Transient(reason)) => ("transient", reason),
        Err(Failure::Permanent(reason)) => ("permanent", reason),
    };
    let any = matches!(expect, Expected::Failure { reason: None, failure: of } if of == failure);
    let reason = (!any).then_some(reason);
    Ok(json!({ "failure": failure, "reason": reason }))
}
