//! The patterns of a schema: how many there are, and how dear each is.

use serde_json::{Map, Value};

use super::cost::{Wrong, wrong};

/// The most patterns in one schema, and the bytes of each: they are compiled whether a
/// value meets them or not. The host's own schemas have up to 15, of up to 150 bytes.
const PATTERNS_MAX: usize = 256;
const PATTERN_BYTES_MAX: usize = 4 << 10;

/// Refuses a schema with too many patterns, or too long ones.
pub(super) fn check(schema: &Value) -> Result<(), Wrong<'_>> {
    look(schema, &mut 0)
}

/// Counts what may be a pattern, wherever it stands.
fn look<'a>(value: &'a Value, count: &mut usize) -> Result<(), Wrong<'a>> {
    match value {
        Value::Object(members) => {
            for pattern in of(members) {
                *count += 1;
                if *count > PATTERNS_MAX {
                    let detail =
                        format!("has more patterns than {PATTERNS_MAX}, with those before it");
                    return wrong(value, detail);
                }
                if pattern.len() > PATTERN_BYTES_MAX {
                    let detail = format!("has a pattern of more than {PATTERN_BYTES_MAX} bytes");
                    return wrong(value, detail);
                }
            }
            members.values().try_for_each(|value| look(value, count))
        }
        Value::Array(items) => items.iter().try_for_each(|value| look(value, count)),
        _ => Ok(()),
    }
}

/// The patterns of one schema.
pub(super) fn of(schema: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let own = schema.get("pattern").and_then(Value::as_str);
    let by_name = schema.get("patternProperties").and_then(Value::as_object);
    let by_name = by_name.into_iter().flat_map(Map::keys);
    own.into_iter().chain(by_name.map(String::as_str))
}

/// How long a pattern is with its counted repetitions written out: that many symbols
/// may each be tried at each character.
pub(super) fn symbols(pattern: &str) -> u64 {
    let mut groups = vec![0_u64];
    let mut last = 0_u64;
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        let sum = groups.last_mut().map_or(0, |sum| *sum);
        let (more, atom) = match char {
            '\\' => {
                chars.next();
                (1, 1)
            }
            '[' => {
                while let Some(char) = chars.next().filter(|char| *char != ']') {
                    if char == '\\' {
                        chars.next();
                    }
                }
                (1, 1)
            }
            '(' => {
                groups.push(0);
                continue;
            }
            ')' if groups.len() > 1 => {
                groups.pop();
                (sum, sum)
            }
            '*' | '+' | '?' => continue,
            '{' => match counts(chars.as_str()) {
                Some((times, rest)) => {
                    chars = rest.chars();
                    (last.saturating_mul(times - 1), last.saturating_mul(times))
                }
                None => (1, 1),
            },
            _ => (1, 1),
        };
        if let Some(sum) = groups.last_mut() {
            *sum = sum.saturating_add(more);
        }
        last = atom;
    }
    groups.into_iter().fold(0, u64::saturating_add)
}

/// The greater number of `3}`, `3,}` or `3,5}`, at least one, and what stands behind.
fn counts(text: &str) -> Option<(u64, &str)> {
    let (counts, rest) = text.split_once('}')?;
    let digits = |count: &str| count.bytes().all(|b| b.is_ascii_digit());
    if counts.is_empty() || !counts.split(',').all(digits) {
        return None;
    }
    let numbers = counts.split(',').filter(|count| !count.is_empty());
    let most = numbers.map(|count| count.parse().unwrap_or(u64::MAX)).max();
    Some((most.unwrap_or(1).max(1), rest))
}

#[cfg(test)]
mod tests {
    use super::symbols;

    #[test]
    fn repetitions_are_written_out() {
        for (pattern, long) in [
            ("", 0),
            ("abc", 3),
            ("^0x[0-9a-f]{40}$", 44),
            ("^[a-z][a-z0-9_]{0,63}$", 66),
            ("(ab){10}c", 21),
            ("((a{2}b){3}){4}", 36),
            (r"\{3}\p{L}{2}", 8),
            ("a{5,}", 5),
            ("a{3}{4}", 12),
            ("(a{99999999999}){99999999999999999999}", u64::MAX),
            ("a{x}", 4),
            ("a{", 2),
            ("a{}b{,3}", 6),
            ("[a{9}]{2}", 2),
            ("a)b", 3),
            ("((((", 0),
        ] {
            assert_eq!(symbols(pattern), long, "{pattern}");
        }
    }
}
