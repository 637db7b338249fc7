//! Guards against others that know: cel's own interpreter, wider arithmetic, and
//! the types of values that are really there.

use std::collections::HashMap;

use ruint::Uint;

use super::expr::Op;
use super::ops::{Budget, binary, kind_of};
use super::value::{Entries, List, Text, Val};
use super::*;

type U512 = Uint<512, 8>;

/// Edges of 256 bits and of the words inside, and numbers of every length.
fn numbers() -> Vec<U512> {
    let one = U512::from(1);
    let mut numbers: Vec<_> = [0, 1, 2, 7, 10, u64::MAX].into_iter().map(U512::from).collect();
    for bit in [63, 64, 127, 128, 191, 192, 255, 256] {
        numbers.extend([(one << bit) - one, (one << bit) % (one << 256)]);
    }
    let mut seed = 7_u64;
    for bits in (1..=256).step_by(17) {
        let mut number = U512::from(0);
        for _ in 0..4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            number = (number << 64) + U512::from(seed);
        }
        numbers.push(number >> (256 - bits));
    }
    numbers
}

/// What an operator gives with twice the bits; none where 256 bits have no answer.
fn expected(op: &str, a: U512, b: U512) -> Option<U512> {
    let result = match op {
        "+" => a + b,
        "-" => a.checked_sub(b)?,
        "*" => a * b,
        "/" => a.checked_div(b)?,
        _ => a.checked_rem(b)?,
    };
    Some(result).filter(|result| *result < U512::from(1) << 256)
}

#[test]
fn decimals_are_those_of_wider_arithmetic() {
    let (numbers, ops) = (numbers(), ["+", "-", "*", "/", "%"]);
    let results =
        ops.map(|op| compile(&format!("dec(ext.a) {op} dec(ext.b) == dec(ext.c)"), Sees::State));
    let orders = compile(
        "(dec(ext.a) < dec(ext.b)) == ext.less && (dec(ext.a) >= dec(ext.b)) != ext.less
         && (dec(ext.a) == dec(ext.b)) == ext.same",
        Sees::State,
    );
    let message = json!({});
    let holds = |guard: &Guard, ext: &Value| {
        guard.holds(&Scope { message: &message, ext, signal: None, now: Time::from_millis(NOW) })
    };
    let mut without = 0;
    for a in &numbers {
        for b in &numbers {
            let (a_text, b_text) = (a.to_string(), b.to_string());
            let ext = json!({"a": a_text, "b": b_text, "less": a < b, "same": a == b});
            assert_eq!(holds(&orders, &ext), Ok(true), "{ext}");
            for (op, guard) in ops.iter().zip(&results) {
                let result = expected(op, *a, *b);
                without += usize::from(result.is_none());
                let c = result.unwrap_or_default().to_string();
                let ext = json!({"a": a_text, "b": b_text, "c": c});
                assert_eq!(holds(guard, &ext).ok(), result.map(|_| true), "{op} {ext}");
            }
        }
    }
    assert!(without > 500, "{without}");
}

/// JSON as cel's interpreter takes it, whole numbers as ints.
fn cel_value(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(b) => cel::Value::Bool(*b),
        Value::Number(n) => {
            let double = n.as_f64().unwrap();
            let whole = (double.fract() == 0.0 && double.abs() < 1e18).then_some(double as i64);
            n.as_i64().or(whole).map_or(cel::Value::Float(double), cel::Value::Int)
        }
        Value::String(s) => s.as_str().into(),
        Value::Array(items) => items.iter().map(cel_value).collect::<Vec<_>>().into(),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), cel_value(value)));
            members.collect::<HashMap<_, _>>().into()
        }
    }
}

