//! Secrets: put into a request at the last moment, taken out of its response at the
//! first. Their values are nowhere else.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use memchr::memmem;
use surety_core::effect::{
    PLACEHOLDER_START, PLACEHOLDERS_MAX, Request, Response, marker, placeholders,
};
use surety_core::policy::{Grant, Permit};
use surety_core::types::SecretName;
use thiserror::Error;

/// The shortest value. A shorter one would be found by chance in what has nothing
/// to do with it, and guessed.
pub const SECRET_BYTES_MIN: usize = 8;

/// The longest value: what fits a header.
pub const SECRET_BYTES_MAX: usize = 8 << 10;

/// What a value is replaced by where its placeholder is no part of a request.
struct Value {
    text: String,
    /// The forms in which a response may echo it.
    forms: Vec<Vec<u8>>,
}

/// The host's secrets. Prints as their number alone.
#[derive(Default)]
pub struct Secrets(BTreeMap<SecretName, Value>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// Secrets that cannot be used. Says where, and never what stands there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretsError {
    /// The file is not of its form.
    #[error("line {0} is not `name = \"value\"`")]
    Form(usize),
    /// A name is none.
    #[error("the name of secret {0} is none: 1 to 64 letters, digits, `_`, `-` or `.`")]
    Name(usize),
    /// A value is too short, too long, or cannot stand in a header.
    #[error(
        "the value of `{0}` must have {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, all of them visible ASCII or blanks inside, and no placeholder"
    )]
    Value(SecretName),
}

/// Why a request is not filled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NotFilled {
    #[error("a placeholder is not of the form `{PLACEHOLDER_START}NAME}}}}`")]
    Form,
    #[error("no grant lets the secret `{0}` go there")]
    NotGranted(SecretName),
    #[error("the host has no secret `{0}`")]
    Unknown(SecretName),
    #[error("it has more than {PLACEHOLDERS_MAX} placeholders")]
    TooMany,
}

impl Secrets {
    /// Reads the text of a secrets file: TOML, `name = "value"`.
    ///
    /// # Errors
    /// See [`SecretsError`].
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        // The parser's own words quote the line.
        let table: BTreeMap<String, String> =
            toml::from_str(text).map_err(|e: toml::de::Error| {
                let start = e.span().map_or(0, |span| span.start);
                SecretsError::Form(text.get(..start).unwrap_or_default().matches('\n').count() + 1)
            })?;
        let mut secrets = BTreeMap::new();
        for (i, (name, text)) in table.into_iter().enumerate() {
            let name: SecretName = name.parse().map_err(|_| SecretsError::Name(i + 1))?;
            let visible = |b: u8| b.is_ascii_graphic() || b == b' ';
            let good = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&text.len())
                && text.bytes().all(visible)
                && text.trim() == text
                && !text.contains(PLACEHOLDER_START);
            if !good {
                return Err(SecretsError::Value(name));
            }
            let forms = forms(&text);
            secrets.insert(name, Value { text, forms });
        }
        Ok(Self(secrets))
    }

    /// The names of all secrets.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.0.keys()
    }

    /// The request with values in place of placeholders, in headers and body.
    pub(crate) fn fill(
        &self,
        request: &Request,
        permit: &Permit<'_>,
    ) -> Result<Request, NotFilled> {
        let mut filled = request.clone();
        let mut left = PLACEHOLDERS_MAX;
        for (_, value) in &mut filled.headers {
            self.put(value, permit, &mut left)?;
        }
        self.put(&mut filled.body, permit, &mut left)?;
        Ok(filled)
    }

    /// Fills a text in, with as many placeholders as are left.
    fn put(
        &self,
        text: &mut Vec<u8>,
        permit: &Permit<'_>,
        left: &mut usize,
    ) -> Result<(), NotFilled> {
        if memmem::find(text, PLACEHOLDER_START.as_bytes()).is_none() {
            return Ok(());
        }
        let mut filled = Vec::with_capacity(text.len());
        let mut done = 0;
        for (at, name) in placeholders(text) {
            *left = left.checked_sub(1).ok_or(NotFilled::TooMany)?;
            let name = name.ok_or(NotFilled::Form)?;
            if !permit.admits_secret(name.as_str()) {
                return Err(NotFilled::NotGranted(name));
            }
            let value = self.0.get(&name).ok_or(NotFilled::Unknown(name))?;
            filled.extend_from_slice(&text[done..at.start]);
            filled.extend_from_slice(value.text.as_bytes());
            done = at.end;
        }
        filled.extend_from_slice(&text[done..]);
        *text = filled;
        Ok(())
    }

    /// The response with markers in place of the values that any request of the
    /// module may have carried: a service that was told one in a request may give it
    /// back in the answer to another.
    pub(crate) fn redact(&self, mut response: Response, grant: &Grant) -> Response {
        let known = grant.secrets.keys().filter_map(|name| Some((name, self.0.get(name)?)));
        let forms = known.flat_map(|(name, value)| value.forms.iter().map(move |f| (name, f)));
        let mut forms: Vec<_> = forms.collect();
        // The longest first: the value of one secret may be a part of another's.
        forms.sort_by_key(|(_, form)| Reverse(form.len()));
        for (name, form) in forms {
            let marker = marker(name);
            for (_, header) in &mut response.headers {
                replace(header, form, &marker);
            }
            response.headers.retain(|(name, _)| memmem::find(name.as_bytes(), form).is_none());
            replace(&mut response.body, form, &marker);
        }
        response
    }
}

fn replace(text: &mut Vec<u8>, form: &[u8], by: &str) {
    let mut done = 0;
    let mut replaced = Vec::new();
    for at in memmem::find_iter(text, form) {
        replaced.extend_from_slice(&text[done..at]);
        replaced.extend_from_slice(by.as_bytes());
        done = at + form.len();
    }
    if done > 0 {
        replaced.extend_from_slice(&text[done..]);
        *text = replaced;
    }
}

/// A value as servers echo one: as it is, as JSON and URLs escape it, in hex, in
/// base64, and in lower case where it is a header's name.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let json = serde_json::Value::from(text).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let percent = |blank: &str, upper: bool| {
        text.bytes().fold(String::new(), |mut out, b| {
            match b {
                b' ' => out.push_str(blank),
                b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => out.push(b.into()),
                b if upper => out.push_str(&format!("%{b:02X}")),
                b => out.push_str(&format!("%{b:02x}")),
            }
            out
        })
    };
    let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
    let mut forms: Vec<Vec<u8>> = [
        text.to_owned(),
        json.clone(),
        json.replace('/', "\\/"),
        percent("%20", true),
        percent("%20", false),
        percent("+", true),
        percent("+", false),
        BASE64_STANDARD_NO_PAD.encode(text),
        BASE64_URL_SAFE_NO_PAD.encode(text),
        hex.to_uppercase(),
        hex,
        text.to_ascii_lowercase(),
    ]
    .map(String::into_bytes)
    .into();
    forms.sort();
    forms.dedup();
    forms
}
