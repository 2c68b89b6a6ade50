//! Batches (2025-03-26 only): each message stands for itself, and the answers go back together.

use std::sync::Arc;

use bytes::Bytes;
use exchange::{Answer, Session, Steps, resumable};
use http::Response;
use mcp::code::{ErrorObject, INVALID_REQUEST};
use mcp::{Malformed, Message, Method, Payload};
use net::Body;
use tokio::task::JoinSet;

use super::{Client, accepted, heard, immediately, notified, start};
use crate::refusal::{Refusal, json};

/// Answers a batch.
///
/// # Errors
/// The batch is empty or too long.
pub(super) async fn answer(
    client: Client,
    session: Option<Arc<Session>>,
    messages: Vec<Result<Message, Malformed>>,
) -> Result<Response<Body>, Refusal> {
    if messages.is_empty() || messages.len() > client.site.limits.batch {
        return Err(Refusal::Misplaced("A batch must have at least one message and at most `limits.batch`."));
    }
    let Client { site, principal, accepts, places, place, until } = client;
    let mut first = Some(place);
    let mut held = Vec::new();
    let mut started = Vec::new();
    let mut answers = Vec::new();
    for message in messages {
        match message {
            Ok(Message::Request(request)) if request.method == Method::Initialize => {
                let error = ErrorObject::new(INVALID_REQUEST, "`initialize` must not be part of a batch.");
                answers.push(Answer::error(Some(&request.id), &error).payload);
            }
            Ok(Message::Request(request)) => {
                // The batch came with one place; every further request needs one of its own.
                let further = || Ok(Arc::new(places.take_for(site.share_of(&principal))?));
                let place: Result<_, Refusal> = first.take().map_or_else(further, Ok);
                started.push(match place {
                    Ok(place) => {
                        held.push(place.clone());
                        start((&site, &principal, accepts), session.clone(), request, place)
                    }
                    Err(refusal) => immediately(&request.id, &refusal.to_error()),
                });
            }
            Ok(Message::Notification(notification)) => notified(session.as_deref(), &notification),
            Ok(Message::Response(response)) => heard((&site, &principal), session.as_deref(), &response),
            Err(malformed) => answers.push(malformed.to_error().response(None)),
        }
    }
    let response = match (started.is_empty(), accepts.events()) {
        (true, _) if answers.is_empty() => accepted(),
        (false, true) => {
            // Every message is an event of its own, as it comes.
            resumable::answer(Steps::together(started, answers), accepts, session, until).await
        }
        _ => together(started, answers).await,
    };
    Ok(response.map(|body| body.holding(held)))
}

/// All answers in one array, in the order they were ready.
async fn together(started: Vec<Steps>, mut answers: Vec<Payload>) -> Response<Body> {
    let mut running: JoinSet<_> = started.into_iter().map(Steps::answer).collect();
    while let Some(answer) = running.join_next().await {
        answers.extend(answer.ok().flatten().map(|answer| answer.payload));
    }
    let mut array = Payload::from(Bytes::from_static(b"["));
    for (index, answer) in answers.into_iter().enumerate() {
        if index > 0 {
            array.push(&b","[..]);
        }
        array.append(answer);
    }
    array.push(&b"]"[..]);
    json(array)
}
