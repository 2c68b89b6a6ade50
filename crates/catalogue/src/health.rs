//! What the log says of one target's lists: when they are there, when they fail, and when they are there again.
//!
//! A failure is told once. While it lasts, nothing is said above debug: a server that is broken for a day must not fill
//! the log.

use mcp::Kind;
use upstream::UpstreamError;

use crate::pull::Pulled;

/// What was last said of one target.
pub(crate) struct Health<'a> {
    gateway: &'a str,
    target: &'a str,
    said: Said,
}

#[derive(PartialEq, Eq)]
enum Said {
    Nothing,
    Ready,
    /// For this reason its lists, or one of them, cannot be had.
    Failed(String),
}

impl<'a> Health<'a> {
    /// Nothing was said yet.
    pub(crate) fn new(gateway: &'a str, target: &'a str) -> Self {
        Self { gateway, target, said: Said::Nothing }
    }

    /// The lists were captured; one of them may be missing.
    pub(crate) fn captured(&mut self, pulled: &Pulled) {
        if let Some(error) = &pulled.incomplete {
            return self.failed(error);
        }
        if self.changes_to(Said::Ready) {
            let count = |kind| pulled.capture.items(kind).len();
            tracing::info!(
                gateway.name = self.gateway,
                target.name = self.target,
                "`{}` is ready: {} tools, {} prompts, {} resources",
                self.target,
                count(Kind::Tool),
                count(Kind::Prompt),
                count(Kind::Resource),
            );
        }
    }

    /// The lists, or one of them, could not be captured.
    pub(crate) fn failed(&mut self, error: &UpstreamError) {
        let (gateway, target) = (self.gateway, self.target);
        // Given up because of a reload or the end of the process: that says nothing about the server.
        let given_up = matches!(error, UpstreamError::Cancelled);
        if !given_up && self.changes_to(Said::Failed(error.reason())) {
            tracing::warn!(gateway.name = gateway, target.name = target, %error, "cannot capture the lists");
        } else {
            tracing::debug!(gateway.name = gateway, target.name = target, %error, "cannot capture the lists");
        }
    }

    fn changes_to(&mut self, now: Said) -> bool {
        let news = self.said != now;
        self.said = now;
        news
    }
}
