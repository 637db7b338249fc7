//! Known patterns: what a reviewer should look at, and what it means. One line of
//! the table and one of `find` each.

use surety_core::capability::HostName;
use surety_core::module::{Manifest, World};
use surety_core::text::Escaped;

use crate::anatomy::{Anatomy, Kind};
use crate::report::{Core, Finding, Import, Powers, Weight};
use crate::schemas;
use crate::wit::Outside;

/// The most places that are listed of one pattern.
const PLACES_MAX: usize = 30;

/// The largest start of a module's memories that no toolchain exceeds without a
/// reason: componentize-py starts with 20 MiB.
const MEMORY_START_BYTES: u64 = 32 << 20;

/// Elements of tables, likewise: scripting engines have 20,000 functions.
const TABLE_START_ELEMENTS: u64 = 1 << 16;

/// Data that nobody reads, in bytes, above which a section is one to look at.
const SECTION_BYTES: u64 = 256 << 10;

/// Sections that toolchains write.
const USUAL_SECTIONS: [&str; 6] =
    ["surety:manifest", "name", "producers", "target_features", "component-name", "build_id"];

macro_rules! patterns {
    ($($variant:ident = $code:literal, $weight:ident, $meaning:literal;)*) => {
        /// A known pattern.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Pattern { $($variant,)* }

        impl Pattern {
            fn finding(self, found: Vec<String>) -> Finding {
                let (code, weight, meaning) = match self {
                    $(Self::$variant => ($code, Weight::$weight, $meaning),)*
                };
                Finding { code: code.to_owned(), weight, found, meaning: meaning.to_owned() }
            }
        }
    };
}

patterns! {
    Unreadable = "unreadable", Look, "not all of it could be read, so this audit is not all there is to say";
    LeftOut = "left_out", Look, "there is more than is listed here; no toolchain makes so much of it";
    NoManifest = "no_manifest", Look, "it does not say in one manifest of the right form what it is; no host takes it";
    PrivateKey = "private_key", Look, "a private key in PEM: whoever has the module has the key. Secrets belong into the host's secrets, as placeholders";
    KeyLikeHex = "key_like_hex", Look, "64 hex digits, as a private key of 32 bytes has. It may be a hash; ask what it is. Keys in another form are not found";
    Token = "token", Look, "begins as a service's access token does. Secrets belong into the host's secrets, as placeholders";
    HiddenText = "hidden_text", Look, "the manifest has characters that move a terminal's cursor or turn the direction of text: what is read is not what is there";
    UnaskedUrl = "unasked_url", Look, "an address that the manifest does not ask for. It cannot be reached; it may stand in a text, or be what a later version asks for";
    WritesAnything = "writes_anything", Look, "with these states it may write any member of Msg_Ext, also those of other actions: its schema is not closed by `additionalProperties: false`";
    WideHosts = "wide_hosts", Look, "every name below these is asked for, whoever it will belong to";
    Unencrypted = "plain_http", Look, "granted without TLS: requests and secrets can be read and changed on their way";
    PrivateAddress = "private_addresses", Look, "granted to addresses that are not public, behind the host's firewall";
    SecretHosts = "secret_to_many", Look, "a secret may go to any of these hosts; the module chooses which";
    Nested = "components_inside", Look, "components inside it: they get what it gives them, and are read here only in part";
    HugeMemory = "huge_memory", Look, "starts with more memory than toolchains do";
    HugeTable = "huge_table", Look, "starts with larger tables than toolchains do";
    LargeSection = "large_section", Look, "data that no host reads travels with the module, under its digest";
    Ungranted = "ungranted", Look, "the policy gives nothing of it: a push is refused, and a deployed module fails where it needs it";
    Uncalled = "uncalled_import", Note, "imported and not called: it asks for more than it uses";
    AsksUnused = "asked_not_imported", Look, "the manifest asks for requests, and there is no import to send them by";
    MoreExports = "more_exports", Note, "exported beside the world's own function; no host calls it. JavaScript and Python have one";
    Start = "start_function", Note, "runs when an instance is made, before the call, under the call's limits";
    ManyMemories = "many_memories", Note, "several memories; their limit is one for all together";
    SharedMemory = "memory_of_another", Note, "works in another module's memory, as adapters do: the modules of this component do not protect themselves from each other";
    DebugSections = "debug_sections", Note, "debug information: names and places of the sources; does nothing";
    NameSection = "name_section", Note, "names of functions: does nothing, and helps who reads it";
    BuildPaths = "build_paths", Note, "folders of the machine that built it, with a person's or a service's name";
    NoLimits = "no_lower_limits", Note, "asks for no limit below the host's";
}

