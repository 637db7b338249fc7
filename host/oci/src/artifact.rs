//! The layout: a manifest with a configuration that says what the component imports
//! and exports, and one layer, the component itself. The CNCF's "Wasm OCI Artifact"
//! and `oci-wasm` 0.6, which `wkg` writes and reads with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use ureq::http::Method;
use ureq::http::header::CONTENT_TYPE;

use crate::error::printable;
use crate::reference::is_digest;
use crate::session::{ANSWER_MAX, Ask, BLOB_MAX, Doing, Session};
use crate::{Access, Error, Reference};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

/// Of what is there all kinds are asked for, so that what is no component is told from
/// what is not there.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// The largest manifest: what the specification wants every registry to take.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// When every configuration says that it was made. With the true time the same
/// component would have another digest whenever it is published, and could not be
/// published again under a tag that the registry does not let change.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// What tools call the file when they write the layer to one.
const TITLE: &str = "org.opencontainers.image.title";

/// The version, as `wkg publish` says it.
const VERSION: &str = "org.opencontainers.image.version";

/// A component that is published.
#[derive(Debug, Clone)]
pub struct Artifact<'a> {
    /// Its bytes.
    pub component: &'a [u8],
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The interfaces and functions that it imports.
    pub imports: &'a [String],
    /// And exports.
    pub exports: &'a [String],
    /// What is written into the manifest beside that.
    pub annotations: BTreeMap<String, String>,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The name that stays the same whatever becomes of the tag.
    pub pinned: Reference,
}

/// What was fetched.
#[derive(Debug)]
pub struct Pulled {
    /// The component's bytes, which have the digest of the manifest's layer.
    pub component: Vec<u8>,
    /// What is written into the manifest.
    pub annotations: BTreeMap<String, String>,
    /// The name by which it is the same the next time.
    pub pinned: Reference,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    fn of(media_type: &str, bytes: &[u8]) -> Self {
        let (digest, size) = (digest(bytes), bytes.len() as u64);
        Self { media_type: media_type.to_owned(), digest, size, annotations: None }
    }
}

/// Fetches a component of at most so many bytes.
///
/// # Errors
/// Every [`Error`]; nothing is given that has not the digest that it should have.
pub fn pull(reference: &Reference, access: &Access, bytes_max: u64) -> Result<Pulled, Error> {
    let at = reference.at().ok_or_else(|| unnamed(reference))?;
    let mut session = Session::open(reference, access, Doing::Pull)?;
    let url = session.url(&format!("manifests/{at}"));
    let ask = Ask { header: Some(("accept", ACCEPT)), ..Ask::new(Method::GET, url) };
    let response = session.ask(&ask)?;
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.map(str::to_owned);
    let bytes = session.read(response, "the manifest", MANIFEST_BYTES_MAX)?;
    let found = digest(&bytes);
    if let Some(wanted) = &reference.digest {
        check(reference, "the manifest", wanted, &found)?;
    }
    let (layer, annotations) = component(reference, kind, &bytes)?;
    if layer.size > bytes_max {
        let reference = reference.to_string();
        return Err(Error::TooLarge { reference, what: "the component", max: bytes_max });
    }
    let url = session.url(&format!("blobs/{}", layer.digest));
    let response = session.ask(&Ask { time: BLOB_MAX, ..Ask::new(Method::GET, url) })?;
    let component = session.read(response, "the component", layer.size)?;
    check(reference, "the component", &layer.digest, &digest(&component))?;
    Ok(Pulled { component, annotations, pinned: reference.pinned(&found) })
}

