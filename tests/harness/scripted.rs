//! Actions that do what the message's payload tells them, and note every call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use surety_core::effect::{Budget, Effect, Entry, Outside, Request, Response, Stopped};
use surety_core::machine::{Advance, Call, Ran};
use surety_core::message::Message;
use surety_core::module::{Manifest, Module};
use surety_core::policy::Policy;
use surety_core::ports::{Actions, Busy, Fault};
use surety_core::record::{Failure, FailureKind};
use surety_core::refusal::Finding;
use surety_core::types::{Digest, MsgId, Seq, Time};
use surety_core::workflow::ModuleSpec;

use crate::remote::Remote;

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
    /// What they send requests to.
    pub remote: Arc<Remote>,
}

impl Default for Scripted {
    fn default() -> Self {
        let module = |name: &'static str, reads: Value, returns: &[&str]| {
            let writes = json!({"type": "object", "properties": {"by": {"type": "string"}, "n": {"type": "integer"}}, "additionalProperties": false});
            let returns: BTreeMap<_, _> = returns.iter().map(|state| (state, &writes)).collect();
            let manifest = json!({
                "name": name, "version": "1.0.0", "world": "surety:action/action@1.0.0",
                "reads": reads, "settings": true, "returns": returns,
                "capabilities": {"http": [{"hosts": ["bank.example"], "methods": ["POST"]}]},
            });
            let policy = "[[grant]]\nmodules = ['first']\nhttp = [{ hosts = ['bank.example'], methods = ['POST'] }]";
            let policy = Policy::parse(policy).expect("a policy");
            let manifest = Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest");
            let module = Module::new(manifest, Digest::of(name.as_bytes()), "{}");
            (name, Arc::new(module.expect("a module").granted(&policy)))
        };
        let second_reads = json!({"type": "object", "required": ["by"]});
        let modules = [
            module("first", json!(true), &["middle", "refused", "sized"]),
            module("second", second_reads, &["done", "begin"]),
        ];
        Self { modules: modules.into(), calls: Mutex::default(), remote: Arc::default() }
    }
}

impl Scripted {
    /// What `first` did: a request to this path, and what it was given.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn effect(&self, path: &str, body: &str) -> Entry {
        let module = self.resolve(&"first@^1".parse().expect("a module")).expect("it is there");
        let module = module.reference();
        let request = Request::new("POST", true, "bank.example", path, Vec::new(), b"{}".to_vec());
        let response = Response { status: 200, headers: Vec::new(), body: body.into() };
        let request = request.expect("a request");
        Entry { module, effect: Effect { request, outcome: Ok(response) } }
    }

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

    /// The action `first` with a grant of the secret `key`.
    ///
    /// # Panics
    /// Never.
    pub fn with_secret(&self) -> Arc<Module> {
        let mut manifest = (*self.modules["first"].manifest).clone();
        manifest.capabilities.secrets.insert("key".parse().expect("a name"));
        let policy = "[[grant]]\nmodules = ['first']\nsecrets = ['key']\nhttp = [{ hosts = ['bank.example'], methods = ['POST'] }]";
        let policy = Policy::parse(policy).expect("a policy");
        let module = Module::new(manifest, self.modules["first"].digest, "{}");
        Arc::new(module.expect("a module").granted(&policy))
    }

    /// How many revisions were run, and how many calls that took.
    pub fn calls(&self) -> (usize, usize) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        (calls.len(), calls.values().map(Vec::len).sum())
    }
}

/// A debit and a credit; gives what the bank said to both. `pays twice` does it all
/// again in a second attempt, `drifts` something else each time it is run.
async fn pay(outside: &dyn Outside, script: &str, attempt: u32) -> Result<String, Stopped> {
    static RUN: AtomicUsize = AtomicUsize::new(0);
    let mut said = Vec::new();
    for step in ["/debit", "/credit"] {
        let path = match script {
            "drifts" => format!("{step}/{}", RUN.fetch_add(1, Ordering::SeqCst)),
            _ => step.to_owned(),
        };
        let request = Request::new("POST", true, "bank.example", &path, Vec::new(), b"{}".to_vec());
        let budget = Budget { response_bytes_max: 1_000, ms_max: 1_000 };
        match outside.exchange(request.expect("a request"), budget).await? {
            Ok(response) => said.push(String::from_utf8(response.body).expect("text")),
            Err(e) => said.push(e.to_string()),
        }
    }
    if script == "pays twice" && attempt == 1 {
        return Err(Stopped::Failed(Failure::new(FailureKind::Transient, "as scripted")));
    }
    Ok(said.join(","))
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

    async fn run(
        &self,
        module: &Module,
        call: Call,
        outside: Arc<dyn Outside>,
    ) -> Result<Ran, Fault> {
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
            ("first", "pays" | "pays twice" | "drifts") => {
                match pay(&*outside, script, call.attempt).await {
                    Ok(by) => advance("middle", &json!({"by": by}).to_string()),
                    Err(Stopped::Failed(failure)) => Err(failure),
                    Err(Stopped::Fault(fault)) => return Err(fault),
                }
            }
            ("first", "ok") => advance("middle", r#"{"by":"first"}"#),
            ("first", "padded") => {
                advance("middle", &format!(r#"{}{{"by":"first"}}"#, " ".repeat(500_000)))
            }
            ("second", "ok") => advance("done", r#"{"by":"second"}"#),
            ("second", "back") => advance("begin", "{}"),
            // With `back` five actions in all.
            ("first", "five times") if call.seq < 4 => advance("middle", r#"{"by":"first"}"#),
            ("first", "five times") => advance("refused", "{}"),
            ("first", "refuse") => advance("refused", "{}"),
            ("first", "small") => advance("sized", r#"{"by":"first","n":1}"#),
            ("first", "large") => advance("sized", r#"{"by":"first","n":100}"#),
            ("first", "huge") => advance("sized", r#"{"by":"first","n":5000}"#),
            ("first", "unsized") => advance("sized", r#"{"by":"first"}"#),
            ("first", "mute") => advance("middle", "{}"),
            // Characters of JSON that XML does not have.
            ("first", "no xml") => advance("middle", "{\"by\":\"\u{fffe}\u{ffff}\"}"),
            (_, "undeclared") => advance("nowhere", "{}"),
            (_, "outside") => advance("middle", r#"{"else":1}"#),
            (_, "no json") => advance("middle", "{"),
            (_, "heals") if call.attempt < 2 => fail(FailureKind::Transient),
            ("first", "heals") => advance("middle", r#"{"by":"first"}"#),
            (_, "transient") => fail(FailureKind::Transient),
            (_, "trap") => fail(FailureKind::Trap),
            _ => fail(FailureKind::Permanent),
        };
        Ok(Ran { outcome, fuel: 7, engine: "scripted".into(), effects: Vec::new() })
    }

    /// What is never ready.
    async fn validate(
        &self,
        _: &Module,
        _: &Message,
        _: Time,
    ) -> Result<Result<Vec<Finding>, Failure>, Fault> {
        let why = "the validator is being compiled".to_owned();
        Err(Fault::Busy(Busy { why, after: Duration::from_secs(1) }))
    }
}
