//! What a new version may do more, and less, than an old one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use surety_core::capability::HostPattern;
use utoipa::ToSchema;

use crate::report::{Asked, Audit, Granted, Weight};
use crate::schemas::{self, SchemaChange, Way};

/// A change from an old version to a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// What changed: `import`, `host`, `secret`, `state`, and so on.
    pub what: String,
    /// Which.
    pub at: String,
    /// How.
    pub detail: String,
}

/// All changes that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    /// The old version, by name, version and digest.
    pub old: String,
    /// The new one.
    pub new: String,
    /// What it may do that the old one may not. What cannot be told is here.
    pub more: Vec<Change>,
    /// What it may not do any more.
    pub less: Vec<Change>,
    /// What is no matter of what it may do.
    pub other: Vec<Change>,
}

/// Compares two versions of a module, both under the host of now.
#[must_use]
pub fn diff(old: &Audit, new: &Audit) -> Diff {
    let mut diff = Diff { old: label(old), new: label(new), ..Diff::default() };
    diff.identity(old, new);
    diff.imports(old, new);
    diff.manifests(old, new);
    diff.capabilities(old, new);
    diff.limits(old, new);
    diff.rest(old, new);
    diff
}

fn label(audit: &Audit) -> String {
    let name = audit.module.as_ref().map_or("a module without a name".to_owned(), |m| m.label());
    format!("{name} {}", audit.digest)
}

impl Diff {
    fn more(&mut self, what: &str, at: impl Into<String>, detail: impl Into<String>) {
        self.more.push(Change { what: what.to_owned(), at: at.into(), detail: detail.into() });
    }

    fn less(&mut self, what: &str, at: impl Into<String>, detail: impl Into<String>) {
        self.less.push(Change { what: what.to_owned(), at: at.into(), detail: detail.into() });
    }

    fn other(&mut self, what: &str, at: impl Into<String>, detail: impl Into<String>) {
        self.other.push(Change { what: what.to_owned(), at: at.into(), detail: detail.into() });
    }

    fn identity(&mut self, old: &Audit, new: &Audit) {
        let (Some(o), Some(n)) = (&old.module, &new.module) else {
            self.more(
                "manifest",
                "",
                "cannot be read in both, so nothing is known of what it says",
            );
            return;
        };
        if o.name != n.name {
            self.more("name", &n.name, "is another one: other grants and workflows may be for it");
        }
        if o.world != n.world {
            self.more("world", &n.world, format!("was {}", o.world));
        }
        let version = |text: &str| text.parse::<semver::Version>().ok();
        if version(&n.version) <= version(&o.version) {
            self.other("version", &n.version, format!("is not above {}", o.version));
        }
    }

    /// Functions that can be called.
    fn imports(&mut self, old: &Audit, new: &Audit) {
        let (o, n) = (called(old), called(new));
        for import in n.difference(&o) {
            self.more("import", import, "can be called");
        }
        for import in o.difference(&n) {
            self.less("import", import, "is not imported any more");
        }
        if old.wit.is_none() || new.wit.is_none() {
            self.more("import", "", "functions cannot be told, so nothing is known of them");
        }
        let exports = |audit: &Audit| audit.exports.iter().cloned().collect::<BTreeSet<_>>();
        for export in exports(new).symmetric_difference(&exports(old)) {
            self.other("export", export, "is not in both");
        }
    }

    /// States, and what is read, written and set.
    fn manifests(&mut self, old: &Audit, new: &Audit) {
        let (Some(o), Some(n)) = (&old.manifest, &new.manifest) else { return };
        let returns =
            |manifest: &Value| manifest["returns"].as_object().cloned().unwrap_or_default();
        let (old_states, new_states) = (returns(o), returns(n));
        for (state, schema) in &new_states {
            match old_states.get(state) {
                Some(before) => self.schema("writes", state, before, schema),
                None => self.more("state", state, "can be returned"),
            }
        }
        for state in old_states.keys().filter(|state| !new_states.contains_key(*state)) {
            self.less("state", state, "is not returned any more");
        }
        // None is the schema that admits everything, as a validator has it.
        let schema =
            |manifest: &Value, name: &str| manifest.get(name).cloned().unwrap_or(Value::Bool(true));
        self.schema("settings", "", &schema(o, "settings"), &schema(n, "settings"));
        for change in schemas::changes(&schema(o, "reads"), &schema(n, "reads")) {
            // Who needs more relies on more.
            let SchemaChange { way, pointer, detail, named } = change;
            match way {
                Way::Wider if !named => self.less("reads", pointer, detail),
                _ => self.more("reads", pointer, detail),
            }
        }
    }

    fn schema(&mut self, what: &str, of: &str, old: &Value, new: &Value) {
        for SchemaChange { way, pointer, detail, .. } in schemas::changes(old, new) {
            let at = format!("{of}{pointer}");
            match way {
                Way::Wider | Way::Unknown => self.more(what, at, detail),
                Way::Narrower => self.less(what, at, detail),
            }
        }
    }

