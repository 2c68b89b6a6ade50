//! What a legacy server says on the GET stream of a session: log messages and questions, mostly. Some servers log and ask
//! there and not on the call's own stream.
//!
//! Opened with the session, when somebody attends or can be asked; ends with it. Keeps no session alive.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::HeaderValue;
use mcp::{Kind, Message, Notification};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::answer::Answer;
use super::events::EventStream;
use super::feed::patience;
use super::session::Session;
use crate::{Abilities, Inbox, Level, UpstreamError, facts};

/// How long a call waits for the stream on which its log messages may come. Some servers send no head before the first
/// message.
const OPENING: Duration = Duration::from_millis(300);
/// Attempts in a row that come to nothing before a stream is given up.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Opens the stream of a session, if there is anybody to hear what comes on it and it is not open; log messages are put in
/// `inbox`. Returns when it is, or after a moment. `may` is what the server may ask in the course of the call that comes next.
pub(super) async fn open(inbox: Option<&Inbox>, session: &Arc<Session>, may: Abilities) {
    let attended = inbox.is_some() && facts::has(session.facts(), "logging");
    if (!attended && may.is_empty()) || !session.begin_listening() {
        return;
    }
    let (opened, wait) = oneshot::channel();
    let (inbox, target) = (inbox.cloned(), session.target().into());
    let ear = Ear { inbox, target, last: None, opened: Some(opened) };
    tokio::spawn(ear.listen(Arc::downgrade(session)));
    let _ = timeout(OPENING, wait).await;
}

struct Ear {
    inbox: Option<Inbox>,
    target: Arc<str>,
    /// Where the last stream ended.
    last: Option<HeaderValue>,
    opened: Option<oneshot::Sender<()>>,
}

/// How one stream ended.
enum Ended {
    /// It may be taken up.
    After(Duration),
    /// There will be none.
    ForGood,
}

impl Ear {
    async fn listen(mut self, session: Weak<Session>) {
        let mut failures = 0;
        while failures < ATTEMPTS {
            let Some(over) = session.upgrade().map(|session| session.over().clone()) else { return };
            let pause = tokio::select! {
                ended = self.once(&session) => match ended {
                    Ok(Ended::After(pause)) => {
                        failures = 0;
                        pause
                    }
                    Ok(Ended::ForGood) => return,
                    Err(error) => {
                        tracing::debug!(target.name = %self.target, %error, "a session's own stream is not there");
                        failures += 1;
                        PAUSE * failures
                    }
                },
                () = over.cancelled() => return,
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = over.cancelled() => return,
            }
        }
    }

    async fn once(&mut self, session: &Weak<Session>) -> Result<Ended, UpstreamError> {
        let Some(mut events) = self.open(session).await? else { return Ok(Ended::ForGood) };
        self.opened.take().map(|opened| opened.send(()));
        let patience = patience();
        while let Ok(Some(message)) = events.next(&patience).await {
            match message {
                Message::Notification(notification) => self.hear(&notification),
                Message::Request(request) => {
                    if let Some(session) = session.upgrade() {
                        session.asked(request);
                    }
                }
                Message::Response(_) => {}
            }
        }
        self.last = events.last_id().cloned();
        Ok(Ended::After(events.pause()))
    }

    async fn open(&self, session: &Weak<Session>) -> Result<Option<Box<EventStream>>, UpstreamError> {
        let Some(session) = session.upgrade() else { return Ok(None) };
        let received = session.listen(self.last.as_ref(), &session.errand_deadline()).await?;
        match received.answer {
            Answer::Stream(events) if received.status.is_success() => Ok(Some(events)),
            // No such stream, or no such session any more.
            _ if matches!(received.status.as_u16(), 404 | 405) => Ok(None),
            answer => Err(answer.failure(received.status)),
        }
    }

    fn hear(&self, notification: &Notification) {
        let Some(inbox) = &self.inbox else { return };
        match notification.method.as_str() {
            "notifications/message" => {
                let level = notification.params.string("level").and_then(|name| Level::parse(&name));
                inbox.log(level, &notification.text);
            }
            method => match Kind::changed_by(method) {
                [] => tracing::debug!("a message outside any call was dropped"),
                kinds => inbox.lists(&self.target, kinds),
            },
        }
    }
}
