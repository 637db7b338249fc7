//! Who can make a module run, and what a message type can touch, on the demo's own
//! workflow.

mod support;

use std::sync::Arc;

use serde_json::Value;
use surety_audit::{Deployed, Known, Touches, reach, show_reach, show_touches, touches};
use surety_core::module::Manifest;
use surety_core::policy::Policy;
use surety_core::ports::Client;
use surety_core::types::{Address, Digest};
use surety_core::workflow::{ModuleSpec, Workflow};

const WITHDRAWAL: &str = include_str!("../../../workflows/withdrawal.json");
const SCHEMA: &str = include_str!("../../../schemas/withdrawal.schema.json");

/// The demo's workflow, with its schema in it.
fn withdrawal(change: impl FnOnce(&mut Value)) -> Arc<Workflow> {
    let mut file: Value = serde_json::from_str(WITHDRAWAL).unwrap();
    file["schema"] = serde_json::from_str(SCHEMA).unwrap();
    change(&mut file);
    Arc::new(Workflow::parse(&file.to_string()).unwrap())
}

fn client(name: &str, signer: u8, msg_type: &str) -> Arc<Client> {
    Arc::new(Client {
        client_id: name.parse().unwrap(),
        signers: [Address([signer; 20])].into(),
        msg_types: [msg_type.parse().unwrap()].into(),
        msg_ids_outstanding_max: None,
    })
}

fn clients() -> [Arc<Client>; 3] {
    [client("acme", 1, "withdrawal"), client("board", 2, "signal"), client("other", 3, "payout")]
}

fn module(name: &str, version: &str) -> Deployed {
    let (name, digest) = (name.parse().unwrap(), Digest::of(version.as_bytes()));
    Deployed { name, version: version.parse().unwrap(), digest }
}

fn reached(
    module: &Deployed,
    others: &[Deployed],
    workflows: &[Arc<Workflow>],
) -> Vec<(String, String, bool, bool)> {
    let found = reach(module, others, workflows, &clients());
    let state = |state: Option<String>| state.unwrap_or_default();
    found.by.into_iter().map(|by| (by.msg_type, state(by.state), by.admits, by.runs)).collect()
}

#[test]
fn a_module_is_reached_by_its_states_and_versions() {
    let one = withdrawal(|_| {});
    let two = withdrawal(|file| {
        file["version"] = 2.into();
        file["states"]["received"]["invoke"] = "screen@^2".into();
    });
    let workflows = [Arc::clone(&one), two];
    let (old, new) = (module("screen", "1.0.0"), module("screen", "1.1.0"));
    let row = |state: &str, admits, runs| ("withdrawal".to_owned(), state.to_owned(), admits, runs);
    let both = [old.clone(), new.clone()];
    assert_eq!(reached(&old, &both, &workflows), [row("received", false, false)]);
    assert_eq!(reached(&new, &both, &workflows), [row("received", false, true)]);
    assert_eq!(
        reached(&module("screen", "2.0.0"), &both, &workflows),
        [row("received", true, true)]
    );
    assert_eq!(reached(&module("screen", "3.0.0"), &both, &workflows), []);
    // A validator has no state.
    assert_eq!(reached(&module("policy", "1.2.3"), &[], &[one]), [row("", true, true)]);
}

#[test]
fn the_way_and_the_signers_are_named() {
    let found = reach(&module("release", "1.0.0"), &[], &[withdrawal(|_| {})], &clients());
    let by = &found.by[0];
    let way: Vec<_> = by.way.as_ref().unwrap().iter().map(|hop| hop.to.as_str()).collect();
    assert_eq!(way, ["screened", "quoted", "approved", "reserved", "unsettled"]);
    assert_eq!(by.way.as_ref().unwrap()[4].by, "failure, permanent");
    assert_eq!(by.clients.len(), 1);
    assert_eq!(by.clients[0].signers, [Address([1; 20]).to_string()]);
    let text = show_reach(&found);
    assert!(text.contains("reserved → unsettled  failure, permanent"), "{text}");
    assert!(text.contains("submitted by acme, signed by 0x"), "{text}");
}

#[test]
fn a_state_that_nothing_leads_to_has_no_way() {
    let cut = withdrawal(|file| file["states"]["reserved"]["on_failure"] = "failed".into());
    let found = reach(&module("release", "1.0.0"), &[], &[Arc::clone(&cut)], &[]);
    assert_eq!(found.by[0].way, None);
    let touched = touches(&cut, &|_| None, &Policy::default(), &[]);
    assert_eq!(touched.unreached, ["released", "unsettled"]);
}

fn manifest(name: &str) -> Option<Arc<Manifest>> {
    let text = match name {
        "notify" => include_str!("../../../actions/notify/manifest.json"),
        "screen" => include_str!("../../../actions/screen/manifest.json"),
        _ => return None,
    };
    let mut value: Value = serde_json::from_str(text).unwrap();
    if name == "notify" {
        value["capabilities"] = support::manifest()["capabilities"].clone();
    }
    Some(Arc::new(Manifest::parse(value.to_string().as_bytes()).unwrap()))
}

fn touched() -> Touches {
    let policy = support::POLICY.replace("pay*", "notify");
    let find = |spec: &ModuleSpec| {
        Some(Known { manifest: manifest(spec.name.as_str())?, digest: Digest([0; 32]) })
    };
    touches(&withdrawal(|_| {}), &find, &Policy::parse(&policy).unwrap(), &clients())
}

#[test]
fn everything_that_a_type_touches_is_there() {
    let found = touched();
    assert_eq!(found.hosts, ["*.pay.example.org", "api.example.com"]);
    assert_eq!(found.secrets, ["key"]);
    let names: Vec<_> = found.modules.iter().map(|module| module.names.as_str()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    assert_eq!(names[0], "policy@^1", "validators first");
    let notify = found.modules.iter().find(|module| module.names == "notify@^1").unwrap();
    assert_eq!(notify.http[0].by.id, "payments");
    assert_eq!(notify.states["settled"].len(), 5);
    let reserve = found.modules.iter().find(|module| module.names == "reserve@^1").unwrap();
    assert!(reserve.module.is_none() && reserve.http.is_empty());
    let signals: Vec<_> =
        found.people.iter().map(|p| (p.state.as_str(), p.signal.as_str(), p.quorum)).collect();
    assert_eq!(
        signals,
        [
            ("awaiting_approval", "approve", 2),
            ("awaiting_approval", "deny", 1),
            ("held", "deny", 1)
        ]
    );
    assert!(found.people.iter().all(|person| person.clients == ["board"]));
    assert_eq!(found.unreached, [""; 0]);
    let text = show_touches(&found);
    for line in [
        "hosts     *.pay.example.org, api.example.com",
        "no known module fits",
        "by `payments` (line 2 of the policy)",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn a_thousand_states_in_a_row_are_shown_in_bounds() {
    let long = withdrawal(|file| {
        let states = file["states"].as_object_mut().unwrap();
        for i in 0..900 {
            let to = if i == 899 { "received".to_owned() } else { format!("s{}", i + 1) };
            let state =
                serde_json::json!({"invoke": "notify@^1", "targets": [to], "on_failure": "failed"});
            states.insert(format!("s{i}"), state);
        }
        file["initial"] = "s0".into();
    });
    let found = touches(&long, &|_| None, &Policy::default(), &[]);
    let notify = found.modules.iter().find(|module| module.names == "notify@^1").unwrap();
    assert_eq!(notify.states.len(), 901);
    assert!(notify.states.values().all(|way| way.len() <= 100));
}
