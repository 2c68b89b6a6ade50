//! The signature under a contract: on a page of this server's own, which the client's model never sees.
//!
//! The page's address is a secret of the one who was asked. A real server would have the person sign in there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;
use url::Url;

use super::contract::Contract;
use super::{icon, unknown};
use crate::server::{Answer, Call, Done, Failed, Question, Tool, Undone};

/// Where the pages are.
const PATH: &str = "/sign/";
/// For somebody who has agreed to sign.
const PATIENCE: Duration = Duration::from_secs(600);
/// Pages at a time; the oldest makes room.
const PAGES_MAX: usize = 1000;

/// The pages of one server. Clones share them.
#[derive(Clone)]
pub(super) struct Signatures {
    base: Arc<Url>,
    pages: Arc<Mutex<Vec<Page>>>,
}

/// A page on which one contract can be signed once.
struct Page {
    secret: String,
    contract: &'static Contract,
    /// Taken when it is signed.
    signed: Option<oneshot::Sender<()>>,
}

impl Signatures {
    /// Of the server at `url`.
    pub(super) fn at(url: &Url) -> Self {
        Self { base: Arc::new(url.clone()), pages: Arc::default() }
    }

    /// What is at a path: the page, and once it is posted to, the thanks.
    pub(super) fn page(&self, verb: &Method, path: &str) -> Option<String> {
        let secret = path.strip_prefix(PATH)?;
        let mut pages = self.lock();
        let page = pages.iter_mut().find(|page| page.secret == secret)?;
        let (title, party) = (page.contract.title, page.contract.party);
        if *verb == Method::POST
            && let Some(signed) = page.signed.take()
        {
            // The call may have been given up; a signature is one all the same.
            let _ = signed.send(());
        }
        let below = match page.signed {
            Some(_) => "<form method=\"post\"><button>Sign</button></form>",
            None => "<p>Signed. You can close this page.</p>",
        };
        Some(format!("<!doctype html><title>Sign</title><h1>{title}</h1><p>With {party}</p>{below}\n"))
    }

    /// A new page: its address, and what is heard when it is signed.
    fn open(&self, contract: &'static Contract) -> (String, oneshot::Receiver<()>) {
        let (signed, heard) = oneshot::channel();
        let secret = seal::random_id();
        let mut url = (*self.base).clone();
        url.set_path(&format!("{PATH}{secret}"));
        let mut pages = self.lock();
        if pages.len() == PAGES_MAX {
            pages.remove(0);
        }
        pages.push(Page { secret, contract, signed: Some(signed) });
        (url.into(), heard)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tool.
pub(super) fn tool(signatures: Signatures) -> Tool {
    Tool::new(entry(), move |call| {
        let signatures = signatures.clone();
        async move { sign(&signatures, &call).await }
    })
}

fn entry() -> Value {
    json!({
        "name": "sign_contract",
        "title": "Sign a contract",
        "description": "Sends the person to a page where they sign a contract, and waits until they have.",
        "icons": [icon()],
        "inputSchema": {
            "type": "object",
            "properties": { "contract_id": { "type": "string", "description": "A contract on file, such as nda-fabrikam" } },
            "required": ["contract_id"],
            "additionalProperties": false,
        },
        "annotations": {
            "readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": false,
        },
    })
}

async fn sign(signatures: &Signatures, call: &Call) -> Result<Done, Undone> {
    let id = call.required_text("contract_id")?;
    let contract = Contract::find(&id).ok_or_else(|| unknown(&id))?;
    let (address, signed) = signatures.open(contract);
    let message = format!("Sign the {} with {} on this page.", contract.title, contract.party);
    match call.ask("signature", Question::page(&message, &address)).await? {
        // They have agreed to open the page, which says nothing about what they do there.
        Answer::Accept(_) => match timeout(PATIENCE, signed).await {
            Ok(Ok(())) => Ok(Done::text(format!("{id} is signed."))),
            Ok(Err(_)) | Err(_) => Err(Failed(format!("Nobody has signed {id} in time.")).into()),
        },
        Answer::No => Ok(Done::text(format!("{id} was not signed."))),
    }
}
