use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderValue;
use http_body_util::BodyExt;

use super::*;

async fn frames(mut body: Body) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.unwrap().into_data().unwrap());
    }
    frames
}

#[tokio::test]
async fn chunks_are_written_as_they_are() {
    let parts = vec![Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"c")];
    let body = Body::chunks(parts.clone());
    assert_eq!(http_body::Body::size_hint(&body).exact(), Some(3));
    let frames = frames(body).await;
    assert_eq!(frames, [parts[0].clone(), parts[2].clone()]);
    assert_eq!(frames[0].as_ptr(), parts[0].as_ptr());
}

#[tokio::test]
async fn known_bodies_say_their_length_and_their_end() {
    for body in [Body::empty(), Body::from(""), Body::chunks(Vec::new())] {
        assert!(http_body::Body::is_end_stream(&body), "{body:?}");
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(0));
    }
    assert_eq!(frames(Body::from("abc")).await, [Bytes::from_static(b"abc")]);
}

#[tokio::test]
async fn what_a_body_holds_is_given_back_with_it() {
    let held = std::sync::Arc::new(());
    let mut body = Body::from("abc").holding(held.clone()).holding(held.clone());
    assert_eq!(http_body::Body::size_hint(&body).exact(), Some(3));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
    assert_eq!(std::sync::Arc::strong_count(&held), 3);
    drop(body);
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn a_full_channel_makes_the_feeder_wait() {
    let (sender, body) = Body::channel(Bounds { frames: 1, bytes: 4 });
    sender.send(Bytes::from_static(b"abcdef")).await.unwrap();
    let mut second = Box::pin(sender.send(Bytes::from_static(b"g")));
    assert!(futures_util::poll!(&mut second).is_pending());
    let mut body = body;
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "abcdef");
    second.await.unwrap();
    drop(sender);
    assert_eq!(frames(body).await, [Bytes::from_static(b"g")]);
}

#[tokio::test]
async fn a_feeder_learns_that_the_reader_has_gone() {
    let (sender, body) = Body::channel(Bounds { frames: 8, bytes: 2 });
    sender.send(Bytes::from_static(b"ab")).await.unwrap();
    let mut waiting = Box::pin(sender.send(Bytes::from_static(b"cd")));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop(body);
    assert_eq!(waiting.await, Err(Gone));
    sender.closed().await;
    assert!(sender.is_closed());
    assert_eq!(sender.send(Bytes::new()).await, Err(Gone));
}

#[tokio::test]
async fn one_frame_is_read_without_a_copy() {
    let bytes = Bytes::from_static(b"abc");
    let limit = Duration::from_secs(60);
    let read = read_body(&HeaderMap::new(), Body::from(bytes.clone()), 3, limit).await.unwrap();
    assert_eq!(read.as_ptr(), bytes.as_ptr());
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_declared_or_not() {
    let (limit, none) = (Duration::from_secs(60), HeaderMap::new());
    let declared = read_body(&none, Body::from("abcd"), 3, limit).await;
    assert!(matches!(declared, Err(BodyError::TooLarge { bytes_max: 3 })));
    let (sender, body) = Body::channel(Bounds::default());
    for _ in 0..4 {
        sender.send(Bytes::from_static(b"a")).await.unwrap();
    }
    drop(sender);
    assert!(matches!(read_body(&none, body, 3, limit).await, Err(BodyError::TooLarge { .. })));
}

#[tokio::test]
async fn many_frames_are_joined() {
    let parts = ["a", "bc", "def"].map(|part| Bytes::from_static(part.as_bytes())).to_vec();
    let read = read_body(&HeaderMap::new(), Body::chunks(parts), 6, Duration::from_secs(60)).await.unwrap();
    assert_eq!(read, "abcdef");
}

#[tokio::test]
async fn a_stalled_body_times_out() {
    let (_sender, mut body) = Body::channel(Bounds::default());
    assert!(matches!(next_frame(&mut body, Duration::ZERO).await, Err(BodyError::Timeout { .. })));
    let read = read_body(&HeaderMap::new(), body, 3, Duration::ZERO).await;
    assert!(matches!(read, Err(BodyError::Timeout { .. })));
}

#[test]
fn an_encoded_body_is_refused() {
    let check = |value| {
        let mut headers = HeaderMap::new();
        headers.append(http::header::CONTENT_ENCODING, HeaderValue::from_static(value));
        refuse_encoded(&headers)
    };
    for encoded in ["gzip", "identity, br", "GZIP", "zstd,identity"] {
        assert!(matches!(check(encoded), Err(BodyError::Encoded)), "{encoded}");
    }
    for plain in ["identity", "Identity", ""] {
        assert!(check(plain).is_ok(), "{plain}");
    }
}
