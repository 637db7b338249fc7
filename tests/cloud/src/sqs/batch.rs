//! The rules that all batches have, and their answers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::errors::{BATCH_EMPTY, BATCH_ID_INVALID, BATCH_IDS_NOT_DISTINCT, BATCH_TOO_MANY, Fault};

/// Most entries of a batch.
const ENTRIES_MAX: usize = 10;
/// Most characters of an entry's id.
const ID_MAX: usize = 80;

/// Checks the ids of a batch.
///
/// # Errors
/// None, too many, twice the same, or one that is no id.
pub(crate) fn check<'a>(ids: impl Iterator<Item = &'a str> + Clone) -> Result<(), Fault> {
    let count = ids.clone().count();
    if count == 0 {
        return Err(BATCH_EMPTY.because("There should be at least one entry in the request."));
    }
    if count > ENTRIES_MAX {
        return Err(BATCH_TOO_MANY.because(format!(
            "Maximum number of entries per request are {ENTRIES_MAX}. You have sent {count}."
        )));
    }
    let mut seen = BTreeSet::new();
    for id in ids {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || id.len() > ID_MAX || !id.chars().all(word) {
            return Err(BATCH_ID_INVALID.because(
                "A batch entry id can only contain alphanumeric characters, hyphens and \
                 underscores. It can be at most 80 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(BATCH_IDS_NOT_DISTINCT.because(format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// The answer: what each entry came to. The batch itself is 200 when entries fail.
pub(crate) fn answer(entries: impl Iterator<Item = (String, Result<Value, Fault>)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in entries {
        match result {
            Ok(mut value) => {
                value["Id"] = json!(id);
                successful.push(value);
            }
            Err(fault) => failed.push(json!({
                "Id": id,
                "SenderFault": fault.kind.sender(),
                "Code": fault.kind.code,
                "Message": fault.message,
            })),
        }
    }
    json!({"Successful": successful, "Failed": failed})
}
