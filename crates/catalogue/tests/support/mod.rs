//! Builders for gateways, targets and captures.
#![allow(
    clippy::allow_attributes,
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test uses a part, and stops where it fails"
)]

pub mod server;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use config::{Era, Gateway, Inbound, Listing, Outbound, Prefix, Streaming, Target, Transport};
use mcp::{Kind, Raw, Version};
use portcullis_catalogue::{Capture, Claims, Shelf, View, merge};
use url::Url;

pub const ITEMS_MAX: usize = 1000;

/// A target with the default prefix.
pub fn target(name: &str) -> Target {
    Target {
        name: name.to_owned(),
        transport: Transport::Http { url: Url::parse("http://127.0.0.1:1/mcp").unwrap(), era: Era::Auto },
        listing: Listing::Default,
        prefix: Prefix::Target,
        resource_priority: 1000,
        outbound: Outbound::None,
        sampling: None,
        roots: Vec::new(),
        refresh: Duration::from_secs(300),
        call_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(10),
    }
}

/// A target whose tools keep their own names.
pub fn bare(name: &str) -> Target {
    Target { prefix: Prefix::None, ..target(name) }
}

pub fn gateway(targets: Vec<Target>) -> Gateway {
    Gateway {
        name: "corp".to_owned(),
        instructions: None,
        streaming: Streaming::On,
        sessions: None,
        versions: vec![Version::V2025_11_25],
        inbound: Inbound::None,
        separator: "___".to_owned(),
        page_size: 100,
        list_budget: Duration::from_secs(2),
        allowed_origins: Vec::new(),
        allowed_hosts: Vec::new(),
        form_secrets: config::FormSecrets::Refuse,
        private_urls: config::Rule::Refuse,
        targets,
    }
}

pub fn raw(text: &str) -> Raw {
    Raw::parse(text).unwrap()
}

/// A capture of tools with these names.
pub fn tools(names: &[&str]) -> Capture {
    let tools =
        names.iter().map(|name| raw(&format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#)));
    Capture { tools: tools.collect(), ..Capture::default() }
}

/// A capture of resources with these URIs.
pub fn resources(uris: &[&str]) -> Capture {
    let resources = uris.iter().map(|uri| raw(&format!(r#"{{"uri":"{uri}","name":"r"}}"#)));
    Capture { resources: resources.collect(), ..Capture::default() }
}

/// A capture of templates.
pub fn templates(uris: &[&str]) -> Capture {
    let templates = uris.iter().map(|uri| raw(&format!(r#"{{"uriTemplate":"{uri}","name":"t"}}"#)));
    Capture { templates: templates.collect(), ..Capture::default() }
}

/// The shelf of the `index`th target.
pub fn shelf(gateway: &Gateway, index: usize, capture: &Capture) -> Arc<Shelf> {
    Arc::new(Shelf::read(gateway, &gateway.targets[index], capture, ITEMS_MAX))
}

/// The view over captures of the first targets, in their order, nobody owning any name.
pub fn view(gateway: &Gateway, captures: &[Capture]) -> Arc<View> {
    let shelves: Vec<_> =
        captures.iter().enumerate().map(|(index, capture)| shelf(gateway, index, capture)).collect();
    Arc::new(merge(gateway, &shelves, &Claims::default(), 1))
}

/// The exposed names of a view, as `target:name`.
pub fn names(view: &View, kind: Kind) -> Vec<String> {
    let shown = |item: &Arc<portcullis_catalogue::Item>| {
        format!("{}:{}", item.target().map_or("gateway", |target| target), item.exposed)
    };
    view.items(kind).iter().map(shown).collect()
}

/// The reports of a view as sentences.
pub fn reports(view: &View) -> Vec<String> {
    view.reports().iter().map(ToString::to_string).collect()
}