/// What patterns are looked for in.
pub(crate) struct Seen<'a> {
    pub(crate) anatomy: &'a Anatomy<'a>,
    pub(crate) manifest: Option<&'a Manifest>,
    pub(crate) powers: &'a Powers,
    pub(crate) imports: &'a [Import],
    pub(crate) outside: Option<&'a Outside>,
}

/// All that were found, the important first.
pub(crate) fn find(seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = of_reading(seen);
    found.extend(of_data(seen));
    found.extend(of_cores(seen));
    found.extend(of_sections(seen));
    found.extend(of_outside(seen));
    found.extend(of_powers(seen.powers));
    found.extend(seen.manifest.map(of_manifest).into_iter().flatten());
    let mut findings: Vec<Finding> = found
        .into_iter()
        .filter(|(_, places)| !places.is_empty())
        .map(|(pattern, places)| pattern.finding(bounded(places)))
        .collect();
    findings.sort_by_key(|finding| finding.weight);
    findings
}

type Found = Vec<(Pattern, Vec<String>)>;

fn bounded(mut places: Vec<String>) -> Vec<String> {
    let more = places.len().saturating_sub(PLACES_MAX);
    places.truncate(PLACES_MAX);
    if more > 0 {
        places.push(format!("and {more} more"));
    }
    places
}

fn of_reading(seen: &Seen<'_>) -> Found {
    let Anatomy { fault, left_out, components, manifests, .. } = seen.anatomy;
    let mut unreadable: Vec<String> = fault.iter().cloned().collect();
    if seen.outside.is_none() {
        unreadable.push("imports and exports have no form in WIT".to_owned());
    }
    let manifests = match (manifests.len(), seen.manifest) {
        (1, Some(_)) => Vec::new(),
        (1, None) => vec!["the manifest is not of its form".to_owned()],
        (count, _) => vec![format!("{count} manifests")],
    };
    let count = |count: u64, what: &str| match count {
        0 => Vec::new(),
        count => vec![format!("{count} {what}")],
    };
    vec![
        (Pattern::Unreadable, unreadable),
        (Pattern::LeftOut, count(*left_out, "things")),
        (Pattern::NoManifest, manifests),
        (Pattern::Nested, count(*components, "components")),
    ]
}

fn of_data(seen: &Seen<'_>) -> Found {
    let hits = |kind: Kind| {
        let hits = seen.anatomy.hits.iter().filter(move |hit| hit.kind == kind);
        hits.map(|hit| format!("{} in {}", hit.shown, hit.place)).collect::<Vec<_>>()
    };
    let urls = seen.anatomy.hits.iter().filter(|hit| hit.kind == Kind::Url);
    let unasked = urls.filter(|hit| !is_asked(seen.manifest, &hit.shown));
    vec![
        (Pattern::PrivateKey, hits(Kind::PrivateKey)),
        (Pattern::KeyLikeHex, hits(Kind::KeyLikeHex)),
        (Pattern::Token, hits(Kind::Token)),
        (
            Pattern::UnaskedUrl,
            unasked.map(|hit| format!("{} in {}", hit.shown, hit.place)).collect(),
        ),
        (Pattern::BuildPaths, hits(Kind::BuildPath)),
    ]
}

/// Whether the manifest asks for the host of a URL.
fn is_asked(manifest: Option<&Manifest>, url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, authority)| authority);
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let host = match authority.find(']') {
        Some(end) => &authority[..=end],
        None => authority.split(':').next().unwrap_or_default(),
    };
    let Ok(host) = HostName::of_url(host.trim_end_matches('.')) else { return false };
    let rules = manifest.into_iter().flat_map(|manifest| &manifest.capabilities.http);
    rules.flat_map(|rule| &rule.hosts).any(|pattern| pattern.admits(&host))
}

fn of_cores(seen: &Seen<'_>) -> Found {
    let cores = &seen.anatomy.cores;
    let those = |which: &dyn Fn(&Core) -> bool, what: &dyn Fn(&Core) -> String| {
        cores.iter().filter(|core| which(core)).map(what).collect::<Vec<_>>()
    };
    let name = |core: &Core| core.name.clone();
    vec![
        (
            Pattern::HugeMemory,
            those(&|core| core.memory_bytes > MEMORY_START_BYTES, &|core| {
                format!("{}: {} bytes", core.name, core.memory_bytes)
            }),
        ),
        (
            Pattern::HugeTable,
            those(&|core| core.table_elements > TABLE_START_ELEMENTS, &|core| {
                format!("{}: {} elements", core.name, core.table_elements)
            }),
        ),
        (
            Pattern::ManyMemories,
            those(&|core| core.memories > 1, &|core| format!("{}: {}", core.name, core.memories)),
        ),
        (Pattern::Start, those(&|core| core.start, &name)),
        (Pattern::SharedMemory, those(&|core| core.borrows_memory, &name)),
    ]
}

