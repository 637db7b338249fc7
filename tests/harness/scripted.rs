//! Actions that do what the message's payload tells them, and note every call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use surety_core::machine::{Advance, Call, Ran};
use surety_core::message::Message;
use surety_core::module::{Manifest, Module};
use surety_core::ports::{Actions, Fault};
use surety_core::record::{Failure, FailureKind};
use surety_core::refusal::Finding;
use surety_core::types::{Digest, MsgId, Seq, Time};
use surety_core::workflow::ModuleSpec;

/// The workflow that the scripted actions are for: `begin` → `middle` → `done`,
/// with `refused` and `failed` beside it; and on the way that `first` scripts as
/// `small`, `large` or `unsized` a choice, and for large ones an approval by two.
#[must_use]
pub fn workflow(version: u32) -> String {
    let board = "['0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC', '0x90F79bf6EB2c4f870365E785982E1f101E93b906']";
    let of_board = format!("signal.signer in {board}");
    json!({
        "msg_type": "transfer", "version": version, "initial": "begin",
        "schema": {
            "type": "object",
            "required": ["payload"],
            "properties": {"payload": {
                "type": "object",
                "required": ["first"],
                "properties": {"first": {"type": "string"}, "second": {"type": "string"}, "n": {"type": "integer"}},
                "additionalProperties": false
            }}
        },
        "states": {
            "begin": {"invoke": "first@^1", "targets": ["middle", "refused", "sized"],
                "retry": {"max_attempts": 3, "first_delay": "1s", "factor": 2, "delay_max": "1m"},
                "on_failure": "failed"},
            "sized": {"choose": [{"guard": "ext.n > 10", "target": "approval"}, {"target": "middle"}]},
            "approval": {
                "on": {
                    "approve": {"guard": of_board, "quorum": 2, "target": "middle"},
                    "deny": {"guard": of_board, "target": "refused"},
                },
                "after": [
                    {"delay": "1h", "guard": "ext.n > 1000", "target": "refused"},
                    {"delay": "30d", "target": "expired"},
                ],
                "cancel": "refused",
            },
            "middle": {"invoke": "second@^1", "targets": ["done", "begin"],
                "retry": {"max_attempts": 2, "first_delay": "1s"}, "on_failure": "failed"},
            "done": {"final": true}, "refused": {"final": true}, "expired": {"final": true},
            "failed": {"parked": true, "redrive": ["begin"], "cancel": "refused"}
        }
    })
    .to_string()
}

/// What a call looked like, for comparing.
type Seen = (String, u64, u32, u64, String);

/// The actions `first` and `second`.
pub struct Scripted {
    modules: BTreeMap<&'static str, Arc<Module>>,
    calls: Mutex<BTreeMap<(MsgId, Seq), Vec<Seen>>>,
}

impl Default for Scripted {
    fn default() -> Self {
        let module = |name: &'static str, reads: Value, returns: &[&str]| {
            let writes = json!({"type": "object", "properties": {"by": {"type": "string"}, "n": {"type": "integer"}}, "additionalProperties": false});
            let returns: BTreeMap<_, _> = returns.iter().map(|state| (state, &writes)).collect();
            let manifest = json!({
                "name": name, "version": "1.0.0", "world": "surety:action/action@1.0.0",
                "reads": reads, "settings": true, "returns": returns,
            });
            let manifest = Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest");
            let module = Module::new(manifest, Digest::of(name.as_bytes()), "{}");
            (name, Arc::new(module.expect("a module")))
        };
        let second_reads = json!({"type": "object", "required": ["by"]});
        let modules = [
            module("first", json!(true), &["middle", "refused", "sized"]),
            module("second", second_reads, &["done", "begin"]),
        ];
        Self { modules: modules.into(), calls: Mutex::default() }
    }
}

impl Scripted {
    /// Asserts I4: every call of one revision saw the same.
    ///
    /// # Panics
    /// When two differ.
    pub fn assert_fixed_input(&self) {
        for (key, calls) in &*self.calls.lock().unwrap_or_else(PoisonError::into_inner) {
            let all_same = calls.windows(2).all(|pair| pair[0] == pair[1]);
            assert!(all_same, "I4: calls of {key:?} differ: {calls:?}");
        }
    }

    /// How many revisions were run, and how many calls that took.
    pub fn calls(&self) -> (usize, usize) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        (calls.len(), calls.values().map(Vec::len).sum())
    }
}

#[async_trait]
impl Actions for Scripted {
    fn resolve(&self, spec: &ModuleSpec) -> Option<Arc<Module>> {
        let module = self.modules.get(spec.name.as_str())?;
        let Manifest { name, version, .. } = &*module.manifest;
        spec.admits(name, version, module.digest).then(|| Arc::clone(module))
    }

    fn assign(&self, spec: &ModuleSpec, _: MsgId, _: Seq) -> Result<Arc<Module>, Failure> {
        self.resolve(spec).ok_or_else(|| spec.missing())
    }

    async fn run(&self, module: &Module, call: Call) -> Result<Ran, Fault> {
        let seen = (
            call.state.to_string(),
            call.step,
            call.attempt,
            call.now.as_millis(),
            call.ext.to_string(),
        );
        let key = (call.message.msg_id, call.seq);
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key)
            .or_default()
            .push(seen);

        let text: Value = serde_json::from_str(&call.message.text).expect("admitted JSON");
        let name = module.manifest.name.as_str();
        let script = text["payload"][name].as_str().unwrap_or("ok");
        let advance = |state: &str, patch: &str| {
            Ok(Advance { state: state.to_owned(), ext_patch: patch.to_owned(), note: None })
        };
        let fail = |kind| Err(Failure::new(kind, "as scripted"));
        let outcome = match (name, script) {
            ("first", "ok") => advance("middle", r#"{"by":"first"}"#),
            ("second", "ok") => advance("done", r#"{"by":"second"}"#),
            ("second", "back") => advance("begin", "{}"),
            ("first", "refuse") => advance("refused", "{}"),
            ("first", "small") => advance("sized", r#"{"by":"first","n":1}"#),
            ("first", "large") => advance("sized", r#"{"by":"first","n":100}"#),
            ("first", "huge") => advance("sized", r#"{"by":"first","n":5000}"#),
            ("first", "unsized") => advance("sized", r#"{"by":"first"}"#),
            ("first", "mute") => advance("middle", "{}"),
            (_, "undeclared") => advance("nowhere", "{}"),
            (_, "outside") => advance("middle", r#"{"else":1}"#),
            (_, "no json") => advance("middle", "{"),
            (_, "heals") if call.attempt < 2 => fail(FailureKind::Transient),
            ("first", "heals") => advance("middle", r#"{"by":"first"}"#),
            (_, "transient") => fail(FailureKind::Transient),
            (_, "trap") => fail(FailureKind::Trap),
            _ => fail(FailureKind::Permanent),
        };
        Ok(Ran { outcome, fuel: 7, engine: "scripted".into() })
    }

    /// No workflow here has a validator.
    async fn validate(
        &self,
        _: &Module,
        _: &Message,
        _: Time,
    ) -> Result<Result<Vec<Finding>, Failure>, Fault> {
        Ok(Ok(Vec::new()))
    }
}