/// Publishes a component under a tag. The same component with the same annotations
/// always has the same digest.
///
/// # Errors
/// Every [`Error`]. A blob may then be there that no manifest names; registries clear
/// them away.
pub fn push(
    reference: &Reference,
    access: &Access,
    artifact: &Artifact<'_>,
) -> Result<Pushed, Error> {
    let tag = match (&reference.tag, &reference.digest) {
        (Some(tag), None) => tag,
        (None, None) => return Err(unnamed(reference)),
        (_, Some(_)) => {
            let given = reference.to_string();
            let why = "what is published gets a tag; the registry gives it its digest";
            return Err(Error::Reference { given, why });
        }
    };
    let Artifact { component, name, version, imports, exports, annotations } = artifact;
    let mut layer = Descriptor::of(LAYER, component);
    let config = json!({
        "created": CREATED, "architecture": "wasm", "os": "wasip2",
        "layerDigests": [layer.digest],
        "component": { "exports": exports, "imports": imports, "target": null },
    })
    .to_string()
    .into_bytes();
    layer.annotations = Some([(TITLE.to_owned(), format!("{name}.wasm"))].into());
    let mut annotations = annotations.clone();
    annotations.insert(VERSION.to_owned(), (*version).to_owned());
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        config: Some(Descriptor::of(CONFIG, &config)),
        layers: vec![layer],
        annotations: Some(annotations),
    };
    let manifest = serde_json::to_vec(&manifest).expect("strings and numbers are JSON");
    if manifest.len() as u64 > MANIFEST_BYTES_MAX {
        let (reference, max) = (reference.to_string(), MANIFEST_BYTES_MAX);
        return Err(Error::TooLarge { reference, what: "the manifest", max });
    }
    let mut session = Session::open(reference, access, Doing::Push)?;
    upload(&mut session, &config)?;
    upload(&mut session, component)?;
    let url = session.url(&format!("manifests/{tag}"));
    session.ask(&Ask {
        method: Method::PUT,
        url,
        header: Some(("content-type", MANIFEST)),
        body: &manifest,
        time: ANSWER_MAX,
    })?;
    Ok(Pushed { pinned: reference.pinned(&digest(&manifest)) })
}

/// Puts a blob into the repository, unless it is there.
fn upload(session: &mut Session<'_>, blob: &[u8]) -> Result<(), Error> {
    let digest = digest(blob);
    let url = session.url(&format!("blobs/{digest}"));
    match session.ask(&Ask::new(Method::HEAD, url)) {
        Ok(_) => return Ok(()),
        Err(Error::NotFound { .. }) => (),
        Err(e) => return Err(e),
    }
    let url = session.url("blobs/uploads/");
    let begun = session.ask(&Ask::new(Method::POST, url))?;
    let location = session.location(&begun)?;
    let and = if location.contains('?') { '&' } else { '?' };
    session.ask(&Ask {
        method: Method::PUT,
        url: format!("{location}{and}digest={digest}"),
        header: Some(("content-type", "application/octet-stream")),
        body: blob,
        time: BLOB_MAX,
    })?;
    Ok(())
}

/// The layer with the component, and the annotations of the manifest.
fn component(
    reference: &Reference,
    kind: Option<String>,
    manifest: &[u8],
) -> Result<(Descriptor, BTreeMap<String, String>), Error> {
    let none = |why: String| {
        let (reference, why) = (reference.to_string(), printable(&why));
        Error::NotWasm { reference, why }
    };
    let manifest: Manifest = serde_json::from_slice(manifest)
        .map_err(|e| none(format!("its manifest cannot be read: {e}")))?;
    let kind = manifest.media_type.or(kind).unwrap_or_default();
    if kind != MANIFEST {
        return Err(none(format!("its manifest is of the type {kind:?}")));
    }
    let config = manifest.config.map(|config| config.media_type).unwrap_or_default();
    if config != CONFIG {
        return Err(none(format!("its configuration is of the type {config:?}")));
    }
    let [layer] = manifest.layers.as_slice() else {
        return Err(none(format!("it has {} layers", manifest.layers.len())));
    };
    if layer.media_type != LAYER {
        return Err(none(format!("its layer is of the type {:?}", layer.media_type)));
    }
    if !is_digest(&layer.digest) {
        return Err(none(format!("the digest of its layer is {:?}", layer.digest)));
    }
    Ok((layer.clone(), manifest.annotations.unwrap_or_default()))
}

fn unnamed(reference: &Reference) -> Error {
    Error::Reference { given: reference.to_string(), why: "a tag or a digest stands behind it" }
}

fn check(
    reference: &Reference,
    what: &'static str,
    wanted: &str,
    found: &str,
) -> Result<(), Error> {
    if wanted == found {
        return Ok(());
    }
    let registry = reference.registry.clone();
    let (wanted, found) = (wanted.to_owned(), found.to_owned());
    Err(Error::Digest { registry, what, wanted, found })
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
