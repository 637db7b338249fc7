//! The audit of one component.

use std::collections::BTreeMap;

use surety_core::endorse::{Endorsements, SIGNATURES_MAX, Subject};
use surety_core::module::{Manifest, World};
use surety_core::policy::{self, Policy};
use surety_core::refusal::Refusal;
use surety_core::types::{Address, Digest};

use crate::anatomy::{self, Anatomy};
use crate::patterns::{self, Seen};
use crate::report::{Audit, Identity, Import, Place, Powers, Refused, Signer};
use crate::wit::{self, Outside};
use crate::{powers, report};

/// What a host adds to a component.
pub struct Given<'a> {
    /// Its policy.
    pub policy: &'a Policy,
    /// Its limits for modules of a world, by their names.
    pub limits: &'a dyn Fn(World) -> BTreeMap<String, u64>,
    /// Why it does not take the component, if it does not.
    pub refusal: Option<Refusal>,
    /// The signatures that came with the component.
    pub endorsements: &'a Endorsements,
}

/// Reads a component, without compiling or running anything of it. Time and memory
/// are in proportion to its size, which the caller bounds.
#[must_use]
pub fn audit(component: &[u8], given: Given<'_>) -> Audit {
    let digest = Digest::of(component);
    let anatomy = anatomy::read(component);
    let outside = wit::outside(component);
    let manifest = only_manifest(&anatomy);
    let module = manifest.as_ref().map(identity);
    let (powers, limits) = match &manifest {
        Some(manifest) => {
            let Manifest { name, version, capabilities, world, limits, .. } = manifest;
            let grant = given.policy.grant(name, version, digest, capabilities);
            let limits = powers::limits(&(given.limits)(*world), limits, &grant.limits);
            (powers::powers(manifest, &grant), limits)
        }
        None => (Powers::default(), Vec::new()),
    };
    let imports = imports(&anatomy, outside.as_ref());
    let findings = patterns::find(&Seen {
        anatomy: &anatomy,
        manifest: manifest.as_ref(),
        powers: &powers,
        imports: &imports,
        outside: outside.as_ref(),
    });
    Audit {
        digest: digest.to_string(),
        bytes: component.len() as u64,
        module,
        signers: manifest
            .as_ref()
            .map(|manifest| signers(manifest, digest, &given))
            .unwrap_or_default(),
        refused: given.refusal.map(refused),
        imports,
        exports: outside.as_ref().map(|o| o.exports.clone()).unwrap_or_default(),
        wit: outside.map(|outside| outside.text),
        capabilities: powers,
        limits,
        manifest: only(&anatomy).and_then(|text| serde_json::from_slice(text).ok()),
        sections: anatomy.sections,
        producers: anatomy.producers,
        core_modules: anatomy.cores,
        findings,
        reach: None,
    }
}

fn signers(manifest: &Manifest, digest: Digest, given: &Given<'_>) -> Vec<Signer> {
    let Manifest { name, version, capabilities, .. } = manifest;
    let subject = Subject { module: name.clone(), version: version.clone(), digest };
    let grant = given.policy.grant(name, version, digest, capabilities);
    let may = policy::Powers::of(&grant).map(|powers| powers.digest());
    let Endorsements { signatures, approvals } = given.endorsements;
    let publishers = signatures.iter().map(|claim| {
        let one = Endorsements { signatures: vec![claim.clone()], ..Endorsements::NONE };
        signer(claim.signer, "publisher", one.publishers(&subject).is_ok())
    });
    let reviewers = approvals.iter().map(|approval| {
        let one = Endorsements { approvals: vec![approval.clone()], ..Endorsements::NONE };
        let holds = may.as_ref().is_ok_and(|may| one.reviewers(&subject, *may).is_ok());
        signer(approval.signer, "reviewer", holds)
    });
    publishers.chain(reviewers).take(2 * SIGNATURES_MAX).collect()
}

fn signer(address: Address, role: &str, holds: bool) -> Signer {
    Signer { address: address.to_string(), role: role.to_owned(), holds }
}

/// The manifest's bytes, where there is one manifest and not several.
fn only<'a>(anatomy: &Anatomy<'a>) -> Option<&'a [u8]> {
    match anatomy.manifests[..] {
        [manifest] => Some(manifest),
        _ => None,
    }
}

fn only_manifest(anatomy: &Anatomy<'_>) -> Option<Manifest> {
    Manifest::parse(only(anatomy)?).ok()
}

fn identity(manifest: &Manifest) -> Identity {
    Identity {
        name: manifest.name.to_string(),
        version: manifest.version.to_string(),
        world: manifest.world.as_str().to_owned(),
        description: manifest.description.clone(),
    }
}

fn refused(refusal: Refusal) -> Refused {
    let errors = refusal.errors.into_iter();
    Refused {
        code: refusal.code.as_str().to_owned(),
        detail: refusal.detail,
        errors: errors.map(|e| Place { pointer: e.pointer, detail: e.detail }).collect(),
    }
}

/// The imports with their functions; without those where they cannot be told.
fn imports(anatomy: &Anatomy<'_>, outside: Option<&Outside>) -> Vec<Import> {
    let import = |name: &str, functions: Vec<String>| report::Import {
        name: name.to_owned(),
        meaning: meaning(name, &functions).to_owned(),
        functions,
    };
    match outside {
        Some(outside) => outside.imports.iter().map(|(name, f)| import(name, f.clone())).collect(),
        None => anatomy.imports.iter().map(|name| import(name, Vec::new())).collect(),
    }
}

/// What the beginning of an import's name says of what it gives.
const MEANINGS: [(&str, &str); 9] = [
    ("surety:action/log@", "writes lines to the host's log, bounded and escaped"),
    ("surety:action/", "types of the contract; nothing can be called there"),
    ("wasi:http/outgoing-handler@", "sends requests, to what the policy grants"),
    ("wasi:http/", "builds and reads requests; sends none by itself"),
    ("wasi:clocks/", "the recorded time of the attempt, not the machine's"),
    ("wasi:random/", "numbers that follow from the message; no chance"),
    ("wasi:io/", "streams of what else it has"),
    ("wasi:filesystem/", "files; no host gives them"),
    ("wasi:sockets/", "sockets; no host gives them"),
];

fn meaning(name: &str, functions: &[String]) -> &'static str {
    let known = MEANINGS.iter().find(|(prefix, _)| name.starts_with(prefix));
    match known {
        Some((_, meaning)) => meaning,
        None if functions.is_empty() => "no part of the contract; nothing can be called there",
        None => "no part of the contract; no host gives it",
    }
}
