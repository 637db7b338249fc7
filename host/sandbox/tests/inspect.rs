//! What is not deployed, and what is said about it. Nothing of these runs.

mod support;

use support::{DONE, action, core, encode, manifest, with_manifest};
use surety_core::refusal::{Code, Refusal};
use surety_core::types::Digest;
use surety_sandbox::{Imports, Limits, inspect};

fn refusal(component: &[u8]) -> Refusal {
    inspect(component, &Limits::default()).unwrap_err()
}

#[track_caller]
fn assert_invalid(component: &[u8], detail: &str) {
    let refusal = refusal(component);
    assert_eq!(refusal.code, Code::ModuleInvalid, "{refusal}");
    assert!(refusal.detail.contains(detail), "{refusal}");
}

/// An action with other imports, exports or types than the world's.
fn foreign(wit: &str, core: &str) -> Vec<u8> {
    with_manifest(encode(core, Some(wit)), &manifest("hostile", "1.0.0"))
}

/// A component as text; it has its manifest already.
fn text(component: &str) -> Vec<u8> {
    with_manifest(wat::parse_str(component).unwrap(), &manifest("hostile", "1.0.0"))
}

#[test]
fn an_action_is_read() {
    let component = action(&core("", DONE));
    let inspected = inspect(&component, &Limits::default()).unwrap();
    assert_eq!(inspected.manifest.name.as_str(), "hostile");
    assert_eq!(inspected.digest, Digest::of(&component));
}

#[test]
fn what_is_no_component_is_told_so() {
    assert_invalid(b"", "this is not WebAssembly");
    assert_invalid(b"#!/bin/sh\necho", "this is not WebAssembly");
    assert_invalid(&wat::parse_str("(module)").unwrap(), "this is a core module");
    let limits = Limits { component_bytes_max: 10, ..Limits::default() };
    let refusal = inspect(&[0; 11], &limits).unwrap_err();
    assert_eq!(refusal.detail, "the component has 11 bytes; the limit `component_bytes_max` is 10");
}

#[test]
fn a_damaged_component_is_refused_at_every_length() {
    let component = action(&core("", DONE));
    for end in 8..component.len() {
        let refusal = refusal(&component[..end]);
        assert_eq!(refusal.code, Code::ModuleInvalid, "cut at {end}: {refusal}");
    }
    for at in 8..component.len() {
        let mut component = component.clone();
        component[at] ^= 0xff;
        let _ = inspect(&component, &Limits::default()); // returns
    }
}

#[test]
fn features_that_no_action_needs_are_refused() {
    let shared = core("(memory 1 1 shared)", DONE);
    assert_invalid(&action(&shared), "threads must be enabled");
    assert_invalid(&action(&core("(memory i64 1)", DONE)), "memory64 must be enabled");
}

#[test]
fn elements_that_no_limit_of_memory_counts_are_few() {
    let segment = |kind: &str, count: usize| format!("(elem {kind} func{})", " $f".repeat(count));
    let with = |segments: &str| action(&core(&format!("(func $f) {segments}"), DONE));
    let few = segment("", 1_000).repeat(4) + &segment("declare", 100_000);
    inspect(&with(&few), &Limits::default()).unwrap();
    let table = format!("(table 100000 funcref) {}", segment("(i32.const 0)", 100_000));
    inspect(&with(&table), &Limits::default()).unwrap();
    let many = segment("", 1_000).repeat(5);
    assert_invalid(&with(&many), "`passive_elements_max`, which is 4096");
    let nulls = "(elem funcref".to_owned() + &" (ref.null func)".repeat(4_097) + ")";
    assert_invalid(&with(&nulls), "`passive_elements_max`, which is 4096");
    // All modules together, at any level.
    let modules = format!("(core module (func $f) {})", segment("", 2_500)).repeat(2);
    assert_invalid(&text(&format!("(component (component {modules}))")), "`passive_elements_max`");
}

