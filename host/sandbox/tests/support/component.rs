//! Components written by hand.

use surety_core::module::MANIFEST_SECTION;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: &str = include_str!("../../../../wit/action-1.0.0/action.wit");

/// What an action may have of WASI.
const WASI: [(&str, &str); 4] = [
    ("io.wit", include_str!("../../../../wit/wasi-0.2.12/io.wit")),
    ("clocks.wit", include_str!("../../../../wit/wasi-0.2.12/clocks.wit")),
    ("random.wit", include_str!("../../../../wit/wasi-0.2.12/random.wit")),
    ("http.wit", include_str!("../../../../wit/wasi-0.2.12/http.wit")),
];

/// The body of an action that answers `done` with the patch `{}`.
pub const DONE: &str = "(i32.const 1024)";

/// A core module of the world `action`: its answer for [`DONE`] lies at 1024,
/// what it is given behind the first page.
pub fn core(items: &str, body: &str) -> String {
    format!(
        r#"(module
            (import "surety:action/log@1.0.0" "write" (func $log (param i32 i32 i32)))
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (data (i32.const 1024) "\00\00\00\00" "\00\08\00\00" "\04\00\00\00" "\04\08\00\00" "\02\00\00\00" "\00")
            (data (i32.const 2048) "done{{}}")
            {items}
            (func $run (export "run") (param i32) (result i32) {body}))"#
    )
}

/// An action with the manifest of [`manifest`].
pub fn action(core: &str) -> Vec<u8> {
    with_manifest(encode(core, None), &manifest("hostile", "1.0.0"))
}

/// A component of two instances, whose `run` has this body: it can make resources of
/// its own with `$new`, and grow the other instance's memory with `$grow`. The log is
/// given text out of that one, a byte that is no UTF-8 at its start; a start function
/// among the items can call it.
pub fn composed(items: &str, body: &str) -> Vec<u8> {
    let imports = r#"(import "own" "new" (func $new (param i32) (result i32)))
        (import "other" "grow" (func $grow (param i32) (result i32)))
        (memory "#;
    let main = core(items, body).replacen("(memory ", imports, 1);
    let main = main.replacen("(module", "module $Main", 1);
    wat::parse_str(COMPOSED.replace("MAIN", &main)).unwrap()
}

/// The world's `run` over two core instances, of which one is `MAIN`.
const COMPOSED: &str = r#"(component
    (import "surety:action/log@1.0.0" (instance $log
        (type $level' (enum "debug" "info" "warn" "error"))
        (export "level" (type $level (eq $level')))
        (export "write" (func (param "level" $level) (param "text" string)))))
    (type $thing (resource (rep i32)))
    (core func $new (canon resource.new $thing))
    (core module $Other (memory (export "memory") 1)
        (data (i32.const 0) "\ff")
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))
    (core instance $other (instantiate $Other))
    (core func $write (canon lower (func $log "write") (memory (core memory $other "memory"))))
    (core MAIN
    (core instance $main (instantiate $Main
        (with "surety:action/log@1.0.0" (instance (export "write" (func $write))))
        (with "own" (instance (export "new" (func $new))))
        (with "other" (instance $other))))
    (type $message' (record (field "msg-id" string) (field "msg-type" string)
        (field "client-id" string) (field "creation-date" string) (field "signer" string)
        (field "text" string)))
    (export $message "message" (type $message'))
    (type $call' (record (field "message" $message) (field "state" string) (field "seq" u64)
        (field "step" u64) (field "attempt" u32) (field "now-ms" u64) (field "ext" string)
        (field "settings" string)))
    (export $call "call" (type $call'))
    (type $advance' (record (field "state" string) (field "ext-patch" string)
        (field "note" (option string))))
    (export $advance "advance" (type $advance'))
    (type $failure' (variant (case "transient" string) (case "permanent" string)))
    (export $failure "failure" (type $failure'))
    (func $run (param "call" $call) (result (result $advance (error $failure)))
        (canon lift (core func $main "run") (memory (core memory $main "memory"))
            (realloc (core func $main "cabi_realloc"))))
    (export "run" (func $run)))"#;

/// A component from a core module: of the world `action`, or of the world
/// `test` in a WIT text.
pub fn encode(core: &str, wit: Option<&str>) -> Vec<u8> {
    let mut module = wat::parse_str(core).unwrap();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("action.wit", WIT).unwrap();
    let (package, world) = match wit {
        Some(wit) => {
            for (name, text) in WASI {
                resolve.push_str(name, text).unwrap();
            }
            (resolve.push_str("test.wit", wit).unwrap(), "test")
        }
        None => (package, "action"),
    };
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

pub fn manifest(name: &str, version: &str) -> String {
    format!(
        r#"{{"name": "{name}", "version": "{version}", "world": "surety:action/action@1.0.0",
            "reads": true, "settings": true, "returns": {{"done": true}}}}"#
    )
}

/// Appends a manifest section.
pub fn with_manifest(component: Vec<u8>, manifest: &str) -> Vec<u8> {
    with_section(component, MANIFEST_SECTION, manifest.as_bytes())
}

/// Appends a custom section.
pub fn with_section(mut component: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    let mut section = Vec::new();
    leb128(&mut section, name.len());
    section.extend_from_slice(name.as_bytes());
    section.extend_from_slice(data);
    component.push(0); // a custom section
    leb128(&mut component, section.len());
    component.extend_from_slice(&section);
    component
}

fn leb128(to: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        to.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    to.push(value as u8);
}
