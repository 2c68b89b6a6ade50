//! Reads bodies that others send, under a bound of size and of time.
//!
//! A declared length above the bound is refused before the first byte. Nothing is decompressed: an encoded body is
//! refused, because its real size is not what was bounded.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::timeout;

/// What is reserved on the word of a declared length alone; the rest grows as bytes arrive.
const RESERVE_MAX: u64 = 1024 * 1024;

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Longer than allowed. A server answers 413.
    #[error("the body is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound that was crossed.
        bytes_max: usize,
    },
    /// Not complete, or no frame, within the time allowed. A server answers 408.
    #[error("the body did not arrive within {limit:?}")]
    Timeout {
        /// The bound that was crossed.
        limit: Duration,
    },
    /// It carries a `Content-Encoding` other than `identity`. A server answers 415.
    #[error("the body is encoded (Content-Encoding is not identity); send it plain")]
    Encoded,
    /// The connection broke, or the framing was invalid. Nobody is left to answer.
    #[error("the connection broke before the body was complete")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

/// Reads a whole body of at most `bytes_max` bytes within `limit`, measured from this call.
///
/// `headers` are those of the same message. A body that arrives as one frame is returned without a copy.
///
/// # Errors
/// Each variant of [`BodyError`]; after an error the rest of the body is dropped, which closes an HTTP/1 connection.
pub async fn read_body<B>(
    headers: &HeaderMap,
    body: B,
    bytes_max: usize,
    limit: Duration,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    refuse_encoded(headers)?;
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(BodyError::TooLarge { bytes_max });
    }
    timeout(limit, collect(body, bytes_max)).await.map_err(|_| BodyError::Timeout { limit })?
}

/// The next non-empty frame of data, or `None` at the end. Trailers are skipped.
///
/// # Errors
/// [`BodyError::Timeout`] when nothing arrives within `idle`; [`BodyError::Broken`] when the connection broke.
pub async fn next_frame<B>(body: &mut B, idle: Duration) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    timeout(idle, next_data(body)).await.map_err(|_| BodyError::Timeout { limit: idle })?
}

/// Refuses a message whose body is compressed.
///
/// # Errors
/// [`BodyError::Encoded`] when a `Content-Encoding` names anything but `identity` (RFC 9110, 8.4).
pub fn refuse_encoded(headers: &HeaderMap) -> Result<(), BodyError> {
    let plain = headers.get_all(CONTENT_ENCODING).iter().all(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
    });
    if plain { Ok(()) } else { Err(BodyError::Encoded) }
}

async fn collect<B>(body: B, bytes_max: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(body);
    let Some(first) = next_data(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        return Err(BodyError::TooLarge { bytes_max });
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let Some(second) = next_data(&mut body).await? else { return Ok(first) };
    let expected = (first.len() + second.len()) as u64 + body.size_hint().lower().min(RESERVE_MAX);
    let mut whole = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(bytes_max).min(bytes_max));
    whole.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(frame) = next {
        if frame.len() > bytes_max - whole.len() {
            return Err(BodyError::TooLarge { bytes_max });
        }
        whole.extend_from_slice(&frame);
        next = next_data(&mut body).await?;
    }
    Ok(whole.freeze())
}

async fn next_data<B>(body: &mut B) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    while let Some(frame) = body.frame().await {
        match frame.map_err(|error| BodyError::Broken(error.into()))?.into_data() {
            Ok(data) if !data.is_empty() => return Ok(Some(data)),
            _ => {}
        }
    }
    Ok(None)
}
