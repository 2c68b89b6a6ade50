//! A call of a modern client on a legacy server, as it is while it waits at a desk.

use super::*;
use mcp::Method;
use tokio::sync::oneshot;

impl Relayed {
    /// A call with one open question to the client's model, that fails as soon as `failing` says how.
    pub(crate) fn waiting(
        desk: &Desk,
        principal: PrincipalKey,
        failing: oneshot::Receiver<UpstreamError>,
    ) -> Self {
        let intent = audit::Intent {
            gateway: "corp".into(),
            issuer: String::new(),
            subject: String::new(),
            client: None,
            method: "tools/call".into(),
            item: "x".to_owned(),
            target: "legal".into(),
        };
        let trail = Trail::outside(intent);
        let (kind, target) = (Kind::Sampling, Arc::from("legal"));
        let fair = Fair { params: Raw::value(&serde_json::json!({})), form: None };
        let mut asked = Asked::default();
        let sampled = desk.sampled(principal, &target, 1);
        asked.open((kind, fair), Way::Round("k".to_owned()), trail.question(kind.name()), None, sampled);
        let failure = async move { Err(failing.await.unwrap_or(UpstreamError::Cancelled)) };
        Self {
            source: Source::Again(Box::pin(failure)),
            bridge: Bridge {
                era: Era::Modern,
                method: Method::CallTool,
                extensions: crate::Extensions::None,
            },
            rules: crate::rules::tests::rules(Era::Modern),
            principal,
            desk: desk.clone(),
            binding: None,
            record: None,
            trail,
            asked,
            progress: None,
            tasks: None,
            waiting: None,
            told: 0,
            again: None,
            answers: BTreeMap::new(),
            state: None,
            spent: Spent::default(),
            _lease: tokio_util::task::TaskTracker::new().token(),
        }
    }
}