    fn capabilities(&mut self, old: &Audit, new: &Audit) {
        let (o, n) = (&old.capabilities, &new.capabilities);
        self.requests("host", "asks for", &o.http, &n.http);
        let requests = |granted: &[Granted]| -> Vec<Asked> {
            granted.iter().map(|rule| rule.requests.clone()).collect()
        };
        let (og, ng) = (&o.granted_http, &n.granted_http);
        self.requests("granted", "is granted", &requests(og), &requests(ng));
        self.set("secret", "asked for", &o.secrets, &n.secrets);
        let granted = |audit: &Audit| -> Vec<String> {
            let rules = audit.capabilities.granted_http.iter();
            let to = rules.flat_map(|rule| {
                let hosts = &rule.requests.hosts;
                let each = rule
                    .secrets
                    .iter()
                    .flat_map(move |s| hosts.iter().map(move |h| format!("{s} to {h}")));
                each.flat_map(|to| ways(rule, to))
            });
            to.collect()
        };
        self.set("granted secret", "granted", &granted(old), &granted(new));
        let private = |rules: &[Granted]| -> Vec<String> {
            let hosts = |rule: &Granted| rule.requests.hosts.join(", ");
            let each = rules.iter().flat_map(|rule| {
                let hosts = hosts(rule);
                let each = rule.private_addresses.iter();
                each.flat_map(move |range| ways(rule, format!("{range} for {hosts}")))
            });
            each.collect()
        };
        self.set("private address", "granted", &private(og), &private(ng));
        let plain = |rules: &[Granted]| -> Vec<String> {
            let plain = rules.iter().filter(|rule| rule.plain_http);
            plain.flat_map(|rule| rule.requests.hosts.clone()).collect()
        };
        self.set("plain http", "granted", &plain(og), &plain(ng));
    }

    fn set(&mut self, what: &str, word: &str, old: &[String], new: &[String]) {
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
        for item in new.difference(&old) {
            self.more(what, item.as_str(), format!("is {word}"));
        }
        for item in old.difference(&new) {
            self.less(what, item.as_str(), format!("is not {word} any more"));
        }
    }

    fn requests(&mut self, what: &str, word: &str, old: &[Asked], new: &[Asked]) {
        for ((host, method), ports) in beyond(new, old) {
            self.more(what, host, format!("{word} {method} at {}", list(&ports)));
        }
        for ((host, method), ports) in beyond(old, new) {
            self.less(what, host, format!("{word} {method} at {} no more", list(&ports)));
        }
    }

    fn limits(&mut self, old: &Audit, new: &Audit) {
        for n in &new.limits {
            let Some(o) = old.limits.iter().find(|limit| limit.name == n.name) else { continue };
            let asked = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
            let show =
                |limit: Option<u64>| limit.map_or("the host's".to_owned(), |l| l.to_string());
            let detail = format!(
                "asks for {}, was {}; in force {}, was {}",
                show(n.asked),
                show(o.asked),
                n.in_force,
                o.in_force
            );
            if asked(n.asked) > asked(o.asked) || n.in_force > o.in_force {
                self.more("limit", &n.name, detail);
            } else if asked(n.asked) < asked(o.asked) || n.in_force < o.in_force {
                self.less("limit", &n.name, detail);
            }
        }
    }

    fn rest(&mut self, old: &Audit, new: &Audit) {
        let look = |audit: &Audit| -> BTreeMap<String, Vec<String>> {
            let look = audit.findings.iter().filter(|finding| finding.weight == Weight::Look);
            look.map(|finding| (finding.code.clone(), finding.found.clone())).collect()
        };
        let before = look(old);
        for (code, found) in look(new) {
            let known = before.get(&code).map(Vec::as_slice).unwrap_or_default();
            for place in found.into_iter().filter(|place| !known.contains(place)) {
                self.other("finding", &code, place);
            }
        }
        if let (None, Some(refused)) = (&old.refused, &new.refused) {
            self.other("refused", &refused.code, &refused.detail);
        }
    }
}

fn called(audit: &Audit) -> BTreeSet<String> {
    let functions = audit.imports.iter().flat_map(|import| {
        import.functions.iter().map(|function| match *function == import.name {
            true => function.clone(),
            false => format!("{}#{function}", import.name),
        })
    });
    functions.collect()
}

fn list(ports: &BTreeSet<u16>) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

type Requests = BTreeMap<(String, String), BTreeSet<u16>>;

/// The requests of `these` that are not among `those`: ports by host and method.
fn beyond(these: &[Asked], those: &[Asked]) -> Requests {
    let mut beyond = Requests::new();
    for rule in these {
        for host in &rule.hosts {
            let covering: Vec<_> =
                those.iter().filter(|other| covers(&other.hosts, host)).collect();
            for method in &rule.methods {
                let with_method = covering.iter().filter(|other| other.methods.contains(method));
                let known: BTreeSet<u16> = with_method.flat_map(|o| o.ports.clone()).collect();
                let new = rule.ports.iter().filter(|port| !known.contains(port)).copied();
                beyond.entry((host.clone(), method.clone())).or_default().extend(new);
            }
        }
    }
    beyond.retain(|_, ports| !ports.is_empty());
    beyond
}

/// What a rule lets be done, and that without TLS where it does without. A secret in one
/// rule and no TLS in another are less than both in one.
fn ways(rule: &Granted, what: String) -> impl Iterator<Item = String> + use<> {
    let plain = rule.plain_http.then(|| format!("{what} without TLS"));
    std::iter::once(what).chain(plain)
}

/// Whether every host of a pattern is one of these.
fn covers(patterns: &[String], host: &str) -> bool {
    if patterns.iter().any(|pattern| pattern == host) {
        return true;
    }
    let Ok(host) = host.parse::<HostPattern>() else { return false };
    let patterns = patterns.iter().filter_map(|pattern| pattern.parse::<HostPattern>().ok());
    patterns.into_iter().any(|pattern| pattern.and(&host) == Some(host.clone()))
}
