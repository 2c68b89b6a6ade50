//! What the log says of one target's lists: when they are there, when they fail, and when they are there again.
//!
//! A failure is told once. While it lasts, nothing is said above debug: a server that is broken for a day must not fill
//! the log.

use mcp::Kind;
use upstream::UpstreamError;

use crate::capture::Capture;
use crate::pull::Pulled;

#[cfg(test)]
mod tests;

/// What was last said of one target.
pub(crate) struct Health<'a> {
    gateway: &'a str,
    target: &'a str,
    /// How many entries of each kind are kept.
    items_max: usize,
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
    pub(crate) fn new(gateway: &'a str, target: &'a str, items_max: usize) -> Self {
        Self { gateway, target, items_max, said: Said::Nothing }
    }

    /// The lists were captured; one of them may be missing.
    pub(crate) fn captured(&mut self, pulled: &Pulled) {
        if let Some(error) = &pulled.incomplete {
            return self.failed(error);
        }
        if self.changes_to(Said::Ready) {
            let kept = kept(&pulled.capture, self.items_max);
            tracing::info!(
                gateway.name = self.gateway,
                target.name = self.target,
                "`{}` is ready: {kept}",
                self.target
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

/// How many entries are kept; of more than that it is said under which bound.
fn kept(capture: &Capture, items_max: usize) -> String {
    let count = |(kind, noun)| match capture.items(kind).len() {
        listed if listed > items_max => {
            format!("{items_max} {noun} of {listed} or more (`limits.catalogue_items`)")
        }
        listed => format!("{listed} {noun}"),
    };
    [(Kind::Tool, "tools"), (Kind::Prompt, "prompts"), (Kind::Resource, "resources")].map(count).join(", ")
}
