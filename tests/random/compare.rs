//! A message of the engine beside the reference's.

use serde_json::json;
use surety_core::machine::{Loaded, Phase};
use surety_core::record::{self, Cause, Sealed};
use surety_core::types::Digest;

use super::reference::{Message, Record};

/// Whether an open message is as it must be.
pub fn open(loaded: &Loaded, expected: &Message) -> Result<(), String> {
    let sealed = loaded.records.iter().map(Sealed::record).collect::<Result<Vec<_>, _>>();
    records(&sealed.map_err(|e| e.to_string())?, expected)?;
    let head = &loaded.head;
    if head.seq + 1 != expected.records.len() as u64 {
        return Err(format!("it is at revision {}", head.seq));
    }
    let phase = match head.phase {
        Phase::Running => "running",
        Phase::Waiting => "waiting",
        Phase::Parked => "parked",
        Phase::Final => "final",
    };
    let error = head.last_error.as_deref().and_then(|error| error.split(':').next());
    let is = Message {
        records: Vec::new(),
        state: head.state.to_string(),
        phase,
        step: head.step,
        attempt: head.attempt.into(),
        // Of a message that nothing is due for it says nothing.
        due: if moves(phase) { head.due.as_millis() } else { 0 },
        ext: head.ext.value().clone(),
        last_error: error.map(str::to_owned),
        given: head.given.iter().map(|g| (g.name.to_string(), g.signer.to_string())).collect(),
    };
    let due = if moves(expected.phase) { expected.due } else { 0 };
    let should = Message { records: Vec::new(), due, ..expected.clone() };
    if is == should { Ok(()) } else { Err(format!("it is {is:#?}\nand not {should:#?}")) }
}

fn moves(phase: &str) -> bool {
    ["running", "waiting"].contains(&phase)
}

/// Whether each record is as it must be, in all that is the same in every run.
pub fn records(records: &[record::Record], expected: &Message) -> Result<(), String> {
    for (i, (is, should)) in records.iter().zip(&expected.records).enumerate() {
        let is = seen(is);
        // What is kept of Msg_Ext before is a digest.
        let ext_before = json!(Digest::of(should.ext_before.to_string().as_bytes()));
        let should = Record { ext_before, ..should.clone() };
        if is != should {
            return Err(format!("record {i} is {is:#?}\nand not {should:#?}"));
        }
    }
    match (records.len(), expected.records.len()) {
        (is, should) if is == should => Ok(()),
        (is, should) => Err(format!("it has {is} records, and not {should}")),
    }
}

fn seen(record: &record::Record) -> Record {
    let chosen = record.cause == Cause::Choice && record.failure.is_none();
    Record {
        at: record.at.as_millis(),
        from: record.from.as_ref().map(ToString::to_string),
        to: record.to.to_string(),
        cause: record.cause.as_str(),
        step: record.step,
        attempt: record.attempt.into(),
        now: record.now.as_millis(),
        failure: record.failure.as_ref().map(|failure| failure.kind.as_str().to_owned()),
        patch: serde_json::from_str(&record.ext_patch).ok(),
        ext_before: json!(record.ext_before),
        note: chosen.then(|| record.note.clone()),
    }
}
