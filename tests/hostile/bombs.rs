//! Components that mean harm before they run: to who reads them, or to who compiles
//! them.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::component::{core, encode, with_manifest};
use crate::{Case, End, manifest};

const DONE: &str = "(i32.const 1024)";

/// A call, which the compiler cannot leave out.
const STEP: &str = "local.get 0 call $same local.set 0 ";
const SAME: &str = "(func $same (param i32) (result i32) local.get 0)";

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    use End::{Done, Refused, Unread};
    let limit = |name| Refused("module_compile_limit", name);
    let rows = [
        ("50,000 functions", items(&repeated("(func)", 50_000)), Done),
        (
            "functions for a minute",
            // Ten seconds of a processor four times as fast as today's.
            items(&functions(80, 50_000)),
            limit("the limit `compile.cpu_s_max` of 8 is reached"),
        ),
        ("one function of 6 MB", items(&functions(1, 900_000)), limit("the limit `compile.")),
        ("jump tables", items(&jump_tables()), limit("the limit `compile.")),
        (
            "nested blocks",
            items(&format!("(func {}{})", "block ".repeat(20_000), "end ".repeat(20_000))),
            Done,
        ),
        (
            "locals",
            unchecked(&format!("(func (local{}))", " i64".repeat(50_001))),
            Refused("module_invalid", "local"),
        ),
        ("functions of 49,000 locals", items(&locals()), Done),
        ("constant data", items(&data()), Done),
        (
            "passive elements",
            items(&format!("(func $f) (elem func{})", repeated(" $f", 1_000_000))),
            Refused("module_invalid", "`passive_elements_max`"),
        ),
        (
            "nested components",
            nested(20, ""),
            Refused("module_invalid", "nested deeper than `nesting_max`"),
        ),
        ("a type of types", types(), Refused("module_invalid", "")),
        (
            "imports of files",
            nested(1, r#"(import "wasi:filesystem/types@0.2.0" (instance))"#),
            Refused("module_import", "wasi:filesystem/types@0.2.0"),
        ),
        (
            "an import in disguise",
            nested(
                1,
                r#"(import "surety:action/log@1.0.0" (instance (export "write" (func)) (export "read" (func))))"#,
            ),
            Refused("module_import", "surety:action/log@1.0.0#read"),
        ),
        ("a large section", section(8 << 20), Done),
        ("64 MiB", section(64 << 20), Unread),
    ];
    let with_manifest = |(version, (name, module, end)): (usize, (_, Vec<u8>, _))| {
        // Versions of their own: those of the other corpus are on another host.
        let module = with_manifest(module, &manifest(version, &json!({})));
        Case { name, module, settings: json!({}), end }
    };
    let mut cases: Vec<Case> = rows.into_iter().enumerate().map(with_manifest).collect();
    let padded = manifest(99, &json!({})).replacen('{', &format!("{{{}", " ".repeat(300_000)), 1);
    for keyword in ["settings", "reads"] {
        let plain = format!("\"{keyword}\":true");
        let manifest = manifest(98, &json!({}));
        let manifest = manifest.replacen(&plain, &format!("\"{keyword}\":{}", doubling()), 1);
        cases.push(Case {
            name: "a schema that doubles at each reference",
            module: crate::component::with_manifest(items(""), &manifest),
            settings: json!({}),
            end: Refused("module_invalid", "things of one place in a value"),
        });
    }
    cases.push(Case {
        name: "a large manifest",
        module: crate::component::with_manifest(items(""), &padded),
        settings: json!({}),
        end: Refused("module_invalid", "`manifest_bytes_max`"),
    });
    cases
}

/// A schema that looks at a value in 2^60 ways.
fn doubling() -> Value {
    let to = |n: usize| json!({"$ref": format!("#/$defs/a{n}")});
    let twice = |n: usize| (format!("a{n}"), json!({"allOf": [to(n + 1), to(n + 1)]}));
    let mut defs: Map<String, Value> = (0..60).map(twice).collect();
    defs.insert("a60".to_owned(), json!({"type": "object"}));
    json!({"$ref": "#/$defs/a0", "$defs": defs})
}

fn items(items: &str) -> Vec<u8> {
    encode(&core(items, DONE), None)
}

/// In a component that no tool would make.
fn unchecked(items: &str) -> Vec<u8> {
    wat::parse_str(format!("(component (core module {items}))")).unwrap()
}

fn repeated(what: &str, count: usize) -> String {
    what.repeat(count)
}

fn functions(count: usize, steps: usize) -> String {
    let function = format!("(func (param i32) {})", STEP.repeat(steps));
    format!("{SAME}{}", repeated(&function, count))
}

/// A jump to as many places as one may name.
fn jump_table(targets: usize) -> String {
    let zeros = " 0".repeat(targets);
    format!("(func (param i32) (block (br_table{zeros} (local.get 0))))")
}

fn jump_tables() -> String {
    repeated(&jump_table(65_000), 200)
}

fn locals() -> String {
    let function = format!("(func (param i32) (local{}) {STEP})", " i64".repeat(49_000));
    format!("{SAME}{}", repeated(&function, 500))
}

/// As much constant data as memory may hold, in two thousand pieces.
fn data() -> String {
    let piece = "x".repeat(10_000);
    let mut items = "(memory $large 400)".to_owned();
    for at in 0..2_000 {
        write!(items, r#"(data (memory $large) (i32.const {}) "{piece}")"#, at * 10_000).unwrap();
    }
    items
}

fn nested(depth: usize, inside: &str) -> Vec<u8> {
    let text = format!("{}{inside}{}", "(component ".repeat(depth), ")".repeat(depth));
    wat::parse_str(text).unwrap()
}

/// Each type twice the one before.
fn types() -> Vec<u8> {
    let mut text = "(component (type $t0 (tuple u8 u8))".to_owned();
    for at in 1..60 {
        let before = at - 1;
        write!(text, "(type $t{at} (tuple $t{before} $t{before}))").unwrap();
    }
    wat::parse_str(text + ")").unwrap()
}

/// An action with a custom section of this length.
fn section(bytes: usize) -> Vec<u8> {
    let mut module = items("");
    let name = b"\x03pad";
    let mut length = name.len() + bytes;
    module.push(0);
    while length >= 0x80 {
        module.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    module.push(length as u8);
    module.extend_from_slice(name);
    module.resize(module.len() + bytes, b'x');
    module
}
