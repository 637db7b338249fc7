use thiserror::Error;

/// The most characters of a registry's own words that are shown.
const SAID_CHARS_MAX: usize = 300;

/// Why a module was not published or fetched.
#[derive(Debug, Error)]
pub enum Error {
    /// What should name a module in a registry does not.
    #[error(
        "{given:?} names no module in a registry: {why}; it is written oci://registry.example/org/name:1.2.0 or oci://registry.example/org/name@sha256:…"
    )]
    Reference {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The registry does not answer, or not in time.
    #[error("the registry {registry} cannot be reached: {why}")]
    Unreachable {
        /// Its host and port.
        registry: String,
        /// What happened.
        why: String,
    },
    /// The registry wants to know who asks, or does not let them.
    #[error(
        "the registry {registry} does not let {who} {what}{said}; log in with `docker login {registry}`, or set SURETY_OCI_USERNAME and SURETY_OCI_PASSWORD"
    )]
    Unauthorized {
        /// Its host and port.
        registry: String,
        /// Who asked: a user, or nobody known.
        who: String,
        /// What was asked for.
        what: String,
        /// Its own words, with a colon before them.
        said: String,
    },
    /// There are credentials that cannot be used.
    #[error("the credentials for {registry} cannot be used: {why}")]
    Credentials {
        /// The registry's host and port.
        registry: String,
        /// What is wrong with them, and what to do. It tells nothing of them.
        why: String,
    },
    /// There is no such thing in the registry.
    #[error("{reference} is not there{said}; is the name right, and was it published?")]
    NotFound {
        /// What was asked for.
        reference: String,
        /// Its own words, with a colon before them.
        said: String,
    },
    /// What is there is not a module.
    #[error(
        "{reference} is no WebAssembly component as `surety action publish` and `wkg oci push` write it: {why}"
    )]
    NotWasm {
        /// What was asked for.
        reference: String,
        /// What it is instead.
        why: String,
    },
    /// The registry gave something else than what was asked for.
    #[error(
        "the registry {registry} gave something else than was asked for: {what} should have the digest {wanted} and has {found}; nothing of it was used"
    )]
    Digest {
        /// Its host and port.
        registry: String,
        /// What it is.
        what: &'static str,
        /// The digest that was asked for.
        wanted: String,
        /// The digest of what was given.
        found: String,
    },
    /// It is larger than is taken.
    #[error("{what} of {reference} is larger than {max} bytes, which is the most that is taken")]
    TooLarge {
        /// What was asked for.
        reference: String,
        /// What of it.
        what: &'static str,
        /// The limit in bytes.
        max: u64,
    },
    /// A password would go over the network as it is.
    #[error(
        "{url} is plain HTTP; --plain-http lets it be used, and everybody on the way read along"
    )]
    Plain {
        /// Where to.
        url: String,
    },
    /// The registry does not do what the specification says.
    #[error("the registry {registry} does not answer as a registry does: {why}")]
    Protocol {
        /// Its host and port.
        registry: String,
        /// What is wrong.
        why: String,
    },
}

/// Foreign words on one printable line, cut off.
pub(crate) fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(SAID_CHARS_MAX).flat_map(shown).collect();
    if text.chars().nth(SAID_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn shown(c: char) -> Vec<char> {
    match c {
        // Quotes stay as they are; what moves a cursor or hides does not.
        '"' | '\'' | '\\' => vec![c],
        _ => c.escape_debug().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words_cannot_move_the_cursor_or_fill_the_screen() {
        assert_eq!(printable("a \u{1b}[2J\n\"ä\""), "a \\u{1b}[2J\\n\"ä\"");
        assert_eq!(printable(&"x".repeat(1_000)).chars().count(), SAID_CHARS_MAX + 1);
    }
}
