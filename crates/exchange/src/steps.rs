//! What a legacy exchange says, one thing after the other.
//!
//! Whoever reads carries it on, so that an answer that comes at once needs no task. It never depends on its reader: when that
//! stops, or has something else to wait for, it goes on in a task of its own. To a legacy server and client, disconnecting is not
//! cancelling (MCP 2025-06-18, Streamable HTTP).

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use mcp::Payload;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::asked::Asking;
use crate::session::{Inquiry, Session};
use crate::{Answer, Exchange, Given, Step};

#[cfg(test)]
mod tests;

/// Steps between an exchange in a task of its own and its client's socket. Few, since one may be as large as a server's message
/// may be.
const QUEUE: usize = 2;
/// Answers between a session and the exchange that takes them. One that finds no room waits for it.
const ANSWERS: usize = 16;

/// What goes on the wire next.
#[derive(Debug)]
pub enum Said {
    /// A notification, or a question; more follows.
    Message(Payload),
    /// The answer; nothing follows.
    Answer(Answer),
}

impl Said {
    /// What is written.
    #[must_use]
    pub fn into_payload(self) -> Payload {
        match self {
            Self::Message(payload) => payload,
            Self::Answer(answer) => answer.payload,
        }
    }
}

/// What legacy exchanges say. Dropping this does not cancel them.
#[derive(Debug)]
pub struct Steps(Source);

#[derive(Debug)]
enum Source {
    /// Whoever reads carries it on.
    Here(Box<Course>),
    /// It is carried on elsewhere.
    Elsewhere(mpsc::Receiver<Said>),
    /// Nothing more will come.
    Over,
}

impl Steps {
    /// What the exchange says that `exchange` opens, until it is answered or `cancelled`; `held` lives until there is an answer.
    /// Its questions go to the client among the steps, and are answered in `line`; without one, nobody can be asked.
    #[must_use]
    pub fn of<F, H>(exchange: F, line: Option<Arc<Session>>, cancelled: CancellationToken, held: H) -> Self
    where
        F: Future<Output = Exchange> + Send + 'static,
        H: Send + 'static,
    {
        let stage = Stage::Begins(Box::pin(exchange));
        Self(Source::Here(Box::new(Course {
            stage,
            asked: None,
            line,
            cancelled,
            _held: Some(Box::new(held)),
        })))
    }

    /// What several exchanges say, one message after the other as they come; nothing of it is the last. `ready` comes
    /// first.
    #[must_use]
    pub fn together(all: Vec<Self>, ready: Vec<Payload>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            for payload in ready {
                let _ = sender.send(Said::Message(payload)).await;
            }
            for steps in all {
                let (mut steps, sender) = (steps.in_a_task(), sender.clone());
                tokio::spawn(async move {
                    while let Some(said) = steps.next().await {
                        let _ = sender.send(Said::Message(said.into_payload())).await;
                    }
                });
            }
        });
        Self(Source::Elsewhere(receiver))
    }

    /// The same, carried on whether somebody reads or not. For a reader that also waits for something else: a socket.
    #[must_use]
    pub fn in_a_task(mut self) -> Self {
        let source = match std::mem::replace(&mut self.0, Source::Over) {
            Source::Here(course) => {
                let (sender, receiver) = mpsc::channel(QUEUE);
                tokio::spawn(course.run(sender));
                Source::Elsewhere(receiver)
            }
            source => source,
        };
        Self(source)
    }

    /// What is said next; `None` when the exchange was cancelled and no answer will come. Cancel safe.
    pub async fn next(&mut self) -> Option<Said> {
        match &mut self.0 {
            Source::Here(course) => course.next().await,
            Source::Elsewhere(receiver) => receiver.recv().await,
            Source::Over => None,
        }
    }

    /// The answer; `None` when the exchange was cancelled.
    pub async fn answer(mut self) -> Option<Answer> {
        while let Some(said) = self.next().await {
            if let Said::Answer(answer) = said {
                return Some(answer);
            }
        }
        None
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        let source = std::mem::replace(&mut self.0, Source::Over);
        // Without a runtime the process ends, and every call with it.
        if let (Source::Here(course), Ok(runtime)) = (source, Handle::try_current())
            && !matches!(course.stage, Stage::Over)
        {
            runtime.spawn(course.run(mpsc::channel(QUEUE).0));
        }
    }
}

