//! Deploying: what runs afterwards, and what is kept compiled.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use support::{
    Bench, DONE, Logged, action, call, compiling, core, encode, limits, manifest, refused,
    with_manifest,
};
use surety_core::effect::Closed;
use surety_core::ports::{Actions, Deployment, Fault};
use surety_core::refusal::Code;
use surety_core::types::{Digest, Time};
use surety_core::workflow::ModuleSpec;
use surety_sandbox::{CompileLimits, Compiling, Limits, Sandbox, SandboxError};

fn version(version: &str) -> Vec<u8> {
    with_manifest(encode(&core("", DONE), None), &manifest("hostile", version))
}

fn spec(text: &str) -> ModuleSpec {
    text.parse().unwrap()
}

#[test]
fn the_highest_version_that_fits_is_resolved() {
    let bench = Bench::new(limits());
    let resolve = |text: &str| {
        let module = bench.sandbox.resolve(&spec(text))?;
        Some(module.manifest.version.to_string())
    };
    assert_eq!(resolve("hostile@^1"), None);
    for text in ["1.2.0", "1.10.0", "1.9.0", "2.0.0-rc.1"] {
        bench.deploy(&version(text));
    }
    let table = [
        ("hostile@^1", Some("1.10.0")),
        ("hostile@~1.9", Some("1.9.0")),
        ("hostile@=1.2.0", Some("1.2.0")),
        // A pre-release is for those who ask for one.
        ("hostile@>=1", Some("1.10.0")),
        ("hostile@^2", None),
        ("hostile@^2.0.0-rc", Some("2.0.0-rc.1")),
        ("other@^1", None),
    ];
    for (text, expected) in table {
        assert_eq!(resolve(text).as_deref(), expected, "{text}");
    }
    let pinned = format!("hostile@{}", Digest::of(&version("1.2.0")));
    assert_eq!(resolve(&pinned).as_deref(), Some("1.2.0"));

    bench.deploy(&version("1.11.0")); // and without a restart
    assert_eq!(resolve("hostile@^1").as_deref(), Some("1.11.0"));
    assert_eq!(bench.sandbox.deployed().len(), 5);
}

#[tokio::test]
async fn new_settings_replace_the_old_ones() {
    let bench = Bench::new(limits());
    let component = version("1.0.0");
    let old = bench.deploy_with(&component, "1").unwrap();
    bench.deploy_with(&component, "2").unwrap();
    let resolved = bench.sandbox.resolve(&spec("hostile@^1")).unwrap();
    assert_eq!(&*resolved.settings, "2");
    assert_eq!(bench.sandbox.deployed().len(), 1);
    // A call that has the old ones in hand still runs.
    assert!(bench.sandbox.run(&old, call(), Arc::new(Closed)).await.unwrap().outcome.is_ok());
}

#[tokio::test]
async fn a_module_that_is_gone_is_unavailable() {
    let bench = Bench::new(limits());
    let old = bench.deploy(&version("1.0.0"));
    bench.deploy(&action(&core("", &format!("nop {DONE}")))); // the same version
    let fault = bench.sandbox.run(&old, call(), Arc::new(Closed)).await.unwrap_err();
    assert!(
        matches!(&fault, Fault::Unavailable(text) if text.contains("hostile@1.0.0")),
        "{fault}"
    );
}

