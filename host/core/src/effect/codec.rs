//! The stored form of effects: in the journal and in records.

use super::{Effect, Entry, Header, Outcome, Request, Response, Unsent, UnsentKind};
use crate::capability::{HostName, Method};
use crate::codec::{DecodeError, Reader, Writer};
use crate::record::ModuleRef;

fn put_headers(mut writer: Writer, headers: &[Header]) -> Writer {
    writer = writer.number(headers.len() as u64);
    for (name, value) in headers {
        writer = writer.text(name).bytes(value);
    }
    writer
}

fn get_headers(r: &mut Reader<'_>) -> Result<Vec<Header>, DecodeError> {
    let mut headers = Vec::new();
    for _ in 0..r.number("headers")? {
        headers.push((r.text("header")?.to_owned(), r.bytes()?.to_vec()));
    }
    Ok(headers)
}

impl Request {
    /// The stored form; equal requests have equal ones.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::new()
            .text(self.method.as_str())
            .text(if self.tls { "https" } else { "http" })
            .text(&self.host.to_string())
            .number(self.port.into())
            .text(&self.target);
        put_headers(writer, &self.headers).bytes(&self.body).finish()
    }

    fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(stored)?;
        let request = Self {
            method: Method::parse(r.text("method")?).ok_or(DecodeError::Field("method"))?,
            tls: match r.text("scheme")? {
                "https" => true,
                "http" => false,
                _ => return Err(DecodeError::Field("scheme")),
            },
            host: HostName::of_url(r.text("host")?).map_err(|_| DecodeError::Field("host"))?,
            port: u16::try_from(r.number("port")?).map_err(|_| DecodeError::Field("port"))?,
            target: r.text("target")?.to_owned(),
            headers: get_headers(&mut r)?,
            body: r.bytes()?.to_vec(),
        };
        r.finish()?;
        Ok(request)
    }
}

fn encode_outcome(outcome: &Outcome) -> Vec<u8> {
    match outcome {
        Ok(Response { status, headers, body }) => {
            let writer = Writer::new().text("response").number((*status).into());
            put_headers(writer, headers).bytes(body).finish()
        }
        Err(Unsent { kind, detail }) => Writer::new().text(kind.as_str()).text(detail).finish(),
    }
}

fn decode_outcome(stored: &[u8]) -> Result<Outcome, DecodeError> {
    let mut r = Reader::new(stored)?;
    let outcome = match r.text("outcome")? {
        "response" => Ok(Response {
            status: u16::try_from(r.number("status")?).map_err(|_| DecodeError::Field("status"))?,
            headers: get_headers(&mut r)?,
            body: r.bytes()?.to_vec(),
        }),
        kind => {
            let kind = UnsentKind::parse(kind).ok_or(DecodeError::Field("outcome"))?;
            Err(Unsent::new(kind, r.text("detail")?))
        }
    };
    r.finish()?;
    Ok(outcome)
}

impl Effect {
    fn encode(&self) -> Vec<u8> {
        Writer::new().bytes(&self.request.encode()).bytes(&encode_outcome(&self.outcome)).finish()
    }

    fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(stored)?;
        let effect =
            Self { request: Request::decode(r.bytes()?)?, outcome: decode_outcome(r.bytes()?)? };
        r.finish()?;
        Ok(effect)
    }

    /// Effects as one value, empty for none.
    #[must_use]
    pub fn encode_all(effects: &[Self]) -> Vec<u8> {
        if effects.is_empty() {
            return Vec::new();
        }
        let writer = Writer::new().number(effects.len() as u64);
        effects.iter().fold(writer, |writer, effect| writer.bytes(&effect.encode())).finish()
    }

    /// Reads what [`Effect::encode_all`] writes.
    ///
    /// # Errors
    /// When it is something else.
    pub fn decode_all(stored: &[u8]) -> Result<Vec<Self>, DecodeError> {
        if stored.is_empty() {
            return Ok(Vec::new());
        }
        let mut r = Reader::new(stored)?;
        let mut effects = Vec::new();
        for _ in 0..r.number("effects")? {
            effects.push(Self::decode(r.bytes()?)?);
        }
        r.finish()?;
        Ok(effects)
    }
}

impl Entry {
    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let ModuleRef { name, version, digest, settings } = &self.module;
        Writer::new()
            .text(name.as_str())
            .text(&version.to_string())
            .bytes(&digest.0)
            .bytes(&settings.0)
            .bytes(&self.effect.encode())
            .finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When the bytes are not what [`Entry::encode`] writes.
    pub fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(stored)?;
        let module = crate::record::decode_module(&mut r)?.ok_or(DecodeError::Field("module"))?;
        let effect = Effect::decode(r.bytes()?)?;
        r.finish()?;
        Ok(Self { module, effect })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Digest;

    #[test]
    fn an_entry_is_read_back_and_nothing_else() {
        let request = Request::new(
            "POST",
            true,
            "[2606:4700::1111]:8443",
            "/a?b=c",
            vec![("x".to_owned(), vec![0xff, b'a'])],
            b"{{secret:a}}".to_vec(),
        );
        let request = request.unwrap();
        let module = ModuleRef {
            name: "payout".parse().unwrap(),
            version: "1.0.0-a".parse().unwrap(),
            digest: Digest([1; 32]),
            settings: Digest([2; 32]),
        };
        let response = Response { status: 200, headers: request.headers.clone(), body: vec![0; 9] };
        for outcome in [Ok(response), Err(Unsent::new(UnsentKind::Tls, "no"))] {
            let effect = Effect { request: request.clone(), outcome };
            let entry = Entry { module: module.clone(), effect: effect.clone() };
            let stored = entry.encode();
            assert_eq!(Entry::decode(&stored).unwrap(), entry);
            assert!((0..stored.len()).all(|cut| Entry::decode(&stored[..cut]).is_err()));
            let all = vec![effect; 3];
            assert_eq!(Effect::decode_all(&Effect::encode_all(&all)).unwrap(), all);
        }
        assert!(Effect::encode_all(&[]).is_empty() && Effect::decode_all(&[]).unwrap().is_empty());
    }
}
