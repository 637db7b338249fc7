use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ureq::http::uri::Authority;

use crate::Error;

/// What a module in a registry is written with.
pub const SCHEME: &str = "oci://";

/// What the specification takes as a repository's name, and as a tag.
const NAME_CHARS_MAX: usize = 255;
const TAG_CHARS_MAX: usize = 128;

/// `sha256:` and 64 hex digits; the only kind of digest that registries must have.
const DIGEST: &str = "sha256:";

/// A module in a registry: `oci://HOST[:PORT]/NAME[:TAG][@sha256:DIGEST]`. Where there
/// is a digest it decides, and the tag is for who reads it.
///
/// Names and tags are those of the OCI distribution specification 1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
}

impl Reference {
    /// The registry's host and port.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The tag, if there is one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// `sha256:…` of the manifest, if there is one.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The same name with this tag and no digest.
    ///
    /// # Errors
    /// [`Error::Reference`] when no tag is written like that.
    pub fn tagged(self, tag: &str) -> Result<Self, Error> {
        if is_tag(tag) {
            return Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self });
        }
        let given = format!("{self}:{tag}");
        Err(Error::Reference { given, why: "a tag has letters, digits, `.`, `_` and `-`" })
    }

    /// The same name at this digest.
    pub(crate) fn pinned(&self, digest: &str) -> Self {
        Self { tag: None, digest: Some(digest.to_owned()), ..self.clone() }
    }

    /// What a manifest is asked for by.
    pub(crate) fn at(&self) -> Option<&str> {
        self.digest.as_deref().or(self.tag.as_deref())
    }

    /// Whether the registry is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.registry.parse().is_ok_and(|authority: Authority| is_loopback(authority.host()))
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why| Error::Reference { given: text.to_owned(), why };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| wrong("it starts with oci://"))?;
        let (registry, name) =
            rest.split_once('/').ok_or_else(|| wrong("a name stands behind the registry"))?;
        if !is_registry(registry) {
            return Err(wrong("the registry is a host, and a port where it needs one"));
        }
        let (name, digest) = match name.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (name, None),
        };
        if !digest.is_none_or(is_digest) {
            return Err(wrong("a digest is sha256: and 64 hex digits in lower case"));
        }
        let (repository, tag) = match name.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (name, None),
        };
        if !tag.is_none_or(is_tag) {
            return Err(wrong("a tag has letters, digits, `.`, `_` and `-`"));
        }
        if !is_repository(repository) {
            return Err(wrong(
                "a name has lower case letters, digits, and `.`, `_`, `-`, `/` between them",
            ));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, repository, tag, digest } = self;
        write!(f, "{SCHEME}{registry}/{repository}")?;
        if let Some(tag) = tag {
            write!(f, ":{tag}")?;
        }
        match digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

fn is_registry(text: &str) -> bool {
    // Without a user in it, which would look like the host to who reads it.
    let authority = text.parse::<Authority>().ok().filter(|_| !text.contains('@'));
    authority.is_some_and(|authority| {
        let with_port = text.len() > authority.host().len();
        !authority.host().is_empty() && (!with_port || authority.port_u16().is_some())
    })
}

fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        let ends =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        ends(part.chars().next()) && ends(part.chars().next_back()) && part.chars().all(inside)
            // `..` is nowhere in a name; which other separators may follow each other
            // the registry says.
            && !part.contains("..")
    };
    text.len() <= NAME_CHARS_MAX && text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=TAG_CHARS_MAX).contains(&text.len())
        && text.chars().all(inside)
        && !text.starts_with(['.', '-'])
}

/// Whether a text is a digest of the kind that is known here.
pub(crate) fn is_digest(text: &str) -> bool {
    let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    text.strip_prefix(DIGEST).is_some_and(|rest| rest.len() == 64 && rest.chars().all(hex))
}

/// Whether a host is this machine: what is sent there nobody on a network sees.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_written() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let pinned = format!("oci://[::1]:5000/screen:1.2.0@{digest}");
        let cases = [
            ("oci://registry.example/org/screen:1.2.0", "registry.example", Some("1.2.0"), false),
            ("oci://localhost:5000/a/b-c/d__e.f", "localhost:5000", None, true),
            (&pinned, "[::1]:5000", Some("1.2.0"), true),
        ];
        for (text, registry, tag, local) in cases {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!((reference.registry(), reference.tag()), (registry, tag));
            assert_eq!(reference.is_local(), local, "{text}");
        }
        assert_eq!(pinned.parse::<Reference>().unwrap().at(), Some(digest.as_str()));
    }

    #[test]
    fn what_is_none_is_refused_with_the_reason() {
        let cases = [
            ("registry.example/a:1", "starts with oci://"),
            ("oci://screen:1.2.0", "a name stands behind"),
            ("oci:///screen", "the registry is a host"),
            ("oci://user@registry.example/screen", "the registry is a host"),
            ("oci://registry.example:/screen", "the registry is a host"),
            ("oci://registry.example:99999/screen", "the registry is a host"),
            ("oci://registry.example/Screen", "lower case"),
            ("oci://registry.example/", "lower case"),
            ("oci://registry.example/a//b", "lower case"),
            ("oci://registry.example/../b", "lower case"),
            ("oci://registry.example/a?b:1", "lower case"),
            ("oci://registry.example/a:", "a tag has"),
            ("oci://registry.example/a:.1", "a tag has"),
            ("oci://registry.example/a:1+2", "a tag has"),
            ("oci://registry.example/a@sha256:00", "64 hex digits"),
            ("oci://registry.example/a@md5:00", "64 hex digits"),
        ];
        for (text, why) in cases {
            let said = text.parse::<Reference>().unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