#[test]
fn a_deployment_is_of_its_component() {
    let bench = Bench::new(limits());
    let component = version("1.0.0");
    let deployment = |name: &str, version: &str, digest| Deployment {
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        digest,
        settings: "{}".into(),
        deployed_at: Time::from_millis(0),
    };
    let digest = Digest::of(&component);
    let table = [
        (deployment("other", "1.0.0", digest), "is hostile@1.0.0; deployed was other@1.0.0"),
        (deployment("hostile", "1.0.1", digest), "is hostile@1.0.0; deployed was hostile@1.0.1"),
        (deployment("hostile", "1.0.0", Digest([0; 32])), "digest is 0x"),
    ];
    for (deployment, detail) in table {
        let refused = refused(bench.sandbox.prepare(deployment, &component).err().unwrap());
        assert_eq!(refused.code, Code::ModuleInvalid);
        assert!(refused.detail.contains(detail), "{refused}");
    }
    let settings = r#""settings": {"type": "object"}"#;
    let strict = manifest("hostile", "1.0.0").replace(r#""settings": true"#, settings);
    let strict = with_manifest(encode(&core("", DONE), None), &strict);
    let refused = bench.deploy_with(&strict, "1").unwrap_err();
    assert_eq!(refused.code, Code::SettingsInvalid);
    assert!(bench.sandbox.deployed().is_empty());
}

#[test]
fn what_can_never_fit_the_limits_is_not_deployed() {
    let small = Limits { memory_bytes_max: 1 << 20, tables_max: 2, ..limits() };
    let bench = Bench::new(small);
    for items in ["(memory 17)", "(table 1 funcref) (table 1 funcref) (table 1 funcref)"] {
        let refused = bench.deploy_with(&action(&core(items, DONE)), "{}").unwrap_err();
        assert_eq!(refused.code, Code::ModuleInvalid);
        assert!(refused.detail.contains("cannot run here"), "{refused}");
    }
}

/// The files in the cache.
fn kept(bench: &Bench) -> Vec<PathBuf> {
    let entries = fs::read_dir(bench.folder.path().join("modules")).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

fn deployment(component: &[u8]) -> Deployment {
    Deployment {
        name: "hostile".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        digest: Digest::of(component),
        settings: "{}".into(),
        deployed_at: Time::from_millis(0),
    }
}

#[tokio::test]
async fn a_module_is_compiled_once() {
    let bench = Bench::new(limits());
    let component = version("1.0.0");
    let logged = Logged::start();
    bench.deploy(&component);
    assert!(logged.take().contains("compiling a module digest=0x"));
    let [file] = &kept(&bench)[..] else { panic!("{:?}", kept(&bench)) };

    let folder = bench.folder.path().join("modules");
    let again = || Sandbox::new(limits(), compiling(&folder)).unwrap();
    let sandbox = again();
    let restored = sandbox.restore(&deployment(&component)).unwrap().unwrap();
    let module = sandbox.install(restored);
    assert!(sandbox.run(&module, call(), Arc::new(Closed)).await.unwrap().outcome.is_ok());
    assert_eq!(logged.take(), "");

    // Whatever else lies there is not loaded, and ends in a new file.
    let good = fs::read(file).unwrap();
    let flipped = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        bad
    };
    // The same code under its own checksum, as somebody without the secret would write it.
    let forged = [&Digest::of(&good[32..]).0[..], &good[32..]].concat();
    let bad = [&good[..good.len() - 1], &good[..20], &[], &forged]
        .map(<[u8]>::to_vec)
        .into_iter()
        .chain([0, 40, good.len() / 2, good.len() - 1].map(flipped));
    for bad in bad {
        fs::write(file, bad).unwrap();
        let sandbox = again();
        assert!(sandbox.restore(&deployment(&component)).unwrap().is_none());
        assert!(logged.take().contains("a compiled module is not used"));
        let bench = Bench { sandbox, folder: tempfile::tempdir().unwrap() };
        let module = bench.deploy(&component);
        let ran = bench.sandbox.run(&module, call(), Arc::new(Closed)).await;
        assert!(ran.unwrap().outcome.is_ok());
        assert!(logged.take().contains("compiling a module"));
        assert_eq!(fs::read(file).unwrap(), good);
    }
}

#[test]
fn a_kept_file_is_for_its_own_name_and_host() {
    let bench = Bench::new(limits());
    bench.deploy(&version("1.0.0"));
    let folder = bench.folder.path().join("modules");
    let [file] = &kept(&bench)[..] else { panic!("{:?}", kept(&bench)) };
    let another = Compiling { secret: [8; 32], ..compiling(&folder) };
    let another = Sandbox::new(limits(), another).unwrap();
    assert!(another.restore(&deployment(&version("1.0.0"))).unwrap().is_none());

    let name = file.file_name().unwrap().to_str().unwrap();
    let key = name.split_once('-').unwrap().1;
    let other = version("1.0.1");
    fs::rename(file, folder.join(format!("{}-{key}", Digest::of(&other)))).unwrap();
    let mut deployment = deployment(&other);
    deployment.version = "1.0.1".parse().unwrap();
    assert!(bench.sandbox.restore(&deployment).unwrap().is_none());
}

#[test]
fn files_of_another_engine_are_thrown_away() {
    let bench = Bench::new(limits());
    bench.deploy(&version("1.0.0"));
    let folder = bench.folder.path().join("modules");
    let ours = kept(&bench);
    let digest = Digest([1; 32]);
    for name in [format!("{digest}-wasmtime-47.0.0-0011223344556677.cwasm"), ".tmpAbc".into()] {
        fs::write(folder.join(name), "old").unwrap();
    }
    drop(Sandbox::new(limits(), compiling(&folder)).unwrap());
    assert_eq!(kept(&bench), ours);
}

#[tokio::test]
async fn a_module_that_is_not_compiled_yet_is_put_off_and_then_runs() {
    let bench = Bench::new(limits());
    let component = version("1.0.0");
    let read = bench.sandbox.inspect(&component).unwrap();
    bench.sandbox.announce(&deployment(&component), read).unwrap();
    let module = bench.sandbox.resolve(&spec("hostile@^1")).unwrap();
    let fault = bench.sandbox.run(&module, call(), Arc::new(Closed)).await.unwrap_err();
    assert!(
        matches!(&fault, Fault::Busy(busy) if busy.why.contains("not compiled yet")),
        "{fault}"
    );
    bench.sandbox.complete(&component).unwrap();
    assert!(bench.sandbox.run(&module, call(), Arc::new(Closed)).await.unwrap().outcome.is_ok());
}

#[test]
fn a_cache_that_others_can_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let modules = folder.path().join("a/b/modules");
    drop(Sandbox::new(limits(), compiling(&modules)).unwrap());
    assert_eq!(fs::metadata(&modules).unwrap().permissions().mode() & 0o777, 0o700);

    fs::set_permissions(&modules, fs::Permissions::from_mode(0o770)).unwrap();
    let error = Sandbox::new(limits(), compiling(&modules)).err().unwrap();
    assert!(
        error.to_string().contains("must belong to the host's user and have mode 0700"),
        "{error}"
    );

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Sandbox::new(limits(), compiling(&file)), Err(SandboxError::Cache(_))));
}

#[test]
fn a_limit_out_of_range_is_no_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let error =
        Sandbox::new(Limits { fuel_max: 0, ..limits() }, compiling(folder.path())).err().unwrap();
    assert!(error.to_string().contains("`fuel_max`"), "{error}");
}

#[test]
fn a_compiler_that_does_not_start_is_no_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("modules");
    for (command, said) in [("/nowhere", "does not start"), ("/bin/false", "failed")] {
        let compiling = Compiling { command: vec![command.into()], ..compiling(&folder) };
        let error = Sandbox::new(limits(), compiling).err().unwrap();
        let SandboxError::Compiler(fault) = &error else { panic!("{error}") };
        assert!(fault.to_string().contains(said), "{fault}");
    }
    let few = CompileLimits { cpu_s_max: 0, ..CompileLimits::default() };
    let compiling = Compiling { limits: few, ..compiling(&folder) };
    let error = Sandbox::new(limits(), compiling).err().unwrap();
    assert!(error.to_string().contains("`cpu_s_max`"), "{error}");
}
