//! What an audit says of components that were made to look harmless, or not.

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::{audited, core, encode, manifest, of_manifest, with, with_section};
use surety_audit::{Audit, Finding, Weight, show_audit};
use surety_core::module::MANIFEST_SECTION;

const KEY: &str = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";

/// A component with much that should be seen.
fn crafted() -> Vec<u8> {
    let items = format!(
        r#"(start $nothing) (table 100000 funcref)
           (data (i32.const 0) "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE")
           (data (i32.const 200) "\00key={KEY}\00")
           (data (i32.const 400) "GET https://api.example.com/v1 https://evil.example:8443/x")
           (data (i32.const 600) "panicked at /home/ann/payout/src/lib.rs:1:1")
           (data (i32.const 800) "ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")"#
    );
    let component = encode(&core(&items));
    let component = with_section(component, ".debug_info", &[0; 100]);
    let component = with_section(component, "payload", &vec![7; 300 << 10]);
    with_section(component, MANIFEST_SECTION, manifest().to_string().as_bytes())
}

fn finding<'a>(audit: &'a Audit, code: &str) -> &'a Finding {
    let found = audit.findings.iter().find(|finding| finding.code == code);
    found.unwrap_or_else(|| panic!("no {code} in {:#?}", audit.findings))
}

fn compare(name: &str, text: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("SURETY_GOLDEN").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, expected, "set SURETY_GOLDEN to write {name} anew");
}

#[test]
fn a_crafted_component_is_shown_as_ever() {
    let audit = audited(&crafted());
    let text = show_audit(&audit);
    // Its bytes are those of the encoder's version.
    let text = text.replace(&audit.digest, "DIGEST");
    compare("crafted.txt", &text);
    assert!(!text.contains(&KEY[..10]), "a secret is not shown");
    let json = serde_json::to_string(&audit).unwrap();
    assert!(!json.contains(&KEY[..10]));
}

#[test]
fn each_pattern_is_found_where_it_is() {
    let audit = audited(&crafted());
    for (code, weight, place) in [
        ("private_key", Weight::Look, "data segment 0 of core module 1"),
        ("key_like_hex", Weight::Look, "data segment 1 of core module 1"),
        ("unasked_url", Weight::Look, "https://evil.example:8443 in data segment 2"),
        ("build_paths", Weight::Note, "/home/ann/payout/src/lib.rs"),
        ("token", Weight::Look, "ghp_…"),
        ("start_function", Weight::Note, "core module 1"),
        ("huge_table", Weight::Look, "100000 elements"),
        ("debug_sections", Weight::Note, "`.debug_info` of the component: 100 bytes"),
        ("large_section", Weight::Look, "`payload` of the component"),
        ("asked_not_imported", Weight::Look, "/capabilities/http"),
        ("wide_hosts", Weight::Look, "*.pay.example.org"),
        ("secret_to_many", Weight::Look, "key: *.pay.example.org, api.example.com"),
    ] {
        let finding = finding(&audit, code);
        assert_eq!(finding.weight, weight, "{code}");
        assert!(finding.found.iter().any(|found| found.contains(place)), "{finding:?}");
        assert!(!finding.meaning.is_empty());
    }
    let unasked = finding(&audit, "unasked_url");
    assert_eq!(unasked.found.len(), 1, "what is asked for is none: {unasked:?}");
    let weights: Vec<_> = audit.findings.iter().map(|finding| finding.weight).collect();
    assert!(weights.is_sorted(), "the important first");
}

#[test]
fn a_plain_component_has_nothing_to_look_at() {
    let mut plain = manifest();
    plain.as_object_mut().unwrap().remove("capabilities");
    let audit = of_manifest(&plain);
    let look = audit.findings.iter().filter(|finding| finding.weight == Weight::Look);
    assert_eq!(look.count(), 0, "{:#?}", audit.findings);
    assert_eq!(audit.exports, ["run"]);
    assert_eq!(audit.imports[0].name, "surety:action/log@1.0.0");
    assert_eq!(audit.imports[0].functions, ["write"]);
    assert!(
        audit.wit.unwrap().contains("export run: func(call: call) -> result<advance, failure>;")
    );
}

#[test]
fn powers_name_the_line_that_gives_them() {
    let audit = of_manifest(&with("/capabilities/secrets", json!(["key", "another"])));
    let powers = &audit.capabilities;
    assert_eq!(powers.granted_secrets["key"][0].line, 2);
    assert_eq!(powers.granted_http[0].by.id, "payments");
    assert_eq!(powers.granted_http[0].requests.hosts, ["api.example.com", "*.pay.example.org"]);
    assert_eq!(powers.ungranted[0].pointer, "/capabilities/secrets/0");
    let limit = |name: &str| audit.limits.iter().find(|limit| limit.name == name).unwrap();
    let fuel = limit("fuel_max");
    assert_eq!(
        (fuel.host, fuel.asked, fuel.policy, fuel.in_force),
        (1_000_000, Some(1_000), Some(5_000), 1_000)
    );
    assert_eq!(limit("memory_bytes_max").in_force, 1_048_576);
}

