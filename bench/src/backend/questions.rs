//! The tool `ask`: a question to the client before there is a result. On the stream of the call in 2025-11-25, in the result
//! in 2026-07-28.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Response;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::body::Body;
use super::tools::{echoed, event, failed};
use super::{Backend, Params, events, json, result};
use crate::wire::{Era, QUESTION_KEY};

/// For a client to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Questions of legacy clients that are open, by the id of the request.
#[derive(Default)]
pub(super) struct Questions(Mutex<Open>);

#[derive(Default)]
struct Open {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<()>>,
}

impl Questions {
    fn open(&self) -> (u64, oneshot::Receiver<()>) {
        let (answer, answered) = oneshot::channel();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.last += 1;
        let id = open.last;
        open.waiting.insert(id, answer);
        (id, answered)
    }

    /// Takes the answer to the question with this id.
    pub(super) fn answered(&self, id: &str) {
        let Ok(id) = id.parse() else { return };
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&id);
        if let Some(waiting) = waiting {
            // The call may have been given up.
            let _ = waiting.send(());
        }
    }
}

pub(super) fn ask(backend: Arc<Backend>, era: Era, id: &str, params: &Params<'_>) -> Response<Body> {
    match (era, params.input_responses.map(RawValue::get)) {
        (Era::Legacy, _) => ask_on_stream(backend, id.to_owned()),
        (Era::Modern, Some(answers)) if answers.contains("accept") => {
            json(result(id, &echoed(era, r#""answered""#)))
        }
        (Era::Modern, _) => json(result(
            id,
            &format!(
                r#"{{"resultType":"input_required","inputRequests":{{"{QUESTION_KEY}":{{"method":"elicitation/create","params":{FORM}}}}},"requestState":"what-the-server-knows"}}"#
            ),
        )),
    }
}

fn ask_on_stream(backend: Arc<Backend>, id: String) -> Response<Body> {
    let (sender, body) = Body::events();
    tokio::spawn(async move {
        let (question, answered) = backend.questions.open();
        let request =
            format!(r#"{{"jsonrpc":"2.0","id":{question},"method":"elicitation/create","params":{FORM}}}"#);
        if sender.send(event(&request)).await.is_err() {
            return;
        }
        let text = match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(())) => echoed(Era::Legacy, r#""answered""#),
            Ok(Err(_)) | Err(_) => failed(Era::Legacy, "nobody answered"),
        };
        let _ = sender.send(event(&result(&id, &text))).await;
    });
    events(body)
}

const FORM: &str = r#"{"mode":"form","message":"May the contract of 12 March be renewed for another year?","requestedSchema":{"type":"object","properties":{"renew":{"type":"boolean","title":"Renew"},"remark":{"type":"string","maxLength":200}},"required":["renew"]}}"#;
