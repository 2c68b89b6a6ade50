//! Batches (2025-03-26 only): each message stands for itself, and the answers go back together.

use std::sync::Arc;

use bytes::Bytes;
use exchange::{Accepts, Answer, Session, Step, present};
use http::Response;
use identity::Principal;
use mcp::code::{ErrorObject, INVALID_REQUEST};
use mcp::{Malformed, Message, Method, Payload};
use net::Body;
use tokio::task::JoinSet;

use super::{Client, accepted, immediately, notified, start};
use crate::places::{Place, Places};
use crate::refusal::{Refusal, json};
use crate::site::Site;

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
    let Client { site, principal, accepts, places, place } = client;
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
                let place = first.take().map_or_else(|| further(&site, &places, &principal), Ok);
                started.push(match place {
                    Ok(place) => {
                        held.push(place.clone());
                        start((&site, &principal, accepts), session.clone(), request, place)
                    }
                    Err(refusal) => immediately(&request.id, &refusal.to_error()),
                });
            }
            Ok(Message::Notification(notification)) => notified(session.as_deref(), &notification),
            Ok(Message::Response(response)) => {
                if let Some(session) = &session {
                    session.answered(&response);
                }
            }
            Err(malformed) => answers.push(malformed.to_error().response(None)),
        }
    }
    let response = match (started.is_empty(), accepts) {
        (true, _) if answers.is_empty() => accepted(),
        (false, Accepts::EventStream) => stream(started, answers),
        _ => together(started, answers).await,
    };
    Ok(response.map(|body| body.holding(held)))
}

fn further(site: &Site, places: &Places, principal: &Principal) -> Result<Arc<Place>, Refusal> {
    let place = places.take()?;
    let place = match site.config.inbound {
        config::Inbound::None => place,
        config::Inbound::Jwt(_) => places.claim(place, principal.key())?,
    };
    Ok(Arc::new(place))
}

/// All answers in one array, in the order they were ready.
async fn together(started: Vec<present::Steps>, mut answers: Vec<Payload>) -> Response<Body> {
    let mut running: JoinSet<_> = started.into_iter().map(present::Steps::answer).collect();
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

/// Every message as an event of its own, as it comes.
fn stream(started: Vec<present::Steps>, answers: Vec<Payload>) -> Response<Body> {
    let (sender, body) = Body::channel(net::body::Bounds::default());
    let sender = Arc::new(sender);
    tokio::spawn({
        let sender = sender.clone();
        async move {
            for answer in answers {
                let _ = present::send(&sender, answer).await;
            }
        }
    });
    for mut steps in started {
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(step) = steps.next().await {
                let payload = match step {
                    Step::Notification(payload) => payload,
                    Step::Question(_) => continue,
                    Step::Final(answer) => answer.payload,
                };
                if present::send(&sender, payload).await.is_err() {
                    return;
                }
            }
        });
    }
    present::event_stream(body)
}