#[test]
fn manifests_that_hide_something_are_seen() {
    let hidden = of_manifest(&with("/description", json!("pays\u{202e}\u{1b}[2Jnothing")));
    assert_eq!(finding(&hidden, "hidden_text").weight, Weight::Look);
    let open = of_manifest(&with("/returns/rejected", json!(true)));
    assert_eq!(finding(&open, "writes_anything").found, ["rejected"]);
    let manifest = manifest().to_string();
    let once = with_section(encode(&core("")), MANIFEST_SECTION, manifest.as_bytes());
    let twice = audited(&with_section(once, MANIFEST_SECTION, manifest.as_bytes()));
    assert_eq!(finding(&twice, "no_manifest").found, ["2 manifests"]);
    assert!(twice.module.is_none() && twice.manifest.is_none());
}

/// Nothing that a stranger wrote moves a cursor or starts a line of its own.
#[test]
fn names_are_shown_escaped() {
    let evil = "x\u{1b}[31m\n  LOOK nothing: all is well\u{202e}";
    let component = with_section(encode(&core("")), evil, b"https://a\x1b.example");
    let component = with_section(
        component,
        MANIFEST_SECTION,
        with("/description", json!(evil)).to_string().as_bytes(),
    );
    let text = show_audit(&audited(&component));
    assert!(text.contains("x\\u{1b}[31m\\n"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'));
    assert!(!text.lines().any(|line| line.starts_with("  LOOK nothing")), "{text}");
}

/// Whatever the bytes are, an audit of them ends soon and is small.
#[test]
fn hostile_components_cost_in_proportion() {
    let named = |name: &str| encode(&core(&format!("(data (i32.const 0) \"{name}\")")));
    let mut sections = encode(&core(""));
    for i in 0..20_000 {
        sections = with_section(sections, &format!("s{i}"), b"");
    }
    let urls: String = (0..50_000).map(|i| format!("https://h{i}.example ")).collect();
    let mut nested = b"\0asm\x0d\0\x01\0".to_vec();
    for _ in 0..200 {
        let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
        let mut length = nested.len();
        while length >= 0x80 {
            outer.push(0x80 | (length & 0x7f) as u8);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend_from_slice(&nested);
        nested = outer;
    }
    let deep = format!(r#"(component {} (export "t" (type 4999)))"#, {
        let lists = (0..4_999).map(|i| format!("(type (list {i}))"));
        format!("(type (list u8)) {}", lists.collect::<String>())
    });
    let wide = format!(
        r#"(component (type (tuple u8 u8)) {})"#,
        (0..60).map(|i| format!("(type (tuple {i} {i}))")).collect::<String>()
    );
    let long = "k".repeat(90_000);
    let long = format!(
        r#"(component (type $r (record (field "{long}" u8))) (import "{long}" (type $i (eq $r))) {})"#,
        (0..2_000).map(|i| format!(r#"(import "f{i}" (func (param "a" $i)))"#)).collect::<String>()
    );
    let cases = [
        ("sections", sections),
        ("urls", with_section(encode(&core("")), "urls", urls.as_bytes())),
        ("prefixes", with_section(encode(&core("")), "x", "AKIA".repeat(500_000).as_bytes())),
        ("homes", with_section(encode(&core("")), "x", "/home/".repeat(500_000).as_bytes())),
        (
            "pems",
            with_section(encode(&core("")), "x", "PRIVATE KEY-----".repeat(100_000).as_bytes()),
        ),
        ("nested", nested),
        ("deep", wat::parse_str(deep).unwrap()),
        ("wide", wat::parse_str(wide).unwrap()),
        ("long", wat::parse_str(long).unwrap()),
        ("text", named("0123456789abcdef")),
        ("nothing", Vec::new()),
        ("noise", (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ("core", wat::parse_str("(module)").unwrap()),
        ("header", b"\0asm\x0d\0\x01\0".to_vec()),
    ];
    for (name, component) in cases {
        let begin = Instant::now();
        let audit = audited(&component);
        let text = show_audit(&audit);
        let json = serde_json::to_string(&audit).unwrap();
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(20), "{name} took {took:?}");
        assert!(json.len() < 2 << 20 && text.len() < 1 << 20, "{name}: {} bytes", json.len());
        assert!(audit.module.is_none() && !audit.findings.is_empty(), "{name}");
    }
}

/// Cut or changed anywhere, a component is still read as far as it goes.
#[test]
fn damaged_components_are_read_as_far_as_they_go() {
    let component =
        with_section(encode(&core("")), MANIFEST_SECTION, manifest().to_string().as_bytes());
    for cut in (0..component.len()).step_by(7) {
        let _ = show_audit(&audited(&component[..cut]));
        let mut changed = component.clone();
        changed[cut] ^= 0xff;
        let _ = show_audit(&audited(&changed));
    }
}
