//! The parts of a request that an answer may repeat.

use serde_json::Value;
use serde_json::value::RawValue;

use super::ledger::Arrival;

/// The parts of a request that an answer may repeat, as they were spelled.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) id: Option<String>,
    pub(super) token: Option<String>,
    pub(super) tool: Option<String>,
    pub(super) cursor: Option<String>,
}

impl Request {
    pub(super) fn of(arrival: &Arrival) -> Self {
        #[derive(serde::Deserialize)]
        struct Envelope<'a> {
            #[serde(borrow)]
            id: Option<&'a RawValue>,
            #[serde(borrow)]
            params: Option<&'a RawValue>,
        }
        #[derive(serde::Deserialize)]
        struct Params<'a> {
            #[serde(borrow, rename = "_meta")]
            meta: Option<Meta<'a>>,
        }
        #[derive(serde::Deserialize)]
        struct Meta<'a> {
            #[serde(borrow, rename = "progressToken")]
            token: Option<&'a RawValue>,
        }
        let envelope: Option<Envelope<'_>> = serde_json::from_str(&arrival.body).ok();
        let params = envelope.as_ref().and_then(|envelope| envelope.params);
        let meta = params.and_then(|params| serde_json::from_str::<Params<'_>>(params.get()).ok());
        let message = arrival.message();
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Self {
            method: arrival.method(),
            id: envelope.as_ref().and_then(|envelope| envelope.id).map(|id| id.get().to_owned()),
            token: meta.and_then(|params| params.meta?.token).map(|token| token.get().to_owned()),
            tool: text("/params/name"),
            cursor: text("/params/cursor"),
        }
    }

    pub(super) fn fill(&self, text: &str) -> String {
        let id = self.id.as_deref().unwrap_or("null");
        text.replace("{id}", id).replace("{token}", self.token.as_deref().unwrap_or("null"))
    }
}
