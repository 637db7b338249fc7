//! Reading a request's body: bounded in bytes and in time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use surety_core::refusal::Code;

use super::problem::Problem;

/// What is read and thrown away of a body that is too large. Most clients only
/// look at the answer after they have sent all; to close earlier would tell them
/// nothing but that the connection broke.
const DISCARDED_BYTES_MAX: usize = 16 << 20;

/// Reads a body of at most `max` bytes.
///
/// # Errors
/// `message_too_large`, with the limit's name; `request_invalid` when it does
/// not come whole or in time.
pub(super) async fn read(
    body: Body,
    max: usize,
    limit: &str,
    time: Duration,
) -> Result<Vec<u8>, Problem> {
    let reading = tokio::time::timeout(time, collect(body, max, limit));
    reading.await.unwrap_or_else(|_| {
        let detail =
            format!("the body did not arrive within `body_read_ms_max`, {} ms", time.as_millis());
        Err(Problem::new(Code::RequestInvalid, detail))
    })
}

async fn collect(mut body: Body, max: usize, limit: &str) -> Result<Vec<u8>, Problem> {
    let expected =
        body.size_hint().exact().map_or(0, |size| usize::try_from(size).unwrap_or(usize::MAX));
    let hopeless = expected > max.saturating_add(DISCARDED_BYTES_MAX);
    let mut read = Vec::with_capacity(if expected > max { 0 } else { expected });
    let mut size = 0_usize;
    while !hopeless && size <= max.saturating_add(DISCARDED_BYTES_MAX) {
        let Some(data) = next(&mut body).await? else { break };
        size = size.saturating_add(data.len());
        if size <= max {
            read.extend_from_slice(&data);
        } else {
            read = Vec::new();
        }
    }
    if !hopeless && size <= max {
        return Ok(read);
    }
    let detail = format!("the body has {} bytes or more; {limit} allows {max}", expected.max(size));
    Err(Problem::new(Code::MessageTooLarge, detail))
}

/// The next piece of data; none at the end.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Code::RequestInvalid, "the body broke off"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(body: Body, max: usize) -> Result<Vec<u8>, Problem> {
        read(body, max, "the limit", Duration::from_millis(50)).await
    }

    #[tokio::test]
    async fn the_limit_is_exact() {
        assert_eq!(read_all(Body::from("four"), 4).await.unwrap(), b"four");
        let problem = format!("{:?}", read_all(Body::from("five!"), 4).await.unwrap_err());
        assert!(problem.contains("MessageTooLarge") && problem.contains("5 bytes"), "{problem}");
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_bounded_too() {
        let pieces = futures_util::stream::iter((0..9).map(|_| Ok::<_, std::io::Error>("piece")));
        assert!(read_all(Body::from_stream(pieces), 44).await.is_err());
        let endless =
            futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0; 1 << 20]));
        assert!(read_all(Body::from_stream(endless), 10).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let problem = format!("{:?}", read_all(Body::from_stream(never), 10).await.unwrap_err());
        assert!(problem.contains("body_read_ms_max"), "{problem}");
    }
}