/// Every operator and function that CEL has, between every two of these parts.
fn common_guards() -> Vec<String> {
    let parts = [
        "ext.n",
        "ext.w",
        "ext.x",
        "ext.s",
        "ext.t",
        "ext.b",
        "ext.l",
        "ext.m",
        "ext.none",
        "ext.missing",
        "1",
        "-2",
        "2.5",
        "'a'",
        "''",
        "true",
        "null",
        "[1, 'a']",
        "{'a': 1}",
        "ext.m.k",
        "ext.l[0]",
        "size(ext.l)",
    ];
    let ops = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"];
    let mut guards = Vec::new();
    for a in parts {
        for b in parts {
            for op in ops {
                let bare = matches!(op, "+" | "-" | "*" | "/" | "%");
                let end = if bare { format!(" == {a}") } else { String::new() };
                guards.push(format!("{a} {op} {b}{end}"));
            }
            guards.push(format!("{a}[{b}] == 1"));
            guards.push(format!("(ext.b ? {a} : {b}) == {a}"));
            guards.extend(["contains", "startsWith", "endsWith"].map(|f| format!("{a}.{f}({b})")));
            for each in ["all", "exists", "exists_one"] {
                guards.push(format!("{a}.{each}(v, v == {b})"));
                guards.push(format!("{a}.{each}(v, v < {b})"));
            }
            guards.push(format!("{a}.filter(v, v != {b}) == [1]"));
            guards.push(format!("{a}.map(v, [v, {b}]).size() == 2"));
        }
        guards.extend([format!("!{a}"), format!("-{a} == 1"), format!("size({a}) == 2")]);
        guards.extend([format!("has({a}.k)"), format!("{a}.k == 1"), format!("{a} == {a}")]);
    }
    guards
}

#[test]
fn guards_mean_what_cel_means() {
    let ext = json!({
        "n": 3, "w": 1e17, "x": 2.5, "s": "a", "t": "banana", "b": true, "l": [1, 2.5, "a"],
        "m": {"k": 1}, "none": null,
    });
    let mut context = cel::Context::default();
    context.add_variable_from_value("ext", cel_value(&ext));
    let (mut answers, mut failures, mut differ) = (0, 0, Vec::new());
    for text in common_guards() {
        let theirs = match cel::Program::compile(&text).unwrap().execute(&context) {
            Ok(cel::Value::Bool(holds)) => Some(holds),
            _ => None,
        };
        let ours = holds(&text, &ext).ok();
        answers += usize::from(ours.is_some());
        failures += usize::from(ours.is_none());
        // Where ours is stricter: a key is a string, and a map is not added to a list.
        let strict = ["in ext.m:", "in {'a': 1}:", "+ ext.m =", "+ {'a': 1} ="];
        let strict = ours.is_none() && strict.iter().any(|end| format!("{text}:").contains(end));
        if ours != theirs && !strict {
            differ.push(format!("{text}: {ours:?}, cel {theirs:?}"));
        }
    }
    assert!(differ.is_empty(), "{} differ: {:#?}", differ.len(), &differ[..differ.len().min(60)]);
    assert!(answers > 2_000 && failures > 2_000, "{answers} {failures}");
}

/// What the check believes of an operator is what evaluating it does.
#[test]
fn the_types_of_an_operator_are_those_of_its_results() {
    let (list, map) = (json!([1]), json!({"a": 1}));
    let (Value::Array(list), Value::Object(map)) = (&list, &map) else { unreachable!() };
    let vals = [
        Val::Null,
        Val::Bool(true),
        Val::Int(1),
        Val::Double(1.5),
        Val::Text(Text::Read("a")),
        Val::Dec(dec::U256::from(1)),
        Val::List(List::Json(list)),
        Val::Map(Entries::Json(map)),
    ];
    for op in lower::OPS.map(|(_, op)| op) {
        for (left, right) in vals.iter().flat_map(|l| vals.iter().map(move |r| (l, r))) {
            let result = binary(op, left, right, &mut Budget(GUARD_COST_MAX)).map(|val| val.kind());
            let (l, r) = (left.kind(), right.kind());
            // A list is searched with `==`, which has types of its own.
            if op == Op::In && l == value::Kind::Dec && r == value::Kind::List {
                continue;
            }
            assert_eq!(result.ok(), kind_of(op, l, r), "{l} {} {r}", op.as_str());
        }
    }
}