/// One exchange on its way.
struct Course {
    stage: Stage,
    asked: Option<Asked>,
    line: Option<Arc<Session>>,
    cancelled: CancellationToken,
    _held: Option<Box<dyn Send>>,
}

enum Stage {
    Begins(Pin<Box<dyn Future<Output = Exchange> + Send>>),
    Goes(Exchange),
    Over,
}

impl Course {
    /// Carries it to its end. A client that has gone away does not read; the call goes on, and its outcome is recorded.
    async fn run(mut self: Box<Self>, sender: mpsc::Sender<Said>) {
        let cancelled = self.cancelled.clone();
        while let Some(said) = self.next().await {
            tokio::select! {
                _ = sender.send(said) => {}
                () = cancelled.cancelled() => {}
            }
        }
    }

    /// What is said next; `None` when it is over. Cancel safe.
    async fn next(&mut self) -> Option<Said> {
        let cancelled = self.cancelled.clone();
        let said = tokio::select! {
            biased;
            () = cancelled.cancelled() => None,
            said = self.step() => said,
        };
        if !matches!(said, Some(Said::Message(_))) {
            // Whoever has the answer may use the request's id again.
            (self.stage, self._held) = (Stage::Over, None);
        }
        said
    }

    async fn step(&mut self) -> Option<Said> {
        if let Stage::Begins(exchange) = &mut self.stage {
            self.stage = Stage::Goes(exchange.await);
        }
        loop {
            let Stage::Goes(exchange) = &mut self.stage else { return None };
            let step = match self.asked.as_mut().filter(|asked| !asked.open.is_empty()) {
                None => exchange.next().await,
                Some(asked) => tokio::select! {
                    biased;
                    Some((handle, given)) = asked.answers.recv() => {
                        asked.open.remove(&handle);
                        exchange.answer(handle, given);
                        continue;
                    }
                    step = exchange.next() => step,
                },
            };
            let message = match step {
                Step::Notification(payload) => Some(payload),
                Step::Question(asking) => self.ask(&asking),
                Step::Withdrawn(handle) => self.withdraw(handle),
                Step::Final(answer) => return Some(Said::Answer(answer)),
            };
            if let Some(message) = message {
                return Some(Said::Message(message));
            }
        }
    }

    /// The question as its client gets it; where nobody can be asked, it is answered so.
    fn ask(&mut self, asking: &Asking) -> Option<Payload> {
        let asked = self.asked.get_or_insert_with(Asked::default);
        let inquiry = self.line.as_ref().and_then(|line| line.ask(asking.handle, asked.heard.clone()));
        match inquiry {
            Some(inquiry) => {
                let request = inquiry.request(asking);
                asked.open.insert(asking.handle, inquiry);
                Some(request)
            }
            None => {
                if let Stage::Goes(exchange) = &mut self.stage {
                    exchange.answer(asking.handle, Given::Nothing);
                }
                None
            }
        }
    }

    fn withdraw(&mut self, handle: u64) -> Option<Payload> {
        let inquiry = self.asked.as_mut().and_then(|asked| asked.open.remove(&handle));
        inquiry.map(|inquiry| inquiry.withdrawal())
    }
}

impl fmt::Debug for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Course").finish_non_exhaustive()
    }
}

/// The questions of one exchange to its client, and where their answers come in.
struct Asked {
    open: HashMap<u64, Inquiry>,
    heard: mpsc::Sender<(u64, Given)>,
    answers: mpsc::Receiver<(u64, Given)>,
}

impl Default for Asked {
    fn default() -> Self {
        let (heard, answers) = mpsc::channel(ANSWERS);
        Self { open: HashMap::new(), heard, answers }
    }
}
