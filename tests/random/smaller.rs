//! Makes a case that fails smaller, while it still fails.

use serde_json::Value;

use super::case::workflow;

/// The most cases that are tried. Each takes a few milliseconds.
const TRIED_MAX: usize = 3_000;

/// The smallest case that is found by taking out elements of lists and members of
/// the workflow's states, one after the other, until none can be missed.
pub fn smaller(mut case: Value, fails: impl Fn(&Value) -> bool) -> Value {
    let mut tried = 0;
    loop {
        let mut found = false;
        // From the end, so that what is behind a place keeps its own.
        for place in places(&case, String::new()).into_iter().rev() {
            let Some(without) = without(&case, &place) else { continue };
            tried += 1;
            if tried > TRIED_MAX {
                return case;
            }
            if workflow(&without).is_some() && fails(&without) {
                case = without;
                found = true;
            }
        }
        if !found {
            return case;
        }
    }
}

/// Where something may be taken out: JSON Pointers.
fn places(value: &Value, at: String) -> Vec<String> {
    let children: Vec<_> = match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(i, item)| (i.to_string(), item)).collect()
        }
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), member)).collect()
        }
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (name, child) in children {
        let place = format!("{at}/{name}");
        if value.is_array() || at.starts_with("/workflow/states") {
            found.push(place.clone());
        }
        found.extend(places(child, place));
    }
    found
}

fn without(case: &Value, place: &str) -> Option<Value> {
    let mut case = case.clone();
    let (parent, name) = place.rsplit_once('/')?;
    match case.pointer_mut(parent)? {
        Value::Array(items) => {
            let at: usize = name.parse().ok()?;
            (at < items.len()).then(|| drop(items.remove(at)))?;
        }
        Value::Object(members) => drop(members.remove(name)?),
        _ => return None,
    }
    Some(case)
}
