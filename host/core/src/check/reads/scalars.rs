//! Keywords that hold no schemas.

use serde_json::Value;

use super::{Place, Problem, Verdict, is_of_one_kind};
use crate::check::keywords::keyword as schema_of;
use crate::check::shape::{Number, Parts, Shape, Text};

/// What is said of a keyword of all values; nothing, if it is none of these.
pub(super) fn check(parts: &Parts, keyword: &str, argument: &Value) -> Option<Verdict> {
    if let Some(verdict) = by_value(parts, keyword, argument) {
        return Some(verdict);
    }
    let verdict = match keyword {
        "type" => types(parts, argument),
        "enum" => values(parts, argument.as_array().map(Vec::as_slice).unwrap_or_default()),
        "const" => values(parts, std::slice::from_ref(argument)),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
            let verdict = parts.number.as_ref().map(|n| number(n, keyword, argument.as_f64()));
            of_kind(parts, verdict)
        }
        "minLength" | "maxLength" => {
            let verdict = parts.text.as_ref().map(|s| length((s.min, s.max), keyword, argument));
            of_kind(parts, verdict)
        }
        "pattern" | "format" => {
            let verdict = parts.text.as_ref().map(|text| texts(text, keyword, argument));
            of_kind(parts, verdict)
        }
        "minItems" | "maxItems" => {
            let verdict = parts.array.as_ref().map(|a| length((a.min, a.max), keyword, argument));
            of_kind(parts, verdict)
        }
        "uniqueItems" => {
            let few = |max| Verdict::of(max < 2 || *argument == Value::Bool(false), false);
            of_kind(parts, parts.array.as_ref().map(|array| few(array.max)))
        }
        "contains" => of_kind(parts, parts.array.as_ref().map(|_| Verdict::Unknown)),
        _ => return None,
    };
    Some(verdict)
}

/// The problem of a keyword that is not always fulfilled.
pub(super) fn problem(
    verdict: Verdict,
    parts: &Parts,
    keyword: &str,
    argument: &Value,
    place: &Place,
) -> Vec<Problem> {
    if verdict == Verdict::Always {
        return Vec::new();
    }
    let sure = verdict == Verdict::Never;
    let is = Shape::from(parts.clone()).in_words();
    let be = if sure { "is" } else { "may be" };
    let detail = match keyword {
        "type" | "enum" | "const" => {
            let wanted = match argument {
                Value::String(one) if keyword == "type" => one.clone(),
                other => other.to_string(),
            };
            format!("{be} {is}, and must be of the {keyword} {wanted}")
        }
        _ if sure => format!("is never of `{keyword}` {argument}"),
        _ => format!("is not known to be of `{keyword}` {argument}"),
    };
    vec![place.problem(keyword, sure, detail)]
}

/// When all values are listed, each is tried.
fn by_value(parts: &Parts, keyword: &str, argument: &Value) -> Option<Verdict> {
    const SCALAR: [&str; 12] = [
        "type",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "format",
    ];
    if !SCALAR.contains(&keyword) {
        return None;
    }
    let values = parts.values()?;
    let schema = schema_of(keyword, argument)?;
    let fits = values.iter().filter(|value| schema.check(value).is_empty()).count();
    Some(Verdict::of(fits == values.len(), fits == 0))
}

/// A verdict about one kind of value, as one about all of them: the others
/// fulfil the keyword.
fn of_kind(parts: &Parts, verdict: Option<Verdict>) -> Verdict {
    match verdict {
        None => Verdict::Always,
        Some(Verdict::Never) if !is_of_one_kind(parts) => Verdict::Unknown,
        Some(verdict) => verdict,
    }
}

fn types(parts: &Parts, argument: &Value) -> Verdict {
    let admitted = |name: &str| match argument {
        Value::String(one) => one == name,
        Value::Array(many) => many.iter().any(|one| one == name),
        _ => false,
    };
    let fits = |name: &&str| match *name {
        "integer" => admitted("integer") || admitted("number"),
        name => admitted(name),
    };
    let kinds = parts.types();
    let fitting = kinds.iter().filter(|kind| fits(kind)).count();
    // A number may be an integer, but for those that have no integer between them.
    let may = parts.number.as_ref().is_some_and(|n| !n.integer) && admitted("integer");
    Verdict::of(fitting == kinds.len(), fitting == 0 && !may)
}

/// Values that are not listed are never all in an enumeration.
fn values(parts: &Parts, wanted: &[Value]) -> Verdict {
    let may = wanted.iter().any(|value| match value {
        Value::Null => parts.null,
        Value::Bool(yes) => *yes && parts.yes || !*yes && parts.no,
        Value::Number(n) => match (&parts.number, n.as_f64()) {
            (Some(number), Some(n)) => number.admits(n),
            _ => false,
        },
        Value::String(s) => parts.text.as_ref().is_some_and(|text| text.admits(s)),
        Value::Array(_) => parts.array.is_some(),
        Value::Object(_) => parts.object.is_some(),
    });
    Verdict::of(false, !may)
}

fn number(number: &Number, keyword: &str, bound: Option<f64>) -> Verdict {
    let Some(bound) = bound else { return Verdict::Unknown };
    let Number { min, max, above, below, .. } = *number;
    match keyword {
        "minimum" => Verdict::of(min >= bound, max < bound || max == bound && below),
        "maximum" => Verdict::of(max <= bound, min > bound || min == bound && above),
        "exclusiveMinimum" => Verdict::of(min > bound || min == bound && above, max <= bound),
        "exclusiveMaximum" => Verdict::of(max < bound || max == bound && below, min >= bound),
        // `multipleOf`
        _ => Verdict::of(number.integer && bound == 1.0, false),
    }
}

fn length((min, max): (u64, u64), keyword: &str, argument: &Value) -> Verdict {
    let Some(bound) = argument.as_f64() else { return Verdict::Unknown };
    let (min, max) = (min as f64, max as f64);
    match keyword.starts_with("min") {
        true => Verdict::of(min >= bound, max < bound),
        false => Verdict::of(max <= bound, min > bound),
    }
}

/// Listed strings beside other kinds of value.
fn texts(text: &Text, keyword: &str, argument: &Value) -> Verdict {
    let Some(values) = &text.values else { return Verdict::Unknown };
    let Some(schema) = schema_of(keyword, argument) else { return Verdict::Unknown };
    let fits: Vec<bool> =
        values.iter().map(|s| schema.check(&Value::from(s.as_str())).is_empty()).collect();
    Verdict::of(fits.iter().all(|fits| *fits), fits.iter().all(|fits| !fits))
}