#[test]
fn the_manifest_is_there_once_and_valid() {
    let bare = encode(&core("", DONE), None);
    let valid = manifest("hostile", "1.0.0");
    assert_invalid(&bare, "has 0 sections `surety:manifest`; it must have one");
    let twice = with_manifest(with_manifest(bare.clone(), &valid), &valid);
    assert_invalid(&twice, "has 2 sections `surety:manifest`; it must have one");

    let refused = refusal(&with_manifest(bare.clone(), "{"));
    assert_eq!(refused.code, Code::JsonSyntax);
    let refused = refusal(&with_manifest(bare, &valid.replace("\"reads\": true,", "")));
    assert_eq!(refused.code, Code::ModuleInvalid);
    assert!(refused.to_string().contains("reads"), "{refused}");
}

#[test]
fn i7_every_import_that_is_not_granted_is_named() {
    let wit = "package test:test;
        world test {
            include surety:action/action@1.0.0;
            import wasi:cli/environment@0.2.0;
            import wasi:filesystem/types@0.2.0;
            import anything: func();
        }
        package wasi:cli@0.2.0 { interface environment { get: func() -> list<string>; } }
        package wasi:filesystem@0.2.0 { interface types { get: func() -> u64; } }";
    let imports = r#"
        (import "wasi:cli/environment@0.2.0" "get" (func (param i32)))
        (import "wasi:filesystem/types@0.2.0" "get" (func (result i64)))
        (import "$root" "anything" (func))"#;
    let core = core("", DONE).replacen("(module", &format!("(module {imports}"), 1);
    let refused = refusal(&foreign(wit, &core));
    assert_eq!(refused.code, Code::ModuleImport);
    let mut details: Vec<_> = refused.errors.iter().map(|e| e.detail.as_str()).collect();
    details.sort_unstable();
    assert_eq!(
        details,
        [
            "`anything` is no import that an action may have",
            "`wasi:cli/environment@0.2.0` is no import that an action may have",
            "`wasi:filesystem/types@0.2.0` is no import that an action may have",
        ]
    );
}

