//! Compiling apart: what means harm to the compiler ends as a refusal that names a
//! limit, and the compiler can do nothing but compile.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Bench, DONE, action, core, limits};
use surety_core::refusal::{Code, Refusal};
use surety_sandbox::CompileLimits;

fn functions(count: usize, body: &str) -> String {
    let mut items = String::new();
    for _ in 0..count {
        write!(items, "(func {body})").unwrap();
    }
    items
}

/// How a component is refused that is compiled within these limits, and that it is
/// soon enough.
fn refusal(compile: CompileLimits, items: &str) -> Refusal {
    let bench = Bench::compiling_within(limits(), compile);
    let component = action(&core(items, DONE));
    let started = Instant::now();
    let refusal = bench.deploy_with(&component, "{}").unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    // And the next one is compiled.
    bench.deploy(&action(&core("", DONE)));
    refusal
}

#[track_caller]
fn assert_limit(refusal: &Refusal, name: &str) {
    assert_eq!(refusal.code, Code::ModuleCompileLimit, "{refusal}");
    assert!(refusal.detail.starts_with(&format!("the limit `compile.{name}` of ")), "{refusal}");
}

#[test]
fn i8_every_limit_of_compiling_holds_and_is_named() {
    // Each of so many functions takes the compiler a while.
    let slow = functions(30_000, &"(drop (i32.add (i32.const 1) (i32.const 2)))".repeat(20));
    let few = CompileLimits { cpu_s_max: 1, ..CompileLimits::default() };
    assert_limit(&refusal(few, &slow), "cpu_s_max");
    let short = CompileLimits { wall_ms_max: 300, ..CompileLimits::default() };
    assert_limit(&refusal(short, &slow), "wall_ms_max");
    let small = CompileLimits { output_bytes_max: 100_000, ..CompileLimits::default() };
    assert_limit(&refusal(small, &functions(3_000, "")), "output_bytes_max");
    let little = CompileLimits { memory_bytes_max: 256 << 20, ..CompileLimits::default() };
    let step = "(local.set 0 (i32.mul (local.get 0) (i32.const 3)))";
    let large = format!("(func (param i32) {})", step.repeat(300_000));
    assert_limit(&refusal(little, &large), "memory_bytes_max");
}

#[test]
fn the_compiler_says_how_it_is_held() {
    let bench = Bench::new(limits());
    let status = fs::read_to_string("/proc/self/status").unwrap();
    // The kernel of every machine that tests run on has filters.
    assert_eq!(bench.sandbox.confined().seccomp, status.contains("Seccomp_filters:"));
}

/// The compiler that waits for its component on stdin, once it has confined itself.
#[test]
fn a_compiler_has_nothing_of_the_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let job = serde_json::json!({
        "task": "Inspect",
        "limits": limits(),
        "compile": CompileLimits::default(),
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_surety-compile"))
        .arg(job.to_string())
        .env_clear()
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let of = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap();
    let started = Instant::now();
    let status = loop {
        let status = of("status");
        if status.contains("Seccomp:\t2") || started.elapsed() > Duration::from_secs(10) {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.contains("Seccomp:\t2"), "{status}");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert_eq!(of("oom_score_adj").trim(), "1000");
    let limits = of("limits");
    let soft = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    for (name, value) in [
        ("Max cpu time", "60"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
        ("Max open files", "3"),
        ("Max address space", "4294967296"),
    ] {
        assert_eq!(soft(name), value, "{limits}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
