//! What a module asks for, what it is given, and by which line of the policy.

use std::collections::BTreeMap;

use serde_json::Value;
use surety_core::capability::{HttpRule, Method};
use surety_core::module::{Manifest, ManifestLimits};
use surety_core::policy::{Grant, GrantedHttp, PolicyLine};

use crate::report::{Asked, Granted, Limit, Line, Place, Powers};

/// What the manifest asks for, beside its grant.
pub(crate) fn powers(manifest: &Manifest, grant: &Grant) -> Powers {
    let asked = &manifest.capabilities;
    let secrets = grant.secrets.iter();
    let ungranted = grant.ungranted(asked).into_iter();
    Powers {
        http: asked.http.iter().map(requests).collect(),
        secrets: asked.secrets.iter().map(ToString::to_string).collect(),
        granted_http: grant.http.iter().map(granted).collect(),
        granted_secrets: secrets
            .map(|(name, lines)| (name.to_string(), lines.iter().map(line).collect()))
            .collect(),
        ungranted: ungranted.map(|u| Place { pointer: u.pointer, detail: u.detail }).collect(),
    }
}

fn requests(rule: &HttpRule) -> Asked {
    Asked {
        hosts: rule.hosts.iter().map(ToString::to_string).collect(),
        methods: methods(&rule.methods),
        ports: rule.ports.iter().copied().collect(),
    }
}

fn methods<'m>(methods: impl IntoIterator<Item = &'m Method>) -> Vec<String> {
    methods.into_iter().map(|method| method.as_str().to_owned()).collect()
}

pub(crate) fn granted(rule: &GrantedHttp) -> Granted {
    Granted {
        requests: Asked {
            hosts: rule.hosts.iter().map(ToString::to_string).collect(),
            methods: methods(&rule.methods),
            ports: rule.ports.iter().copied().collect(),
        },
        private_addresses: rule.private_addresses.iter().map(ToString::to_string).collect(),
        plain_http: rule.plain_http,
        secrets: rule.secrets.iter().map(ToString::to_string).collect(),
        by: line(&rule.by),
    }
}

fn line(PolicyLine { id, line }: &PolicyLine) -> Line {
    Line { id: id.clone(), line: *line as u64 }
}

/// The host's limits, and what is left of each.
pub(crate) fn limits(
    host: &BTreeMap<String, u64>,
    asked: &ManifestLimits,
    policy: &ManifestLimits,
) -> Vec<Limit> {
    let (asked, policy) = (by_name(asked), by_name(policy));
    let limit = |(name, host): (&String, &u64)| {
        let (asked, policy) = (asked.get(name).copied(), policy.get(name).copied());
        let in_force = [asked, policy].into_iter().flatten().fold(*host, u64::min);
        Limit { name: name.clone(), host: *host, asked, policy, in_force }
    };
    host.iter().map(limit).collect()
}

fn by_name(limits: &ManifestLimits) -> BTreeMap<String, u64> {
    // A plain structure of numbers, which always is JSON.
    let value = serde_json::to_value(limits).unwrap_or_default();
    let members = value.as_object().into_iter().flatten();
    members.filter_map(|(name, limit)| Some((name.clone(), Value::as_u64(limit)?))).collect()
}
