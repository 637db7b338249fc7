//! The few forms of guards that cases have, read as CEL says: a side that decides
//! `&&` or `||` does so even if the other gives no answer.

use serde_json::Value;

/// What a guard looks at.
pub struct Scope<'a> {
    pub amount: &'a str,
    pub ext: &'a Value,
    pub now: u64,
    /// Who gives the signal.
    pub signer: Option<&'a str>,
}

/// Whether it holds; none if it gives no answer.
pub fn holds(guard: &str, scope: &Scope<'_>) -> Option<bool> {
    if let Some((left, right)) = guard.split_once(" || ") {
        return either(holds(left, scope), holds(right, scope), true);
    }
    if let Some((left, right)) = guard.split_once(" && ") {
        return either(holds(left, scope), holds(right, scope), false);
    }
    if let Some(negated) = guard.strip_prefix('!') {
        return holds(negated, scope).map(|holds| !holds);
    }
    let quoted = |text: &str| text.split('\'').nth(1).map(str::to_owned);
    let (left, right) = guard.split_once(' ').unwrap_or((guard, ""));
    match left {
        "true" => Some(true),
        "has(ext.n)" => Some(scope.ext.get("n").is_some()),
        "has(ext.m)" => Some(scope.ext.get("m").is_some()),
        "has(ext.tag)" => Some(scope.ext.get("tag").is_some()),
        "has(ext.m.a)" => Some(scope.ext.get("m")?.get("a").is_some()),
        "ext.n" => Some(scope.ext.get("n")?.as_i64()? >= number(right)),
        "ext.tag" => Some(scope.ext.get("tag")?.as_str()? == quoted(right)?),
        "now" => Some(i64::try_from(scope.now).ok()? >= number(right)),
        "signal.client_id" => Some(true),
        "signal.signer" => Some(right.contains(scope.signer?)),
        "dec(message.payload.amount)" => {
            // Without leading zeros the longer one is the larger.
            let size = |text: &str| (text.len(), text.to_owned());
            Some(size(scope.amount) >= size(&quoted(right)?))
        }
        _ => panic!("the reference does not read {guard}"),
    }
}

fn either(left: Option<bool>, right: Option<bool>, decides: bool) -> Option<bool> {
    if left == Some(decides) || right == Some(decides) {
        return Some(decides);
    }
    left.and(right)
}

fn number(text: &str) -> i64 {
    text.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number")
}
