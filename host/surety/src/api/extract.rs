//! What endpoints take out of a request, with every rejection as a problem.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use surety_core::json;
use surety_core::refusal::{Code, Refusal};

use super::problem::Problem;
use super::{App, body};

/// The largest request that has no limit of its own: a client with a thousand
/// signers fits.
const REQUEST_BYTES_MAX: usize = 256 << 10;

/// The one variable part of a path.
pub(super) struct Path<T>(pub(super) T);

impl<T> FromRequestParts<Arc<App>> for Path<T>
where
    T: FromStr<Err: std::fmt::Display> + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let text = axum::extract::Path::<String>::from_request_parts(parts, app).await;
        let axum::extract::Path(text) =
            text.map_err(|e| Problem::new(Code::RequestInvalid, e.body_text()))?;
        let value = text.parse().map_err(|e| Problem::new(Code::RequestInvalid, format!("{e}")))?;
        Ok(Self(value))
    }
}

/// The two variable parts of a path.
pub(super) struct Paths<A, B>(pub(super) A, pub(super) B);

impl<A, B> FromRequestParts<Arc<App>> for Paths<A, B>
where
    A: FromStr<Err: std::fmt::Display> + Send,
    B: FromStr<Err: std::fmt::Display> + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let invalid = |detail| Problem::new(Code::RequestInvalid, detail);
        let texts = axum::extract::Path::<(String, String)>::from_request_parts(parts, app).await;
        let axum::extract::Path((a, b)) = texts.map_err(|e| invalid(e.body_text()))?;
        let a = a.parse().map_err(|e| invalid(format!("{e}")))?;
        let b = b.parse().map_err(|e| invalid(format!("{e}")))?;
        Ok(Self(a, b))
    }
}

/// The query. A parameter that is not known is refused, not ignored.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, app).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(e) => Err(Problem::new(Code::RequestInvalid, e.body_text())),
        }
    }
}

/// A body of strict JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let limit = "the limit `request_bytes_max`";
        let bytes = read(app, request.into_body(), REQUEST_BYTES_MAX, limit).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// A body of at most `max` bytes. A host that stops waits for nobody to send
/// the rest of one: nothing was promised yet.
pub(super) async fn read(
    app: &App,
    body: Body,
    max: usize,
    limit: &str,
) -> Result<Vec<u8>, Problem> {
    let time = Duration::from_millis(app.config.http.body_read_ms_max);
    tokio::select! {
        biased;
        read = body::read(body, max, limit, time) => read,
        () = app.stop.stopped() => Err(Problem::new(Code::Unavailable, "the host is stopping")),
    }
}

/// Reads strict JSON into what an endpoint wants, and says where it does not fit.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let value = json::parse(bytes)?;
    serde_path_to_error::deserialize(value).map_err(|e| {
        let pointer = pointer(e.path());
        let detail = "the request is not of its form";
        Refusal::new(Code::RequestInvalid, detail).at(&pointer, e.inner().to_string())
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let segment = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", surety_core::json::token(key)),
        Segment::Enum { variant } => format!("/{variant}"),
        Segment::Unknown => String::new(),
    };
    path.iter().map(segment).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        #[expect(dead_code, reason = "only read")]
        list: Vec<u8>,
    }

    #[test]
    fn a_misfit_is_named_with_its_place() {
        let refusal = parse::<Wanted>(br#"{"list":[1,"x"]}"#).unwrap_err();
        assert_eq!(refusal.errors[0].pointer, "/list/1");
        assert_eq!(
            parse::<Wanted>(br#"{"list":[],"lost":1}"#).unwrap_err().code,
            Code::RequestInvalid
        );
        let twice = parse::<Wanted>(br#"{"list":[],"list":[]}"#).unwrap_err();
        assert_eq!(twice.code, Code::JsonDuplicateKey);
    }
}