/// What of WASI an action may import, each with something to call in it.
const CALLS: [(&str, &str); 7] = [
    ("wasi:clocks/wall-clock", r#""now" (func (param i32))"#),
    ("wasi:clocks/monotonic-clock", r#""now" (func (result i64))"#),
    ("wasi:io/poll", r#""poll" (func (param i32 i32 i32))"#),
    ("wasi:random/random", r#""get-random-u64" (func (result i64))"#),
    ("wasi:random/insecure-seed", r#""insecure-seed" (func (param i32))"#),
    ("wasi:http/types", r#""[constructor]fields" (func (result i32))"#),
    ("wasi:http/outgoing-handler", r#""handle" (func (param i32 i32 i32 i32))"#),
];

/// An action that imports those whose names start so, of a version of WASI (as long
/// as that of the interfaces here), with a manifest of its own.
fn with_wasi(start: &str, version: &str, manifest: &str) -> Result<Imports, Refusal> {
    let (mut world, mut module) = (String::new(), String::new());
    for (name, call) in CALLS.iter().filter(|(name, _)| name.starts_with(start)) {
        world.push_str(&format!("import {name}@0.2.12; "));
        module.push_str(&format!(r#"(import "{name}@0.2.12" {call}) "#));
    }
    let world =
        format!("package test:test; world test {{ include surety:action/action@1.0.0; {world} }}");
    let module = core("", DONE).replacen("(module", &format!("(module {module}"), 1);
    let mut component = encode(&module, Some(&world));
    for at in 0..component.len() - 7 {
        if &component[at..at + 7] == b"@0.2.12" {
            component[at + 1..at + 7].copy_from_slice(version.as_bytes());
        }
    }
    let component = with_manifest(component, manifest);
    inspect(&component, &Limits::default()).map(|inspected| inspected.imports)
}

#[test]
fn i7_wasi_is_what_tells_nothing_and_http_where_it_is_asked_for() {
    let plain = manifest("hostile", "1.0.0");
    let asks = plain.replacen(
        '{',
        r#"{"capabilities": {"http": [{"hosts": ["a.example"], "methods": ["GET"]}]}, "#,
        1,
    );
    for version in ["0.2.12", "0.2.10"] {
        for start in ["wasi:clocks", "wasi:random", "wasi:io"] {
            let imports = with_wasi(start, version, &plain).unwrap();
            assert!(imports.wasi && !imports.http, "{start}");
        }
        assert!(with_wasi("wasi:", version, &asks).unwrap().http);
    }
    for (start, version, manifest, code, detail) in [
        ("wasi:", "0.2.12", &plain, Code::ModuleImport, "does not ask for `http`"),
        ("wasi:random", "0.2.12", &asks, Code::ModuleInvalid, "needs the import"),
        ("wasi:http/types", "0.2.12", &asks, Code::ModuleInvalid, "needs the import"),
        ("wasi:io", "0.2.13", &plain, Code::ModuleImport, "`wasi:io/poll@0.2.13`"),
        ("wasi:io", "0.3.12", &plain, Code::ModuleImport, "`wasi:io/poll@0.3.12`"),
        ("wasi:io", "0.2.1x", &plain, Code::ModuleInvalid, "not valid"),
    ] {
        let refused = with_wasi(start, version, manifest).unwrap_err();
        assert_eq!(refused.code, code, "{start} {version}: {refused}");
        assert!(refused.to_string().contains(detail), "{start} {version}: {refused}");
    }
}

#[test]
fn i7_a_granted_interface_has_only_what_is_granted() {
    let component = text(
        r#"(component
            (import "surety:action/log@1.0.0" (instance
                (export "write" (func (param "text" string)))
                (export "steal" (func))))
            (import "surety:action/types@1.0.0" (instance (export "secret" (type (sub resource))))))"#,
    );
    let refused = refusal(&component);
    assert_eq!(refused.code, Code::ModuleImport);
    let details: Vec<_> = refused.errors.iter().map(|e| e.detail.as_str()).collect();
    assert_eq!(
        details,
        [
            "`surety:action/log@1.0.0#write` is func(text: string); it must be \
             func(level: enum { debug, info, warn, error }, text: string)",
            "`surety:action/log@1.0.0#steal` is no import that an action may have",
            "`surety:action/types@1.0.0#secret` is no import that an action may have",
        ]
    );
}

#[test]
fn a_million_imports_make_a_short_refusal() {
    let import = |i| format!("(import \"{}{i}\" (func))\n", "a".repeat(1_000));
    let imports: String = (0..1_000).map(import).collect();
    let refused = refusal(&text(&format!("(component {imports})")));
    assert_eq!(refused.errors.len(), 100);
    assert!(refused.to_string().len() < 30_000);
}

#[test]
fn another_world_is_named_by_its_export() {
    assert_invalid(&text("(component)"), "the component does not export `run`");

    let wit = "package test:test; world test { export run: func(call: string) -> result; }";
    let module = r#"(module
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
        (func (export "run") (param i32 i32) (result i32) (i32.const 0)))"#;
    let expected = "the export `run` is func(call: string) -> result<_, _>; \
        it must be func(call: record { message: record { msg-id: string,";
    assert_invalid(&foreign(wit, module), expected);

    let wit = "package test:test; interface run { x: func(); } world test { export run; }";
    let module = r#"(module (func (export "test:test/run#x")))"#;
    assert_invalid(&foreign(wit, module), "does not export `run`");
}

#[test]
fn hostile_types_are_written_out_in_part() {
    let long = (0..5_000).map(|i| format!("x{i}: u8")).collect::<Vec<_>>().join(", ");
    let long = format!("record call {{ {long} }}");
    let deep: String = (1..50).map(|i| format!("type t{i} = list<t{}>; ", i - 1)).collect();
    let deep = format!("type t0 = list<u8>; {deep} type call = t49;");
    for (types, params) in [(long, "i32"), (deep, "i32 i32")] {
        let wit =
            format!("package test:test; world test {{ {types} export run: func(call: call); }}");
        let module = format!(
            r#"(module
                (memory (export "memory") 1)
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
                (func (export "run") (param {params})))"#
        );
        let refused = refusal(&foreign(&wit, &module));
        assert_eq!(refused.code, Code::ModuleInvalid);
        assert!(refused.detail.starts_with("the export `run` is func(call: "), "{refused}");
        assert!(refused.detail.len() < 4_000, "{}", refused.detail.len());
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |levels| format!("{}{}", "(component ".repeat(levels), ")".repeat(levels));
    assert_invalid(&text(&nested(17)), "does not export `run`");
    assert_invalid(&text(&nested(18)), "`nesting_max`, which is 16");
}
