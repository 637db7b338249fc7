//! Requests that ask for less than the client did.

use serde_json::{Map, Value, json};

use crate::chance::Dice;

/// Items of the longest page that is cut.
const PAGE_ITEMS_MAX: u64 = 3;

/// A part of a batch for later: what is left in `input` is done now. Gives nothing
/// when there is nothing to part.
pub(crate) fn part_batch(operation: &str, input: &mut Value, dice: &mut Dice) -> Option<Value> {
    let mut later = Map::new();
    let tables = input["RequestItems"].as_object_mut()?;
    for (table, asked) in tables.iter_mut() {
        let mut kept = asked.clone();
        let (now, rest) = match operation {
            "BatchWriteItem" => (asked, &mut kept),
            "BatchGetItem" => (asked.get_mut("Keys")?, kept.get_mut("Keys")?),
            _ => return None,
        };
        let now = now.as_array_mut()?;
        // At least one is done, or a patient client would never end.
        let done = 1 + dice.index(now.len());
        *rest = Value::Array(now.split_off(done.min(now.len())));
        if rest.as_array().is_some_and(|r| !r.is_empty()) {
            later.insert(table.clone(), kept);
        }
    }
    (!later.is_empty()).then_some(Value::Object(later))
}

/// Puts the part for later into the answer.
pub(crate) fn give_back(operation: &str, reply: &mut Value, later: Value) {
    let name = if operation == "BatchGetItem" { "UnprocessedKeys" } else { "UnprocessedItems" };
    reply[name] = later;
}

/// Asks for a short page. Gives whether it is shorter than what was asked for.
pub(crate) fn shorten(input: &mut Value, dice: &mut Dice) -> bool {
    let most = input["Limit"].as_u64().unwrap_or(u64::MAX);
    let short = 1 + dice.below(PAGE_ITEMS_MAX);
    if short >= most {
        return false;
    }
    input["Limit"] = json!(short);
    true
}

/// Whether an operation is an eventually consistent read.
pub(crate) fn may_be_stale(operation: &str, input: &Value) -> bool {
    matches!(operation, "GetItem" | "Query" | "Scan") && input["ConsistentRead"] != json!(true)
}