fn of_sections(seen: &Seen<'_>) -> Found {
    let sections = &seen.anatomy.sections;
    let is_debug = |name: &str| {
        name.starts_with(".debug") || ["sourceMappingURL", "external_debug_info"].contains(&name)
    };
    let show = |section: &crate::report::Section| {
        format!("`{}` of {}: {} bytes", section.name, section.within, section.bytes)
    };
    let debug = sections.iter().filter(|section| is_debug(&section.name));
    let names = sections.iter().filter(|section| section.name == "name");
    let large = sections.iter().filter(|section| {
        section.bytes > SECTION_BYTES
            && !is_debug(&section.name)
            && !USUAL_SECTIONS.contains(&section.name.as_str())
    });
    vec![
        (Pattern::LargeSection, large.map(show).collect()),
        (Pattern::DebugSections, debug.map(show).collect()),
        (Pattern::NameSection, names.map(show).collect()),
    ]
}

fn of_outside(seen: &Seen<'_>) -> Found {
    let own = |world: World| match world {
        World::Action => "run",
        World::Validator => "validate",
    };
    let exports = seen.outside.map(|outside| outside.exports.clone()).unwrap_or_default();
    let more = match seen.manifest {
        Some(manifest) => exports.into_iter().filter(|e| e != own(manifest.world)).collect(),
        None => Vec::new(),
    };
    // What has no functions is there for its types.
    let calls = |name: &&str| {
        seen.imports.iter().any(|import| import.name == **name && !import.functions.is_empty())
    };
    let uncalled = seen.anatomy.uncalled.iter().filter(|name| calls(name));
    let sends = |import: &Import| import.name.starts_with("wasi:http/outgoing-handler@");
    let asks = !seen.powers.http.is_empty() && !seen.imports.iter().any(sends);
    vec![
        (Pattern::MoreExports, more),
        (Pattern::Uncalled, uncalled.map(ToString::to_string).collect()),
        (
            Pattern::AsksUnused,
            if asks { vec!["/capabilities/http".to_owned()] } else { Vec::new() },
        ),
    ]
}

fn of_powers(powers: &Powers) -> Found {
    let granted = &powers.granted_http;
    let hosts = |rule: &crate::report::Granted| rule.requests.hosts.join(", ");
    let wide = powers.http.iter().flat_map(|rule| &rule.hosts);
    let plain = granted.iter().filter(|rule| rule.plain_http);
    let private = granted.iter().filter(|rule| !rule.private_addresses.is_empty());
    let secrets = powers.granted_secrets.keys().filter_map(|secret| {
        let rules = granted.iter().filter(|rule| rule.secrets.contains(secret));
        let mut hosts: Vec<_> = rules.flat_map(|rule| rule.requests.hosts.clone()).collect();
        hosts.sort();
        hosts.dedup();
        let many = hosts.len() > 1 || hosts.iter().any(|host| host.starts_with("*."));
        many.then(|| format!("{secret}: {}", hosts.join(", ")))
    });
    vec![
        (Pattern::WideHosts, wide.filter(|host| host.starts_with("*.")).cloned().collect()),
        (Pattern::Unencrypted, plain.map(hosts).collect()),
        (
            Pattern::PrivateAddress,
            private
                .map(|rule| format!("{}: {}", hosts(rule), rule.private_addresses.join(", ")))
                .collect(),
        ),
        (Pattern::SecretHosts, secrets.collect()),
        (
            Pattern::Ungranted,
            powers.ungranted.iter().map(|u| format!("{}: {}", u.pointer, u.detail)).collect(),
        ),
    ]
}

fn of_manifest(manifest: &Manifest) -> Found {
    let open = manifest.returns.iter().filter(|(_, schema)| !schemas::is_closed(schema));
    let hidden = serde_json::to_value(manifest).map(|value| hidden_texts(&value));
    let lowered = serde_json::to_value(manifest.limits);
    let lowered = lowered.is_ok_and(|limits| {
        limits.as_object().is_some_and(|limits| limits.values().any(|limit| !limit.is_null()))
    });
    vec![
        (Pattern::WritesAnything, open.map(|(state, _)| state.to_string()).collect()),
        (Pattern::HiddenText, hidden.unwrap_or_default()),
        (Pattern::NoLimits, if lowered { Vec::new() } else { vec!["/limits".to_owned()] }),
    ]
}

/// Texts of a manifest that are not what they look like. Its depth is bounded by
/// the strict parser.
fn hidden_texts(value: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    let strange = |text: &str| {
        // Lines and columns of a long description are none.
        let text = text.replace(['\n', '\t'], " ");
        let shown = Escaped(&text).to_string();
        (shown != text).then_some(shown)
    };
    match value {
        Value::String(text) => strange(text).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(hidden_texts).collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, value)| strange(key).into_iter().chain(hidden_texts(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
