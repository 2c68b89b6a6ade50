//! Which item answers a URI that a client wants to read.

use std::cmp::Reverse;
use std::sync::Arc;

use mcp::Kind;
use mcp::template::Template;

use crate::item::Item;
use crate::view::View;

/// What answers a URI.
#[derive(Clone, Debug)]
pub enum Route {
    /// The resource with exactly this URI. It may be the gateway's own.
    Listed(Arc<Item>),
    /// The template the URI fits best.
    Template(Arc<Item>),
}

impl Route {
    /// The item that answers.
    #[must_use]
    pub fn item(&self) -> &Arc<Item> {
        match self {
            Self::Listed(item) | Self::Template(item) => item,
        }
    }
}

impl View {
    /// Which item answers `uri`: the resource listed with exactly this URI; else the most specific template that fits, of
    /// two alike the one whose target has the lower `resource_priority`, then the one listed first.
    ///
    /// `None` says that no list knows the URI, not that no server does: lists need not be complete. URIs in the
    /// gateway's own scheme never lead to a server.
    #[must_use]
    pub fn route_uri(&self, uri: &str) -> Option<Route> {
        if let Some(item) = self.get(Kind::Resource, uri) {
            return Some(Route::Listed(Arc::clone(item)));
        }
        if crate::status::is_own(uri) {
            return None;
        }
        let fitting = self.items(Kind::Template).iter().filter(|item| fits(item, uri));
        // `min_by_key` keeps the first of equals: the order of the list.
        let best = fitting
            .min_by_key(|item| (Reverse(item.template.as_ref().map(Template::specificity)), item.priority));
        best.map(|item| Route::Template(Arc::clone(item)))
    }
}

fn fits(item: &Item, uri: &str) -> bool {
    item.template.as_ref().is_some_and(|template| template.matches(uri))
}
